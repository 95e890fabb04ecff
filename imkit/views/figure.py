"""A timeline as a plotly figure: the same lanes as the report, for a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import TICK_S, Timeline

from .lanes import DEADLINE_MS, PEAKS_PER_TICK, Lanes, Span, lanes_of, rows_of

if TYPE_CHECKING:
    from imkit.session import TaskRecord

_YOU, _ME, _NOD, _ACT, _COST = "#0b8080", "#5146d8", "#d99306", "#c2306b", "#9aa3b5"
_DONE = "#f3d3df"
_LANES = {
    "microphone": 1.6,
    "heard": 1.6,
    "camera, typed": 1.0,
    "floor": 0.8,
    "says": 1.6,
    "own voice": 1.6,
    "calls, results": 1.2,
    "compute, ms": 1.4,
}
_WORDS = [-0.6, 2.6]  # three rows
_RANGES = {
    "microphone": [-1, 1],
    "own voice": [-1, 1],
    "heard": _WORDS,
    "says": _WORDS,
    "floor": [-0.5, 0.5],
    "compute, ms": [0, 1.15 * DEADLINE_MS],
    "tasks": _WORDS,
}
_TOLD = ("under way", "done", "failed", "refused")
_CHAR_PX = 7.0


def figure(timeline: Timeline, *, tasks: Iterable[TaskRecord] = (), width: int | None = None, height: int = 620) -> Any:
    """A ``plotly.graph_objects.Figure``: eight lanes on one clock with a 200 ms grid.

    ``tasks``, as ``session.tasks`` has them, are drawn in a lane of their own, from when they were asked to when their
    result was told; hollow where nothing was ever told of them.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    lanes = lanes_of(timeline)
    work = [one for one in tasks if one.asked_s < lanes.end_s and (one.ended_s or lanes.end_s) > lanes.start_s]
    heights = dict([*_LANES.items(), ("tasks", 1.6)] if work else _LANES.items())
    fig = make_subplots(
        rows=len(heights), cols=1, shared_xaxes=True, vertical_spacing=0.012, row_heights=list(heights.values())
    )
    row = {name: number for number, name in enumerate(heights, 1)}
    seconds = max(lanes.end_s - lanes.start_s, TICK_S)
    char_s = _CHAR_PX * seconds / ((width or 1000) - 120)

    def add(name: str, trace: Any) -> None:
        fig.add_trace(trace, row=row[name], col=1)

    for name, peaks, colour in (("microphone", lanes.mic, _YOU), ("own voice", lanes.voice, _ME)):
        x, y = _outline(peaks, lanes.start_s)
        add(
            name,
            go.Scatter(x=x, y=y, fill="toself", mode="lines", line={"width": 0.5, "color": colour}, hoverinfo="skip"),
        )
    for name, spans, colour in (("heard", lanes.heard, _YOU), ("says", lanes.words, _ME)):
        add(name, _pills(go, spans, colour, char_s))
    sight = {"symbol": "square", "size": 6, "color": _YOU}
    add(
        "camera, typed",
        go.Scatter(
            x=[t + TICK_S / 2 for t in lanes.frames],
            y=[0.0] * len(lanes.frames),
            mode="markers",
            marker=sight,
            hovertemplate="picture %{x:.1f} s<extra></extra>",
        ),
    )
    typed = [(s.start_s, s.text, s.text) for s in lanes.typed]
    add("camera, typed", _labels(go, typed, _YOU, char_s, above=int(bool(lanes.frames))))
    for kind, colour in (("speak", _ME), ("backchannel", _NOD)):
        runs = [span for span in lanes.floor if span.text == kind]
        add("floor", _bars(go, runs, [0.0] * len(runs), colour, 0.7))
    add("calls, results", _labels(go, [(m.time_s, m.text[:30], m.detail) for m in lanes.marks], _ACT, char_s))
    ms = [value for _, value in lanes.compute_ms]
    add(
        "compute, ms",
        go.Bar(
            x=[(tick + 0.5) * TICK_S for tick, _ in lanes.compute_ms],
            y=ms,
            width=TICK_S * 0.8,
            marker={"color": [_ACT if value > DEADLINE_MS else _COST for value in ms], "line": {"width": 0}},
            hovertemplate="%{y:.1f} ms<extra></extra>",
        ),
    )
    fig.add_hline(y=DEADLINE_MS, line={"color": _ACT, "width": 1, "dash": "dot"}, row=row["compute, ms"], col=1)
    if work:
        _tasks(go, add, work, lanes, char_s)
    _axes(fig, lanes, row)
    fig.update_layout(
        template="plotly_white",
        showlegend=False,
        bargap=0,
        barmode="overlay",
        hovermode="closest",
        width=width,
        height=height,
        margin={"l": 96, "r": 12, "t": 16, "b": 40},
        font={"size": 11},
    )
    return fig


