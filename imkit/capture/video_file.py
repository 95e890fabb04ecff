"""Sight and sound from a video file, streamed on the tick clock."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import TICKS_PER_S, Percept, SourceError

from .audio_file import mono_of
from .picture import rgb_of
from .resample import check_rate, in_ticks
from .source import OrderedSource, media_path

_GAP_S = 0.1  # a hole in the sound that is filled with silence; smaller ones are rounding
_SHORT_BY_S = 0.5  # a file that ends this much before its header says is truncated


class VideoFile(OrderedSource):
    """A video file: 5 pictures a second at most 320 px wide, and its sound, if any, at 16 kHz.

    A tick holds the newest picture whose time falls into it, and none where the video is slower than 5 a second. Sight
    and sound are read by two readers, so that memory stays bounded however the file interleaves them.
    """

    def __init__(self, path: str | Path, audio: bool = True) -> None:
        super().__init__(path)
        self.path = Path(path)
        self.audio = audio
        self._containers: list[Any] = []
        self._seconds_read = 0.0

    def _start(self) -> None:
        import av

        path = media_path(self.path)
        try:
            sight, sound = self._container(path), self._container(path)
        except (av.error.FFmpegError, ValueError) as error:
            reason = str(error).removesuffix(f": {str(path)!r}")
            raise SourceError(path, f"is no video that can be read: {reason}.", "Convert it to MP4 first.") from error
        if not sight.streams.video:
            raise SourceError(path, "has no video stream.", "Use it as audio instead.")
        if missing := _avi_missing_bytes(path):
            raise SourceError(path, f"is truncated: {missing} bytes are missing.", "Copy it again.")
        self._header_s = (sight.duration or 0) / 1e6
        self._start_s = (sight.start_time or 0) / 1e6
        self._seconds_read = 0.0
        self._pictures = self._frames(sight)
        self._sounds: Iterator[NDArray[np.float32]] = iter(())
        if self.audio and sound.streams.audio:
            stream = sound.streams.audio[0]
            try:
                self._sounds = in_ticks(self._samples(sound, stream), check_rate(stream.rate or 0))
            except ValueError as error:
                raise SourceError(path, f"{error}.", "Convert it first.") from error
        self._ahead: tuple[float, Any] | None = None
        self._sight_ended = self._sound_ended = False
        self._look_ahead()
        if self._ahead is None:
            raise SourceError(path, "holds no picture that can be decoded.", "Copy it again.")

    def _container(self, path: Path) -> Any:
        import av

        container = av.open(str(path))
        self._containers.append(container)
        return container

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        """The frames of one stream; SourceError where the file is damaged."""
        import av

        try:
            for frame in container.decode(stream):
                if frame.time is not None:
                    yield frame
        except (av.error.FFmpegError, MemoryError) as error:
            raise SourceError(
                self.name, f"is damaged at {self._seconds_read:.2f} s: {error}.", "Copy it again."
            ) from error

    def _frames(self, container: Any) -> Iterator[tuple[float, Any]]:
        """Time in seconds and frame, not yet converted."""
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate = float(stream.average_rate or 0)
        for frame in self._decoded(container, stream):
            time_s = frame.time - self._start_s
            self._seconds_read = max(self._seconds_read, time_s + (1 / rate if rate else 0))
            yield time_s, frame

    def _samples(self, container: Any, stream: Any) -> Iterator[NDArray[np.float32]]:
        """Mono blocks from time 0 on, holes filled with silence, what lies before time 0 left out."""
        import av

        rate, done = int(stream.rate), 0
        converter = av.AudioResampler(format="fltp")
        for frame in self._decoded(container, stream):
            behind = round((frame.time - self._start_s) * rate) - done
            while behind > _GAP_S * rate or (done == 0 and behind > 0):
                piece = min(behind, rate)
                yield np.zeros(piece, np.float32)
                done, behind = done + piece, behind - piece
            for converted in converter.resample(frame):
                block = converted.to_ndarray()
                block = block[:, -behind:] if done == 0 and behind < 0 else block
                if block.shape[1]:
                    yield mono_of(block.T, self.name, done, rate)
                done += block.shape[1]
                self._seconds_read = max(self._seconds_read, done / rate)

    def _look_ahead(self) -> None:
        self._ahead = next(self._pictures, None)
        self._sight_ended = self._ahead is None

    def _tick(self, index: int) -> Percept | None:
        end_s = (self._position + 1) / TICKS_PER_S - 1e-6
        newest = None
        while self._ahead is not None and self._ahead[0] < end_s:
            newest = self._ahead[1]
            self._look_ahead()
        sound = next(self._sounds, None)
        self._sound_ended = sound is None
        if self._sight_ended and self._sound_ended and newest is None:
            self._check_length()
            return None
        frames = () if newest is None else (rgb_of(newest),)
        return Percept(index, frames=frames) if sound is None else Percept(index, sound, frames)

    def _check_length(self) -> None:
        if isfinite(self._header_s) and self._header_s - self._seconds_read > max(_SHORT_BY_S, 0.02 * self._header_s):
            length = f"{self._seconds_read:.2f} of {self._header_s:.2f} s"
            raise SourceError(self.name, f"is truncated: {length} could be read.", "Copy it again.")

    def _stop(self) -> None:
        self._pictures, self._sounds, self._ahead = iter(()), iter(()), None
        while self._containers:
            self._containers.pop().close()


def _avi_missing_bytes(path: Path) -> int:
    """Bytes that the header of an AVI file announces but the file does not hold (FFmpeg estimates its length anew)."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"AVI ":
        return 0
    announced = int.from_bytes(head[4:8], "little")
    return 0 if announced == 0xFFFFFFFF else max(0, announced + 8 - path.stat().st_size)
