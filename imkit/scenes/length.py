"""Is minute 30 as good as minute 1: short scenes back to back in one stream of one model, scored by the minute.

A trial is played and judged as it is alone, in a world whose clock starts at 0. Only the model sits in a stream that
was opened once and goes on: it sees micro-turns 0, 1, 2 ... of a long session; its acts are told on the trial's clock.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Self

import numpy as np

from imkit.stream import TICKS_PER_S, Act, ImkitError, InteractionModel, ModelSpec, OpenConfig, Percept, Word

from .kinds import SceneKind
from .scoring import RESAMPLES, Verdict, quantiles, resampled
from .stage import EvalError, Plan, Stage
from .trial import make_world, play_trial
from .world import World

SHORT = ("smooth_turn_taking", "pause_handling", "user_interruption")
"""What is played unless told otherwise: each takes less than 15 s, and none needs a camera."""

BLOCK_S = 300.0
REST_S = 2.0  # least silence of the user from one trial to the next
QUIET_S = 1.0  # and then the model has been silent for so long
LONGEST_REST_S = 30.0  # more is not waited: what still sounds then is the model's to answer for


class OneStream:
    """A model in a stream that is opened once. Whoever opens this starts a clock at 0; the model's own goes on."""

    def __init__(self, model: InteractionModel[Any], config: OpenConfig) -> None:
        self.model = model
        self.ticks = 0
        """Micro-turns that the model has seen."""
        self._state = model.open(config)
        self._began = 0

    @property
    def spec(self) -> ModelSpec:
        """That of the model."""
        return self.model.spec

    def open(self, _config: OpenConfig) -> Self:
        """Start the clock anew. What was said before is not forgotten."""
        self._began = self.ticks
        return self

    def step(self, _state: Self, percept: Percept) -> tuple[Act, Self]:
        """One micro-turn of the one stream."""
        index = percept.index + self._began
        act, self._state = self.model.step(self._state, replace(percept, index=index))
        self.ticks = index + 1
        return self._own(act), self

    def _own(self, act: Act) -> Act:
        """The act on this clock; words that were heard or said before it started are left out."""
        calls = tuple(
            replace(
                call,
                tick=call.tick - self._began,
                expires_tick=None if call.expires_tick is None else call.expires_tick - self._began,
            )
            for call in act.calls
        )
        return replace(
            act,
            index=act.index - self._began,
            words=self._moved(act.words),
            heard=self._moved(act.heard),
            calls=calls,
        )

    def _moved(self, words: Sequence[Word]) -> tuple[Word, ...]:
        from_s = self._began / TICKS_PER_S
        own = (replace(w, start_s=round(w.start_s - from_s, 6), end_s=round(w.end_s - from_s, 6)) for w in words)
        return tuple(word for word in own if word.start_s >= 0)


def play_length(plan: Plan, seconds: float, told: Callable[[float], None] = lambda _: None) -> list[dict[str, Any]]:
    """Plays the plan's scenes in turn, number after number, until ``seconds`` have passed; a row a trial.

    A row has scene, number, start_s (on the one clock), seconds, verdict, and ms of every micro-turn. ``told`` hears
    how far it is. A policy knows the world of its trial, so it is opened anew with each. Raises EvalError that names
    the trial in which a model failed.
    """
    rows: list[dict[str, Any]] = []
    with closing(Stage(plan, {})) as stage:
        tools = {tool: None for scene in plan.kinds for tool in plan.suite.scenes[scene].get("tools", ())}
        config = OpenConfig(seed=plan.suite.seed, tools=tuple(tools))
        stream = None if stage.model is None else OneStream(stage.model, config)
        ticks = 0
        for number, scene in ((number, scene) for number in itertools.count() for scene in plan.kinds):
            if ticks >= seconds * TICKS_PER_S:
                break
            world = make_world(plan.suite, stage.cast, scene, number, stage.rate)
            try:
                chair = stream or OneStream(stage.seat(world), OpenConfig(seed=number, tools=world.tools))
                verdict, timeline = play_trial(plan.kinds[scene].play, world, chair, time.perf_counter)
                played_s = world.now_s
                rest(world, chair)
            except ImkitError:
                raise
            except Exception as error:
                at = f"{plan.name}, {scene} {number} at {ticks / TICKS_PER_S:.0f} s"
                raise EvalError(f"{at}: {type(error).__name__}: {error}") from error
            rows.append(
                {
                    "scene": scene,
                    "number": number,
                    "start_s": round(ticks / TICKS_PER_S, 1),
                    "seconds": round(played_s, 1),
                    "verdict": verdict.to_json(),
                    "ms": [round(moment.compute_ms, 2) for moment in timeline],
                }
            )
            ticks += world.index
            told(ticks / TICKS_PER_S)
    return rows


