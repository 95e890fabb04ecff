"""Who sounds when, as it is drawn: the units, overlaps and gaps that ``imkit.measures`` counts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imkit.measures import Talk, gaps, states

Stretch = tuple[float, float]


class Turns(NamedTuple):
    """Stretches as (start_s, end_s): of the user, of the model, of both at once, and silent ones between two sides."""

    user: list[Stretch]
    model: list[Stretch]
    overlaps: list[Stretch]
    gaps: list[Stretch]


def turns_of(talk: Talk) -> Turns:
    """What is drawn of a talk: inter-pausal units, all that both sound, and silences in which the floor goes over."""
    return Turns(
        [(unit.start_s, unit.end_s) for unit in talk.user],
        [(unit.start_s, unit.end_s) for unit in talk.model],
        [(one.start_s, one.end_s) for one in states(talk) if one.state == "both"],
        [(one.start_s, one.end_s) for one in gaps(talk)],
    )


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
