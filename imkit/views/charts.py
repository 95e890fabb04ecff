"""What all charts beside the timeline share: their look, and how numbers are summed up in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .palette import Theme
from .stack import FONT


def look(theme: Theme, width: int, height: int) -> dict[str, Any]:
    """Layout settings of a chart."""
    return {
        "template": "none",
        "width": width,
        "height": height,
        "font": {"size": 11, "family": FONT, "color": theme.ink},
        "paper_bgcolor": theme.paper,
        "plot_bgcolor": theme.band,
        "showlegend": False,
        "bargap": 0.06,
        "barmode": "overlay",
        "hoverlabel": {"bgcolor": theme.band, "bordercolor": theme.line, "font": {"color": theme.ink}},
    }


def axis(theme: Theme, title: str = "", **more: Any) -> dict[str, Any]:
    """Settings of an axis."""
    return {
        "gridcolor": theme.line,
        "zeroline": False,
        "ticks": "",
        "ticklabelstandoff": 5,
        "tickfont": {"color": theme.soft},
        "title": {"text": title, "standoff": 8, "font": {"size": 12, "color": theme.soft}},
        **more,
    }


def line(theme: Theme, colour: str = "", dash: str = "dot", **place: Any) -> dict[str, Any]:
    """A line as a layout shape."""
    return {"type": "line", "line": {"color": colour or theme.ink, "width": 1.5, "dash": dash}, **place}


def note(text: str, colour: str, **place: Any) -> dict[str, Any]:
    """A layout annotation without an arrow."""
    return {"text": text, "showarrow": False, "align": "left", "font": {"color": colour}, **place}


def summed_up(values: Sequence[float] | np.ndarray[Any, Any], unit: str, digits: int = 2) -> str:
    """How many values there are, their median and the one that 95 % do not exceed."""
    if not len(values):
        return "none"
    p50, p95 = np.percentile(np.asarray(values, float), [50, 95])
    return f"n = {len(values)}, median {p50:.{digits}f} {unit}, p95 {p95:.{digits}f} {unit}".replace("-", "−")