def _axes(fig: Any, lanes: Lanes, row: dict[str, int]) -> None:
    fig.update_xaxes(
        range=[lanes.start_s, max(lanes.end_s, lanes.start_s + TICK_S)],
        minor={"dtick": TICK_S, "tick0": 0, "showgrid": lanes.end_s - lanes.start_s <= 40, "gridcolor": "#f1f2f7"},
        gridcolor="#d9dce5",
        zeroline=False,
    )
    fig.update_xaxes(title_text="seconds", row=len(row), col=1)
    fig.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, fixedrange=True)
    for name, number in row.items():
        fig.update_yaxes(range=_RANGES.get(name, [-0.6, 1.6]), row=number, col=1)
        low, high = fig.layout[f"yaxis{number}" if number > 1 else "yaxis"].domain
        fig.add_annotation(
            text=name,
            x=-0.008,
            y=(low + high) / 2,
            xref="paper",
            yref="paper",
            xanchor="right",
            yanchor="middle",
            showarrow=False,
            font={"color": "#6b7280"},
        )


def _outline(peaks: NDArray[np.float32], start_s: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """A closed outline mirrored about 0, scaled to the loudest."""
    if not len(peaks):
        return np.zeros(0), np.zeros(0)
    times = start_s + (np.arange(len(peaks)) + 0.5) * TICK_S / PEAKS_PER_TICK
    tall = np.maximum(peaks / max(0.05, float(peaks.max())), 0.01)
    return np.r_[times, times[::-1]].round(3), np.r_[tall, -tall[::-1]].round(3)


def _bars(go: Any, spans: list[Span], rows: list[float], colour: str, height: float) -> Any:
    return go.Bar(
        base=[span.start_s for span in spans],
        x=[max(0.05, span.end_s - span.start_s) for span in spans],
        y=rows,
        width=height,
        orientation="h",
        marker={"color": colour, "line": {"width": 0}},
        customdata=[[_plain(span.text), span.start_s, span.end_s] for span in spans],
        hovertemplate="%{customdata[0]}  %{customdata[1]:.2f} to %{customdata[2]:.2f} s<extra></extra>",
    )


def _tasks(go: Any, add: Callable[[str, Any], None], work: list[TaskRecord], lanes: Lanes, char_s: float) -> None:
    """Bars from the call to the result; three rows where they would overlap."""
    spans = [Span(_named(one), one.asked_s, lanes.end_s if one.ended_s is None else one.ended_s) for one in work]
    rows = rows_of(spans, [(len(span.text) + 2) * char_s for span in spans], 3)
    for told, colour in ((True, _DONE), (False, "#ffffff")):
        kept = [n for n, one in enumerate(work) if (one.outcome in _TOLD) is told]
        bars = _bars(go, [spans[n] for n in kept], [2.0 - rows[n] for n in kept], colour, 0.8)
        bars.update(
            text=[_plain(spans[n].text) for n in kept],
            textposition="inside",
            insidetextanchor="start",
            textangle=0,
            constraintext="none",
            textfont={"color": _ACT},
            marker={"line": {"width": 1, "color": _ACT}},
        )
        add("tasks", bars)


def _named(one: TaskRecord) -> str:
    return one.topic if one.outcome == "done" else f"{one.topic}, {one.outcome}"


def _pills(go: Any, spans: list[Span], colour: str, char_s: float) -> Any:
    """Words as text over bars, in three rows where they would overlap; one trace, texts placed at the word's start."""
    rows = rows_of(spans, [(len(span.text) + 2) * char_s for span in spans], 3)
    return go.Scatter(
        x=[span.start_s for span in spans],
        y=[2.0 - row for row in rows],
        mode="text+markers",
        text=[_plain(span.text) for span in spans],
        textposition="middle right",
        textfont={"color": colour, "size": 12},
        marker={"symbol": "line-ns-open", "size": 9, "color": colour},
        customdata=[[span.start_s, span.end_s] for span in spans],
        hovertemplate="%{text}  %{customdata[0]:.2f} to %{customdata[1]:.2f} s<extra></extra>",
        cliponaxis=True,
    )


def _labels(go: Any, marks: list[tuple[float, str, str]], colour: str, char_s: float, above: float = 0) -> Any:
    spans = [Span(text, time_s, time_s) for time_s, text, _ in marks]
    rows = rows_of(spans, [len(span.text) * char_s for span in spans], 1 if above else 2)
    return go.Scatter(
        x=[span.start_s for span in spans],
        y=[above or 1.0 - row for row in rows],
        mode="text+markers",
        text=[_plain(f" {span.text}") for span in spans],
        textposition="middle right",
        textfont={"color": colour},
        marker={"symbol": "diamond", "size": 7, "color": colour},
        customdata=[[_plain(detail)] for _, _, detail in marks],
        hovertemplate="%{x:.1f} s  %{customdata[0]}<extra></extra>",
    )


def _plain(text: str) -> str:
    """``text`` without anything that plotly would read as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
