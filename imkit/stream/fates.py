"""What became of the model's own sound, act by act: generated and no more, sent, played."""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import NamedTuple

MAX_RUNS = 8192


class Fate(NamedTuple):
    """Of one act's sound: whether it went on its way to the person, and how many of its samples were played."""

    sent: bool
    played: int


class Place(NamedTuple):
    """Where an act's sound stands in the sent sound of its epoch, in samples; ``begins`` is None if it was not sent."""

    epoch: int
    begins: int | None


class _Run(NamedTuple):
    tick: int
    ticks: int
    epoch: int
    begins: int | None

    def goes_on(self, tick: int, epoch: int, begins: int | None, samples: int) -> bool:
        here = None if self.begins is None else self.begins + self.ticks * samples
        return self.tick + self.ticks == tick and self.epoch == epoch and here == begins


class Fates:
    """Which acts were sent, and how far each epoch was played. Of what it was not told it knows nothing.

    Acts are kept in runs of ticks that were sent, or not, one after another. Bounded: the newest 8,192 runs, and the
    epochs in them. Safe to use from several threads.
    """

    def __init__(self, tick_samples: int, max_runs: int = MAX_RUNS) -> None:
        self.tick_samples = tick_samples
        self._max_runs = max_runs
        self._runs: list[_Run] = []
        self._played: dict[int, int] = {}
        self._lock = threading.Lock()

    def note(self, tick: int, epoch: int, begins: int | None) -> None:
        """Where the sound of act ``tick`` begins in what its epoch sent; None if it was not sent.

        Ticks rise; the newest may be told again. One that is lower says that the clock began anew.
        """
        with self._lock:
            runs = self._runs
            if runs and runs[-1].tick + runs[-1].ticks > tick:
                last = runs.pop()
                if last.tick + last.ticks - 1 > tick:
                    runs.clear()
                elif last.ticks > 1:
                    runs.append(last._replace(ticks=last.ticks - 1))
            if runs and runs[-1].goes_on(tick, epoch, begins, self.tick_samples):
                runs[-1] = runs[-1]._replace(ticks=runs[-1].ticks + 1)
                return
            runs.append(_Run(tick, 1, epoch, begins))
            if len(runs) > self._max_runs:
                del runs[0]
                if len(self._played) > self._max_runs:
                    kept = {run.epoch for run in runs}
                    self._played = {epoch: samples for epoch, samples in self._played.items() if epoch in kept}

    def play(self, epoch: int, samples: int) -> None:
        """So many samples of what an epoch sent were played, counted from its start. Never fewer than before."""
        with self._lock:
            self._played[epoch] = max(samples, self._played.get(epoch, 0))

    def played(self, epoch: int) -> int:
        """How many samples of what an epoch sent were played."""
        return self._played.get(epoch, 0)

    def place(self, tick: int) -> Place | None:
        """Where the sound of an act stands; None where nothing was told of it."""
        with self._lock:
            at = bisect_right(self._runs, tick, key=lambda run: run.tick) - 1
            run = self._runs[at] if at >= 0 else None
        if run is None or tick >= run.tick + run.ticks:
            return None
        begins = None if run.begins is None else run.begins + (tick - run.tick) * self.tick_samples
        return Place(run.epoch, begins)

    def of(self, tick: int) -> Fate | None:
        """What became of an act's sound; None where nothing was told of it."""
        place = self.place(tick)
        if place is None:
            return None
        if place.begins is None:
            return Fate(False, 0)
        return Fate(True, min(max(0, self.played(place.epoch) - place.begins), self.tick_samples))

    def until(self, tick: int) -> Fates:
        """A copy that knows nothing of acts from ``tick`` on."""
        other = Fates(self.tick_samples, self._max_runs)
        with self._lock:
            other._played = self._played.copy()
            before = [run for run in self._runs if run.tick < tick]
        other._runs = [run._replace(ticks=min(run.ticks, tick - run.tick)) for run in before]
        return other
