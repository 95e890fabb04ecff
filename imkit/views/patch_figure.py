"""What patching brought back, as a map: what was patched, by when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from imkit.stream import TICK_S

from .charts import axis, look, note
from .letters import text_px
from .palette import theme_of
from .stack import plain

_ROW_PX, _LEAST_PX, _TOP_PX, _BOTTOM_PX, _NAMED_ROWS, _FEW = 18, 110, 46, 48, 40, 16


def patch_figure(
    value: npt.NDArray[np.float64],
    rows: Sequence[str],
    starts_s: npt.NDArray[np.float64],
    title: str,
    theme: str = "light",
    *,
    width: int = 900,
) -> Any:
    """Values [row, micro-turn] as a plotly ``Figure``: nothing in the colour of the ground, 1 and beyond in full.

    Below 0, further from the clean run than the corrupted one is, is drawn in another colour. The first row is at the
    bottom, where the network begins.
    """
    colours = theme_of(theme)
    row_px = _ROW_PX if len(rows) <= _NAMED_ROWS else max(4, round(_ROW_PX * _NAMED_ROWS / len(rows)))
    inner_px = max(_LEAST_PX, row_px * len(rows))
    left_px = round(max(text_px(row) for row in rows)) + 18
    hover = [[[plain(row), f"{at_s:.1f}"] for at_s in starts_s] for row in rows]
    heat = {
        "type": "heatmap",
        "z": value,
        "x": starts_s + TICK_S / 2,
        "y": [plain(row) for row in rows],
        "zmin": -1,
        "zmax": 1,
        "colorscale": [[0, colours.both], [0.5, colours.band], [1, colours.me]],
        "xgap": 1,
        "ygap": 1,
        "customdata": hover,
        "hovertemplate": "%{customdata[0]}, %{customdata[1]} s: %{z:.2f}<extra></extra>",
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickvals": [-1, 0, 1], "tickfont": {"color": colours.soft}},
    }
    steps = {"dtick": TICK_S} if len(starts_s) <= _FEW else {}
    layout = look(colours, width, _TOP_PX + _BOTTOM_PX + inner_px) | {
        "margin": {"l": left_px, "r": 60, "t": _TOP_PX, "b": _BOTTOM_PX},
        "xaxis": axis(colours, "seconds", showgrid=False) | {"ticks": "outside", "ticklen": 3} | steps,
        "yaxis": axis(colours, showgrid=False) | {"nticks": 0, "dtick": max(1, len(rows) // _NAMED_ROWS)},
        "annotations": [
            note(
                plain(title),
                colours.soft,
                x=0,
                y=1,
                yshift=8,
                xref="paper",
                yref="paper",
                xanchor="left",
                yanchor="bottom",
            )
        ],
    }
    import plotly.graph_objects as go

    return go.Figure({"data": [heat], "layout": layout})
