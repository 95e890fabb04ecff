"""What was sent and played of the model's own sound, as a recording keeps it: facts of that day, beside the log.

A line of ``machine.jsonl`` holds ``"sent"`` where the act's sound was not yet played to its end when it was written: at
which sample of what its epoch sent it begins, null if it was not sent. ``"played"`` holds pairs, [epoch, samples], of
the epochs that were played on since the line before; what came after the last line stands in the journal's
``"closed"``. Where nothing is said, sound counts as heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from imkit.stream import TICKS_PER_S, Fates, Moment

from .journal import MAX_PLAYED, MAX_SAMPLE, played, whole

_SILENT_DB = -119.0


class Sounded:
    """What there is to write of ``fates()``, line by line. Reports of the newest eight epochs are waited for."""

    def __init__(self, fates: Callable[[], Fates | None]) -> None:
        self._fates = fates
        self._played: dict[int, int] = {}

    def of(self, moment: Moment) -> dict[str, Any]:
        """What the line of ``moment`` says."""
        fates = self._fates()
        if fates is None:
            return {}
        told: dict[str, Any] = {}
        place, fate = fates.place(moment.index), fates.of(moment.index)
        if place and fate and fate.played < fates.tick_samples and moment.own_db > _SILENT_DB:
            told["sent"] = place.begins
            if place.epoch not in self._played:
                self._played = dict([*self._played.items()][1 - MAX_PLAYED :]) | {place.epoch: 0}
        played = self.rest()
        return told | {"played": played} if played else told

    def rest(self) -> list[list[int]]:
        """[epoch, samples] of what was played on since this was asked last."""
        fates = self._fates()
        if fates is None:
            return []
        now = {epoch: fates.played(epoch) for epoch in self._played}
        changed = [[epoch, samples] for epoch, samples in now.items() if samples != self._played[epoch]]
        self._played = now
        return changed

    def again(self) -> None:
        """Lines were deleted: what they said of epochs before is said once more."""
        self._played = dict.fromkeys(self._played, 0)


class Told:
    """What the lines of a recording say, put together. Raises ValueError for what no recorder writes."""

    def __init__(self, tick_samples: int, most: int) -> None:
        self._fates = Fates(tick_samples, most + 1)
        self._acts: list[tuple[int, int, int | None]] = []

    def line(self, moment: Moment, machine: Mapping[str, Any]) -> None:
        """Takes the next line of ``machine.jsonl``."""
        if "sent" in machine:
            begins = machine["sent"]
            self._acts.append((moment.index, moment.epoch, None if begins is None else whole(begins, MAX_SAMPLE)))
        if "played" in machine:
            self.play(machine["played"])

    def play(self, pairs: Any) -> None:
        """Takes what was played."""
        for epoch, samples in played(pairs):
            self._fates.play(epoch, samples)

    def fates(self, newest: int, *, complete: bool) -> Fates | None:
        """All of it; None where nothing was said.

        A recording that was cut off does not know what was played of the last second before its ``newest`` tick: that
        counts as heard.
        """
        for tick, epoch, begins in self._acts:
            if complete or begins is None or tick <= newest - TICKS_PER_S:
                self._fates.note(tick, epoch, begins)
        return self._fates if self._acts else None
