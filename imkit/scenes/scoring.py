"""From what happened in trials to a score with an interval. Every scene pairs what must be done with what must not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["act", "hold"]
RESAMPLES = 1000
FEWEST = 10  # a rate over fewer events is not shown
LATE_S = 5.0  # what a reaction that never came is counted as


@dataclass(frozen=True)
class Check:
    """One thing that was looked at in a trial: something to be done (act) or to be left alone (hold).

    A trial in which the occasion never came about, because the model did not do its part before, has failed checks.
    ``latency_s`` is signed; None where there is none to speak of. ``group`` is the class it counts in, where a scene
    averages over classes.
    """

    kind: Kind
    passed: bool
    why: str = ""
    latency_s: float | None = None
    group: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a trial came to. ``measures`` are further numbers of this trial, each averaged over trials."""

    checks: tuple[Check, ...]
    measures: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"checks": [asdict(check) for check in self.checks], "measures": self.measures}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Verdict:
        """Back from ``to_json``."""
        return cls(tuple(Check(**check) for check in value["checks"]), dict(value["measures"]))


Score = Callable[[Sequence[Verdict]], float]


def rates(verdicts: Sequence[Verdict], group: str | None = None) -> tuple[float, float]:
    """Share of acts done and share of holds kept; 0.0 where there was none of a kind."""
    checks = [c for v in verdicts for c in v.checks if group is None or c.group == group]

    def share(kind: Kind) -> float:
        of_kind = [c.passed for c in checks if c.kind == kind]
        return sum(of_kind) / len(of_kind) if of_kind else 0.0

    return share("act"), share("hold")


def youden(verdicts: Sequence[Verdict]) -> float:
    """100 * max(0, TPR + TNR - 1) (Youden 1950): 0 for a policy that cannot tell acts from holds, 100 for perfect."""
    done, kept = rates(verdicts)
    return 100 * max(0.0, done + kept - 1)


def macro(verdicts: Sequence[Verdict]) -> float:
    """Mean over groups: of the share of acts done, less the share of holds broken where a group has any."""
    groups = sorted({c.group for v in verdicts for c in v.checks})
    scores = []
    for group in groups:
        checks = [c for v in verdicts for c in v.checks if c.group == group]
        done, kept = rates(verdicts, group)
        scores.append(max(0.0, done + kept - 1) if any(c.kind == "hold" for c in checks) else done)
    return 100 * sum(scores) / len(scores) if scores else 0.0


def weakest(verdicts: Sequence[Verdict]) -> float:
    """Youden's J with the least share over groups of acts and the least over groups of holds, as 0 to 100.

    For scenes in which a blunt rule gets one group right by breaking another: it earns nothing for that.
    """

    def least(kind: Kind) -> float:
        of_kind = [c for v in verdicts for c in v.checks if c.kind == kind]
        groups = [[c.passed for c in of_kind if c.group == group] for group in {c.group for c in of_kind}]
        return min((sum(passed) / len(passed) for passed in groups), default=0.0)

    return 100 * max(0.0, least("act") + least("hold") - 1)


def resampled(verdicts: Sequence[Verdict], score: Score, seed: int = 0) -> npt.NDArray[np.float64]:
    """Scores of 1000 resamplings of whole trials, float64 [1000].

    Trials are drawn within strata: those with acts only, with holds only, with both. A scene is made of so many of
    each by design, so no resample lacks acts or holds (stratified bootstrap; Davison and Hinkley 1997, 3.2).
    """
    strata: dict[tuple[str, ...], list[int]] = {}
    for i, verdict in enumerate(verdicts):
        strata.setdefault(tuple(sorted({check.kind for check in verdict.checks})), []).append(i)
    rng = np.random.default_rng(seed)
    draws = np.concatenate([rng.choice(strata[kinds], (RESAMPLES, len(strata[kinds]))) for kinds in sorted(strata)], 1)
    return np.array([score([verdicts[i] for i in draw]) for draw in draws.tolist()], np.float64)


def interval(verdicts: Sequence[Verdict], score: Score, seed: int = 0) -> tuple[float, float]:
    """95 % interval of a score: percentiles over ``resampled``; (0, 100) without any trial."""
    return quantiles(resampled(verdicts, score, seed)) if verdicts else (0.0, 100.0)


def quantiles(scores: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of resampled scores."""
    low, high = np.quantile(scores, (0.025, 0.975))
    return round(float(low), 1), round(float(high), 1)


def wilson(passed: int, count: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927); (0, 1) without any trial."""
    if not count:
        return 0.0, 1.0
    z, p = 1.959964, passed / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)


def summary(verdicts: Sequence[Verdict], score: Score, seed: int = 0) -> dict[str, Any]:
    """Score, interval, counts, rates with intervals, signed latencies and the means of further measures."""
    out: dict[str, Any] = {"score": round(score(verdicts), 1), "ci": interval(verdicts, score, seed)}
    out["n"] = len(verdicts)
    checks = [c for v in verdicts for c in v.checks]
    for kind, name in (("act", "recall"), ("hold", "hold_rate")):
        of_kind = [c.passed for c in checks if c.kind == kind]
        out[f"{kind}_n"] = len(of_kind)
        if len(of_kind) >= FEWEST:
            out[name] = round(sum(of_kind) / len(of_kind), 4)
            out[f"{name}_ci"] = wilson(sum(of_kind), len(of_kind))
    if "hold_rate" in out:
        out["fp_rate"] = round(1 - out["hold_rate"], 4)
    latencies = [c.latency_s for c in checks if c.latency_s is not None]
    if latencies:
        p10_50_90 = np.quantile(latencies, (0.1, 0.5, 0.9)).round(3).tolist()
        out["latency_s"] = dict(zip(("p10", "p50", "p90"), p10_50_90, strict=True)) | {"n": len(latencies)}
    groups = sorted({c.group for c in checks} - {""})
    if groups:
        out["groups"] = {group: _group(checks, verdicts, group) for group in groups}
    for name in sorted({name for v in verdicts for name in v.measures}):
        values = [v.measures[name] for v in verdicts if name in v.measures]
        out.setdefault("measures", {})[name] = {"mean": round(float(np.mean(values)), 4), "n": len(values)}
    return out


def _group(checks: Sequence[Check], verdicts: Sequence[Verdict], group: str) -> dict[str, float]:
    kinds = {check.kind for check in checks if check.group == group}
    done, kept = rates(verdicts, group)
    return ({"recall": round(done, 4)} if "act" in kinds else {}) | (
        {"hold_rate": round(kept, 4)} if "hold" in kinds else {}
    )
