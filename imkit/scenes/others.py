"""Scenes 6 and 7: what is said to somebody else, and what sounds around. Neither is answered or stops anything.

Checks are of two groups, by whether the model was silent or speaking, and the weaker one counts: to leave others alone
while silent is worth nothing to a model that any sound stops while it speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from .agent import Agent
from .answers import SMALL, draw_sum, number_words
from .distractors import Distractor, Heard, near, surround
from .kinds import SceneKind
from .scoring import Check, Verdict, weakest
from .turns import WINDOW_S
from .world import Said, Scene, World

COUNT: Final = (*SMALL[1:], *number_words(20))
PACE_S: Final = 0.6
BEGIN_S: Final = 2.0  # a count that has not begun by then is not waited for
STOP_S: Final = 0.4  # a longer silence is a stop, where the model's own pauses are short
LISTEN_S: Final = 1.0  # stops within this are taken to be caused by what was heard
ANSWERED_S: Final = 3.0  # from a question to when its answer is over
HOLD_S: Final = 2.0


def grouped(check: Check, group: str) -> Check:
    """The same check, of a group."""
    return Check(check.kind, check.passed, check.why, check.latency_s, group)


def silences(agent: Agent, from_s: float, to_s: float) -> list[float]:
    """Lengths of the silences after speech that reach into a span of time; the last one lasts until now."""
    bounds = [*agent.segments, (agent.until_s, agent.until_s)]
    return [start - end for (_, end), (start, _) in pairwise(bounds) if start > from_s and end < to_s]


@dataclass(frozen=True)
class Count:
    """The model counts aloud to twenty, from ``onset_s`` on, asked to by what ended at ``asked_s``.

    A stop is a silence above 0.4 s; of a model that counts slowly, above one and a half times its usual pause between
    numbers, at most 1.0 s.
    """

    agent: Agent
    asked_s: float
    onset_s: float | None

    def numbers(self, to_s: float = float("inf")) -> list[str]:
        """What was said of it."""
        return [] if self.onset_s is None else self.agent.texts(self.onset_s - 0.05, to_s)

    def stopped(self, from_s: float, to_s: float) -> bool:
        """Whether it stopped in a span of time, its own end aside."""
        assert self.onset_s is not None
        spoken = [(start, end) for start, end in self.agent.segments if end > self.onset_s]
        pauses = [after[0] - before[1] for before, after in pairwise(spoken)]
        pauses += [0.0] * (len(self.numbers()) - 1 - len(pauses))  # between numbers said in one go
        usual_s = float(np.median(pauses)) if pauses else 0.0
        allowed_s = min(max(STOP_S, 1.5 * usual_s), LISTEN_S)
        if self.numbers() == list(COUNT):
            to_s = min(to_s, spoken[-1][1])
        return max(silences(self.agent, from_s, to_s), default=0.0) > allowed_s + 1e-9

    def begun(self, event_s: float) -> Check:
        """Whether it was under way, silent before it and right so far, when something happened: the act."""
        early_s = self.agent.speaking(0.0, self.asked_s + WINDOW_S[0])
        got = self.numbers(event_s)
        latency = None if self.onset_s is None else round(self.onset_s - self.asked_s, 3)
        if self.onset_s is None or not got or early_s > 0.08 + 1e-9:
            why = "did not begin to count" if early_s <= 0.08 else f"spoke for {early_s:.2f} s before it was asked"
            return Check("act", False, why, latency, "speaking")
        right = got == list(COUNT[: len(got)])
        return Check("act", right, "" if right else f"counted {' '.join(got)}", latency, "speaking")

    def resumes(self, from_s: float) -> bool:
        """Whether it is in order to its last number, and numbers come after ``from_s``, or none is left."""
        got = self.numbers()
        goes_on = bool(self.agent.words(from_s)) or len(got) == len(COUNT)
        return goes_on and got == list(COUNT[: len(got)])


def counting(world: World, request: Said) -> Generator[None, None, Count]:
    """Wait for a count that was asked for to begin."""
    world.expect(COUNT, request.end_s, pace_s=PACE_S)
    onset_s = yield from world.onset(request.end_s + WINDOW_S[0], request.end_s + BEGIN_S)
    return Count(world.agent, request.end_s, onset_s)


NEVER_BEGAN: Final = Check("hold", False, "the count was not under way", group="speaking")


# --- talking to other


def talking_to_other(world: World) -> Scene:
    """What is said to somebody else, told by a name, is left alone; what is said to the model is done.

    Mirrors Full-Duplex-Bench v1.5 talking to other (arXiv 2507.23159) and S_ND of tau-voice. Half of the trials play
    while the model is silent: a name of the model and a question, answered as in scene 1; another name and a request
    or question, with 2.0 s of silence after it; in either order, some with a question without a name after the
    model was addressed. The other half play while it counts: the other's sentence must not stop it.
    """
    return (yield from addressed(world, called_by_name))


@dataclass(frozen=True)
class Turn:
    """A sentence to come: its text, what is right to reply (None for nothing), and what has it said at a time."""

    text: str
    reply: tuple[str, ...] | None
    say: Callable[[float], Said]


class Called(Protocol):
    """How somebody is called: by one of the suite's ``names``, before the text."""

    def __call__(self, world: World, names: str, text: str, reply: tuple[str, ...] | None = None, /) -> Turn:
        """The turn to come."""


