"""The way out: one bounded queue and the one thread that sends, so that order holds on every lane."""

from __future__ import annotations

import contextvars
from collections import Counter, deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Any, Final, NamedTuple

from .codec import Frame, Kind

KEEP: Final = {Kind.SPEECH: 50, Kind.MOMENT: 50, Kind.CONTROL_DOWN: 256, Kind.DEMO: 1}
JOIN_S: Final = 5.0


class Parcel(NamedTuple):
    """A frame and whom it is for: a view's id, a port, or None for everyone."""

    frame: Frame
    target: Any


class Outbox:
    """Takes frames from any thread and gives them to ``deliver``, one after another, in a thread of its own.

    When a kind has more waiting than it may, its oldest goes first and is counted in ``dropped``: of moments the newest
    win, speech is never lost without being counted.
    """

    def __init__(self, deliver: Callable[[Parcel], None]) -> None:
        self._deliver = deliver
        self._waiting: deque[Parcel] = deque()
        self._by_kind: Counter[Kind] = Counter()
        self._changed = Condition()
        self._closed = False
        self.dropped: Counter[str] = Counter()
        self.errors = 0
        run = contextvars.copy_context().run  # so that what a thread prints lands below the cell that started it
        self._thread = Thread(target=run, args=(self._send_all,), name="imkit-sender", daemon=True)
        self._thread.start()

    def put(self, frame: Frame, target: Any = None) -> None:
        """Queues a frame and returns at once."""
        with self._changed:
            if self._closed:
                return
            self._waiting.append(Parcel(frame, target))
            self._by_kind[frame.kind] += 1
            if self._by_kind[frame.kind] > KEEP[frame.kind]:
                self._drop_oldest(frame.kind)
            self._changed.notify()

    def flush(self, epoch: int) -> None:
        """Drops all waiting speech of lower epochs: nobody is to hear it any more."""
        with self._changed:
            kept = [p for p in self._waiting if p.frame.kind is not Kind.SPEECH or p.frame.epoch >= epoch]
            self._by_kind[Kind.SPEECH] -= len(self._waiting) - len(kept)
            self._waiting = deque(kept)

    def close(self, wait: bool = True) -> None:
        """Sends what waits, then ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if wait:
            self._thread.join(JOIN_S)

    def __len__(self) -> int:
        return len(self._waiting)

    def _drop_oldest(self, kind: Kind) -> None:
        for place, parcel in enumerate(self._waiting):
            if parcel.frame.kind is kind:
                del self._waiting[place]
                self._by_kind[kind] -= 1
                self.dropped[kind.name.lower()] += 1
                return

    def _send_all(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                parcel = self._waiting.popleft()
                self._by_kind[parcel.frame.kind] -= 1
            try:
                self._deliver(parcel)
            except Exception:
                self.errors += 1  # a lane that broke; the link's own counts say which
