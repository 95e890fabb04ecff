"""Who sounds when: stretches of sound, where two are at once, and where nobody is between two turns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PARTS_PER_S = 50
_JOIN_S, _SHORTEST_S = 0.25, 0.1
_LEAST, _OVER_FLOOR = 0.01, 4.0

Stretch = tuple[float, float]


class Turns(NamedTuple):
    """Stretches as (start_s, end_s): of the user, of the model, of both at once, and silent ones between two sides."""

    user: list[Stretch]
    model: list[Stretch]
    overlaps: list[Stretch]
    gaps: list[Stretch]


def turns(user: list[Stretch], model: list[Stretch]) -> Turns:
    """Overlaps and gaps of two sides. A gap is a silence in which the turn goes from one side to the other."""
    overlaps = [
        (max(a, c), min(b, d)) for a, b in user for c, d in _meeting(model, a, b) if min(b, d) - max(a, c) > 1e-6
    ]
    sides = sorted([(*one, 0) for one in user] + [(*one, 1) for one in model])
    gaps: list[Stretch] = []
    ends_s, whose = -np.inf, -1
    for start_s, end_s, side in sides:
        if whose >= 0 and side != whose and start_s > ends_s:
            gaps.append((ends_s, start_s))
        if end_s > ends_s:
            ends_s, whose = end_s, side
    return Turns(user, model, overlaps, gaps)


def sounding(peaks: NDArray[np.float32], start_s: float) -> list[Stretch]:
    """Stretches in which the sound stands out of its own background; ``peaks`` are magnitudes, 50 a second.

    Loud is what is over four times the quietest fifth and over 1 % of full scale. Pauses shorter than 0.25 s are part
    of a stretch; stretches shorter than 0.1 s are none.
    """
    if not len(peaks):
        return []
    quiet = float(np.percentile(peaks, 20))
    loud = peaks > min(max(_LEAST, _OVER_FLOOR * quiet), 0.1)
    edges = np.flatnonzero(np.diff(np.r_[False, loud, False].astype(np.int8)))
    found: list[list[int]] = []
    for begin, end in edges.reshape(-1, 2).tolist():
        if found and begin - found[-1][1] < _JOIN_S * PARTS_PER_S:
            found[-1][1] = end
        else:
            found.append([begin, end])
    return [
        (start_s + begin / PARTS_PER_S, start_s + end / PARTS_PER_S)
        for begin, end in found
        if end - begin >= _SHORTEST_S * PARTS_PER_S
    ]


def shares(stretches: list[Stretch], start_s: float, step_s: float, columns: int) -> NDArray[np.float64]:
    """The share of every column that the stretches fill, float64 [columns] in [0, 1]."""
    filled = np.zeros(columns)
    for begin_s, end_s in stretches:
        first = max(0, int((begin_s - start_s) / step_s))
        last = min(columns - 1, int((end_s - start_s) / step_s))
        for column in range(first, last + 1):
            left = start_s + column * step_s
            filled[column] += max(0.0, min(end_s, left + step_s) - max(begin_s, left))
    return np.clip(filled / step_s, 0, 1)


def _meeting(stretches: list[Stretch], start_s: float, end_s: float) -> list[Stretch]:
    """Those of the ordered stretches that reach into [start_s, end_s]."""
    low, high = 0, len(stretches)
    while low < high:
        middle = (low + high) // 2
        if stretches[middle][1] <= start_s:
            low = middle + 1
        else:
            high = middle
    found = []
    while low < len(stretches) and stretches[low][0] < end_s:
        found.append(stretches[low])
        low += 1
    return found
