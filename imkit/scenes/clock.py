"""Scene 8: a sense of time. Speak at a set moment, again and again, not at all, or tell how long something took.

Mirrors TimeSpeak of Thinking Machines' interaction models as far as it is known. Nothing in it depends on the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, median

from .agent import Utterance, take
from .answers import number_words
from .kinds import SceneKind
from .scoring import Check, Verdict, macro
from .world import Said, Scene, World

REPLY_S = (-0.25, 1.5)  # when an "okay" or an answer may start, after the end of what it is for
TAIL_S = 2.6
ASIDE_S = (2.0, 3.5)  # an aside starts at least this long after a request, and before what is asked for is due
ROOM_S = 7.0  # the shortest wait with room for an aside
ANSWERED_S = 4.5  # an answer is over by then


@dataclass(frozen=True)
class Due:
    """A word that should start to sound at ``at_s``, where ``wait_s`` is the time that was asked for."""

    word: str
    at_s: float
    wait_s: float

    @property
    def within_s(self) -> float:
        """How far off it may be: 0.4 s, or a tenth of the wait where that is more."""
        return max(0.4, 0.1 * self.wait_s)


def timespeak_synth(world: World) -> Scene:
    """Five classes in turn, each a group of its own; the score is the mean of the classes.

    once    "say tea in nine seconds", sometimes with talk about something else in between
    every   "say tea every four seconds until i say stop"; stop comes after three to five times
    two     "say tea in three seconds and go in seven seconds", in either order
    lasted  "start", a wait, "how long was that": "nine seconds", right within 1 s or a tenth; an aside is left alone
    cancel  a request, then "never mind": "okay" and silence; its twin has an aside instead, and the word still comes

    A word is right within 0.4 s, or a tenth of the wait, of the end of the instruction plus the wait. Anything else
    that is said makes the trial wrong, except one "okay" within 1.5 s after each instruction.
    """
    return (yield from CLASSES[world.number % len(CLASSES)](world))


def _once(world: World) -> Scene:
    wait_s = world.settings.whole(world.rng, "wait_s")
    (word,) = _words(world, 1)
    talks = world.rng.random() < world.settings.number("aside_share")
    asked = _ask(world, "time_once", word=word, wait=_number(wait_s))
    due = _due(world, word, asked, wait_s)
    if talks and wait_s >= ROOM_S:
        _aside(world, asked.end_s + ASIDE_S[0], due.at_s - ASIDE_S[1])
    return (yield from _spoken(world, "once", [due], [asked]))


def _every(world: World) -> Scene:
    period_s, times = (world.settings.whole(world.rng, name) for name in ("period_s", "times"))
    stop_share = world.draw("stop_share")
    (word,) = _words(world, 1)
    asked = _ask(world, "time_every", word=word, wait=_number(period_s))
    dues = [Due(word, asked.end_s + k * period_s, period_s) for k in range(1, times + 1)]
    for due in dues:
        world.expect(word, asked.end_s, due_s=due.at_s)
    stop = world.say(world.line("time_stop"), dues[-1].at_s + stop_share * period_s)
    world.expect_quiet(stop.end_s)
    return (yield from _spoken(world, "every", dues, [asked, stop], stop.end_s + period_s))


def _two(world: World) -> Scene:
    first_s, more_s = (world.settings.whole(world.rng, name) for name in ("first_s", "more_s"))
    words, waits_s = _words(world, 2), [first_s, first_s + more_s]
    if world.rng.random() < 0.5:
        waits_s.reverse()
    values = {"word": words[0], "wait": _number(waits_s[0]), "other": words[1], "later": _number(waits_s[1])}
    asked = _ask(world, "time_two", **values)
    dues = [_due(world, word, asked, wait_s) for word, wait_s in zip(words, waits_s, strict=True)]
    return (yield from _spoken(world, "two", dues, [asked]))


def _lasted(world: World) -> Scene:
    wait_s = world.settings.whole(world.rng, "wait_s")
    started = _ask(world, "time_start")
    asked = world.say(world.line("time_lasted"), started.end_s + wait_s)
    if wait_s >= ROOM_S:
        aside = _aside(world, started.end_s + ASIDE_S[0], asked.start_s - ASIDE_S[1])
    else:
        aside = _aside(world, asked.end_s + ANSWERED_S, asked.end_s + ANSWERED_S + 0.5)
    world.expect((*number_words(wait_s), "seconds"), asked.end_s)
    yield from world.until(max(asked.end_s + ANSWERED_S, aside.end_s + TAIL_S))

    left = world.agent.utterances()
    _take_okay(left, started)
    low_s, high_s = asked.end_s + REPLY_S[0], asked.end_s + REPLY_S[1]
    answer = [said for said in left if low_s <= said.start_s < asked.end_s + ANSWERED_S]
    others = [said for said in left if said not in answer]
    texts = [text for said in answer for text in said.texts]
    seconds = _seconds(texts)
    right = seconds is not None and abs(seconds - wait_s) <= max(1.0, 0.1 * wait_s)
    why = "" if right else f"said {' '.join(texts)!r} after {wait_s} s"
    if right and (answer[0].start_s > high_s or not all(said.whole and said.words for said in answer)):
        right, why = False, "too late" if answer[0].start_s > high_s else "cut short, or sound without a word"
    held = Check("hold", not others, _also(others), group="lasted")
    measures = {"lasted_latency_s": round(answer[0].start_s - asked.end_s, 3)} if answer else {}
    if seconds is not None:
        measures["lasted_error_s"] = float(abs(seconds - wait_s))
    return Verdict((held, Check("act", right, why, group="lasted")), measures)


def _cancel(world: World) -> Scene:
    wait_s = world.settings.whole(world.rng, "cancel_wait_s")
    (word,) = _words(world, 1)
    asked = _ask(world, "time_once", word=word, wait=_number(wait_s))
    due = _due(world, word, asked, wait_s)
    cancelled = world.number // len(CLASSES) % 2 == 1
    between = (asked.end_s + ASIDE_S[0], due.at_s - ASIDE_S[1])
    if not cancelled:
        _aside(world, *between)
        return (yield from _spoken(world, "cancel", [due], [asked]))
    cancel = world.say(world.line("time_cancel"), float(world.rng.uniform(*between)))
    world.expect_quiet(cancel.end_s)
    world.expect("okay", cancel.end_s)
    yield from world.until(due.at_s + due.within_s + TAIL_S)
    left = world.agent.utterances()
    _take_okay(left, asked)
    okay = _take_okay(left, cancel)
    why = _also(left) if left else "" if okay else "did not say okay"
    return Verdict((Check("hold", okay and not left, why, group="cancel"),))


CLASSES: tuple[Callable[[World], Scene], ...] = (_once, _every, _two, _lasted, _cancel)


# --- what the user says


def _number(value: int) -> str:
    return " ".join(number_words(value))


def _words(world: World, count: int) -> list[str]:
    return [str(word) for word in world.rng.choice(world.settings["words"], count, replace=False)]


def _ask(world: World, kind: str, **values: str) -> Said:
    asked = world.say(world.line(kind, **values), world.draw("lead_s"))
    world.expect("okay", asked.end_s)
    return asked


def _due(world: World, word: str, asked: Said, wait_s: float) -> Due:
    due = Due(word, asked.end_s + wait_s, wait_s)
    world.expect(word, asked.end_s, due_s=due.at_s)
    return due


def _aside(world: World, from_s: float, to_s: float) -> Said:
    return world.say(world.line("statement"), float(world.rng.uniform(from_s, to_s)))


# --- what the model said


def _spoken(world: World, group: str, dues: list[Due], instructions: list[Said], until_s: float = 0.0) -> Scene:
    """Waits for everything that is due, then looks: every due word, one "okay" for each instruction, nothing else."""
    yield from world.until(max(until_s, *(due.at_s + due.within_s for due in dues)) + TAIL_S)
    left = world.agent.utterances()
    errors_s = [_take_due(left, due) for due in dues]
    for said in instructions:
        _take_okay(left, said)
    met_s = [error_s for error_s in errors_s if error_s is not None]
    missed = " ".join(due.word for due, error_s in zip(dues, errors_s, strict=True) if error_s is None)
    why = f"missed {missed!r}" if missed else _also(left)
    error_s = round(median(met_s), 3) if met_s else None
    measures = {"f1": 2 * len(met_s) / (len(met_s) + len(dues) + len(left))}
    if met_s:
        measures["mae_s"] = round(fmean(abs(error) for error in met_s), 4)
    return Verdict((Check("act", not missed and not left, why, error_s, group),), measures)


def _take_due(left: list[Utterance], due: Due) -> float | None:
    """The signed error of a due word in seconds; None where it was not said in time."""
    said = take(left, due.word, due.at_s - due.within_s, due.at_s + due.within_s)
    return said.start_s - due.at_s if said is not None and said.whole else None


def _take_okay(left: list[Utterance], instruction: Said) -> bool:
    return take(left, "okay", instruction.end_s + REPLY_S[0], instruction.end_s + REPLY_S[1]) is not None


def _also(left: list[Utterance]) -> str:
    return f"also said {[' '.join(said.texts) or 'a sound' for said in left]}" if left else ""


def _seconds(texts: list[str]) -> int | None:
    """The number in "nine seconds"; None for anything else."""
    named = {_number(value): value for value in range(100)}
    return named.get(" ".join(texts[:-1])) if texts and texts[-1] in ("second", "seconds") else None


KINDS = (SceneKind(timespeak_synth, macro),)
