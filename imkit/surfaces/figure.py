"""A chart surface as a plotly figure."""

from __future__ import annotations

import html
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from .spec import SurfaceError
from .surface import Kind, Surface


def chart_figure(chart: Surface | Mapping[str, Any]) -> Any:
    """Draws a chart surface, or its JSON form, as a ``plotly.graph_objects.Figure``.

    Every label is escaped, because plotly reads a little HTML in text. Raises SurfaceError for anything but a chart.
    """
    import plotly.graph_objects as go

    surface = chart if isinstance(chart, Surface) else Surface.from_json(chart)
    if surface.kind is not Kind.CHART:
        raise SurfaceError(f"surface {surface.id!r} is a {surface.kind}, expected a chart")
    spec = surface.spec
    x: list[Any] = [html.escape(value) if isinstance(value, str) else value for value in spec["x"]]
    figure = go.Figure()
    for series in spec["series"]:
        name, y = html.escape(series["name"]), series["y"]
        match spec["mark"]:
            case "histogram":
                middles = [(low + high) / 2 for low, high in pairwise(x)]
                widths = [high - low for low, high in pairwise(x)]
                figure.add_bar(x=middles, y=y, width=widths, name=name)
            case "bar":
                figure.add_bar(x=x, y=y, name=name)
            case "line":
                figure.add_scatter(x=x, y=y, name=name, mode="lines")
            case _:
                figure.add_scatter(x=x, y=y, name=name, mode="markers", opacity=0.75)
    figure.update_layout(
        title={"text": html.escape(surface.title)},
        xaxis={"title": {"text": html.escape(spec["x_label"])}},
        yaxis={"title": {"text": html.escape(spec["y_label"])}},
        showlegend=len(spec["series"]) > 1,
        height=360,
        margin={"l": 60, "r": 20, "t": 50, "b": 50},
        template="plotly_white",
    )
    if spec["mark"] == "histogram":
        figure.update_layout(bargap=0)
    elif spec["mark"] == "bar":
        figure.update_xaxes(type="category")
    return figure
