"""Lanes of numbers as colour, on the same clock as everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .lanes import Span
from .letters import fitted
from .palette import Theme, mixed
from .stack import Lane, View
from .word_lanes import labels

Scale = list[list[float | str]]


def rising(theme: Theme, colour: str) -> Scale:
    """From nothing, which is the ground, to all."""
    return [[0, theme.band], [1, colour]]


def for_and_against(theme: Theme, share: float = 1.0) -> Scale:
    """From against (orange) over nothing to for (the model's colour); paler with a ``share`` below 1."""
    against, for_it = (mixed(colour, theme.band, share) for colour in (theme.both, theme.me))
    return [[0, against], [0.5, theme.band], [1, for_it]]


@dataclass
class Heat(Lane):
    """Values [row, n] of moments [n], rows from below; NaN is blank.

    layers  (values, colours) drawn over each other, each blank where another is to be seen
    most    the value of the strongest colour; -most is that of the other end where colours have two
    told    what stands in the hover of each moment [n]
    names   words in it, where they have room
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    layers: Sequence[tuple[NDArray[Any], Scale]]
    most: float = 1.0
    least: float = 0.0
    told: Sequence[str] = ()
    names: Sequence[Span] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        rows = len(self.layers[0][0])
        self.span = (-0.5, rows - 0.5)

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """One heat map for each layer, then the words."""
        around = view.around
        first, last = np.searchsorted(self.start_s, [around.start_s - 1.0, around.end_s])
        edges, columns = _edges(self.start_s[first:last], self.end_s[first:last], around.columns)
        traces: list[dict[str, Any]] = []
        for values, scale in self.layers:
            trace: dict[str, Any] = {
                "type": "heatmap",
                "x": edges if len(columns) else [view.start_s, view.start_s + 1e-9],
                "z": _picked(values[:, first:last], columns) if len(columns) else np.full((len(values), 1), np.nan),
                "zmin": self.least,
                "zmax": self.most,
                "colorscale": scale,
                "showscale": False,
                "hoverongaps": False,
                "hoverinfo": "skip",
            }
            if self.told and len(columns):
                told = [self.told[first + column[0]] if len(column) else "" for column in columns]
                trace |= {
                    "customdata": [told] * len(values),
                    "hoverinfo": "all",
                    "hovertemplate": "%{customdata}<extra></extra>",
                }
            traces.append(trace)
        shown = fitted(self.names, view.start_s, view.end_s, view.s_per_px, 1)
        middle = sum(self.span) / 2
        return [
            *traces,
            labels([(span.start_s + 2 * view.s_per_px, middle, span.text) for _, span in shown], theme.ink),
        ]


def _edges(
    start_s: NDArray[np.float64], end_s: NDArray[np.float64], columns: int
) -> tuple[list[float], list[NDArray[np.intp]]]:
    """Edges [n + 1] of columns that hold the given moments, empty ones where there are holes."""
    if not len(start_s):
        return [], []
    step = -(-len(start_s) // max(1, columns))
    edges, held = [float(start_s[0])], []
    for begin in range(0, len(start_s), step):
        moments = np.arange(begin, min(len(start_s), begin + step))
        if start_s[begin] - edges[-1] > 1e-6:
            held.append(np.zeros(0, np.intp))
            edges.append(float(start_s[begin]))
        held.append(moments)
        edges.append(float(end_s[moments[-1]]))
    return edges, held


def _picked(values: NDArray[Any], columns: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Of each column the value that is furthest from zero [row, column]."""
    out = np.full((len(values), len(columns)), np.nan)
    for number, column in enumerate(columns):
        if len(column):
            part = np.asarray(values[:, column], np.float64)
            strongest = np.where(np.isnan(part), -1.0, np.abs(part)).argmax(1)
            out[:, number] = part[np.arange(len(part)), strongest]
    return out
