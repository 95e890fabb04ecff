"""What lies where in a recording, how large it may be, and how it is opened without ever leaving the folder.

``journal.jsonl``  what people did: first the consent, then what was written, lost, forgotten, and the end
``session.json``   what ran: format version, model, rates; written once
``events.jsonl``   one line a micro-turn, byte for byte the same for the same input, model and seed
``machine.jsonl``  one line a micro-turn: the milliseconds it took, what was sent and played of the model's sound, and,
                   where asked for, what the act told besides
``user/N.flac``    what came in, 16 kHz, 16 bit, at most 150 ticks (30 s) from tick N on
``model/N.flac``   what the model said, generated in those ticks
``user/N.levels``, ``model/N.levels``   how loud that sound is and what it looks like (from version 3 on)
``frames/N-K.jpg`` picture K of tick N
``tail.bin``       the newest ticks, until they fill a segment

All of it is for its owner only: files 0600, folders 0700 (a folder that was there before keeps its own).
Names are made of tick numbers and are never read from a file. Nothing is opened through a link, and nothing that is not
a plain file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from .errors import RecordingError

FORMAT: Final = "imkit-recording"
VERSION: Final = 3
READABLE: Final = (2, 3)
"""Of version 2 the sound is decoded to draw it; nothing else is different."""
JOURNAL: Final = "journal.jsonl"
HEADER: Final = "session.json"
EVENTS: Final = "events.jsonl"
MACHINE: Final = "machine.jsonl"
TAIL: Final = "tail.bin"
USER: Final = "user"
MODEL: Final = "model"
FRAMES: Final = "frames"
FILES: Final = (JOURNAL, HEADER, EVENTS, MACHINE, TAIL)
FOLDERS: Final = (USER, MODEL, FRAMES)
DERIVED: Final = ("user.wav", "model.wav", "words.json", "heard.json", "timeline.html")
"""What ``imkit run`` makes of a recording beside it. It holds the same sound and words and is forgotten with them."""
PARTIAL: Final = ".partial"
PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700

SEGMENT_TICKS: Final = 150
MAX_TICK: Final = 2**31
MAX_HEADER_BYTES: Final = 2**20
MAX_JOURNAL_BYTES: Final = 64 * 2**20
MAX_LINE_BYTES: Final = 4 * 2**20
MAX_PIECE_BYTES: Final = 128 * 2**20
"""Of a log, as long as one segment."""
MAX_JPEG_BYTES: Final = 16 * 2**20
MAX_PIXELS: Final = 2**24

_OURS: Final = {
    USER: re.compile(r"\d{8,10}\.(flac|levels)(\.partial)?"),
    MODEL: re.compile(r"\d{8,10}\.(flac|levels)(\.partial)?"),
    FRAMES: re.compile(r"\d{8,10}-[01]\.jpg(\.partial)?"),
}


def sound_name(stream: str, tick: int) -> str:
    """The file of the segment of ``stream`` that starts at ``tick``."""
    return f"{stream}/{tick:08d}.flac"


def levels_name(stream: str, tick: int) -> str:
    """The file of how that sound looks."""
    return f"{stream}/{tick:08d}.levels"


def frame_name(tick: int, number: int) -> str:
    """The file of picture ``number`` of ``tick``."""
    return f"{FRAMES}/{tick:08d}-{number}.jpg"


def tick_of_name(name: str) -> int:
    """The tick in the name of a sound or a picture."""
    return int(re.split(r"[-.]", name, maxsplit=1)[0])


@contextmanager
def opened(folder: Path, name: str) -> Iterator[BinaryIO]:
    """A file of the recording, to be read. Raises RecordingError when it is missing, a link, or no plain file."""
    descriptor = -1
    try:
        descriptor = _opened(folder, name)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RecordingError(f"{folder / name}: is not a plain file; a recording holds nothing else.")
        with os.fdopen(descriptor, "rb") as file:
            descriptor = -1
            yield file
    except OSError as error:
        path = folder / name
        link = " (a link is not followed)" if path.is_symlink() or path.parent.is_symlink() else ""
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}{link}.") from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def read_bytes(folder: Path, name: str, limit: int) -> bytes:
    """The content of a file of the recording. RecordingError as ``opened``, and when it is longer than ``limit``."""
    with opened(folder, name) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise RecordingError(f"{folder / name}: is longer than {limit} bytes, which no recorder writes.")
    return content


def size_of(folder: Path, name: str) -> int:
    """Bytes of a file of the recording. Raises RecordingError as ``read_bytes`` does."""
    path = folder / name
    try:
        found, around = os.lstat(path), os.lstat(path.parent)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}.") from error
    outside = path.parent != folder and not stat.S_ISDIR(around.st_mode)
    if outside or not stat.S_ISREG(found.st_mode):
        raise RecordingError(f"{path}: is a link or no plain file; a recording holds nothing else.")
    return found.st_size


def _opened(folder: Path, name: str) -> int:
    """A descriptor of ``name``, of which no part was a link."""
    no_link = getattr(os, "O_NOFOLLOW", 0)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | no_link
    above, _, last = name.rpartition("/")
    if os.open not in os.supports_dir_fd or not no_link:
        size_of(folder, name)
        return os.open(folder / name, flags)
    inside = os.open(folder / above if above else folder, os.O_RDONLY | os.O_DIRECTORY | (no_link if above else 0))
    try:
        return os.open(last, flags, dir_fd=inside)
    finally:
        os.close(inside)


def ours(folder: Path) -> list[Path]:
    """Every file in ``folder`` that belongs to a recording or was made of one; links among them as they are."""
    found = [folder / (name + end) for name in (*FILES, *DERIVED) for end in ("", PARTIAL)]
    for name, pattern in _OURS.items():
        inside = folder / name
        if inside.is_symlink():
            found.append(inside)
        elif inside.is_dir():
            found += [path for path in sorted(inside.iterdir()) if pattern.fullmatch(path.name)]
    return [path for path in found if path.is_symlink() or path.is_file()]


def remove(folder: Path) -> None:
    """Deletes what belongs to the recording, and the folder when nothing else is in it. Follows no link."""
    for path in ours(folder):
        path.unlink(missing_ok=True)
    for inside in (*(folder / name for name in FOLDERS), folder):
        if inside.is_dir() and not inside.is_symlink() and not any(inside.iterdir()):
            inside.rmdir()


def replace_file(path: Path, content: bytes) -> None:
    """Puts ``content`` in the place of ``path`` in one step, on the disk before it returns."""
    partial = path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)
    with created(partial) as file:
        write_all(file.fileno(), content)
        os.fsync(file.fileno())
    partial.replace(path)


def created(path: Path) -> BinaryIO:
    """A new file that only its owner may read, open to write, unbuffered. Raises OSError where something is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return cast(BinaryIO, os.fdopen(os.open(path, flags, PRIVATE), "wb", buffering=0))


def write_all(descriptor: int, content: bytes) -> None:
    """Writes all of ``content``; the system may take it in pieces."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
