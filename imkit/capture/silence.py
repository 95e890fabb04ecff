"""Nothing, for a while: the tail of a run, or the ground that a script is laid on."""

from __future__ import annotations

from math import isnan

from imkit.stream import TICKS_PER_S, Percept, SourceError

from .source import OrderedSource


class Silence(OrderedSource):
    """``seconds`` of silence, rounded up to whole ticks; ``math.inf`` never ends."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"silence of {seconds} s")
        if isnan(seconds) or seconds < 0:
            raise SourceError(self.name, "has no such length, expected 0 s or more.")
        self.duration_s = float(seconds)

    def _start(self) -> None:
        return None

    def _tick(self, index: int) -> Percept | None:
        return Percept(index) if self._position < self.duration_s * TICKS_PER_S - 1e-9 else None
