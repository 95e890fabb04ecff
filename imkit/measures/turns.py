"""Turns, responses, backchannels and interruptions.

Word counts are taken from the units' labels; a unit without a label counts no words. What the literature leaves to a
listener's judgement is here a rule over times, given with each measure, so that two systems are measured alike.

Yngve, V. H. (1970). On getting a word in edgewise. Papers from the 6th regional meeting, Chicago Linguistic Society.
Beattie, G. W. (1982). Turn-taking and interruption in political interviews. Semiotica 39(1-2), 93-114.
Full-Duplex-Bench: arXiv 2503.04721 (v1), 2507.23159 (v1.5). tau-voice: the interaction panel of tau2-bench.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .floor import states
from .interval import Interval, Table, Talker
from .units import Talk

LONGEST_BACKCHANNEL_S = 1.0
MOST_BACKCHANNEL_WORDS = 2
BRIDGE_S = 1.0
SEGMENT_S = 0.6
YIELD_S = 2.0
TERMINAL_S = 0.2

EDGE_S = 1e-6  # times are kept to the millisecond: a length at its limit is within it, whatever the clock began at


@dataclass(frozen=True, slots=True)
class Turn:
    """What one talker says until the floor goes to the other. ``units`` is the number of inter-pausal units in it."""

    who: Talker
    start_s: float
    end_s: float
    units: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Backchannel:
    """A short sign of listening while the other has the floor, such as "mm-hm"."""

    by: Talker
    start_s: float
    end_s: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What followed a segment of ``to``'s speech. ``latency_s`` is below 0 for an answer that began before its end,
    None where the other did not answer before ``to`` spoke again.
    """

    to: Talker
    start_s: float
    end_s: float
    latency_s: float | None


@dataclass(frozen=True, slots=True)
class Interruption:
    """A try to take the floor from one who speaks. ``stop_s`` is how long that one spoke on; None if not stopped."""

    by: Talker
    start_s: float
    successful: bool
    stop_s: float | None


def backchannels(
    talk: Talk,
    by: Talker | None = None,
    *,
    longest_s: float = LONGEST_BACKCHANNEL_S,
    most_words: int = MOST_BACKCHANNEL_WORDS,
    bridge_s: float = BRIDGE_S,
    only: Collection[str] | None = None,
) -> Table[Backchannel]:
    """Units shorter than ``longest_s`` and of at most ``most_words`` words, inside the other's speech (Yngve 1970).

    Length and words are those below which Full-Duplex-Bench v1 sees no take-over. Inside means: after the start and
    before the end of the other's units joined over silences up to ``bridge_s``. So a one-word answer to a question is
    none, unless the next question comes within ``bridge_s`` of the last one's end.

    only  words; if given, a backchannel holds no others ("mm-hm", "yeah"); case and punctuation around are ignored
    """
    allowed = None if only is None else {_bare(word) for word in only}
    found: list[Backchannel] = []
    for who in _talkers(by):
        around = _joined(talk.of(_other(who)), bridge_s)
        starts = [segment.start_s for segment in around]
        for unit in talk.of(who):
            words = unit.label.split()
            at = bisect_left(starts, unit.start_s) - 1
            if at < 0 or unit.end_s >= around[at].end_s:
                continue
            if unit.duration_s >= longest_s - EDGE_S or len(words) > most_words:
                continue
            if allowed is not None and not (words and all(_bare(word) in allowed for word in words)):
                continue
            found.append(Backchannel(who, unit.start_s, unit.end_s, unit.label))
    return Table(Backchannel, sorted(found, key=lambda one: (one.start_s, one.by)))


def without_backchannels(talk: Talk) -> Talk:
    """The same talk without the units that ``backchannels`` finds."""
    signs = backchannels(talk)
    gone = {who: {one.start_s for one in signs if one.by == who} for who in _talkers(None)}
    kept = {who: tuple(u for u in talk.of(who) if u.start_s not in gone[who]) for who in _talkers(None)}
    return Talk(kept["user"], kept["model"], talk.start_s, talk.end_s)


def turns(talk: Talk) -> Table[Turn]:
    """Turns in order (Sacks et al. 1974; as a series of units without a floor transfer, Skantze 2021).

    A turn goes on until the other sounds alone with more than a backchannel. What never sounds alone is no turn.
    """
    talk = without_backchannels(talk)
    starts = {who: [unit.start_s for unit in talk.of(who)] for who in _talkers(None)}
    series: list[tuple[Talker, list[int]]] = []
    for stretch in states(talk):
        who = stretch.state
        if who == "both" or who == "silence":
            continue
        number = bisect_right(starts[who], stretch.start_s) - 1
        if not series or series[-1][0] != who:
            series.append((who, [number]))
        elif series[-1][1][-1] != number:
            series[-1][1].append(number)
    found = []
    for who, numbers in series:
        units = talk.of(who)[numbers[0] : numbers[-1] + 1]
        text = " ".join(unit.label for unit in units if unit.label)
        found.append(Turn(who, units[0].start_s, units[-1].end_s, len(units), text))
    return Table(Turn, found)


