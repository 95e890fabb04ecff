"""Attention of every head as small multiples: layers down, heads across, in each the shares of streams over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .attention_figure import stream_colours
from .charts import look, note
from .palette import mixed, theme_of
from .stack import clock, plain

ROWS = 20
"""Of one field: a twentieth of attention is the least that is drawn."""
MOST_CELLS = 120_000
MOST_FIELDS = 512
_LEFT, _RIGHT, _TOP, _BOTTOM, _FIELD_PX = 66, 16, 56, 34, 46


def attention_grid(
    weights: NDArray[np.floating[Any]],
    streams: Sequence[str],
    layers: Sequence[int],
    start_s: NDArray[np.float64],
    theme: str = "light",
    *,
    width: int = 1000,
) -> Any:
    """Weights [layer, head, row, stream] of queries at ``start_s`` [row] as a grid of stacked shares.

    At most 120,000 cells are drawn: of longer stretches means of several queries, of more than 512 heads the first, and
    the figure says so.
    """
    import plotly.graph_objects as go

    colours = theme_of(theme)
    if weights.ndim != 4 or weights.shape[::3] != (len(layers), len(streams)) or weights.shape[2] != len(start_s):
        raise ValueError(
            f"attention_grid: weights is {weights.shape}, expected (layers, heads, rows, streams) = "
            f"({len(layers)}, heads, {len(start_s)}, {len(streams)})"
        )
    weights = np.nan_to_num(weights)
    notices = []
    heads = weights.shape[1]
    if weights.shape[0] * heads > MOST_FIELDS:
        most = max(1, MOST_FIELDS // heads)
        notices.append(f"only the first {most} of {len(layers)} layers are drawn")
        weights, layers = weights[:most], layers[:most]
    columns = max(1, MOST_CELLS // (weights.shape[0] * heads * ROWS))
    step = -(-weights.shape[2] // columns)
    if step > 1:
        notices.append(f"a column is the mean of {step} queries")
    edges = np.arange(0, weights.shape[2], step)
    size = np.diff(np.r_[edges, weights.shape[2]])
    shares = np.add.reduceat(weights, edges, 2) / size[:, None]
    cells = _cells(shares)
    named = stream_colours(colours)
    # Colours half seen through are told apart here by cells, which have no ground of their own to shine through.
    palette = [_solid(named.get(name, colours.cost), colours.band) for name in streams]
    scale = [[edge, colour] for i, colour in enumerate(palette) for edge in (i / len(palette), (i + 1) / len(palette))]
    across, down = len(edges) + _gap(len(edges)), ROWS + 3
    trace = {
        "type": "heatmap",
        "z": cells,
        "zmin": -0.5,
        "zmax": len(streams) - 0.5,
        "colorscale": scale,
        "showscale": False,
        "hoverinfo": "skip",
    }
    legend = "&nbsp;&nbsp; ".join(
        f"<span style='color:{colour}'>■</span> {plain(name)}" for name, colour in zip(streams, palette, strict=True)
    )
    first, last = (clock(round(float(at), 1)) for at in (start_s[0], start_s[-1]))
    told = f"<b>shares of attention</b>, in each field from {first} to {last} s"
    if notices:
        told += f"&nbsp;&nbsp; <span style='color:{colours.late}'>{'; '.join(notices)}</span>"
    place: dict[str, Any] = {"xref": "paper", "yref": "paper", "x": 0, "xanchor": "left", "yanchor": "bottom", "y": 1}
    height = _TOP + _BOTTOM + len(layers) * _FIELD_PX
    quiet: dict[str, Any] = {
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 10, "color": colours.soft},
    }
    quiet["ticklabelstandoff"] = 5
    layout = look(colours, width, height) | {
        "plot_bgcolor": colours.paper,
        "margin": {"l": _LEFT, "r": _RIGHT, "t": _TOP, "b": _BOTTOM},
        "xaxis": {
            **quiet,
            "side": "bottom",
            "range": [-0.5, cells.shape[1] - 0.5],
            "tickvals": [head * across + (len(edges) - 1) / 2 for head in range(heads)],
            "ticktext": [f"head {head}" for head in range(heads)],
        },
        "yaxis": {
            **quiet,
            "range": [-0.5, cells.shape[0] - 0.5],
            "tickvals": [(len(layers) - 1 - i) * down + (ROWS - 1) / 2 for i in range(len(layers))],
            "ticktext": [f"layer {layer}" for layer in layers],
        },
        "annotations": [note(told, colours.ink, yshift=30, **place), note(legend, colours.soft, yshift=10, **place)],
    }
    return go.Figure({"data": [trace], "layout": layout})


def _cells(shares: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers of streams in one picture: fields with the streams stacked from below, the first layer on top."""
    layers, heads, columns, _ = shares.shape
    edges = np.cumsum(shares, -1)[..., None, :]  # [layer, head, column, 1, stream]
    middle = ((np.arange(ROWS) + 0.5) / ROWS)[None, None, None, :, None]
    stream = (middle > edges * (1 + 1e-6)).sum(-1).clip(max=shares.shape[-1] - 1)  # [layer, head, column, row]
    across, down = columns + _gap(columns), ROWS + 3
    out = np.full((layers * down - 3, heads * across - _gap(columns)), np.nan, np.float32)
    for layer in range(layers):
        for head in range(heads):
            bottom, left = (layers - 1 - layer) * down, head * across
            out[bottom : bottom + ROWS, left : left + columns] = stream[layer, head].T
    return out


def _gap(columns: int) -> int:
    return max(1, columns // 12)


def _solid(colour: str, ground: str) -> str:
    """A colour that may be half seen through (rgba) on its ground, as #rrggbb."""
    if not colour.startswith("rgba"):
        return colour
    red, green, blue, share = colour[5:-1].split(",")
    return mixed(f"#{int(red):02x}{int(green):02x}{int(blue):02x}", ground, float(share))
