"""Sound from a file, or from an array, streamed tick by tick."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import Percept, SourceError

from .resample import check_rate, in_ticks
from .source import OrderedSource, media_path

_UNKNOWN_SIZES = {0, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF}  # what writers to a pipe put into the header


class AudioFile(OrderedSource):
    """A sound file of any rate and channel count that libsndfile reads (WAV, FLAC, OGG, MP3, AIFF, ...).

    Channels are averaged, the rate becomes 16 kHz. The file is streamed: memory does not grow with its length.
    ``open`` raises SourceError for a file that is missing, empty, truncated or no sound; ``read`` for NaN or infinity.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.path = Path(path)
        self._file: Any = None
        self._ticks: Iterator[NDArray[np.float32]] = iter(())

    @property
    def duration_s(self) -> float:
        """The length of the sound in seconds (opens the file if need be)."""
        if self._file is None:
            self.open()
        return float(self._file.frames / self._file.samplerate)

    def _start(self) -> None:
        import soundfile

        path = media_path(self.path)
        header = _Header.of(path)
        if header is not None and header.rate_hz == 0:
            raise SourceError(
                path, "its header says a sample rate of 0 Hz.", "Write the file again with its real rate."
            )
        try:
            self._file = soundfile.SoundFile(str(path))
            rate_hz, frames = check_rate(self._file.samplerate), self._file.frames
        except (soundfile.SoundFileError, ValueError, TypeError) as error:
            reason = str(error).removeprefix(f"Error opening {str(path)!r}: ").rstrip(".")
            raise SourceError(
                path, f"not a sound file that can be read: {reason}.", "Convert it to WAV first."
            ) from error
        if frames <= 0:
            raise SourceError(path, "holds no samples.", "Record or copy it again.")
        if header is not None and header.missing_bytes:
            raise SourceError(path, f"is truncated: {header.missing_bytes} bytes are missing.", "Copy it again.")
        self._check_end()
        self._ticks = in_ticks(self._blocks(), rate_hz)

    def _check_end(self) -> None:
        """The last sample must be there; an Ogg stream must say that it ends."""
        import soundfile

        whole = not _ogg_without_end(self.path.expanduser())
        if whole and self._file.seekable():
            try:
                self._file.seek(self._file.frames - 1)
                whole = len(self._file.read(1)) == 1
                self._file.seek(0)
            except soundfile.SoundFileError:
                whole = False
        if not whole:
            raise SourceError(self.name, "is truncated: its end is missing.", "Copy or record it again.")

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        """Mono blocks of about a tick."""
        import soundfile

        file, done = self._file, 0
        size = max(1, file.samplerate // 5)
        while done < file.frames:
            try:
                block = file.read(min(size, file.frames - done), dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                raise SourceError(self.name, f"is damaged at {done / file.samplerate:.2f} s: {error}.") from error
            if not len(block):
                length = f"{done / file.samplerate:.2f} of {file.frames / file.samplerate:.2f} s"
                raise SourceError(self.name, f"is truncated: {length} could be read.", "Copy it again.")
            yield mono_of(block, self.name, done, file.samplerate)
            done += len(block)

    def _tick(self, index: int) -> Percept | None:
        audio = next(self._ticks, None)
        return None if audio is None else Percept(index, audio)

    def _stop(self) -> None:
        self._ticks = iter(())
        if self._file is not None:
            self._file.close()
            self._file = None


class AudioArray(OrderedSource):
    """Sound from memory: float samples [n] or [n, channels] in [-1, 1] at ``rate_hz``."""

    def __init__(self, samples: NDArray[Any], rate_hz: int, name: str = "array") -> None:
        super().__init__(name)
        samples = np.asarray(samples)
        if samples.dtype.kind != "f" or samples.ndim not in (1, 2) or not samples.size:
            got = f"{samples.dtype} {samples.shape}"
            raise SourceError(
                name, f"is {got}, expected float samples (n,) or (n, channels).", "Scale integers to [-1, 1]."
            )
        try:
            self.rate_hz = check_rate(rate_hz)
        except ValueError as error:
            raise SourceError(name, f"{error}.") from error
        self._samples = samples.reshape(len(samples), -1)
        self._ticks: Iterator[NDArray[np.float32]] = iter(())

    @property
    def duration_s(self) -> float:
        """The length of the sound in seconds."""
        return len(self._samples) / self.rate_hz

    def _start(self) -> None:
        size = max(1, self.rate_hz // 5)
        blocks = (
            mono_of(self._samples[begin : begin + size], self.name, begin, self.rate_hz)
            for begin in range(0, len(self._samples), size)
        )
        self._ticks = in_ticks(blocks, self.rate_hz)

    def _tick(self, index: int) -> Percept | None:
        audio = next(self._ticks, None)
        return None if audio is None else Percept(index, audio)


def mono_of(block: NDArray[Any], name: str, begin: int, rate_hz: int) -> NDArray[np.float32]:
    """The mean of the channels of ``block`` [n, channels]; SourceError at the first NaN or infinity."""
    bad = ~np.isfinite(block).all(axis=1)
    if bad.any():
        time_s = (begin + int(np.argmax(bad))) / rate_hz
        raise SourceError(name, f"holds NaN or infinity at {time_s:.3f} s.", "Clean the samples first.")
    mono: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    return mono


class _Header:
    """What the header of a WAV or AIFF file says: its rate (WAV; else -1) and how many bytes of sound are missing."""

    def __init__(self, rate_hz: int, missing_bytes: int) -> None:
        self.rate_hz = rate_hz
        self.missing_bytes = missing_bytes

    @classmethod
    def of(cls, path: Path) -> _Header | None:
        """None when the file is neither."""
        rate_hz, size = -1, path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
            kind = head[:4] + head[8:]
            if kind not in {b"RIFFWAVE", b"FORMAIFF", b"FORMAIFC"}:
                return None
            order = "<I" if kind == b"RIFFWAVE" else ">I"
            while len(chunk := file.read(8)) == 8:
                tag, length = chunk[:4], struct.unpack(order, chunk[4:])[0]
                if tag in {b"data", b"SSND"}:
                    unknown = length in _UNKNOWN_SIZES
                    return cls(rate_hz, 0 if unknown else max(0, file.tell() + length - size))
                body = file.read(16) if tag == b"fmt " else b""
                if len(body) == 16:
                    rate_hz = struct.unpack("<I", body[4:8])[0]
                file.seek(length + (length & 1) - len(body), 1)
        return cls(rate_hz, 0)


def _ogg_without_end(path: Path) -> bool:
    """True for an Ogg file whose last page does not carry the end-of-stream mark."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        file.seek(max(0, path.stat().st_size - 70_000))
        tail = file.read()
    page = tail.rfind(b"OggS")
    return page < 0 or len(tail) < page + 27 or not tail[page + 5] & 4
