"""Gaps and overlaps between turns as a distribution, beside what people do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from imkit.measures import HUMAN, Transfer, talk_of, transfers, without_backchannels
from imkit.stream import Timeline

from .charts import axis, line, look, note, summed_up
from .palette import Theme, faint, theme_of

BIN_S = 0.1
SHOWN_S = (-2.0, 3.0)
_ROW_PX, _TITLE_PX, _TOP_PX, _BOTTOM_PX = 150, 26, 44, 56


PEOPLE_S: Final = HUMAN[0].value_s
SPREAD_S: Final = HUMAN[1].value_s


def transfers_of(timeline: Timeline) -> list[Transfer]:
    """Where the turn goes over, without backchannels: by sound while all of it is held, else by the times of words."""
    held = all(moment.has_media for moment in timeline)
    return list(transfers(without_backchannels(talk_of(timeline, "energy" if held else "words"))))


def turn_taking_figure(
    source: Timeline | Mapping[str, Sequence[float]] | Sequence[float], theme: str = "light", *, width: int = 900
) -> Any:
    """Floor transfer offsets as a plotly ``Figure``: gaps right of zero, overlaps left of it, people's beside them.

    ``source`` is a timeline, or offsets in seconds, or several lists of offsets by name; from a timeline they are taken
    by who speaks next. An offset is the time from the end of one turn to the start of the other side's, negative where
    the next one began first. Bins are 0.1 s wide; offsets below -2 s or above 3 s stand in the outermost bins.
    """
    colours = theme_of(theme)
    named = _named(source)
    for name, offsets in named.items():
        if not np.isfinite(np.asarray(offsets, float)).all():
            raise ValueError(f"turn_taking_figure: the offsets of {name!r} hold NaN or infinity; leave those out")
    height = _TOP_PX + _BOTTOM_PX + _ROW_PX * len(named)
    low_s, high_s = SHOWN_S
    edges = np.round(np.arange(low_s, high_s + BIN_S / 2, BIN_S), 3)
    traces: list[dict[str, Any]] = []
    layout = look(colours, width, height) | {
        "margin": {"l": 64, "r": 24, "t": _TOP_PX, "b": _BOTTOM_PX},
        "annotations": [],
    }
    shapes: list[dict[str, Any]] = []
    for number, (name, offsets) in enumerate(named.items()):
        x, y = ("x", "y") if number == 0 else ("x", f"y{number + 1}")
        top = 1 - (number + _TITLE_PX / _ROW_PX) / len(named)
        values = np.clip(np.asarray(offsets, float), low_s + 1e-6, high_s - 1e-6)
        counts, _ = np.histogram(values, edges)
        centres = (edges[:-1] + edges[1:]) / 2
        for side, colour in (
            (centres < 0, colours.both),
            (centres >= 0, colours.me if "→ model" in name else colours.you),
        ):
            traces.append(_histogram(centres[side], counts[side], colour, x, y))
        inner = (1 - (_TITLE_PX + 10) / _ROW_PX) / len(named)
        layout[f"yaxis{number + 1}" if number else "yaxis"] = axis(
            colours,
            "count",
            domain=[max(0.0, top - inner), top],
            rangemode="tozero",
            anchor="x",
            nticks=4,
        ) | {"range": [0, max(1, int(counts.max())) * 1.12], "dtick": 1 if counts.max() < 5 else None}
        told = f"<b>{name}</b>&nbsp;&nbsp; {summed_up(offsets, 's')}{_overlapping(offsets)}"
        layout["annotations"].append(
            note(told, colours.ink, x=0, y=top, yshift=2, xref="paper", yref="paper", xanchor="left", yanchor="bottom")
        )
        shapes += _people(colours, y)
        if len(offsets):
            middle = float(np.clip(np.median(offsets), low_s, high_s))
            shapes.append(line(colours, dash="solid", x0=middle, x1=middle, y0=0, y1=1, xref="x", yref=f"{y} domain"))
    layout["xaxis"] = axis(
        colours, "← overlap &nbsp;&nbsp; seconds from the end of one turn to the start of the next &nbsp;&nbsp; gap →"
    ) | {"range": [low_s, high_s], **_ticks(), "anchor": "y" if len(named) == 1 else f"y{len(named)}"}
    layout["shapes"] = shapes
    breaks = "; " if width >= 700 else "<br>"
    layout["annotations"].append(
        note(
            f"solid line: median here{breaks}dotted line, band: people, {PEOPLE_S:g} s, and means of ten languages "
            "(Stivers et al. 2009)",
            colours.soft,
            x=0,
            y=1,
            yshift=6,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="bottom",
        )
    )
    import plotly.graph_objects as go

    return go.Figure({"data": traces, "layout": layout})


def _named(source: Timeline | Mapping[str, Sequence[float]] | Sequence[float]) -> dict[str, Sequence[float]]:
    if isinstance(source, Timeline):
        found = transfers_of(source)
        return {
            "you → model": [one.offset_s for one in found if one.after == "model"],
            "model → you": [one.offset_s for one in found if one.after == "user"],
        }
    if isinstance(source, Mapping):
        if not source:
            raise ValueError("turn_taking_figure: no lists of offsets were given; expected at least one")
        return dict(source)
    return {"all": source}


def _histogram(centres: Any, counts: Any, colour: str, x: str, y: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": centres,
        "y": counts,
        "width": BIN_S * 0.92,
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": "%{y} near %{x:.2f} s<extra></extra>",
        "xaxis": x,
        "yaxis": y,
    }


def _people(theme: Theme, y: str) -> list[dict[str, Any]]:
    place: dict[str, Any] = {"xref": "x", "yref": f"{y} domain", "y0": 0, "y1": 1}
    band = {
        "type": "rect",
        "x0": PEOPLE_S - SPREAD_S,
        "x1": PEOPLE_S + SPREAD_S,
        "layer": "below",
        "line": {"width": 0},
    }
    return [
        {**band, **place, "fillcolor": faint(theme.ink, 0.1)},
        line(theme, theme.soft, x0=PEOPLE_S, x1=PEOPLE_S, **place),
    ]


def _ticks() -> dict[str, Any]:
    values = np.arange(SHOWN_S[0], SHOWN_S[1] + 0.1, 0.5)
    text = [f"{value:g}".replace("-", "−") for value in values]
    return {"tickvals": values, "ticktext": [f"≤ {text[0]}", *text[1:-1], f"≥ {text[-1]}"]}


def _overlapping(offsets: Sequence[float]) -> str:
    return f", {100 * float(np.mean(np.asarray(offsets) < 0)):.0f} % overlap" if len(offsets) else ""
