"""Scene 10: counting aloud what one sees happen again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imkit.stream import Word

from .answers import TENS, number_words
from .kinds import SceneKind
from .painters import MOTIONS
from .pictures import Span, seen_s
from .scoring import Check, Verdict
from .sight import above, ask, said_besides_okay
from .suite import SuiteError
from .world import Scene, World

WINDOW_S = 1.0
PACE_S = 0.6  # a number takes so long to say: one that the next repeat overtakes sooner may be left out
REST_S = 0.24  # least rest between repeats, so that some picture shows it
REST_SHARE = 0.3
STRATA = 6
NUMBERS = {word: value for value in range(100) for word in number_words(value)[:1] if len(number_words(value)) == 1}


def repcount_synth(world: World) -> Scene:
    """Something happens 3 to 20 times, with pauses, while other things move: each repeat is counted as it ends.

    Mirrors repetition counting as in RepCount-A (TransRAC, arXiv 2204.01018), aloud and in time. Number k starts within
    a second of the end of repeat k. Where the next repeat ends less than 0.6 s later there is no time to say both, and
    k may be left out, but never the last. After the last repeat all is at rest for some seconds, so that a count that
    goes by the clock runs on. Counts are spread evenly over neighbouring trials.
    """
    rng, settings = world.rng, world.settings
    motions = settings["motions"]
    if not isinstance(motions, dict) or not motions or set(motions) - set(MOTIONS):
        raise SuiteError(f"[scene.repcount_synth]: motions = {motions!r}, expected names of {', '.join(MOTIONS)}")
    motion = str(rng.choice(list(motions)))
    text, lead_s, count = world.line("count_seen", things=motions[motion]), world.draw("lead_s"), _draw_count(world)
    asked_s = ask(world, text, lead_s)
    begin_s = asked_s + world.draw("rest_s")
    cycles = [(begin_s + a, begin_s + b) for a, b in _draw_cycles(world, count)]
    ends = [end for _, end in cycles]
    end_s = ends[-1] + world.draw("tail_s")
    world.painter = MOTIONS[motion](rng, cycles)
    world.expect("okay", asked_s)
    for number, at_s in spoken_numbers([seen_s(end) for end in ends]):
        world.expect(number_words(number), at_s, pace_s=PACE_S)
    yield from world.until(end_s)
    said = said_besides_okay(world, asked_s)
    tally = judge(said, ends)
    checks = [
        Check("act", late_s is not None, "" if late_s is not None else f"{k} not said in time", late_s)
        for k, late_s in enumerate(tally.late_s, 1)
        if late_s is not None or _needed(ends, k)
    ]
    checks.append(Check("hold", tally.others == 0, f"{tally.others} words out of place" if tally.others else ""))
    off = abs(tally.last - count)
    measures = {
        "obo": float(off <= 1),
        "mae": off / (count + 0.1),
        "f1": f1(tally.hits, tally.others, tally.missed),
        "count": float(count),
        "hits": float(tally.hits),
        "others": float(tally.others),
        "missed": float(tally.missed),
    }
    return Verdict(tuple(checks), measures)


def _draw_count(world: World) -> int:
    """How many repeats: each run of STRATA trials has one from each part of the range."""
    low, high = (int(x) for x in world.settings.span("repeats"))
    part = (world.number * (STRATA - 1) % STRATA + world.rng.random()) / STRATA
    return low + int(part * (high - low + 1))


def _draw_cycles(world: World, count: int) -> list[Span]:
    """Start and end of each repeat, in seconds from the first start; between them the thing rests."""
    rng, jitter = world.rng, world.settings.number("jitter")
    period_s = world.draw("period_s")
    lengths = period_s * rng.uniform(1 - jitter, 1 + jitter, count)
    pauses = np.zeros(count)
    for at in rng.integers(1, count, world.settings.whole(rng, "pauses")):
        pauses[at] = world.draw("pause_s")
    cycles, at_s = [], 0.0
    for k, (length, pause) in enumerate(zip(lengths.tolist(), pauses.tolist(), strict=True)):
        rest_s = max(REST_S, REST_SHARE * length)
        start_s = at_s + (rest_s + pause if k else 0.0)
        at_s = start_s + length - rest_s
        cycles.append((start_s, at_s))
    return cycles


def spoken_numbers(seen: Sequence[float]) -> list[tuple[int, float]]:
    """Which numbers one can say who needs PACE_S for each, and when each is due; ``seen`` are the ends of repeats.

    Whenever free to speak, one says the newest number that was not said yet.
    """
    out: list[tuple[int, float]] = []
    free_s = 0.0
    for k, at_s in enumerate(seen, 1):
        start_s = max(at_s, free_s)
        if k == len(seen) or seen[k] > start_s + 1e-6:
            out.append((k, at_s))
            free_s = start_s + PACE_S
    return out


def _needed(ends: Sequence[float], k: int) -> bool:
    """Whether number ``k`` must be said."""
    return k == len(ends) or ends[k] - ends[k - 1] >= PACE_S


@dataclass(frozen=True)
class Tally:
    """What was said against what happened. ``late_s`` for each repeat: None where it was not counted in time."""

    late_s: tuple[float | None, ...]
    others: int
    missed: int
    last: int

    @property
    def hits(self) -> int:
        """Repeats counted in time."""
        return sum(late is not None for late in self.late_s)


def numbers_said(said: Sequence[Word]) -> list[tuple[int | None, float]]:
    """Values and onsets: "twenty" and "one" after each other are 21; None is a word that is no number."""
    out: list[tuple[int | None, float]] = []
    tens = False
    for word in said:
        value = NUMBERS.get(word.text)
        if tens and value is not None and 1 <= value <= 9:
            before, start_s = out.pop()
            out.append(((before or 0) + value, start_s))
        else:
            out.append((value, word.start_s))
        tens = word.text in TENS
    return out


def judge(said: Sequence[Word], ends: Sequence[float]) -> Tally:
    """Number k counts once, where it starts in [end of repeat k, + WINDOW_S]; everything else is out of place."""
    late_s: list[float | None] = [None] * len(ends)
    others = last = 0
    for value, start_s in numbers_said(said):
        last = last if value is None else value
        k = value if value is not None and 1 <= value <= len(ends) else 0
        late = start_s - ends[k - 1]
        if k and late_s[k - 1] is None and -1e-9 <= late <= WINDOW_S + 1e-9:
            late_s[k - 1] = round(late, 3)
        else:
            others += 1
    missed = sum(late is None and _needed(ends, k) for k, late in enumerate(late_s, 1))
    return Tally(tuple(late_s), others, missed, last)


def f1(hits: float, others: float, missed: float) -> float:
    """2 TP / (2 TP + FP + FN)."""
    return 2 * hits / (2 * hits + others + missed) if hits else 0.0


def count_score(verdicts: Sequence[Verdict]) -> float:
    """100 * (OBO - g) / (1 - g), never below 0, times the event F1 of all trials together.

    OBO is the share of trials whose last number is at most one off (RepCount-A, TransRAC); g is what the best constant
    number gets on the same trials, taken out as chance is in Cohen's kappa. F1 = 2 TP / (2 TP + FP + FN) over single
    numbers, said in time or not. A product, because either alone can be had without counting: a guessed total is never
    in time, and a metronome now and then meets a repeat. Where one number fits every trial nothing can be taken out.
    """
    if not verdicts:
        return 0.0
    measures = [v.measures for v in verdicts]
    counts = np.array([m["count"] for m in measures])
    chance = max(float(np.mean(np.abs(counts - guess) <= 1)) for guess in np.arange(counts.max() + 1))
    obo = float(np.mean([m["obo"] for m in measures]))
    total = above(obo, chance) if chance < 1 else obo
    return 100 * total * f1(*(sum(m[name] for m in measures) for name in ("hits", "others", "missed")))


KINDS = (SceneKind(repcount_synth, count_score),)
