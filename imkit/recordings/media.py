"""Sound and pictures of a recording, read when they are asked for."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE, INPUT_SAMPLES, Act, Event, Percept, samples_per_tick

from .errors import RecordingError
from .exact import audio_of, picture_of
from .files import pcm_of_flac
from .journal import Part, Segment
from .layout import MAX_JPEG_BYTES, MODEL, USER, frame_name, read_bytes, sound_name
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
        for name, value in (("_media", media), ("index", index), ("text", text), ("draft", draft), ("events", events)):
            _set(percept, name, value)
        return percept


class RecordedAct(Act):
    """An act whose sound is read from the recording every time it is asked for."""

    __slots__ = ("_media",)
    _media: Media

    @classmethod
    def of(cls, media: Media, act: Act) -> Self:
        """``act`` with the sound of the recording."""
        recorded = cls.__new__(cls)
        _set(recorded, "_media", media)
        for name in ("index", "floor", "words", "heard", "calls", "diagnostics"):
            _set(recorded, name, getattr(act, name))
        return recorded


def _lazy(owner: type, name: str, read: Any) -> property:
    """A field that is read by ``read(self)`` unless it was given: ``dataclasses.replace`` gives what it replaces."""
    slot = owner.__dict__[name]

    def get(self: Any) -> Any:
        try:
            return slot.__get__(self)
        except AttributeError:
            return read(self)

    return property(get, slot.__set__, doc=f"See ``{owner.__name__}``.")


RecordedPercept.audio = _lazy(Percept, "audio", lambda self: self._media.sound(USER, self.index))  # type: ignore[assignment,misc]
RecordedPercept.frames = _lazy(Percept, "frames", lambda self: self._media.frames(self.index))  # type: ignore[assignment,misc]
RecordedAct.audio = _lazy(Act, "audio", lambda self: self._media.sound(MODEL, self.index))  # type: ignore[assignment,misc]
