"""Attention as pictures: a strip for each stream over time; a matrix of queries and keys with linked margins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .charts import axis, look, note
from .heat import Heat, rising
from .palette import Theme, faint, theme_of
from .stack import Lane, Stack, clock, in_kernel, plain, strict

MOST_CELLS = 160
"""Rows, and columns, of a matrix; what is more is drawn in groups, and the figure says so."""
_STRIP_PX = 20
_LEFT, _RIGHT, _TOP, _BOTTOM, _MARGIN_PX, _SPACE_PX = 66, 22, 62, 46, 74, 8

Floats = NDArray[np.floating[Any]]


def stream_colours(theme: Theme) -> dict[str, str]:
    """The colour of each stream, wherever attention is drawn by stream."""
    told = dict.fromkeys((f"told by {one}" for one in ("background", "tool", "notebook", "ui", "file")), theme.act)
    return {
        "camera": theme.cost,
        "audio": theme.you,
        "acts": theme.me,
        "audio now": theme.you,
        "audio before": faint(theme.you, 0.4),
        "words heard": theme.both,
        "typed": theme.nod,
        **told,
        "acts before": faint(theme.me, 0.45),
        "act now": theme.me,
    }


def streams_figure(
    weights: Floats,
    gone: NDArray[np.bool_],
    streams: Sequence[str],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    of: str = "",
    theme: str = "light",
    *,
    width: int = 1000,
    live: bool | None = None,
) -> Any:
    """Weights [row, stream] of queries at ``start_s`` to ``end_s`` [row], as a strip for each stream.

    Where ``gone`` [row, stream], something had been and is out of reach. ``of`` says in words whose attention it is.
    """
    colours = theme_of(theme)
    lanes = stream_lanes(weights, gone, streams, start_s, end_s, colours)
    whose = (f" of {of}" if of else ", mean of layers and heads") + f", 0 to {_most(weights):.2f}"
    legend = (
        f"<span style='color:{colours.me}'>■</span> share of attention{whose}&nbsp;&nbsp;&nbsp;"
        f"<span style='color:{colours.late}'>□</span> there was some, now out of reach&nbsp;&nbsp;&nbsp;empty: none yet"
    )
    level = (float(start_s[0]), float(end_s[-1]))
    return Stack(lanes, *level, colours, width, legend, level=level).figure(live)


def stream_lanes(
    weights: Floats,
    gone: NDArray[np.bool_],
    streams: Sequence[str],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    theme: Theme,
) -> list[Lane]:
    """The strips, in the order of the streams."""
    most = _most(weights)
    return [
        Heat(
            name=name,
            height_px=_STRIP_PX,
            start_s=start_s,
            end_s=end_s,
            most=most,
            layers=[
                (weights[None, :, i], rising(theme, theme.me)),
                (np.where(gone[:, i], 1.0, np.nan)[None], [[0, faint(theme.late, 0.18)], [1, faint(theme.late, 0.18)]]),
            ],
            told=[
                f"{name}, {at:.2f} s: "
                + ("out of reach" if lost else "none yet" if np.isnan(value) else f"{value:.3f}")
                for at, value, lost in zip(start_s, weights[:, i], gone[:, i], strict=True)
            ],
        )
        for i, name in enumerate(streams)
    ]


def _most(weights: Floats) -> float:
    found = weights[np.isfinite(weights)]
    return max(0.01, float(found.max(initial=0.0)))


def attention_matrix(
    weights: Floats,
    queries: tuple[Sequence[str], Floats],
    keys: tuple[Sequence[str], Floats],
    of: str = "",
    theme: str = "light",
    *,
    width: int = 900,
    live: bool | None = None,
) -> Any:
    """Weights [query, key], NaN where a key was out of reach, with sums beside them, as a plotly figure.

    queries, keys  (streams, times in seconds) of the rows, first on top, and of the columns, oldest left
    live           True gives a ``FigureWidget`` whose sums are those of what is visible, also when it is zoomed; False
                   a plain figure with the sums of all; None a widget where there is a notebook's kernel

    Above: what each key gets, the mean over queries. Right: what each query gives, by stream. More than 160 rows or
    columns are drawn in groups, and the figure says so.
    """
    colours = theme_of(theme)
    if weights.shape != (len(queries[0]), len(keys[0])) or not weights.size:
        raise ValueError(
            f"attention_matrix: weights is {weights.shape}, expected ({len(queries[0])}, {len(keys[0])}) with a cell"
        )
    drawn = _Matrix(weights, queries, keys, of, colours, width)
    return drawn.figure(in_kernel() if live is None else live)


class _Matrix:
    """The matrix in groups of ``step`` rows and columns: means over queries, sums over keys."""

    def __init__(
        self,
        weights: Floats,
        queries: tuple[Sequence[str], Floats],
        keys: tuple[Sequence[str], Floats],
        of: str,
        theme: Theme,
        width: int,
    ) -> None:
        self.theme, self.width, self.of = theme, width, of
        self.steps = tuple(-(-size // MOST_CELLS) for size in weights.shape)
        rows, columns = (np.arange(0, size, step) for size, step in zip(weights.shape, self.steps, strict=True))
        held = np.isfinite(weights)
        sums = np.add.reduceat(np.where(held, weights, 0), columns, 1)
        self.cells = np.add.reduceat(sums, rows, 0) / np.diff(np.r_[rows, len(weights)])[:, None]
        some = np.add.reduceat(np.add.reduceat(held.astype(int), columns, 1), rows, 0)
        self.cells = np.where(some > 0, self.cells, np.nan)
        self.names = list(dict.fromkeys(keys[0]))
        self.by_stream = np.stack(
            [
                np.add.reduceat(np.where(held & (np.array(keys[0]) == name)[None], weights, 0), columns, 1)
                for name in self.names
            ]
        )  # [stream, query, group of keys]
        self.rows, self.columns = rows, columns
        self.of_row = [f"{queries[0][i]} {queries[1][i]:.2f} s" for i in rows]
        self.of_column = [f"{keys[0][i]} {keys[1][i]:.2f} s" for i in columns]
        self.column_streams = [keys[0][i] for i in columns]
        self.times = queries[1][rows], keys[1][columns]

    def figure(self, live: bool) -> Any:
        import plotly.graph_objects as go

        content = {"data": self._traces(), "layout": self._layout()}
        if not live:
            return go.Figure(content)
        widget = go.FigureWidget(content | {"data": [strict(trace) for trace in self._traces()]})
        for name in ("xaxis", "yaxis"):
            widget.layout.on_change(lambda *_: self._sum_again(widget), f"{name}.range")
        return widget

    def margins(self, rows: slice = slice(None), columns: slice = slice(None)) -> tuple[Floats, list[Floats]]:
        """What each column gets from some rows, the mean; what each row gives to each stream in some columns."""
        part = self.cells[rows]
        held = np.isfinite(part)
        above = np.where(held, part, 0).sum(0) / max(1, len(part))
        size = np.diff(np.r_[self.rows, self.by_stream.shape[1]])[:, None]
        beside = [
            (np.add.reduceat(one[:, columns], self.rows, 0) / size).sum(1)  # [row]
            for one in self.by_stream
        ]
        return above, beside

    def _sum_again(self, widget: Any) -> None:
        """The margins of what is visible."""
        (left, right), (bottom, top) = widget.layout.xaxis.range, widget.layout.yaxis.range
        rows, columns = _visible(top, bottom, len(self.rows)), _visible(left, right, len(self.columns))
        above, beside = self.margins(rows, columns)
        with widget.batch_update():
            widget.data[1].y = above
            for trace, values in zip(widget.data[2:-1], beside, strict=True):
                trace.x = values

    def _traces(self) -> list[dict[str, Any]]:
        colours = stream_colours(self.theme)
        above, beside = self.margins()
        most = float(np.nanmax(self.cells)) or 1.0
        x, y = np.arange(len(self.columns)), np.arange(len(self.rows))
        matrix = {
            "type": "heatmap",
            "z": self.cells,
            "zmin": 0,
            "zmax": most,
            "colorscale": rising(self.theme, self.theme.me),
            "showscale": False,
            "hoverongaps": False,
            "x": x,
            "y": y,
            "customdata": [[f"{row} → {column}" for column in self.of_column] for row in self.of_row],
            "hovertemplate": "%{customdata}: %{z:.4f}<extra></extra>",
        }
        marks = [colours.get(name, self.theme.cost) for name in self.column_streams]
        top = {
            "type": "bar",
            "x": x,
            "y": above,
            "xaxis": "x",
            "yaxis": "y2",
            "marker": {"color": marks, "line": {"width": 0}},
            "customdata": self.of_column,
            "hovertemplate": "%{customdata} gets %{y:.4f}<extra></extra>",
        }
        sides = [
            {
                "type": "bar",
                "orientation": "h",
                "x": values,
                "y": y,
                "xaxis": "x2",
                "yaxis": "y",
                "marker": {"color": colours.get(name, self.theme.cost), "line": {"width": 0}},
                "customdata": [f"{row} → {plain(name)}" for row in self.of_row],
                "hovertemplate": "%{customdata}: %{x:.3f}<extra></extra>",
            }
            for name, values in zip(self.names, beside, strict=True)
        ]
        away = np.where(np.isnan(self.cells), 1.0, np.nan)
        grey = {**matrix, "z": away, "zmax": 1, "colorscale": rising(self.theme, self.theme.line), "hoverinfo": "skip"}
        del grey["customdata"], grey["hovertemplate"]
        return [matrix, top, *sides, grey]

    def _layout(self) -> dict[str, Any]:
        theme = self.theme
        inner = self.width - _LEFT - _RIGHT
        tall = float(np.clip(len(self.rows) * 9, 160, 620))
        height = round(_TOP + _MARGIN_PX + _SPACE_PX + tall + _BOTTOM)
        across, down = 1 - (_MARGIN_PX + _SPACE_PX) / inner, tall / (tall + _MARGIN_PX + _SPACE_PX)
        quiet = {"showgrid": False, "zeroline": False, "ticks": "", "tickfont": {"size": 10, "color": theme.soft}}
        sums = {**quiet, "fixedrange": True, "nticks": 3, "tickformat": ".2~g", "rangemode": "tozero"}
        layout = look(theme, self.width, height) | {
            "margin": {"l": _LEFT, "r": _RIGHT, "t": _TOP, "b": _BOTTOM},
            "barmode": "stack",
            "bargap": 0.05,
            "xaxis": {**axis(theme, "key, s"), **quiet, **_seconds(self.times[1]), "domain": [0, across]}
            | {"range": [-0.5, len(self.columns) - 0.5], "anchor": "y"},
            "yaxis": {**axis(theme, "query, s"), **quiet, **_seconds(self.times[0]), "domain": [0, down]}
            | {"range": [len(self.rows) - 0.5, -0.5], "anchor": "x"},
            "yaxis2": {**sums, "domain": [down + _SPACE_PX / (height - _TOP - _BOTTOM), 1], "anchor": "x"},
            "xaxis2": {**sums, "domain": [across + _SPACE_PX / inner, 1], "anchor": "y", "range": [0, 1.02]},
        }
        layout["annotations"] = [
            note(text, colour, xref="paper", yref="paper", x=0, y=1, yshift=shift, xanchor="left", yanchor="bottom")
            for text, colour, shift in ((self._told(), theme.ink, 26), (self._legend(), theme.soft, 8))
        ]
        return layout

    def _told(self) -> str:
        told = f"<b>attention{' of ' + plain(self.of) if self.of else ''}</b>, grey: out of reach"
        if max(self.steps) > 1:
            told += (
                f"&nbsp;&nbsp; <span style='color:{self.theme.late}'>too many for {MOST_CELLS} × {MOST_CELLS} cells: a "
                f"cell is the mean of {self.steps[0]} queries, the sum of {self.steps[1]} keys</span>"
            )
        return told

    def _legend(self) -> str:
        colours = stream_colours(self.theme)
        return "&nbsp;&nbsp; ".join(
            f"<span style='color:{colours.get(name, self.theme.cost)}'>■</span> {plain(name)}" for name in self.names
        )


def _visible(first: float, last: float, count: int) -> slice:
    low, high = sorted((float(first), float(last)))
    return slice(max(0, round(low + 0.5)), min(count, round(high + 0.5)))


def _seconds(times: Floats) -> dict[str, Any]:
    """Marks of an axis of numbers where a second begins, few enough to be read."""
    whole = np.floor(times + 1e-6).astype(int)
    begins = np.flatnonzero(np.r_[True, np.diff(whole) > 0])
    begins = begins[:: max(1, -(-len(begins) // 12))]
    return {"tickvals": begins, "ticktext": [clock(round(float(times[i]), 1)) for i in begins]}