def responses(talk: Talk, to: Talker = "user", *, segment_s: float = SEGMENT_S) -> Table[Response]:
    """Every segment of ``to``'s speech, and how soon the other answered: response latency from its end to the onset.

    Segments are units joined over silences up to ``segment_s`` (0.6 s for users in Full-Duplex-Bench v1.5). An answer
    begins after the segment's start, lasts beyond its end, and begins before the next segment; backchannels neither ask
    nor answer. The share that is answered is tau-voice's R_R, the mean latency its L_R. Full-Duplex-Bench v1 counts a
    negative latency as 0; here it keeps its sign.
    """
    talk = without_backchannels(talk)
    asked, answers = _joined(talk.of(to), segment_s), talk.of(_other(to))
    starts = [unit.start_s for unit in answers]
    found = []
    for number, segment in enumerate(asked):
        until_s = asked[number + 1].start_s if number + 1 < len(asked) else float("inf")
        latency_s = None
        for at in range(bisect_right(starts, segment.start_s), bisect_left(starts, until_s)):
            if answers[at].end_s > segment.end_s:
                latency_s = round(answers[at].start_s - segment.end_s, 6)
                break
        found.append(Response(to, segment.start_s, segment.end_s, latency_s))
    return Table(Response, found)


def interruptions(
    talk: Talk, by: Talker | None = None, *, yield_s: float = YIELD_S, terminal_s: float = TERMINAL_S
) -> Table[Interruption]:
    """Units, backchannels apart, that begin while the other speaks.

    *Successful*: the other stops within ``yield_s`` (2.0 s, as tau-voice's R_Y) and the interrupter is heard next.
    *Unsuccessful* (Beattie's butting-in): the interrupter stops first, or the other speaks on. ``stop_s``, from the
    interrupter's onset to the other's end, is the stop latency of Full-Duplex-Bench v1.5 and tau-voice's L_Y.

    Who stops less than ``terminal_s`` after the onset cannot have reacted to it: that is a turn's end overlapped, no
    interruption. Further units of the interrupter within ``yield_s``, against the same unit, are the same try.
    """
    talk = without_backchannels(talk)
    found: list[Interruption] = []
    for who in _talkers(by):
        own, others = talk.of(who), talk.of(_other(who))
        other_starts, own_starts = [unit.start_s for unit in others], [unit.start_s for unit in own]
        tried: tuple[int, float] = (-1, 0.0)
        for unit in own:
            at = bisect_left(other_starts, unit.start_s) - 1
            if at < 0 or others[at].end_s - unit.start_s < terminal_s - EDGE_S:
                continue
            if tried[0] == at and unit.start_s - tried[1] <= yield_s + EDGE_S:
                continue
            tried = (at, unit.start_s)
            end_s = others[at].end_s
            last = own[bisect_right(own_starts, end_s) - 1]
            own_next = own_starts[bisect_right(own_starts, end_s) :][:1]
            heard_next = last.end_s > end_s or bool(
                own_next and (at + 1 == len(others) or own_next[0] < other_starts[at + 1])
            )
            successful = heard_next and end_s - unit.start_s <= yield_s + EDGE_S
            found.append(
                Interruption(who, unit.start_s, successful, round(end_s - unit.start_s, 6) if successful else None)
            )
    return Table(Interruption, sorted(found, key=lambda one: (one.start_s, one.by)))


def _joined(units: Sequence[Interval], over_s: float) -> list[Interval]:
    """Units joined over silences up to ``over_s``."""
    cuts = [i + 1 for i, (left, right) in enumerate(pairwise(units)) if right.start_s - left.end_s > over_s + 1e-9]
    return [Interval(units[a].start_s, units[b - 1].end_s) for a, b in pairwise([0, *cuts, len(units)]) if b > a]


def _talkers(by: Talker | None) -> tuple[Talker, ...]:
    return ("user", "model") if by is None else (by,)


def _other(who: Talker) -> Talker:
    return "model" if who == "user" else "user"


def _bare(word: str) -> str:
    return word.casefold().strip(".,;:!?\"'()")