def called_by_name(world: World, names: str, text: str, reply: tuple[str, ...] | None = None) -> Turn:
    """The user says a name and, after a pause, the text."""
    name = world.line(names)
    return _by_user(world, f"{name} {text}", reply, ((len(name.split()), world.draw("after_name_s")),))


def _by_user(
    world: World, text: str, reply: tuple[str, ...] | None = None, pauses: Sequence[tuple[int, float]] = ()
) -> Turn:
    return Turn(text, reply, lambda at_s: world.say(text, at_s, pauses=pauses))


def addressed(world: World, called: Called) -> Scene:
    """A trial of ``talking_to_other``, whoever calls the names."""
    if world.number % 2 == 0:
        return (yield from _addressed_or_not(world, called))
    return (yield from _counting_past_others(world, called))


def _to_other(world: World, called: Called) -> Turn:
    """Somebody else's name, then a question that the model could answer, or a request."""
    asks = world.rng.random() < world.settings.number("question_share")
    return called(world, "other_name", _question(world)[0] if asks else world.line("to_other"))


def _question(world: World) -> tuple[str, tuple[str, ...]]:
    sum_, reply = draw_sum(world.rng)
    return world.line("question", sum=sum_), reply


def _turn(world: World, to_whom: str, called: Called) -> Turn:
    if to_whom == "other":
        return _to_other(world, called)
    text, reply = _question(world)
    return called(world, "own_name", text, reply) if to_whom == "named" else _by_user(world, text, reply)


