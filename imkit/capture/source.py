"""What a source of percepts must do, and the part all file sources share: ticks are asked for in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from imkit.stream import Percept, Provenance, SourceError


@runtime_checkable
class Source(Protocol):
    """Gives one percept a tick.

    clocked     True when the source keeps time itself (a microphone): ``read`` gives None until the tick is complete
    provenance  where the sound and the pictures come from
    """

    clocked: bool
    provenance: Provenance

    def open(self) -> None:
        """Start from the beginning. Raises SourceError when there is nothing to read."""

    def read(self, index: int) -> Percept | None:
        """The percept of tick ``index``; None when the source has ended (clocked: or is not ready yet)."""

    def close(self) -> None:
        """Let go of files and devices. May be called twice."""


@runtime_checkable
class ClockedSource(Source, Protocol):
    """A source that is its own clock."""

    @property
    def ended(self) -> bool:
        """True when no further tick will come."""

    def wait(self, timeout_s: float) -> bool:
        """Block until a tick may be ready, at most ``timeout_s`` seconds; True when one is."""


class OrderedSource(ABC):
    """Base of the sources that are read as fast as one likes.

    Ticks are read in order. The first index read after ``open`` is time 0 of the source, so that a source may start in
    the middle of a session.
    """

    clocked: bool = False
    provenance: Provenance = Provenance.FILE

    def __init__(self, name: object) -> None:
        self.name = str(name)
        self._opened = False
        self._ended = False
        self._first: int | None = None
        self._next = 0
        self._position = 0

    @abstractmethod
    def _start(self) -> None:
        """Open what is read from."""

    @abstractmethod
    def _tick(self, index: int) -> Percept | None:
        """The percept number ``self._position`` of this source, to be called ``index``; None at the end."""

    def _stop(self) -> None:
        """Let go of what ``_start`` opened."""
        return None

    def open(self) -> None:
        """Start from the beginning."""
        self.close()
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        self._opened, self._ended, self._first = True, False, None

    def read(self, index: int) -> Percept | None:
        """The percept of tick ``index``, None after the last one. Raises SourceError when asked out of order."""
        if not self._opened:
            self.open()
        if self._first is None:
            self._first = self._next = index
        if index != self._next:
            raise SourceError(
                self.name, f"asked for tick {index}, but tick {self._next} is next;", "open() starts again."
            )
        if self._ended:
            return None
        self._position = index - self._first
        percept = self._tick(index)
        if percept is None:
            self._ended = True
            self._stop()
        else:
            self._next += 1
        return percept

    def close(self) -> None:
        """Let go of files. The source can be opened again."""
        self._opened = False
        self._stop()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def media_path(path: str | Path) -> Path:
    """``path`` as a Path that is a file with something in it. Raises SourceError with the reason otherwise."""
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            raise SourceError(path, "is a directory, expected a file.", "Give the file itself.")
        if not path.exists():
            raise SourceError(path, "no such file.", "Check the spelling and the current folder.")
        if path.stat().st_size == 0:
            raise SourceError(path, "is empty (0 bytes).", "Record or copy it again.")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise SourceError(path, f"cannot be opened: {error}.", "Check its name and permissions.") from error
    return path