def rest(world: World, chair: OneStream) -> None:
    """The room as the trial left it, the user silent, until the model has said what it was saying."""
    from_s, agent = world.now_s, world.agent
    while world.now_s < from_s + LONGEST_REST_S - 1e-9:
        rested = world.now_s >= from_s + REST_S - 1e-9
        if rested and not agent.speaking(agent.until_s - QUIET_S, agent.until_s):
            return
        act, _ = chair.step(chair, world.percept())
        world.hear(act)


# --- what came of it


def length_of(
    rows: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, SceneKind],
    seconds: float,
    seed: int = 0,
    block_s: float = BLOCK_S,
) -> dict[str, Any]:
    """Scores of blocks of five minutes, and how the share of passed trials changes with time.

    A trial belongs to the block that it starts in, and is passed with all its checks. A block's score is the mean of
    its scenes' scores, its 95 % interval from trials resampled in every scene at once; None where no scene has been
    played from all its sides. ``slope`` is that of a straight line through passed (1) and not passed (0), per minute.
    """
    verdicts = [Verdict.from_json(row["verdict"]) for row in rows]
    sides = {
        scene: _sides(v for v, row in zip(verdicts, rows, strict=True) if row["scene"] == scene) for scene in kinds
    }
    blocks = []
    for number in range(max(1, int(np.ceil(seconds / block_s - 1e-9)))):
        of_block: dict[str, list[Verdict]] = {scene: [] for scene in kinds}
        for verdict, row in zip(verdicts, rows, strict=True):
            if number == int(row["start_s"] // block_s):
                of_block[row["scene"]].append(verdict)
        whole = {scene: of for scene, of in of_block.items() if of and _sides(of) == sides[scene]}
        draws = [resampled(of, kinds[scene].score, seed + i) for i, (scene, of) in enumerate(whole.items())]
        score = round(float(np.mean([kinds[scene].score(of) for scene, of in whole.items()])), 1) if whole else None
        passed = [_passed(verdict) for of in of_block.values() for verdict in of]
        blocks.append(
            {
                "from_min": round(number * block_s / 60, 2),
                "to_min": round(min((number + 1) * block_s, seconds) / 60, 2),
                "n": len(passed),
                "passed": round(float(np.mean(passed)), 4) if passed else None,
                "score": score,
                "ci": quantiles(np.mean(draws, 0)) if whole else None,
            }
        )
    minutes = [float(row["start_s"]) / 60 for row in rows]
    return {
        "minutes": round(seconds / 60, 2),
        "scenes": list(kinds),
        "n": len(rows),
        "blocks": blocks,
        "slope": slope(minutes, [_passed(verdict) for verdict in verdicts], seed),
    }


def _sides(verdicts: Iterable[Verdict]) -> set[str]:
    return {check.kind for verdict in verdicts for check in verdict.checks}


def _passed(verdict: Verdict) -> float:
    return float(all(check.passed for check in verdict.checks))


def slope(minutes: Sequence[float], passed: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """Least squares: by how much the share of passed trials rises in a minute, with a 95 % interval from resampled
    trials (Efron 1979); 0 where all trials start at once.
    """
    x, y = np.array(minutes, float), np.array(passed, float)
    if not len(x):
        return {"per_min": 0.0, "ci": (0.0, 0.0)}
    drawn = np.random.default_rng(seed).integers(0, len(x), (RESAMPLES, len(x)))
    x, y = np.concatenate([x[None], x[drawn]]), np.concatenate([y[None], y[drawn]])
    x = x - x.mean(1, keepdims=True)
    spread = (x**2).sum(1)
    found = np.divide((x * y).sum(1), spread, out=np.zeros(len(x)), where=spread > 1e-9)
    per_min, low, high = (round(float(x), 5) + 0.0 for x in (found[0], *np.quantile(found[1:], (0.025, 0.975))))
    return {"per_min": per_min, "ci": (low, high)}


def pace_of(rows: Sequence[Mapping[str, Any]], seconds: float, block_s: float = BLOCK_S) -> list[float | None]:
    """The median milliseconds of a micro-turn in each block: a fact of the machine."""
    blocks: list[list[float]] = [[] for _ in range(max(1, int(np.ceil(seconds / block_s - 1e-9))))]
    for row in rows:
        blocks[int(row["start_s"] // block_s)].extend(row["ms"])
    return [round(float(np.median(ms)), 2) if ms else None for ms in blocks]