def _addressed_or_not(world: World, called: Called) -> Scene:
    order = (("other", "named"), ("named", "other"), ("named", "bare", "other"))[world.number // 2 % 3]
    checks, held = [], False
    for turn, lead_s in [(_turn(world, to_whom, called), world.draw("lead_s")) for to_whom in order]:
        from_s = world.now_s
        said = turn.say(from_s + lead_s)
        if turn.reply is None:
            yield from world.until(said.end_s + HOLD_S + 0.2)
            check = world.quiet(from_s, said.end_s + HOLD_S, f"though {turn.text!r} was for somebody else")
            held = check.passed
        else:
            world.expect(turn.reply, said.end_s)
            yield from world.until(said.end_s + ANSWERED_S)
            check = world.answer(turn.reply, said.end_s, WINDOW_S, from_s)
        checks.append(grouped(check, "silent"))
    return Verdict(tuple(checks), {"S_ND": float(held)})


def _counting_past_others(world: World, called: Called) -> Scene:
    request = world.line("count_to", last=COUNT[-1])
    named, bare = called(world, "own_name", request), _by_user(world, request)
    ask = named if world.rng.random() < world.settings.number("named_share") else bare
    other, delay_s = _to_other(world, called), world.draw("event_s")
    count = yield from counting(world, ask.say(world.draw("lead_s")))
    if count.onset_s is None:
        return Verdict((count.begun(world.now_s), NEVER_BEGAN))
    said = other.say(count.onset_s + delay_s)
    yield from world.until(max(said.end_s, said.start_s + LISTEN_S) + 2.0)
    begun = count.begun(said.start_s)
    if not begun.passed:
        return Verdict((begun, NEVER_BEGAN))
    stopped, resumes = count.stopped(said.start_s, said.start_s + LISTEN_S), count.resumes(said.end_s)
    why = f"stopped at {other.text!r}" if stopped else "" if resumes else f"did not count on after {other.text!r}"
    held = Check("hold", not why, why, group="speaking")
    return Verdict((begun, held), {"S_ND": float(not stopped), "RESUME": float(resumes)})


# --- background speech


def background_speech(world: World) -> Scene:
    """A far voice, babble, bursts, coughs and fillers around the user: none is answered, none stops the model.

    Mirrors Full-Duplex-Bench v1.5 background speech, the noise interruption rate of FD-Bench (arXiv 2507.19040) and
    S_VT of tau-voice. A third of the trials are idle stretches without any user; in a third the user asks a question
    in the middle of it all, after a cough, filler or burst close by, and must be answered as in scene 1; in a third
    the model counts, and must count past a cough, filler or burst close by and past whatever is far.
    """
    return (yield from (_asked_in_noise, _idle, _counting_past_noise)[world.number % 3](world))


def _asked_in_noise(world: World) -> Scene:
    question, reply = _question(world)
    event, event_s = near(world), world.draw("near_s")
    after_s = HOLD_S + world.draw("question_after_s")
    surround(world, event_s + after_s + 8.0)
    world.sound(event.sound, event_s, world.draw("near_db"))
    said = world.say(question, event_s + event.length_s + after_s)
    world.expect(reply, said.end_s)
    yield from world.until(said.end_s + ANSWERED_S)
    held = world.quiet(0.0, said.start_s, f"before anything was asked, past a {event.kind}")
    answered = world.answer(reply, said.end_s, WINDOW_S, said.start_s)
    ignored = world.quiet(event_s, event_s + HOLD_S, f"after a {event.kind}").passed
    measures = {"S_VT": float(ignored)} if event.vocal_tic else {}
    return Verdict((grouped(held, "silent"), grouped(answered, "silent")), measures)


def _idle(world: World) -> Scene:
    long = world.rng.random() < world.settings.number("long_share")
    length_s = world.settings.number("long_idle_s" if long else "idle_s")
    surround(world, length_s - HOLD_S)
    yield from world.until(length_s)
    held = world.quiet(0.0, length_s, f"in {length_s:.0f} s without any user")
    per_min = 60 * world.agent.speaking(0.0, length_s) / length_s
    return Verdict((grouped(held, "silent"),), {"unsolicited_s_per_min": per_min})


def _counting_past_noise(world: World) -> Scene:
    request, lead_s = world.line("count_to", last=COUNT[-1]), world.draw("near_s")
    event, delay_s, gain_db = near(world), world.draw("event_s"), world.draw("near_db")
    far = surround(world, lead_s + 15.0)
    count = yield from counting(world, world.say(request, lead_s))
    if count.onset_s is None:
        return Verdict((count.begun(world.now_s), NEVER_BEGAN))
    event_s = count.onset_s + delay_s
    end_s = event_s + event.length_s
    world.sound(event.sound, event_s, gain_db)
    yield from world.until(end_s + 2.5)
    begun = count.begun(event_s)
    if not begun.passed:
        return Verdict((begun, NEVER_BEGAN))
    why = "" if count.resumes(end_s) else f"did not count on after a {event.kind}"
    why = "stopped in the noise" if count.stopped(count.onset_s, end_s + LISTEN_S) else why
    why = f"stopped at a {event.kind}" if count.stopped(event_s, event_s + LISTEN_S) else why
    return Verdict((begun, Check("hold", not why, why, group="speaking")), _ignored(count, event, event_s, end_s, far))


def _ignored(count: Count, event: Distractor, event_s: float, end_s: float, far: Sequence[Heard]) -> dict[str, float]:
    """S_VT, NIR and RESUME of a count among noises; only noises that found it under way, and no rate without any."""
    assert count.onset_s is not None
    starts = [h.start_s for h in far if count.onset_s < h.start_s < end_s]
    starts += [] if event.vocal_tic else [event_s]
    starts = [at for at in starts if count.agent.speaking(at - STOP_S, at) > 0]
    out = {"RESUME": float(count.resumes(end_s))}
    if starts:
        out["NIR"] = sum(count.stopped(at, at + LISTEN_S) for at in starts) / len(starts)
    if event.vocal_tic:
        out["S_VT"] = float(not count.stopped(event_s, event_s + LISTEN_S))
    return out


KINDS = (SceneKind(talking_to_other, weakest), SceneKind(background_speech, weakest))
