"""Why it did what it did at a moment: the stretch before it, and what went on inside, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import TICK_S, Timeline

from .attribution_figure import attribution_lanes
from .charts import note
from .figure import chosen, rows
from .heat import rising
from .lanes import lanes_of
from .lens_figure import lane_name
from .letters import text_px
from .palette import Theme, faint, theme_of
from .stack import RIGHT_PX, Stack, plain, strict

LANES = ("microphone", "heard", "camera", "typed", "events", "floor", "says", "own voice")
_BESIDE_PX, _SPACE_PX, _NAMES_PX, _LINE_PX, _TITLE_PX, _LEAST_PX = 380, 26, 96, 17, 22, 330


def why_figure(
    timeline: Timeline,
    found: Any,
    lens: tuple[NDArray[Any], Sequence[str], Sequence[str]],
    attention: tuple[NDArray[Any], NDArray[np.bool_], Sequence[str], Sequence[int]],
    sentences: Sequence[str],
    theme: str = "light",
    *,
    width: int = 1160,
) -> Any:
    """One decision as a plotly ``Figure``.

    found      an ``imkit.probe.Attribution``, drawn below the timeline's lanes on their clock
    lens       probabilities [layer, class], labels of layers, classes
    attention  weights [layer, stream], where all of a stream was out of reach [stream], streams, numbers of layers
    sentences  what is written above
    """
    colours = theme_of(theme)
    known = lanes_of(timeline)
    from_s, until_s = found.start_s, found.at_s + 3 * TICK_S
    lanes = chosen(rows(timeline, known, colours), LANES)
    lanes += attribution_lanes(found.values, found.positions, found.words, colours)
    stack = Stack(
        lanes,
        from_s,
        until_s,
        colours,
        max(480, width - _BESIDE_PX),
        bands=[(found.at_s, found.at_s + TICK_S, faint(colours.me, 0.16))],
        level=(from_s, until_s),
    )
    figure = stack.figure(live=False)
    lines = [line for sentence in sentences for line in _wrapped(sentence, width - stack.left_px - RIGHT_PX)]
    layout, above = figure.layout, len(lines) * _LINE_PX + 18
    inner = max(_LEAST_PX, layout.height - layout.margin.t - layout.margin.b)
    layout.margin.t += above
    layout.height = inner + layout.margin.t + layout.margin.b
    layout.width = stack.width_px + _BESIDE_PX
    across = layout.width - layout.margin.l - layout.margin.r
    share = stack.inner_px / across
    layout.xaxis.domain = [0, share]
    for shape in layout.shapes:
        if shape.xref == "paper":
            shape.x1 = share
    _Beside(figure, colours, across, inner).draw(found, lens, attention)
    top = layout.margin.t - 8
    for number, line in enumerate(lines):
        place = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left", "yanchor": "top"}
        told = note(plain(line), colours.ink, **place, yshift=top - number * _LINE_PX)
        figure.add_annotation({**told, "font": {"color": colours.ink, "size": 12}})
    against = f" rather than {found.incorrect}" if found.incorrect else ""
    legend = (
        f"<span style='color:{colours.me}'>■</span> for {plain(found.answer + against)}&nbsp;&nbsp; "
        f"<span style='color:{colours.both}'>■</span> against it, in logits&nbsp;&nbsp; "
        f"<span style='color:{faint(colours.me, 0.4)}'>■</span> decided here, heard one micro-turn later"
    )
    layout.annotations[0].text = legend
    return figure


class _Beside:
    """Two charts right of the lanes: the lens over layers, attention by stream."""

    def __init__(self, figure: Any, theme: Theme, across_px: float, inner_px: float) -> None:
        self.figure, self.theme, self.across, self.inner = figure, theme, across_px, inner_px
        self.number = 90

    def draw(
        self,
        found: Any,
        lens: tuple[NDArray[Any], Sequence[str], Sequence[str]],
        attention: tuple[NDArray[Any], NDArray[np.bool_], Sequence[str], Sequence[int]],
    ) -> None:
        probs, labels, classes = lens
        streams = attention[2]
        tall = self.inner - 2 * _TITLE_PX - 26
        first = tall * len(labels) / (len(labels) + len(streams))
        self._lens(probs, labels, classes, found, _TITLE_PX, first + _TITLE_PX)
        self._attention(*attention, first + 2 * _TITLE_PX + 26, self.inner)

    def _lens(
        self, probs: NDArray[Any], labels: Sequence[str], classes: Sequence[str], found: Any, top: float, bottom: float
    ) -> None:
        """Bars of probability: the answer's, and that of the class it is set against."""
        rows = list(range(len(labels)))
        shown = [(found.answer, self.theme.me)]
        if found.incorrect is not None:
            shown.append((found.incorrect, self.theme.both))
        for k, (name, colour) in enumerate(shown):
            self._add(
                {
                    "type": "bar",
                    "orientation": "h",
                    "x": probs[:, classes.index(name)],
                    "y": [row + (0.2 - 0.4 * k if len(shown) > 1 else 0) for row in rows],
                    "width": 0.36 if len(shown) > 1 else 0.7,
                    "marker": {"color": colour, "line": {"width": 0}},
                    "hovertemplate": f"{plain(name)} %{{x:.3f}}<extra></extra>",
                }
            )
        title = "the lens: probability, if this were the last layer"
        names = {"tickvals": rows, "ticktext": [lane_name(label) for label in labels]}
        self._box(title, top, bottom, {"range": [0, 1.02], "nticks": 3}, names | {"range": [-0.6, len(rows) - 0.4]})

    def _attention(
        self,
        weights: NDArray[Any],
        gone: NDArray[np.bool_],
        streams: Sequence[str],
        layers: Sequence[int],
        top: float,
        bottom: float,
    ) -> None:
        cells = weights.T[::-1]
        names = [f"{name} ✗" if lost else name for name, lost in zip(streams, gone, strict=True)][::-1]
        trace = {"type": "heatmap", "z": cells, "zmin": 0, "zmax": max(0.01, float(np.nanmax(cells)))}
        hover = {"hoverongaps": False, "hovertemplate": "layer %{x}: %{z:.3f}<extra></extra>"}
        self._add(strict(trace) | hover | {"colorscale": rising(self.theme, self.theme.me), "showscale": False})
        labels = {"tickvals": list(range(len(layers))), "ticktext": [str(layer) for layer in layers]}
        lost = "; ✗ out of reach" if gone.any() else ""
        title = f"attention by stream and layer, 0 to {trace['zmax']:.2f}{lost}"
        self._box(title, top, bottom, labels, {"tickvals": list(range(len(names))), "ticktext": names})

    def _add(self, trace: dict[str, Any]) -> None:
        self.figure.add_trace({**trace, "xaxis": f"x{self.number}", "yaxis": f"y{self.number}", "showlegend": False})

    def _box(self, title: str, top: float, bottom: float, x: dict[str, Any], y: dict[str, Any]) -> None:
        """Axes right of the lanes, between two heights in px from the top, under a title."""
        left = 1 - (_BESIDE_PX - _SPACE_PX - _NAMES_PX) / self.across
        theme = self.theme
        quiet: dict[str, Any] = {"showgrid": False, "zeroline": False, "ticks": "", "ticklabelstandoff": 4}
        quiet |= {"tickfont": {"size": 11, "color": theme.soft}, "fixedrange": True}
        low, high = (max(0.0, 1 - edge / self.inner) for edge in (bottom, top))
        self.figure.update_layout(
            {
                f"xaxis{self.number}": {**quiet, "domain": [left, 1], "anchor": f"y{self.number}", **x},
                f"yaxis{self.number}": {**quiet, "domain": [low, high], "anchor": f"x{self.number}", **y},
            }
        )
        place = {"xref": "paper", "yref": "paper", "x": 1, "y": high, "xanchor": "right", "yanchor": "bottom"}
        self.figure.add_annotation({**note(title, theme.soft, **place), "yshift": 3})
        self.number += 1


def _wrapped(text: str, room_px: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and text_px(joined, 12) <= room_px:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
