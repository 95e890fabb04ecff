"""Three ledgers in one picture: own sound that was generated and never sent, or sent and never played."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from imkit.stream import TICK_S, Fates, Moment

_SILENT_DB = -119.0


@dataclass(frozen=True, slots=True)
class Unheard:
    """Own sound that was generated and never played: ``sent`` says whether it left for the page."""

    start_s: float
    end_s: float
    sent: bool


def unheard(moments: Iterable[Moment], fates: Fates) -> list[Unheard]:
    """Where the three ledgers differ. Sound that is silent may be left out by a page and counts as nothing."""
    found: list[Unheard] = []
    for moment in moments:
        fate = fates.of(moment.index) if moment.own_db > _SILENT_DB else None
        if fate is None or fate.played >= fates.tick_samples:
            continue
        at_s = moment.act.starts_s
        part = Unheard(at_s + TICK_S * fate.played / fates.tick_samples, at_s + TICK_S, fate.sent)
        if found and found[-1].sent == part.sent and part.start_s - found[-1].end_s < 1e-6:
            found[-1] = replace(found[-1], end_s=part.end_s)
        else:
            found.append(part)
    return found
