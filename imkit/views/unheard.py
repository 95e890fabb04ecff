"""Three ledgers in one picture: own sound that was generated and never sent, or sent and never played."""

from __future__ import annotations

from dataclasses import dataclass

from imkit.stream import Ledger, Moment


@dataclass(frozen=True, slots=True)
class Unheard:
    """Own sound that was generated and never played: ``sent`` says whether it left for the page."""

    start_s: float
    end_s: float
    sent: bool


def unheard(moments: list[Moment], ledger: Ledger) -> list[Unheard]:
    """Where the three ledgers differ. Sound that is silent may be left out by a page and counts as nothing."""
    by_epoch: dict[int, list[Moment]] = {}
    for moment in moments:
        by_epoch.setdefault(moment.epoch, []).append(moment)
    found: list[Unheard] = []
    for epoch, inside in by_epoch.items():
        counts = ledger.counts(epoch)
        if counts.played >= counts.generated:
            continue  # all of it, or an epoch that the ledger no longer keeps apart
        loud = inside if counts.sent >= counts.generated else [m for m in inside if m.own_db > -119]
        begun = 0
        for moment in loud:
            samples = ledger.output_rate // 5
            for upto, sent in ((counts.sent, True), (counts.generated, False)):
                begin, end = max(begun, counts.played if sent else counts.sent), min(begun + samples, upto)
                if end > begin and moment.own_db > -119:
                    at_s, rate = moment.act.starts_s, ledger.output_rate
                    found.append(Unheard(at_s + (begin - begun) / rate, at_s + (end - begun) / rate, sent))
            begun += samples
    return sorted(found, key=lambda part: part.start_s)
