"""Lanes one above the other on one clock, as a plotly figure that is drawn anew for what is visible."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from imkit.stream import TICK_S

from .letters import text_px
from .palette import Theme, faint

FONT = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_LEAST_LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX, SPACE_PX = 108, 22, 34, 40, 5
STILL_DETAIL = 3.0
_TICK_LEAST_PX = 5.0
_SECOND_LEAST_PX = 62.0
_STEPS_S = (0.2, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)

Band = tuple[float, float, str]


@dataclass(frozen=True, slots=True)
class View:
    """What is visible: [start_s, end_s) on ``width_px``, with room for ``detail`` values a pixel."""

    start_s: float
    end_s: float
    width_px: float
    detail: float = 1.0

    @property
    def s_per_px(self) -> float:
        """Seconds that one pixel covers."""
        return (self.end_s - self.start_s) / self.width_px

    @property
    def around(self) -> View:
        """The same and half as much on both sides, so that something is there when it is moved."""
        more_s = (self.end_s - self.start_s) / 2
        return View(self.start_s - more_s, self.end_s + more_s, 2 * self.width_px, self.detail)

    @property
    def columns(self) -> int:
        """How many values across are worth drawing."""
        return max(1, int(self.width_px * self.detail))


@dataclass(kw_only=True)
class Lane(ABC):
    """One row. ``drawn`` gives the same number of plotly traces, of the same types, for every view."""

    name: str
    height_px: int
    colour: str = ""
    span: tuple[float, float] = (-1.0, 1.0)

    @abstractmethod
    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """The traces, without their axes."""

    def pictures(self, view: View) -> list[dict[str, Any]]:  # noqa: ARG002
        """Layout images, without their axes."""
        return []


@dataclass
class Stack:
    """Lanes on one clock.

    bands       (start_s, end_s, colour) through all lanes, behind what is in them; drawn where they are wide enough
    edges_s     moments to mark by a line through all lanes
    """

    lanes: Sequence[Lane]
    start_s: float
    end_s: float
    theme: Theme
    width_px: int = 960
    legend: str = ""
    bands: list[Band] = field(default_factory=list)
    edges_s: list[float] = field(default_factory=list)
    level: tuple[float, float] = (0.0, 0.0)
    """The bounds of the timeline, that nobody can pan out of."""

    @property
    def height_px(self) -> int:
        """Of the whole figure."""
        return TOP_PX + BOTTOM_PX + sum(lane.height_px + SPACE_PX for lane in self.lanes)

    @property
    def left_px(self) -> int:
        """Room for the names of the lanes."""
        return round(max(_LEAST_LEFT_PX, *(text_px(lane.name) + 16 for lane in self.lanes)))

    @property
    def inner_px(self) -> float:
        """The width in which time is drawn."""
        return max(60.0, self.width_px - self.left_px - RIGHT_PX)

    def figure(self, live: bool | None = None) -> Any:
        """A ``FigureWidget`` that redraws itself in the kernel when it is zoomed, or a plain ``Figure``.

        ``live`` None is a widget where a notebook's kernel runs, else plain. A plain figure keeps the detail of its
        first view.
        """
        import plotly.graph_objects as go

        live = in_kernel() if live is None else live
        view = View(self.start_s, self.end_s, self.inner_px, 1.0 if live else STILL_DETAIL)
        content = {"data": self._traces(view), "layout": self._layout(view)}
        if not live:
            return go.Figure(content)
        widget = go.FigureWidget(content | {"data": [strict(trace) for trace in self._traces(view)]})
        widget._config = {**(widget._config or {}), "scrollZoom": True, "displaylogo": False}
        widget.layout.on_change(lambda _, shown: self._redraw(widget, shown), "xaxis.range")
        return widget

    def _redraw(self, widget: Any, shown: Any) -> None:
        start_s, end_s = (float(edge) for edge in shown)
        if end_s - start_s < 1e-3:
            return
        view = View(start_s, end_s, self.inner_px)
        with widget.batch_update():
            for trace, content in zip(widget.data, self._traces(view), strict=True):
                trace.update(strict(content), overwrite=False)
            widget.layout.images = self._images(view)
            widget.layout.shapes = self._shapes(view)
            widget.layout.xaxis.update(self._clock(view))

    def _traces(self, view: View) -> list[dict[str, Any]]:
        traces: list[dict[str, Any]] = []
        for number, lane in enumerate(self.lanes):
            traces += [
                {"showlegend": False, "xaxis": "x", "yaxis": _axis("y", number), **trace}
                for trace in lane.drawn(view, self.theme)
            ]
        whole = {"x": list(self.level), "y": [0, 0], "mode": "markers", "marker": {"opacity": 0}, "hoverinfo": "skip"}
        return [*traces, {"type": "scatter", "showlegend": False, "xaxis": "x", "yaxis": "y", **whole}]

    def _images(self, view: View) -> list[dict[str, Any]]:
        return [
            {"xref": "x", "yref": _axis("y", number), "layer": "above", **picture}
            for number, lane in enumerate(self.lanes)
            for picture in lane.pictures(view)
        ]

    def _shapes(self, view: View) -> list[dict[str, Any]]:
        through = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1}
        bands = [
            {"type": "rect", "x0": a, "x1": b, **through, "layer": "below", "fillcolor": colour, "line": {"width": 0}}
            for a, b, colour in self.bands
            if b > view.start_s and a < view.end_s and b - a > 3 * view.s_per_px
        ]
        lines = [
            {
                "type": "line",
                "x0": at,
                "x1": at,
                **through,
                "line": {"color": self.theme.ink, "width": 1.5, "dash": "dot"},
            }
            for at in self.edges_s
        ]
        grounds = [
            {
                "type": "rect",
                "xref": "paper",
                "yref": f"{_axis('y', number)} domain",
                "x0": 0,
                "x1": 1,
                "y0": 0,
                "y1": 1,
                "layer": "below",
                "fillcolor": self.theme.band,
                "line": {"width": 0},
            }
            for number in range(len(self.lanes))
        ]
        return [*grounds, *bands, *lines]

    def _clock(self, view: View) -> dict[str, Any]:
        """Marks of the axis: by the second, and by the micro-turn where there is room for it."""
        s_per_px = view.s_per_px
        step = next((s for s in _STEPS_S if s / s_per_px >= _SECOND_LEAST_PX), _STEPS_S[-1])
        width_s = view.end_s - view.start_s
        first, last = int((view.start_s - width_s) // step), int((view.end_s + width_s) // step) + 1
        times = [round(k * step, 1) for k in range(max(0, first), last + 1)]
        return {
            "tickvals": times,
            "ticktext": [clock(at) for at in times],
            "minor": {
                "dtick": TICK_S,
                "tick0": 0,
                "showgrid": TICK_S / s_per_px >= _TICK_LEAST_PX,
                "gridcolor": self.theme.fine,
            },
        }

    def _layout(self, view: View) -> dict[str, Any]:
        theme, inner_px = self.theme, self.height_px - TOP_PX - BOTTOM_PX
        layout: dict[str, Any] = {
            "template": "none",
            "width": self.width_px,
            "height": self.height_px,
            "margin": {"l": self.left_px, "r": RIGHT_PX, "t": TOP_PX, "b": BOTTOM_PX},
            "font": {"size": 11, "family": FONT, "color": theme.ink},
            "paper_bgcolor": theme.paper,
            "plot_bgcolor": theme.paper,
            "hovermode": "closest",
            "hoverlabel": {"bgcolor": theme.band, "bordercolor": theme.line, "font": {"color": theme.ink}},
            "barmode": "overlay",
            "bargap": 0,
            "showlegend": False,
            "images": self._images(view),
            "shapes": self._shapes(view),
            "xaxis": {
                "range": [view.start_s, view.end_s],
                "minallowed": self.level[0],
                "maxallowed": self.level[1],
                "anchor": _axis("y", len(self.lanes) - 1),
                "gridcolor": theme.line,
                "zeroline": False,
                "tickfont": {"color": theme.soft},
                "title": {"text": "seconds" if view.end_s < 60 else "minutes : seconds", "font": {"color": theme.soft}},
                "showspikes": True,
                "spikemode": "across",
                "spikesnap": "cursor",
                "spikethickness": 1,
                "spikedash": "solid",
                "spikecolor": faint(theme.ink, 0.5),
                **self._clock(view),
            },
        }
        notes = [_note(self.legend, x=0, y=1, xanchor="left", yanchor="bottom", yshift=9, color=theme.soft)]
        top_px = 0.0
        for number, lane in enumerate(self.lanes):
            high, low = 1 - top_px / inner_px, 1 - (top_px + lane.height_px) / inner_px
            layout[_axis("yaxis", number)] = {
                "domain": [max(0.0, low), high],
                "range": list(lane.span),
                "fixedrange": True,
                "showticklabels": False,
                "ticks": "",
                "showgrid": False,
                "zeroline": False,
                "anchor": "x",
            }
            notes.append(
                _note(
                    lane.name,
                    x=0,
                    y=(low + high) / 2,
                    xanchor="right",
                    yanchor="middle",
                    xshift=-8,
                    color=lane.colour or theme.soft,
                )
            )
            top_px += lane.height_px + SPACE_PX
        layout["annotations"] = notes
        return layout


def in_kernel() -> bool:
    """A notebook's kernel runs this, so that a figure can ask it for more detail."""
    from importlib import import_module

    try:
        shell = import_module("IPython").get_ipython()
    except ImportError:
        return False
    return getattr(shell, "kernel", None) is not None


def clock(seconds: float) -> str:
    """Seconds below a minute, minutes and seconds above."""
    if seconds < 60:
        return f"{seconds:g}"
    whole = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    return whole if seconds % 1 < 0.05 else f"{whole}{seconds % 1:.1f}".replace("0.", ".")


def plain(text: str) -> str:
    """``text`` without anything that plotly would read as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def strict(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace as JSON can say it, for the state of a widget: None where a cell of ``z`` is not a number."""
    cells = trace.get("z")
    if cells is None or np.isfinite(known := np.asarray(cells, np.float64)).all():
        return trace
    return trace | {"z": [[float(cell) if np.isfinite(cell) else None for cell in row] for row in known]}


def _axis(name: str, number: int) -> str:
    return name if number == 0 else f"{name}{number + 1}"


def _note(text: str, *, color: str, xref: Literal["x", "paper"] = "paper", **place: Any) -> dict[str, Any]:
    return {"text": text, "xref": xref, "yref": "paper", "showarrow": False, "font": {"color": color}, **place}
