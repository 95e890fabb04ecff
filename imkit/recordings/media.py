"""Sound and pictures of a recording, read when they are asked for."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from imkit.measures.outline import outline_of
from imkit.stream import (
    INPUT_RATE,
    INPUT_SAMPLES,
    Act,
    Call,
    Event,
    Floor,
    Outline,
    Outlines,
    Percept,
    Word,
    samples_per_tick,
)
from imkit.stream.outline import Side

from .errors import RecordingError
from .exact import audio_of, picture_of
from .files import pcm_of_flac
from .journal import Part, Segment
from .layout import MAX_JPEG_BYTES, MODEL, USER, frame_name, levels_name, read_bytes, sound_name
from .levels import outline_of_levels, same
from .tail import TailTick

KEEP_SEGMENTS: Final = 8


class Media:
    """The sound of any tick, float32, and its pictures. Keeps the eight segments that were used last, decoded.

    Safe to use from several threads. Raises RecordingError when a file is not what the journal says.
    """

    def __init__(self, folder: Path, output_rate: int, segments: Iterable[Segment], tail: Iterable[TailTick]) -> None:
        self.folder = folder
        self.output_rate = output_rate
        self._segments = tuple(segments)
        self._firsts = [segment.first for segment in self._segments]
        self._tail = {one.tick: one for one in tail}
        self._frames: dict[int, tuple[Part, ...]] = {}
        for segment in self._segments:
            for tick, _, part in segment.frames:
                self._frames[tick] = (*self._frames.get(tick, ()), part)
        self._frames |= {one.tick: one.frames for one in self._tail.values() if one.frames}
        self._kept: OrderedDict[tuple[str, int], NDArray[np.int16]] = OrderedDict()
        self._lock = threading.Lock()

    def sound(self, stream: str, tick: int) -> NDArray[np.float32]:
        """One tick of what came in ("user", 16 kHz) or of what the model said ("model", at its rate)."""
        return audio_of(self.pcm(stream, tick))

    def pcm(self, stream: str, tick: int) -> NDArray[np.int16]:
        """The same as 16-bit samples."""
        newest = self._tail.get(tick)
        if newest is not None:
            return newest.user if stream == USER else newest.model
        segment = self._segments[bisect_right(self._firsts, tick) - 1]
        pcm: NDArray[np.int16] = self.segment(stream, segment)[tick - segment.first]
        return pcm

    def segment(self, stream: str, segment: Segment) -> NDArray[np.int16]:
        """All of a segment, int16 [ticks, samples]."""
        with self._lock:
            key = (stream, segment.first)
            found = self._kept.pop(key, None)
            if found is None:
                found = self._decoded(stream, segment)
            self._kept[key] = found
            while len(self._kept) > KEEP_SEGMENTS:
                self._kept.popitem(last=False)
            return found

    def frames(self, tick: int) -> tuple[NDArray[np.uint8], ...]:
        """The pictures of a tick, as the model saw them; none where pictures were not recorded."""
        return tuple(
            self._picture(frame_name(tick, number), part) for number, part in enumerate(self._frames.get(tick, ()))
        )

    def frame_count(self, tick: int) -> int:
        """How many pictures of a tick there are."""
        return len(self._frames.get(tick, ()))

    def outline(self, side: Side, ticks: NDArray[np.int64]) -> Outline:
        """How the sound of those ticks looks, without decoding it where its outline was kept."""
        found: list[Outline] = []
        at = 0
        while at < len(ticks):
            tick = int(ticks[at])
            if tick in self._tail:
                end = next((n for n in range(at, len(ticks)) if int(ticks[n]) not in self._tail), len(ticks))
                found.append(outline_of(np.stack([self.pcm(side, int(tick)) for tick in ticks[at:end]]), side))
            else:
                segment = self._segments[bisect_right(self._firsts, tick) - 1]
                end = int(np.searchsorted(ticks, segment.end))
                rows = ticks[at:end] - segment.first
                whole = self._outlined(side, segment)
                found.append(Outline(whole.low[rows], whole.high[rows], whole.power[rows], whole.bands[rows]))
            at = end
        return Outline(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def check(self, stream: Side, segment: Segment) -> None:
        """Decodes a segment. Raises RecordingError for what is damaged, and for the outline of other sound."""
        pcm = self.segment(stream, segment)
        if not same(self._outlined(stream, segment), outline_of(pcm, stream)):
            path = self.folder / levels_name(stream, segment.first)
            raise RecordingError(f"{path}: are the levels of other sound; the recording is damaged.")

    def _outlined(self, stream: Side, segment: Segment) -> Outline:
        part = segment.user_levels if stream == USER else segment.model_levels
        if part is None:
            return outline_of(self.segment(stream, segment), stream)
        name = levels_name(stream, segment.first)
        content = self._file(name, part)
        try:
            return outline_of_levels(content, segment.ticks, stream)
        except ValueError as error:
            raise RecordingError(f"{self.folder / name}: {error}; the recording is damaged.") from error

    def _decoded(self, stream: str, segment: Segment) -> NDArray[np.int16]:
        rate, samples = (INPUT_RATE, INPUT_SAMPLES)
        if stream == MODEL:
            rate, samples = self.output_rate, samples_per_tick(self.output_rate)
        name = sound_name(stream, segment.first)
        content = self._file(name, getattr(segment, stream))
        try:
            return pcm_of_flac(content, rate, segment.ticks * samples).reshape(segment.ticks, samples)
        except ValueError as error:
            raise RecordingError(f"{self.folder / name}: {error}; the recording is damaged.") from error

    def _picture(self, name: str, part: Part) -> NDArray[np.uint8]:
        content = self._file(name, part)
        try:
            return picture_of(content)
        except RecordingError as error:
            raise RecordingError(f"{self.folder / name}: {error}; the recording is damaged.") from error

    def _file(self, name: str, part: Part) -> bytes:
        if part.size > MAX_JPEG_BYTES:
            raise RecordingError(f"{self.folder / name}: is said to be {part.size} bytes, which no recorder writes.")
        content = read_bytes(self.folder, name, MAX_JPEG_BYTES)
        if Part.of(content) != part:
            raise RecordingError(f"{self.folder / name}: does not match its checksum; the recording is damaged.")
        return content


_set = object.__setattr__


class RecordedPercept(Percept):
    """A percept whose sound and pictures are read from the recording every time they are asked for."""

    __slots__ = ("_media",)
    _media: Media

    @classmethod
    def of(cls, media: Media, index: int, text: str, draft: str, events: tuple[Event, ...]) -> Self:
        """The percept of tick ``index``."""
        percept = cls.__new__(cls)
        _set(percept, "_media", media)
        _set(percept, "index", index)
        _set(percept, "text", text)
        _set(percept, "draft", draft)
        _set(percept, "events", events)
        return percept


class RecordedAct(Act):
    """An act whose sound is read from the recording every time it is asked for."""

    __slots__ = ("_media",)
    _media: Media

    @classmethod
    def of(
        cls,
        media: Media,
        index: int,
        floor: Floor,
        words: tuple[Word, ...],
        heard: tuple[Word, ...],
        calls: tuple[Call, ...],
        diagnostics: Mapping[str, Any],
    ) -> Self:
        """The act of tick ``index``."""
        act = cls.__new__(cls)
        _set(act, "_media", media)
        _set(act, "index", index)
        _set(act, "floor", floor)
        _set(act, "words", words)
        _set(act, "heard", heard)
        _set(act, "calls", calls)
        _set(act, "diagnostics", diagnostics)
        return act


def _lazy(owner: type, name: str, read: Any) -> property:
    """A field that is read by ``read(self)`` unless it was given: ``dataclasses.replace`` gives what it replaces."""
    slot = owner.__dict__[name]

    def get(self: Any) -> Any:
        try:
            return slot.__get__(self)
        except AttributeError:
            return read(self)

    return property(get, slot.__set__, doc=f"See ``{owner.__name__}``.")


def _outlines(sounding: RecordedPercept | RecordedAct) -> Outlines | None:
    """The recording; None of what ``dataclasses.replace`` made of one: that may hold other sound."""
    return getattr(sounding, "_media", None)


RecordedPercept.audio = _lazy(Percept, "audio", lambda self: self._media.sound(USER, self.index))  # type: ignore[assignment,misc]
RecordedPercept.frames = _lazy(Percept, "frames", lambda self: self._media.frames(self.index))  # type: ignore[assignment,misc]
RecordedAct.audio = _lazy(Act, "audio", lambda self: self._media.sound(MODEL, self.index))  # type: ignore[assignment,misc]
RecordedPercept.outlines = property(_outlines)  # type: ignore[assignment]
RecordedAct.outlines = property(_outlines)  # type: ignore[assignment]
