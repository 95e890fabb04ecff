"""Where two timelines that share a past part: from which tick on, and in what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imkit.stream import TICKS_PER_S, Moment, Timeline, Word


@dataclass(frozen=True, slots=True)
class Parting:
    """What a branch has otherwise than its parent.

    at_s        where the shared past ends
    parted_s    when what the model does is first seen to be otherwise: its floor, words or calls; None if never
    input       starts of the ticks in which something else came in
    floor       starts of the ticks, as heard, in which the floor is another
    words       words that the model says in the branch only; words of the parent that it does not say are ``missing``
    heard       words that the model heard in the branch only
    """

    at_s: float
    parted_s: float | None
    input: tuple[float, ...]
    floor: tuple[float, ...]
    words: tuple[Word, ...]
    missing: tuple[Word, ...]
    heard: tuple[Word, ...]


def parting(parent: Timeline, branch: Timeline) -> Parting:
    """Compares tick by tick. Moments that both share are not looked into."""
    mine = {moment.index: moment for moment in parent}
    theirs = {moment.index: moment for moment in branch}
    at = _forked_at(branch, mine, theirs)
    parted: int | None = None
    came_in: list[float] = []
    floor: list[float] = []
    words: list[Word] = []
    missing: list[Word] = []
    heard: list[Word] = []
    for tick in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(tick), theirs.get(tick)
        if one is other or tick < at:
            continue
        if parted is None and _does(one) != _does(other):
            parted = tick + 1 if _calls(one) == _calls(other) else tick
        if _input_differs(one, other):
            came_in.append(tick / TICKS_PER_S)
        if one is not None and other is not None and one.act.floor is not other.act.floor:
            floor.append((tick + 1) / TICKS_PER_S)
        words += _only_in(other, one, "words")
        missing += _only_in(one, other, "words")
        heard += _only_in(other, one, "heard")
    parted_s = None if parted is None else parted / TICKS_PER_S
    return Parting(at / TICKS_PER_S, parted_s, tuple(came_in), tuple(floor), tuple(words), tuple(missing), tuple(heard))


def _forked_at(branch: Timeline, mine: dict[int, Moment], theirs: dict[int, Moment]) -> int:
    forked = getattr(branch.origin, "fork", None)
    if forked is not None:
        at_s: float = forked.at_s
        return round(at_s * TICKS_PER_S)
    ticks = sorted(mine.keys() | theirs.keys())
    return next((tick for tick in ticks if mine.get(tick) is not theirs.get(tick)), ticks[-1] + 1 if ticks else 0)


def _calls(moment: Moment | None) -> list[tuple[str, str]]:
    return [] if moment is None else [(call.kind, call.name) for call in moment.act.calls]


def _does(moment: Moment | None) -> object:
    if moment is None:
        return None
    return moment.act.floor, tuple(word.text for word in moment.act.words), _calls(moment)


def _input_differs(one: Moment | None, other: Moment | None) -> bool:
    if one is None or other is None:
        return False
    a, b = one.percept, other.percept
    if (a.text, a.draft, one.frame_count) != (b.text, b.draft, other.frame_count):
        return True
    told = [[(event.kind, event.provenance, event.text) for event in percept.events] for percept in (a, b)]
    if told[0] != told[1]:
        return True
    return one.has_media and other.has_media and not (a.audio is b.audio or np.array_equal(a.audio, b.audio))


def _only_in(one: Moment | None, other: Moment | None, what: str) -> list[Word]:
    if one is None:
        return []
    there = [word.text for word in getattr(other.act, what)] if other is not None else []
    return [word for word in getattr(one.act, what) if word.text not in there]
