"""Two clocks: where a source's count of samples stands on the clock of the kernel, and when the source slept.

A microphone's crystal is off by some parts in a million, so that after an hour its count and the kernel's clock are
tenths of a second apart. The count stays the clock of a session; this tells by how much it is off.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

WINDOW_S: Final = 10.0
KEEP_WINDOWS: Final = 360
SETTLED_S: Final = 60.0
PAUSE_S: Final = 2.0
SURE_S: Final = 1.0


def elapsed_s() -> float:
    """Rising seconds that also count while the machine sleeps, where the system can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux: CLOCK_MONOTONIC stands still in sleep
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if hasattr(time, "clock_gettime"):  # macOS: time.monotonic() stands still in sleep, this one does not
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


class SourceClock:
    """Compares what a source counts with when it arrived.

    An arrival is late by chance and never early, so the line below all points (count, delay) that lies closest to them
    tells the skew: it goes along the edge of their lower convex hull above which their mean lies (Moon, Skelly and
    Towsley, "Estimation and removal of clock skew from network delay measurements", 1999). One point is kept for each
    10 s, at most an hour of them.

    A pause is told apart from a delay: what was delayed comes in a burst and is in time again, what slept stays late.
    """

    def __init__(self) -> None:
        self._low: deque[tuple[float, float]] = deque(maxlen=KEEP_WINDOWS)
        self._window = -1
        self._count_s = self._now_s = self._began_s = self._from_s = 0.0
        self._last: tuple[float, float] | None = None
        self._late: tuple[float, float] | None = None
        self.pauses = 0
        """How often the source slept, or was cut off, while its count stood still."""

    def begin(self) -> None:
        """The source counts from 0 again."""
        self._low.clear()
        self._window, self._last, self._late = -1, None, None

    def note(self, count_s: float, now_s: float) -> float:
        """A tick that ends at ``count_s`` on the source's clock arrived at ``now_s``.

        Gives the seconds for which the source slept: 0.0, or once for each pause, about a second after its end.
        """
        last, self._last = self._last, (count_s, now_s)
        if last is None:
            self._from_s, self._began_s = count_s, now_s
        pause_s = 0.0 if last is None else self._paused(now_s, (now_s - last[1]) - (count_s - last[0]))
        if pause_s:
            self.begin()
            self._last, self._from_s, self._began_s = (count_s, now_s), count_s, now_s
            self.pauses += 1
        if self._late is None:
            self._add(count_s, now_s)
        return pause_s

    @property
    def late(self) -> bool:
        """Whether what arrives is late, and it is not known yet whether it was delayed or the source slept."""
        return self._late is not None

    @property
    def ppm(self) -> float | None:
        """How much faster the source counts than the kernel's clock, in parts per million; None in the first minute."""
        line = self._line()
        return None if line is None else -1e6 * line[1] / (1 + line[1])

    @property
    def ahead_s(self) -> float:
        """How far the source's count has come ahead of the kernel's clock since it began, or since the last pause."""
        line = self._line()
        return 0.0 if line is None or self._last is None else -line[1] * (self._last[0] - self._from_s)

    def time_s(self, count_s: float) -> float | None:
        """When, on the kernel's clock, the quickest tick that ends at ``count_s`` arrives; None in the first minute."""
        line = self._line()
        return None if line is None else count_s + line[0] + line[1] * count_s

    def _paused(self, now_s: float, later_s: float) -> float:
        """``later_s`` is by how much more than the tick before it this one is late."""
        if self._late is None:
            if later_s > PAUSE_S:
                self._late = (later_s, now_s)
            return 0.0
        late_s, since_s = self._late[0] + later_s, self._late[1]
        self._late = (late_s, since_s)
        if late_s <= PAUSE_S / 2:  # it came in a burst: nothing slept
            self._late = None
        elif now_s - since_s >= SURE_S:
            self._late = None
            return late_s
        return 0.0

    def _add(self, count_s: float, now_s: float) -> None:
        point, window = (count_s, now_s - count_s), int(count_s / WINDOW_S)
        if window != self._window:
            self._window = window
            self._low.append(point)
        elif point[1] < self._low[-1][1]:
            self._low[-1] = point

    def _line(self) -> tuple[float, float] | None:
        """Delay at count 0, and what it gains each second of the count."""
        points = list(self._low)[:-1]  # the newest window is not whole
        if len(points) < 2 or points[-1][0] - points[0][0] < SETTLED_S:
            return None
        hull: list[tuple[float, float]] = []
        for x, y in points:
            while len(hull) > 1 and _above(hull[-2], hull[-1], (x, y)):
                hull.pop()
            hull.append((x, y))
        middle = sum(x for x, _ in points) / len(points)
        left = max(place for place, (x, _) in enumerate(hull[:-1]) if x <= middle)
        (x0, y0), (x1, y1) = hull[left], hull[left + 1]
        slope = (y1 - y0) / (x1 - x0)
        return y0 - slope * x0, slope


def _above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether ``b`` lies on or above the line from ``a`` to ``c``."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])
