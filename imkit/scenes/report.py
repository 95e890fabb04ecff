"""From trials to the report: every scene's score with its interval, the baselines beside it, what the machine took."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from imkit.stream import TICK_S

from .hearing import word_error
from .scoring import Verdict, quantiles, resampled, summary
from .stage import POLICIES, Plan


def report_of(
    plan: Plan,
    head: Mapping[str, str],
    trials: Mapping[str, Sequence[Mapping[str, Any]]],
    baselines: Sequence[Mapping[str, Any]],
    heard: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The report as plain values; no time and no fact of the machine is in it.

    trials     what ``trial_json`` gave, by scene
    baselines  rows of ``Stage.baselines``; heard: rows of ``hear``

    ``overall`` is the mean of the scenes' scores, with a 95 % interval from trials resampled in every scene at once.
    """
    seed = plan.suite.seed
    verdicts = {scene: [Verdict.from_json(trial["verdict"]) for trial in of] for scene, of in trials.items()}
    scenes = {scene: summary(of, plan.kinds[scene].score, seed) for scene, of in verdicts.items()}
    draws = [resampled(of, plan.kinds[scene].score, seed + i) for i, (scene, of) in enumerate(verdicts.items())]
    for scene, of_scene in trials.items():
        scenes[scene]["mismatches"] = sum(trial["mismatches"] for trial in of_scene)
        scenes[scene]["seconds"] = round(sum(trial["seconds"] for trial in of_scene), 1)
    return {
        **head,
        "seed": seed,
        "n": plan.trials,
        "overall": round(float(np.mean([plan.kinds[scene].score(of) for scene, of in verdicts.items()])), 1),
        "overall_ci": quantiles(np.mean(draws, 0)),
        "scenes": scenes,
        "hearing": word_error(heard, seed),
        "baselines": _baselines(plan, baselines),
    }


def _baselines(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    for policy in POLICIES if rows else ():
        for scene, kind in plan.kinds.items():
            of_scene = sorted((row for row in rows if row["scene"] == scene), key=lambda row: int(row["number"]))
            verdicts = [Verdict.from_json(row["verdicts"][policy]) for row in of_scene]
            out.setdefault(policy, {})[scene] = round(kind.score(verdicts), 1)
    return out


def runtime_of(plan: Plan, head: Mapping[str, str], ticks: Sequence[Mapping[str, Any]], workers: int) -> dict[str, Any]:
    """How long the model took for a micro-turn on this machine, with so many processes at once."""
    by_scene = {scene: [ms for row in ticks if row["scene"] == scene for ms in row["ms"]] for scene in plan.kinds}
    return {
        **head,
        "tick_ms": _quantiles([ms for of_scene in by_scene.values() for ms in of_scene]),
        "scenes": {scene: _quantiles(ms) for scene, ms in by_scene.items()},
        "workers": workers,
        "machine": {"python": platform.python_version(), "platform": platform.platform(), "cpus": os.cpu_count()},
    }


def _quantiles(ms: Sequence[float]) -> dict[str, float]:
    ordered = sorted(ms)
    if not ordered:
        return {"n": 0}
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    at = {name: ordered[max(0, ceil(share * len(ordered)) - 1)] for name, share in shares}
    return at | {"n": len(ordered), "late": sum(x > 1000 * TICK_S for x in ordered)}
