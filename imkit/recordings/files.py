"""Files that only grow, and sound as FLAC."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from .errors import RecordingError
from .journal import Part
from .layout import FOLDERS, PRIVATE, PRIVATE_FOLDER, ours, write_all


class Appended:
    """A file that is written at its end, without a buffer of ours: what was appended survives the process.

    ``commit`` says that all up to here belongs together; ``roll_back`` cuts off what came after. ``mark`` and
    ``since_mark`` measure a stretch of it.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._descriptor = os.open(path, flags | (0 if again else os.O_CREAT | os.O_EXCL), PRIVATE)
        self._path = path
        self._size = os.fstat(self._descriptor).st_size
        self._crc = self._sure_crc = self._marked = 0
        self._sure = self._size

    def append(self, content: bytes) -> None:
        """Writes all of ``content`` or raises OSError; then ``roll_back`` takes back what part was written."""
        write_all(self._descriptor, content)
        self._size += len(content)
        self._crc = zlib.crc32(content, self._crc)

    def commit(self) -> None:
        """What was written so far stays."""
        self._sure, self._sure_crc = self._size, self._crc

    def roll_back(self) -> None:
        """Cuts off what was not committed. Works on a full disk."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, self._sure)
        self._size, self._crc = self._sure, self._sure_crc

    def mark(self) -> None:
        """A new stretch begins here."""
        self._marked, self._crc, self._sure_crc = self._size, 0, 0

    def mark_at(self, place: int) -> None:
        """A stretch began at byte ``place``."""
        with self._path.open("rb") as file:
            file.seek(place)
            crc = zlib.crc32(file.read())
        self._marked, self._crc, self._sure_crc = place, crc, crc

    def since_mark(self) -> Part:
        """Bytes and CRC-32 since the mark."""
        return Part(self._size - self._marked, self._crc)

    def clear(self) -> None:
        """Empties the file."""
        os.ftruncate(self._descriptor, 0)
        self._size = self._crc = 0
        self.commit()
        self._marked = 0

    def sync(self) -> None:
        """Has the system bring everything to the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Brings it to the disk and closes it. May be called twice."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def flac_of(pcm: NDArray[np.int16], rate_hz: int) -> bytes:
    """Mono 16-bit samples as a FLAC file (RFC 9639)."""
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def pcm_of_flac(content: bytes, rate_hz: int, samples: int) -> NDArray[np.int16]:
    """The samples of a FLAC file. Raises ValueError unless it holds exactly so many, mono, 16 bit, at that rate."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            found = (file.format, file.subtype, file.channels, file.samplerate, file.frames)
            if found != ("FLAC", "PCM_16", 1, rate_hz, samples):
                raise ValueError(f"is {found}, expected ('FLAC', 'PCM_16', 1, {rate_hz}, {samples})")
            pcm: NDArray[np.int16] = file.read(samples, dtype="int16")
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"is no FLAC file that can be read: {error}") from error
    if len(pcm) != samples:
        raise ValueError(f"holds {len(pcm)} samples, expected {samples}")
    return pcm


def check_folder(folder: str | Path, *, force: bool = False) -> Path:
    """``folder`` as a Path. Raises RecordingError if it holds something (unless forced) or is no folder."""
    folder = Path(folder).expanduser()
    try:
        held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise RecordingError(
            f"{folder}: cannot be written: {error.strerror or error}. Choose another folder."
        ) from error
    if held and not force:
        shown = ", ".join(held[:3]) + (", ..." if len(held) > 3 else "")
        raise RecordingError(
            f"{folder}: is not empty (holds {shown}). Choose another folder, or add --force (force=True)."
        )
    return folder


def prepared(folder: str | Path, *, force: bool) -> Path:
    """``folder``, made if need be, without files of an earlier recording."""
    folder = check_folder(folder, force=force)
    try:
        folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        for path in ours(folder):
            path.unlink(missing_ok=True)
        for name in FOLDERS:
            (folder / name).mkdir(PRIVATE_FOLDER, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"{folder}: cannot be written: {error.strerror or error}. Choose another folder."
        ) from error
    return folder
