"""The few statistics that the notebook's tools need, in numpy."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Line(NamedTuple):
    """A least squares line: slope and its standard error, its height at the lowest x and at the highest, and rows."""

    slope: float
    error: float
    start: float
    end: float
    low: float
    rows: int


def pearson(x: NDArray[Any], y: NDArray[Any]) -> tuple[float | None, int]:
    """Pearson's r over rows where both [row] are finite, and how many; None where one does not vary or under three."""
    both = np.isfinite(x) & np.isfinite(y)
    one, other = x[both], y[both]
    if one.size < 3 or one.std() == 0 or other.std() == 0:
        return None, int(one.size)
    return float(np.corrcoef(one, other)[0, 1]), int(one.size)


def fences(values: NDArray[Any]) -> tuple[float, float]:
    """Tukey's fences (Exploratory Data Analysis, 1977): 1.5 interquartile ranges beyond the quartiles."""
    low, high = np.quantile(values, [0.25, 0.75])
    reach = 1.5 * (high - low)
    return float(low - reach), float(high + reach)


def line_through(x: NDArray[Any], y: NDArray[Any]) -> Line | None:
    """The least squares line through the finite rows; None under three rows or where x does not vary."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both].astype(np.float64), y[both].astype(np.float64)
    if x.size < 3 or np.ptp(x) == 0:
        return None
    off = x - x.mean()
    slope = float((off * (y - y.mean())).sum() / (off * off).sum())
    rest = y - y.mean() - slope * off
    error = math.sqrt(float((rest * rest).sum()) / (x.size - 2) / float((off * off).sum()))
    heights = [float(y.mean() + slope * (end - x.mean())) for end in (x.min(), x.max())]
    return Line(slope, error, heights[0], heights[1], float(x.min()), int(x.size))


def slopes_doubt(line: Line) -> bool:
    """True where zero lies within the 95 % interval of the slope."""
    return abs(line.slope) <= t_95(line.rows - 2) * line.error


def welch(one: NDArray[Any], other: NDArray[Any]) -> tuple[float | None, bool]:
    """Welch's t for two samples (Biometrika 34, 1947), and whether it lies outside its 95 % interval."""
    if min(one.size, other.size) < 2:
        return None, False
    parts = [float(values.var(ddof=1)) / values.size for values in (one, other)]
    if sum(parts) == 0:
        return None, bool(one.mean() != other.mean())
    t = float(one.mean() - other.mean()) / math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / sum(p * p / (v.size - 1) for p, v in zip(parts, (one, other), strict=True))
    return t, abs(t) > t_95(freedom)


def t_95(freedom: float) -> float:
    """Student's two-sided 95 % point by Cornish and Fisher's expansion (1938); exact values under three degrees."""
    if freedom < 3:
        return {1: 12.706, 2: 4.303}[max(1, int(freedom))]
    z = 1.959964
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
