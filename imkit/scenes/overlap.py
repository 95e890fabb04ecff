"""Scenes 4 and 5: the user speaks while the model counts. Stop when told to or asked; go on under an "okay"."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from .agent import MERGE_S, Agent
from .answers import draw_sum, number_words
from .kinds import SceneKind
from .scoring import LATE_S, Check, Verdict, weakest
from .world import Said, Scene, World

START_S = (-0.25, 1.5)  # the list starts here, from the end of the request
STOP_S = 1.0  # and has stopped so long after the interruption began
YIELD_S = 2.0  # the wider limit of R_Y
ANSWER_S = (-0.25, 1.5)
GAP_S = 0.4  # a longer silence is a stop
UNDER_S = 1.0  # how long after a backchannel began a stop is its fault
PACE_S = 0.6
REST_S = 3.0  # after so much silence nothing more is waited for

Over = Literal["backchannel", "stop", "question"]
OVER: tuple[Over, ...] = ("backchannel", "stop", "backchannel", "question")


@dataclass
class Overlap:
    """One play: the list that was asked for, and what the user says over it."""

    agent: Agent
    items: tuple[str, ...]
    over: Over
    reply: tuple[str, ...]
    asked: Said
    said: Said | None = None

    @property
    def start_s(self) -> float:
        """When the user spoke over the list."""
        assert self.said is not None
        return self.said.start_s

    @property
    def earliest_s(self) -> float:
        """From when on the list may be said."""
        return self.asked.end_s + START_S[0]

    def missed(self) -> str:
        """Why nobody could speak over the model's list: it was not in the middle of one. "" where it was."""
        if self.agent.speaking(0.0, self.earliest_s) > 0.08 + 1e-9:
            return "spoke before the request was over"
        if self.said is None:
            return "did not start in time"
        if not self.on_list(self.start_s):
            return f"said {' '.join(self.agent.texts(self.earliest_s, self.start_s))!r} instead of the list"
        if len(self.agent.words(self.earliest_s, self.start_s)) == len(self.items):
            return "was through with the list"
        return "" if self.agent.speaking(self.start_s - 1.0, self.start_s) > 0 else "had fallen silent"

    def on_list(self, until_s: float) -> bool:
        """Whether all that was said up to a moment is the beginning of the list."""
        texts = tuple(self.agent.texts(self.earliest_s, until_s))
        return bool(texts) and texts == self.items[: len(texts)]

    @property
    def finished(self) -> bool:
        """Whether as many words were said as the list has."""
        return len(self.agent.words(self.earliest_s)) >= len(self.items)

    def stop_and_reply(self) -> tuple[float, float]:
        """When the list fell silent after the user began, and when the first word that is not of it began (or inf)."""
        words = self.agent.words(self.start_s)
        reply_s = next((word.start_s for word in words if word.text not in self.items), float("inf"))
        own = [end for start, end in self.agent.segments if end > self.start_s and start < reply_s - MERGE_S]
        return max([self.start_s, *own]), reply_s

    def stalled_s(self) -> float:
        """The longest silence that reaches into the second after a backchannel began, the end of the list apart."""
        words = self.agent.words(self.earliest_s)
        last_s = words[len(self.items) - 1].start_s if self.finished else float("inf")
        bounds = [*self.agent.segments, (self.agent.until_s, self.agent.until_s)]
        return max(
            (
                start - end
                for (_, end), (start, _) in pairwise(bounds)
                if start > self.start_s and end < min(self.start_s + UNDER_S, last_s)
            ),
            default=0.0,
        )


def _speak_over(world: World) -> Generator[None, None, Overlap]:
    """Asks for a list and speaks over it, at some time after the model was heard to start.

    By the trial's number it is a backchannel (every second), a stop or a new question; its answer is never a number of
    the list, so neither can be taken for the other.
    """
    over = OVER[world.number % len(OVER)]
    start_s, delay_s = world.draw("lead_s"), world.draw("delay_s")
    last, first = world.settings.whole(world.rng, "last"), world.settings.whole(world.rng, "first")
    if world.rng.random() < world.settings.number("from_one"):
        first = 1
    request = world.line("count_to" if first == 1 else "count_from", first=_word(first), last=_word(last))
    items = tuple(_word(n) for n in range(first, last + 1))
    sum_, reply = draw_sum(world.rng)
    while reply[0] in items:
        sum_, reply = draw_sum(world.rng)
    text = world.line({"backchannel": "user_backchannel", "stop": "stop", "question": "new_question"}[over], sum=sum_)

    asked = world.say(request, start_s)
    world.expect(items, asked.end_s, pace_s=PACE_S)
    play = Overlap(world.agent, items, over, reply if over == "question" else (), asked)
    onset = yield from world.onset(play.earliest_s, asked.end_s + START_S[1])
    if onset is None:
        return play
    play.said = world.say(text, onset + delay_s)
    if over != "backchannel":
        world.expect_quiet(_known_s(world, play.said))
    if play.reply:
        world.expect(play.reply, play.said.end_s)
    yield from world.until(play.start_s)
    return play


