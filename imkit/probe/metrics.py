"""What a patched run is measured by: a number of its acts, or of activations that are kept for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imkit.model.config import FLOORS
from imkit.stream import TICK_S, TICKS_PER_S, Act, Floor

from .cache import ActivationCache
from .errors import ProbeError

SPEAK, LISTEN = FLOORS.index("speak"), FLOORS.index("listen")
Measured = Callable[[Sequence[Act], ActivationCache], float]
"""``fn(acts, cache)``: the acts of the stretch, and a cache of the sites that were asked for."""


@dataclass(frozen=True)
class Metric:
    """A measure with its name, the sites that it reads, and the time after which it needs no more."""

    says: str
    of: Measured
    sites: tuple[str, ...] = ()
    needs_until_s: float | None = None

    def __call__(self, acts: Sequence[Act], cache: ActivationCache) -> float:
        return self.of(acts, cache)


def p_speak(at_s: float) -> Metric:
    """The probability of the floor *speak* in the micro-turn in which ``at_s`` lies."""
    return _floor_at(f"probability of speak at {at_s:g} s", at_s, _probability)


def speak_logit(at_s: float) -> Metric:
    """The logit of *speak* less that of *listen* at ``at_s``.

    Logits are sums of what the parts of a network add, probabilities are not: Heimersheim & Nanda 2024 patch by these.
    """
    return _floor_at(
        f"logit of speak over listen at {at_s:g} s", at_s, lambda logits: float(logits[SPEAK] - logits[LISTEN])
    )


def first_speak(from_s: float = 0.0, until_s: float | None = None) -> Metric:
    """When, in seconds, the first micro-turn begins from ``from_s`` on in which the floor is *speak*.

    Where there is none, the end of what was lived through, or ``until_s``.
    """

    def of(acts: Sequence[Act], _cache: ActivationCache) -> float:
        spoke = (act.index for act in acts if act.floor is Floor.SPEAK and act.index * TICK_S >= from_s - 1e-9)
        end_s = until_s if until_s is not None else (acts[-1].index + 1) * TICK_S
        return min(end_s, next(spoke, np.inf) * TICK_S)

    return Metric(f"first micro-turn of speak from {from_s:g} s on, s", of, (), until_s)


def _floor_at(says: str, at_s: float, read: Callable[[np.ndarray[tuple[int], np.dtype[np.float64]]], float]) -> Metric:
    index = int(np.floor(at_s * TICKS_PER_S + 1e-6))

    def of(_acts: Sequence[Act], cache: ActivationCache) -> float:
        found = [one for one in cache.seen if one.index == index]
        if not found:
            raise ProbeError(f"{says}: this micro-turn was not lived through; say start_s and end_s around it")
        return read(found[0].at["floor.hook_out"].double().numpy().reshape(-1))

    return Metric(says, of, ("floor.hook_out",), (index + 1) * TICK_S)


def _probability(logits: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    weights = np.exp(logits - logits.max())
    return float(weights[SPEAK] / weights.sum())
