"""Evaluations without processes and speech engines: the stage is here, and voices hum."""

import io
from pathlib import Path

import numpy as np

from imkit.scenes import SCENES, load_suite, run, stage
from imkit.scenes.run import evaluate
from imkit.scenes.stage import Plan, Stage
from imkit.scenes.texts import Prompter
from imkit.stream import Act, ModelSpec, Word

SUITE = """
base = "dev"
[[voice]]
engine = "espeak"
name = "en-us"
[[voice]]
engine = "flite"
name = "slt"
"""
TURNS = ("smooth_turn_taking", "pause_handling")


class Here:
    """Plays in this process."""

    def __init__(self, plan, head, workers):
        self.stage, self.head = Stage(plan, head), head
        self.jobs = []

    def play(self, jobs, keep):
        for job in jobs:
            result = self.stage.play(job)
            run.write_json(self.stage.plan.out / "eval.json", self.head)
            keep(job, result)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stage.close()


def hum(monkeypatch):
    """From now on trials are played here, by voices that hum."""
    monkeypatch.setattr(stage, "Cast", Prompter)
    monkeypatch.setattr(run, "Players", Here)


def plan_for(tmp_path, model="oracle", out="out", trials=2, scenes=TURNS, baselines=False, **more):
    path = Path(tmp_path) / "mine.toml"
    path.write_text(SUITE)
    kinds = {name: SCENES[name] for name in scenes}
    return Plan(load_suite(path), model, kinds, trials, Path(tmp_path) / out, baselines=baselines, **more)


def play(plan, **more):
    told = io.StringIO()
    return evaluate(plan, told=told, **more), told.getvalue()


class Listener:
    """A model that never speaks, and hears "two" in every micro-turn with loud sound that follows a quiet one."""

    class config:
        vocabulary = ("two", "plus")

    spec = ModelSpec("listener", 16_000)
    stepped = 0

    def open(self, config):
        return False

    def step(self, was_loud, percept):
        type(self).stepped += 1
        loud = float(np.abs(percept.audio).max()) > 0.02
        heard = (Word("two", percept.index / 5, percept.index / 5 + 0.2),) if loud and not was_loud else ()
        return Act(percept.index, np.zeros(3200, np.float32), heard=heard), loud


class Broken(Listener):
    """A model that fails in the third micro-turn of the fourth stream."""

    opened = 0

    def open(self, config):
        type(self).opened += 1
        return False

    def step(self, was_loud, percept):
        if type(self).opened == 4 and percept.index == 2:
            raise ZeroDivisionError("three")
        return super().step(was_loud, percept)
