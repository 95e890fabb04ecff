"""How long things took: each micro-turn beside its deadline, and the model's first sound after the user's turn."""

from __future__ import annotations

from typing import Any

import numpy as np

from imkit.stream import TICK_S, Timeline

from .charts import axis, line, look, note, summed_up
from .lanes import DEADLINE_MS, lanes_of
from .palette import faint, theme_of
from .stack import clock
from .turn_taking import PEOPLE_S, transfers_of

_COLUMNS = 400


def latency_figure(timeline: Timeline, theme: str = "light", *, width: int = 960) -> Any:
    """A plotly ``Figure`` of four panels: compute over time and its distribution, response over time and its own.

    Response is the time from the end of the user's sound to the model's first sound where the turn went to the model;
    a negative one began before the user had ended. Of a long timeline each column holds many micro-turns: the pale line
    is the slowest of them, the full one the median.
    """
    colours = theme_of(theme)
    known = lanes_of(timeline)
    ticks = np.array([tick for tick, _ in known.compute_ms], float)
    ms = np.array([value for _, value in known.compute_ms], float)
    replies = [one for one in transfers_of(timeline) if one.after == "model"]
    offsets = np.array([one.offset_s for one in replies])
    top_ms = max(1.15 * DEADLINE_MS, 1.05 * float(ms.max(initial=0)))
    low_s, high_s = min(-0.2, float(offsets.min(initial=0))) - 0.1, max(1.0, float(offsets.max(initial=0))) + 0.1
    start_s, end_s = known.start_s, max(known.end_s, known.start_s + TICK_S)
    slow_x, slowest, median = _columns(ticks, ms)
    late = int((ms > DEADLINE_MS).sum())
    left, right = [0, 0.7], [0.76, 1]
    upper, lower = [0.6, 0.93], [0.0, 0.33]
    counted = {"type": "bar", "orientation": "h", "hovertemplate": "%{x} near %{y:.2f}<extra></extra>"}
    counts_ms, edges_ms = np.histogram(np.minimum(ms, top_ms), np.linspace(0, top_ms, 60))
    counts_s, edges_s = np.histogram(offsets, np.arange(low_s, high_s + 0.05, 0.05))
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": slow_x,
            "y": slowest,
            "line": {"color": faint(colours.cost, 0.75), "width": 1, "shape": "hvh"},
            "hovertemplate": "slowest %{y:.0f} ms<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": slow_x,
            "y": median,
            "line": {"color": colours.ink, "width": 1.4, "shape": "hvh"},
            "hovertemplate": "median %{y:.0f} ms<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": slow_x[slowest > DEADLINE_MS],
            "y": slowest[slowest > DEADLINE_MS],
            "marker": {"color": colours.late, "size": 6, "symbol": "x"},
            "hovertemplate": "late: %{y:.0f} ms<extra></extra>",
        },
        {
            **counted,
            "x": counts_ms,
            "y": (edges_ms[:-1] + edges_ms[1:]) / 2,
            "marker": {"color": colours.cost, "line": {"width": 0}},
            "xaxis": "x2",
            "yaxis": "y2",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": [one.at_s for one in replies],
            "y": offsets,
            "marker": {"color": np.where(offsets < 0, colours.both, colours.me).tolist(), "size": 7},
            "hovertemplate": "%{y:.2f} s after the turn that ended at %{x:.1f} s<extra></extra>",
            "xaxis": "x3",
            "yaxis": "y3",
        },
        {
            **counted,
            "x": counts_s,
            "y": (edges_s[:-1] + edges_s[1:]) / 2,
            "marker": {"color": colours.me, "line": {"width": 0}},
            "xaxis": "x4",
            "yaxis": "y4",
        },
    ]
    times = axis(colours, "", range=[start_s, end_s], **_times(start_s, end_s))
    count = axis(colours, "count", nticks=4, rangemode="tozero")
    taken = axis(colours, "ms", range=[0, top_ms], nticks=6)
    after = axis(colours, "s", range=[low_s, high_s], nticks=6)
    bare = {"showticklabels": False, "title": {"text": ""}}
    head = {"xref": "paper", "yref": "paper", "x": 0, "xanchor": "left", "yanchor": "bottom"}
    limit: dict[str, Any] = {"y0": DEADLINE_MS, "y1": DEADLINE_MS, "x0": 0, "x1": 1}
    people: dict[str, Any] = {"y0": PEOPLE_S, "y1": PEOPLE_S, "x0": 0, "x1": 1}
    missed = f"{late} of {len(ms)} late" if len(ms) else "none"
    layout = look(colours, width, 470) | {
        "margin": {"l": 58, "r": 18, "t": 22, "b": 44},
        "bargap": 0,
        "xaxis": {**times, "domain": left, "anchor": "y"},
        "yaxis": {**taken, "domain": upper, "anchor": "x"},
        "xaxis2": {**count, "domain": right, "anchor": "y2"},
        "yaxis2": {**taken, **bare, "domain": upper, "anchor": "x2"},
        "xaxis3": {**times, "domain": left, "anchor": "y3", "matches": "x"},
        "yaxis3": {**after, "domain": lower, "anchor": "x3"},
        "xaxis4": {**count, "domain": right, "anchor": "y4", "dtick": 1 if counts_s.max(initial=0) < 5 else None},
        "yaxis4": {**after, **bare, "domain": lower, "anchor": "x4"},
        "shapes": [
            *(line(colours, colours.late, xref=f"{x} domain", yref=y, **limit) for x, y in (("x", "y"), ("x2", "y2"))),
            *(
                line(colours, colours.soft, xref=f"{x} domain", yref=y, **people)
                for x, y in (("x3", "y3"), ("x4", "y4"))
            ),
        ],
        "annotations": [
            note(
                f"<b>compute of a micro-turn</b>&nbsp;&nbsp; {summed_up(ms, 'ms', 0)}, {missed}; dotted: deadline",
                colours.ink,
                y=0.95,
                **head,
            ),
            note(
                f"<b>end of your turn → first own sound</b>&nbsp;&nbsp; {summed_up(offsets, 's')}; "
                "dotted: people, about 0.2 s",
                colours.ink,
                y=0.35,
                **head,
            ),
        ],
    }
    import plotly.graph_objects as go

    return go.Figure({"data": data, "layout": layout})


def _columns(ticks: Any, ms: Any) -> tuple[Any, Any, Any]:
    """At most 400 columns: (time in the middle of each, slowest, median)."""
    if not len(ticks):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    size = max(1, -(-len(ticks) // _COLUMNS))
    parts = [slice(begin, begin + size) for begin in range(0, len(ticks), size)]
    x = np.array([(ticks[part].mean() + 0.5) * TICK_S for part in parts])
    return x.round(2), np.array([ms[part].max() for part in parts]), np.array([np.median(ms[part]) for part in parts])


def _times(start_s: float, end_s: float) -> dict[str, Any]:
    step = next((s for s in (1, 2, 5, 10, 30, 60, 300, 600) if (end_s - start_s) / s <= 9), 3600)
    shown = [k * step for k in range(int(start_s // step), int(end_s // step) + 1) if k * step >= start_s]
    return {"tickvals": shown, "ticktext": [clock(at) for at in shown]}
