"""When the next tick is due: never waited for, by the real clock, or when the source says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from imkit.capture import ClockedSource, Source
from imkit.stream import TICK_S, TICKS_PER_S, SourceError

T = TypeVar("T")


class Pacer(Protocol):
    """Tells how many ticks may be taken now."""

    def due(self, timeout_s: float) -> int:
        """Waits until a tick is due, at most ``timeout_s`` seconds; how many are due, 0 after the timeout."""

    def took(self, ticks: int) -> None:
        """So many ticks were taken."""


class VirtualPacer:
    """Time passes as fast as the model thinks: one tick is always due."""

    def due(self, timeout_s: float) -> int:  # noqa: ARG002
        """Always 1, at once."""
        return 1

    def took(self, ticks: int) -> None:
        """Nothing to count."""


class RealPacer:
    """Tick k, counted from the first ``due``, may be taken once it has ended: (k + 1) * 0.2 s later.

    Never drifts: it counts from one start, so a loop that was held up finds several ticks due.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._start_s: float | None = None
        self._taken = 0

    def due(self, timeout_s: float) -> int:
        """Sleeps until the next tick has ended, at most ``timeout_s`` seconds."""
        if self._start_s is None:
            self._start_s = self._clock()
        wait_s = self._start_s + (self._taken + 1) * TICK_S - self._clock()
        if wait_s > 0:
            self._sleep(min(wait_s, timeout_s))
        return max(0, int((self._clock() - self._start_s) * TICKS_PER_S + 1e-6) - self._taken)

    def took(self, ticks: int) -> None:
        """So many ticks were taken."""
        self._taken += ticks


class SourcePacer:
    """A source that is its own clock is waited for."""

    def __init__(self, source: ClockedSource) -> None:
        self._source = source

    def due(self, timeout_s: float) -> int:
        """1 when the source has a tick ready, 0 after the timeout."""
        return int(asked(self._source, lambda: self._source.wait(timeout_s)))

    def took(self, ticks: int) -> None:
        """The source counts for itself."""


def asked(source: Source, what: Callable[[], T]) -> T:
    """What a source gives. Whatever it raises, a device that is gone for one, is a SourceError that names it."""
    try:
        return what()
    except SourceError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error};"
        raise SourceError(type(source).__name__, why, "start() tries it again.") from error
