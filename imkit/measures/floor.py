"""Who sounds when: pauses, gaps, overlaps and floor transfers, after Heldner & Edlund (2010).

A silence or an overlap is named by who sounded alone before it and who does after it:

=========================  ===============================  ==================================
                           same talker before and after     another talker after
=========================  ===============================  ==================================
nobody sounds              pause                            gap
both sound                 within-speaker overlap           between-speaker overlap
=========================  ===============================  ==================================

Heldner, M., & Edlund, J. (2010). Pauses, gaps and overlaps in conversations. Journal of Phonetics 38(4), 555-568.
Sacks, H., Schegloff, E. A., & Jefferson, G. (1974). A simplest systematics for the organization of turn-taking for
conversation. Language 50(4), 696-735.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from .interval import Table, Talker
from .units import Talk

State = Literal["user", "model", "both", "silence"]
Kind = Literal["pause", "gap", "overlap_between", "overlap_within"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in which the same talkers sound."""

    state: State
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Interlude:
    """A silence or an overlap. ``before`` sounded alone before it, ``after`` does after it."""

    kind: Kind
    before: Talker
    after: Talker
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Transfer:
    """The floor goes to the other talker. ``offset_s``, the floor transfer offset: above 0 a gap, below an overlap."""

    before: Talker
    after: Talker
    at_s: float
    offset_s: float


def states(talk: Talk) -> Table[Stretch]:
    """Who sounds, from start to end without a hole: the user alone, the model alone, both, nobody.

    In telephony these are single talk, double talk and mutual silence (ITU-T P.59).
    """
    edges = {talk.start_s, talk.end_s}
    changes: list[tuple[float, Talker, int]] = []
    for who in _BOTH:
        for unit in talk.of(who):
            edges |= {unit.start_s, unit.end_s}
            changes += [(unit.start_s, who, 1), (unit.end_s, who, -1)]
    changes.sort(key=lambda change: change[0])
    ordered, at, sounding = sorted(edges), 0, {"user": 0, "model": 0}
    found: list[Stretch] = []
    for start_s, end_s in pairwise(ordered):
        while at < len(changes) and changes[at][0] <= start_s:
            sounding[changes[at][1]] += changes[at][2]
            at += 1
        state = _STATE[bool(sounding["user"]), bool(sounding["model"])]
        if found and found[-1].state == state:
            found[-1] = Stretch(state, found[-1].start_s, end_s)
        else:
            found.append(Stretch(state, start_s, end_s))
    return Table(Stretch, found)


def interludes(talk: Talk) -> Table[Interlude]:
    """All silences and overlaps between talk that is somebody's alone. Silence at either end belongs to nobody."""
    found: list[Interlude] = []
    waiting: list[Stretch] = []
    before: Talker | None = None
    for stretch in states(talk):
        after = stretch.state
        if after == "both" or after == "silence":
            waiting.append(stretch)
            continue
        if before is not None:
            found += [
                Interlude(_KIND[w.state == "both", before == after], before, after, w.start_s, w.end_s) for w in waiting
            ]
        before, waiting = after, []
    return Table(Interlude, found)


def pauses(talk: Talk) -> Table[Interlude]:
    """Silences within one talker's speech (within-speaker silences)."""
    return _of_kind(talk, "pause")


def gaps(talk: Talk) -> Table[Interlude]:
    """Silences in which the floor goes to the other talker (between-speaker silences)."""
    return _of_kind(talk, "gap")


def overlaps(talk: Talk, where: Literal["between", "within"] | None = None) -> Table[Interlude]:
    """Both sound: ``between`` talkers, the floor going over in it; ``within`` one talker's speech; or all."""
    kinds: tuple[Kind, ...] = ("overlap_between", "overlap_within")
    return _of_kind(talk, *(kind for kind in kinds if where is None or kind.endswith(where)))


def transfers(talk: Talk) -> Table[Transfer]:
    """Every floor transfer with its offset: from the end of the last unit of the one who had the floor to the start of
    the unit with which the other comes to sound alone. A gap gives its length, an overlap its length below 0 (Heldner &
    Edlund 2010; the floor transfer offset of De Ruiter, Mitterer & Enfield 2006). ``at_s`` is the new talker's start.

    Backchannels take the floor here where they sound alone; ``transfers(without_backchannels(talk))`` does without
    them.

    De Ruiter, J. P., Mitterer, H., & Enfield, N. J. (2006). Projecting the end of a speaker's turn. Language 82(3),
    515-535.
    """
    starts = {who: [unit.start_s for unit in talk.of(who)] for who in _BOTH}
    ends = {who: [unit.end_s for unit in talk.of(who)] for who in _BOTH}
    found: list[Transfer] = []
    before: Talker | None = None
    for stretch in states(talk):
        after = stretch.state
        if after == "both" or after == "silence":
            continue
        if before is not None and before != after:
            start_s = starts[after][bisect_right(starts[after], stretch.start_s) - 1]
            end_s = ends[before][bisect_right(ends[before], stretch.start_s) - 1]
            found.append(Transfer(before, after, start_s, round(start_s - end_s, 6)))
        before = after
    return Table(Transfer, found)


_BOTH: tuple[Talker, Talker] = ("user", "model")
_STATE: dict[tuple[bool, bool], State] = {
    (True, False): "user",
    (False, True): "model",
    (True, True): "both",
    (False, False): "silence",
}
_KIND: dict[tuple[bool, bool], Kind] = {
    (False, True): "pause",
    (False, False): "gap",
    (True, True): "overlap_within",
    (True, False): "overlap_between",
}


def _of_kind(talk: Talk, *kinds: Kind) -> Table[Interlude]:
    return Table(Interlude, [one for one in interludes(talk) if one.kind in kinds])