def _word(number: int) -> str:
    """A number from 0 to 20."""
    (word,) = number_words(number)
    return word


def _known_s(world: World, said: Said) -> float:
    """End of the first word that no backchannel has."""
    small = {word for line in world.suite.lines("user_backchannel") for word in line.split()}
    return next((end for word, _, end in said.words if word not in small), said.end_s)


def user_interruption(world: World) -> Scene:
    """A list, spoken over: stop within a second when told to or asked something new, and answer; else do not stop.

    Mirrors Full-Duplex-Bench v1 and v1.5 user interruption (arXiv 2503.04721, 2507.23159) and the yield rate R_Y and
    latency L_Y of tau-voice. A model that is not counting when it is spoken to fails the trial. Stops are as short as
    backchannels and questions are longer; the score is the weakest side's, so length alone is worth nothing.
    """
    play = yield from _speak_over(world)
    if not (missed := play.missed()):
        assert play.said is not None
        yield from world.until(max(play.start_s + LATE_S, play.said.end_s + REST_S))
    if play.over == "backchannel":
        return Verdict((_kept_talking(play, missed),), _resumed(play, missed))
    why = missed or _fault(world, play)
    stop_s, measures = _yielded(play, missed)
    if play.over == "question":
        measures["RESPOND"] = float(not missed and _answered(play))
    return Verdict((Check("act", not why, why, stop_s, play.over),), measures)


def user_backchannel(world: World) -> Scene:
    """A list, spoken over: after an "okay" it is said to its end, nothing twice or lost; after a stop it is not.

    Mirrors Full-Duplex-Bench v1.5 user backchannel and the backchannel rate S_BC of tau-voice. Scene 4 asks whether the
    voice goes on under the user's, this one whether the list survives.
    """
    play = yield from _speak_over(world)
    missed = play.missed()
    if play.over != "backchannel":
        if not missed:
            yield from world.until(play.start_s + LATE_S)
        latency, measures = _yielded(play, missed)
        why = missed or ("" if latency <= STOP_S + 1e-9 else f"went on for {latency:.2f} s")
        return Verdict((Check("hold", not why, why, None, play.over),), measures)
    while not missed and not play.finished and world.agent.speaking(world.now_s - REST_S, world.now_s):
        yield
    if not missed:
        yield from world.until(max(world.now_s, play.start_s + UNDER_S) + REST_S / 2)
    texts = tuple(world.agent.texts(play.earliest_s))
    why = missed or ("" if texts == play.items else f"said {' '.join(texts)!r}, expected {' '.join(play.items)!r}")
    return Verdict((Check("act", not why, why, None, play.over),), _resumed(play, missed))


def _fault(world: World, play: Overlap) -> str:
    """What is wrong with how an interruption was taken; "" where nothing is."""
    assert play.said is not None
    stop_s, reply_s = play.stop_and_reply()
    if stop_s > play.start_s + STOP_S + 1e-9:
        return f"went on for {stop_s - play.start_s:.2f} s"
    if play.over == "stop":
        return world.quiet(play.start_s + STOP_S, world.now_s, "after it was told to stop").why
    if _answered(play):
        return ""
    late_s = reply_s - play.said.end_s
    return (
        f"said {' '.join(world.agent.texts(stop_s))!r} {late_s:+.2f} s from the end, expected {' '.join(play.reply)!r}"
    )


def _answered(play: Overlap) -> bool:
    """Whether the new question was answered, in time and with nothing else."""
    assert play.said is not None
    _, reply_s = play.stop_and_reply()
    low, high = (play.said.end_s + edge for edge in ANSWER_S)
    return low - 1e-9 <= reply_s <= high + 1e-9 and tuple(play.agent.texts(reply_s)) == play.reply


def _yielded(play: Overlap, missed: str) -> tuple[float, dict[str, float]]:
    """How long the model went on after the interruption began, at most 5 s, and the measures of that."""
    latency = LATE_S if missed else round(min(LATE_S, play.stop_and_reply()[0] - play.start_s), 3)
    measures = {"stop_latency_s": latency, "R_Y": float(latency <= YIELD_S)}
    return latency, measures | ({"L_Y_s": latency} if measures["R_Y"] else {})


def _kept_talking(play: Overlap, missed: str) -> Check:
    """Whether a backchannel left the list alone."""
    if not missed and not play.on_list(play.start_s + UNDER_S):
        missed = "left the list"
    stalled_s = 0.0 if missed else play.stalled_s()
    why = missed or ("" if stalled_s <= GAP_S + 1e-9 else f"fell silent for {stalled_s:.2f} s")
    return Check("hold", not why, why, None, play.over)


def _resumed(play: Overlap, missed: str) -> dict[str, float]:
    """After a backchannel: S_BC, it did not stop; RESUME, the list went on sooner or later."""
    went_on = not missed and (play.finished or bool(play.agent.words(play.start_s + UNDER_S)))
    on_list = went_on and play.on_list(float("inf"))
    return {"S_BC": float(_kept_talking(play, missed).passed), "RESUME": float(on_list)}


KINDS = (SceneKind(user_interruption, weakest), SceneKind(user_backchannel, weakest))
