"""Reading along what a cell prints."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import Any, Final


class Tail:
    """The newest ``keep`` characters of what was written while ``deaf()`` is false. Writing never waits."""

    def __init__(self, keep: int, deaf: Callable[[], bool] = lambda: False) -> None:
        self._keep = keep
        self._deaf = deaf
        self._parts: deque[str] = deque()
        self._length = 0

    def add(self, text: str) -> None:
        """Takes a piece of text."""
        if self._deaf():
            return
        self._parts.append(text[-self._keep :])
        self._length += len(self._parts[-1])
        while self._length - len(self._parts[0]) >= self._keep:
            self._length -= len(self._parts.popleft())

    def text(self) -> str:
        """The newest of it."""
        return "".join(list(self._parts))[-self._keep :]


class Printed:
    """Reads along what goes to ``sys.stdout`` while anybody listens; the stream stays what it is.

    Only the stream's ``write`` is covered, as IPython itself does, and uncovered when the last listener leaves.
    """

    def __init__(self) -> None:
        self._listeners: list[Tail] = []
        self._lock = RLock()
        self._stream: Any = None
        self._before: Any = None
        self._cover: Any = None

    def join(self, tail: Tail) -> None:
        """From now on ``tail`` gets what is printed."""
        with self._lock:
            self._listeners.append(tail)
            stream: Any = sys.stdout
            if stream is not self._stream or getattr(stream, "write", None) is not self._cover:
                self._uncover()
                self._over(stream)

    def leave(self, tail: Tail) -> None:
        """``tail`` gets no more."""
        with self._lock:
            self._listeners = [one for one in self._listeners if one is not tail]
            if not self._listeners:
                self._uncover()

    def _over(self, stream: Any) -> None:
        before = stream.write

        def write(text: str, *rest: Any) -> Any:
            done = before(text, *rest)
            if self._cover is write and isinstance(text, str):
                for one in list(self._listeners):
                    one.add(text)
            return done

        try:
            stream.write = write
        except AttributeError:  # a stream made of C only: nothing is read along
            return
        self._stream, self._before, self._cover = stream, before, write

    def _uncover(self) -> None:
        """Where somebody covered the stream again, ours stays below and passes everything on, unheard."""
        if self._stream is not None and getattr(self._stream, "write", None) is self._cover:
            self._stream.write = self._before
        self._stream = self._before = self._cover = None


PRINTED: Final = Printed()
