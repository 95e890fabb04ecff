"""Generated cells: one output below the panel for each surface, drawn here from checked data."""

from __future__ import annotations

import html
import json
from collections import deque
from typing import Any, Final

import ipywidgets

from imkit.surfaces import Surface, chart_figure

from .widget import keep_addressed

MAX_CELLS: Final = 20
PLOTLY: Final = "application/vnd.plotly.v1+json"


class Cells:
    """A column of outputs, newest last; the oldest goes when there are more than ``keep``.

    An output is made whole, with its content in it, so that it may be made in any thread while the notebook's own cells
    run: nothing is captured, printed or displayed.
    """

    def __init__(self, keep: int = MAX_CELLS) -> None:
        self._keep = keep
        self._shown: deque[ipywidgets.Output] = deque()
        self.box = ipywidgets.VBox()
        self.dropped = 0
        for widget in (self.box, self.box.layout):
            keep_addressed(widget)

    def show(self, surface: Surface) -> None:
        """Draws a surface below the others."""
        cell = ipywidgets.Output(outputs=(output_of(surface),))
        for widget in (cell, cell.layout):
            keep_addressed(widget)
        self._shown.append(cell)
        gone = [self._shown.popleft() for _ in range(len(self._shown) - self._keep)]
        self.box.children = tuple(self._shown)
        self.dropped += len(gone)
        for old in gone:
            close_widget(old)

    def __len__(self) -> int:
        return len(self._shown)

    def close(self) -> None:
        """Closes every widget made here."""
        for cell in self._shown:
            close_widget(cell)
        self._shown.clear()
        close_widget(self.box)


def output_of(surface: Surface) -> dict[str, Any]:
    """A surface as a notebook output. Nothing of it is taken for code or HTML: all text is escaped."""
    return {"output_type": "display_data", "data": _bundle(surface), "metadata": {}}


def _bundle(surface: Surface) -> dict[str, Any]:
    if surface.kind == "chart":
        figure = json.loads(chart_figure(surface).to_json())
        figure["config"] = {"displaylogo": False}  # "responsive" would fold it up to nothing when the next one comes
        return {PLOTLY: figure, "text/plain": surface.title}
    if surface.kind == "table":
        return {"text/html": _table(surface), "text/plain": surface.title}
    title = f"{surface.title}\n" if surface.title else ""
    return {"text/plain": title + surface.spec["text"]}


def _table(surface: Surface) -> str:
    def row(cells: list[Any], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{_cell(cell)}</{tag}>" for cell in cells) + "</tr>"

    head = row(surface.spec["columns"], "th")
    body = "".join(row(cells, "td") for cells in surface.spec["rows"])
    return f"<table><caption>{html.escape(surface.title)}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def close_widget(widget: ipywidgets.Widget) -> None:
    """Closes a widget and the layout that came with it, which ipywidgets itself would keep."""
    layout = widget.layout
    widget.close()
    if layout is not None:
        layout.close()
