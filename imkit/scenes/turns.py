"""Scenes 1 and 2: whose turn it is. Answer at once when a question ends; say nothing while it has not ended."""

from __future__ import annotations

from .answers import draw_sum
from .kinds import SceneKind
from .scoring import Verdict
from .world import Scene, World

WINDOW_S = (-0.25, 1.0)


def smooth_turn_taking(world: World) -> Scene:
    """A question, answered within a second of its last word; or something that is no question, left alone.

    Mirrors Full-Duplex-Bench v1 smooth turn-taking (arXiv 2503.04721) and TurnBench end of turn (arXiv 2608.25218).
    What is left alone is half a question that never ends, or a statement of the same words.
    """
    sum_, reply = draw_sum(world.rng)
    question = world.line("question", sum=sum_)
    start_s = world.draw("lead_s")
    draw = world.rng.random()
    if world.number % 2 == 0:
        said = world.say(question, start_s)
        world.expect(reply, said.end_s)
        yield from world.until(said.end_s + 3.0)
        return Verdict((world.answer(reply, said.end_s, WINDOW_S),))
    unfinished = " ".join(question.split()[:-1])
    said = world.say(unfinished if draw < 0.5 else world.line("statement"), start_s)
    yield from world.until(said.end_s + 2.6)
    return Verdict((world.quiet(0.0, said.end_s + 2.4, "though nothing was asked"),))


def pause_handling(world: World) -> Scene:
    """A question with a pause where it cannot be over yet: silence in the pause, then the answer at the true end.

    Mirrors Full-Duplex-Bench v1 pause handling. Each trial has both sides: the pause is the hold, the answer the act.
    """
    sum_, reply = draw_sum(world.rng)
    question = world.line("question", sum=sum_)
    count = len(question.split())
    at = int(world.rng.integers(max(1, count - 3), count))
    pause_s = world.draw("long_pause_s" if world.rng.random() < world.settings.number("long_share") else "pause_s")
    said = world.say(question, world.draw("lead_s"), pauses=[(at, pause_s)])
    world.expect(reply, said.end_s)
    yield from world.until(said.end_s + 3.0)
    pause_from, pause_to = said.words[at - 1][2], said.words[at][1]
    held = world.quiet(0.0, pause_to, f"before or in a pause of {pause_to - pause_from:.1f} s")
    onset = world.agent.onset(pause_from)
    cut = {
        f"cut_off_{budget_ms}ms": float(onset is not None and onset < min(pause_to, pause_from + budget_ms / 1000))
        for budget_ms in (300, 600, 1000)
        if pause_to - pause_from >= budget_ms / 1000
    }
    return Verdict((held, world.answer(reply, said.end_s, WINDOW_S)), cut)


KINDS = (SceneKind(smooth_turn_taking), SceneKind(pause_handling))
