"""Columns of plots, pictures and lines of text, laid out in pixels so that nothing touches or is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .letters import cut, text_px
from .palette import Theme
from .stack import FONT, plain

_LINE_PX, _GAP_PX, _HEAD_PX, _MOST_LINES, _LEAST_PX = 16, 9, 28, 4, 225


@dataclass(frozen=True)
class Text:
    """A name and its words, wrapped; of very long ones the beginning."""

    name: str
    words: str
    colour: str = ""


@dataclass(frozen=True)
class Plot:
    """Traces in a box of their own, under a name. ``axes`` are settings of both axes."""

    name: str
    height_px: int
    traces: Sequence[dict[str, Any]]
    x: dict[str, Any] = field(default_factory=dict)
    y: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """A picture by its address."""

    address: str
    ratio: float
    height_px: int = 110


Block = Text | Plot | Image


def wrapped(text: str, room_px: float) -> list[str]:
    """``text`` in at most four lines of ``room_px``; the last ends in an ellipsis if more would follow."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and text_px(joined) <= room_px:
            lines[-1] = joined
        else:
            lines.append(cut(word, room_px))
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], cut(f"{lines[_MOST_LINES - 1]} …", room_px)]
    return lines or [""]


class Card:
    """Columns side by side, each with a heading, evenly wide; below each other where there is no room for all."""

    def __init__(self, columns: dict[str, list[Block]], theme: Theme, width_px: int) -> None:
        self.columns, self.theme, self.width_px = columns, theme, width_px
        self.margin_px, self.between_px = 18, 30
        most = int((width_px - 2 * self.margin_px + self.between_px) // (_LEAST_PX + self.between_px))
        self.side_by_side = max(1, min(len(columns), most))
        self.room_px = (width_px - 2 * self.margin_px + self.between_px) / self.side_by_side - self.between_px
        heights = [_HEAD_PX + sum(self._height(block) for block in blocks) for blocks in columns.values()]
        bands = [heights[at : at + self.side_by_side] for at in range(0, len(heights), self.side_by_side)]
        self._tops = [16 + sum(max(band) + 14 for band in bands[:number]) for number in range(len(bands) + 1)]
        self.height_px = round(self._tops[-1])
        self._traces: list[dict[str, Any]] = []
        self._layout: dict[str, Any] = {"annotations": [], "images": [], "shapes": []}

    def figure(self) -> Any:
        """As a plotly ``Figure``."""
        import plotly.graph_objects as go

        for number, (heading, blocks) in enumerate(self.columns.items()):
            band, column = divmod(number, self.side_by_side)
            left, top = self.margin_px + column * (self.room_px + self.between_px), self._tops[band]
            self._write(f"<b>{plain(heading)}</b>", left, top, self.theme.ink, size=13)
            top += _HEAD_PX
            for block in blocks:
                self._put(block, left, top)
                top += self._height(block)
        colours = {"paper_bgcolor": self.theme.paper, "plot_bgcolor": self.theme.band}
        return go.Figure(
            {
                "data": self._traces or [{"type": "scatter", "x": [], "y": []}],
                "layout": {
                    "template": "none",
                    "width": self.width_px,
                    "height": self.height_px,
                    "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
                    "font": {"size": 11, "family": FONT, "color": self.theme.ink},
                    "showlegend": False,
                    "barmode": "overlay",
                    **colours,
                    **self._layout,
                },
            }
        )

    def _height(self, block: Block) -> float:
        if isinstance(block, Text):
            return _LINE_PX * (1 + len(wrapped(block.words, self.room_px))) + _GAP_PX
        if isinstance(block, Image):
            return self._image_px(block) + _GAP_PX
        return _LINE_PX + block.height_px + (16 if block.x.get("showticklabels") else 0) + _GAP_PX

    def _image_px(self, image: Image) -> float:
        return min(image.height_px, self.room_px / image.ratio)

    def _put(self, block: Block, left: float, top: float) -> None:
        if isinstance(block, Image):
            tall = self._image_px(block)
            place = {"xref": "paper", "yref": "paper", "x": left / self.width_px, "y": 1 - top / self.height_px}
            size = {"sizex": tall * block.ratio / self.width_px, "sizey": tall / self.height_px}
            self._layout["images"].append({"source": block.address, **place, **size, "sizing": "stretch"})
            return
        self._write(plain(block.name), left, top, self.theme.soft)
        if isinstance(block, Text):
            for number, line in enumerate(wrapped(block.words, self.room_px)):
                self._write(plain(line), left, top + (number + 1) * _LINE_PX, block.colour or self.theme.ink)
            return
        number = sum(1 for name in self._layout if name.startswith("xaxis")) + 1
        top += _LINE_PX
        high, low = 1 - top / self.height_px, 1 - (top + block.height_px) / self.height_px
        ends = [left / self.width_px, (left + self.room_px) / self.width_px]
        quiet = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "fixedrange": True}
        small = {"tickfont": {"size": 10, "color": self.theme.soft}, "gridcolor": self.theme.line}
        self._layout[f"xaxis{number}"] = {**quiet, **small, "domain": ends, "anchor": f"y{number}", **block.x}
        self._layout[f"yaxis{number}"] = {**quiet, **small, "domain": [low, high], "anchor": f"x{number}", **block.y}
        self._traces += [{"xaxis": f"x{number}", "yaxis": f"y{number}", **trace} for trace in block.traces]

    def _write(self, text: str, left: float, top: float, colour: str, size: int = 11) -> None:
        place = {"xref": "paper", "yref": "paper", "x": left / self.width_px, "y": 1 - top / self.height_px}
        anchor = {"xanchor": "left", "yanchor": "top", "align": "left", "borderpad": 0, "showarrow": False}
        font = {"color": colour, "size": size}
        self._layout["annotations"].append({"text": text, "font": font, **place, **anchor})
