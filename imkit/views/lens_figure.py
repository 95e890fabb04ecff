"""A lens over layers and time: a strip for each layer, the last one on top, on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .heat import Heat, Scale, rising
from .lanes import Span
from .letters import merged
from .palette import Theme, mixed, theme_of
from .stack import Lane, Stack, plain

MOST_LAYERS = 64
_COLOUR = {"words": "me", "heard": "you", "call": "act"}
_STRIP_PX = 20


def lens_figure(
    probs: NDArray[np.floating[Any]],
    labels: Sequence[str],
    classes: Sequence[str],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    answer: int | None = None,
    output: str = "floor",
    theme: str = "light",
    *,
    width: int = 1000,
    live: bool | None = None,
    above: Sequence[Lane] = (),
) -> Any:
    """Probabilities [layer, row, class] of rows at ``start_s`` to ``end_s`` [row], as a strip for each layer.

    answer  the class whose probability is the colour; None is the likeliest, in its own colour where it has one, and
            paler the less likely it is
    above   more lanes on the same clock
    live    as for ``imkit.views.figure``

    Raises ValueError for arrays that do not fit, or an unknown theme.
    """
    colours = theme_of(theme)
    if probs.shape != (len(labels), len(start_s), len(classes)) or not len(start_s):
        raise ValueError(
            f"lens_figure: probs is {probs.shape}, expected (layers, rows, classes) = "
            f"({len(labels)}, {len(start_s)}, {len(classes)}) with one row at least"
        )
    strips = lens_lanes(probs, labels, classes, start_s, end_s, answer, output, colours)
    level = (float(start_s[0]), float(end_s[-1]))
    return Stack(
        [*above, *strips], *level, colours, width, lens_legend(classes, answer, output, colours), level=level
    ).figure(live)


def lens_lanes(
    probs: NDArray[np.floating[Any]],
    labels: Sequence[str],
    classes: Sequence[str],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    answer: int | None,
    output: str,
    theme: Theme,
) -> list[Lane]:
    """The strips, the last layer first. Of very deep models only every second, third ... layer."""
    every = -(-len(labels) // MOST_LAYERS)
    kept = [i for i in range(len(labels)) if (len(labels) - 1 - i) % every == 0]
    return [
        _strip(probs[i], lane_name(labels[i]), classes, start_s, end_s, answer, output, theme) for i in reversed(kept)
    ]


def lane_name(label: str) -> str:
    """``"0_pre"`` as "into layer 0", and so on."""
    layer, _, place = label.partition("_")
    if layer == "final":
        return "the last layer"
    return f"into layer {layer}" if place == "pre" else f"within layer {layer}"


def lens_legend(classes: Sequence[str], answer: int | None, output: str, theme: Theme) -> str:
    """What the colours say, as one line."""
    if answer is not None:
        colour = _colour_of(output, answer, theme)
        name = plain(classes[answer])
        return f"<span style='color:{colour}'>■</span> probability of {name}, if this were the last layer"
    parts = [
        f"<span style='color:{_colour_of(output, number, theme)}'>■</span> {plain(name)}"
        for number, name in enumerate([*classes] if output == "floor" else ["nothing", f"a {_thing(output)}"])
    ]
    return "likeliest, if this were the last layer:&nbsp; " + "&nbsp;&nbsp; ".join(parts)


def _thing(output: str) -> str:
    return "call" if output == "call" else "word"


def _colour_of(output: str, number: int, theme: Theme) -> str:
    if output == "floor":
        return (theme.cost, theme.nod, theme.me)[min(number, 2)]
    return theme.line if number == 0 else mixed(getattr(theme, _COLOUR[output]), theme.band, 0.55)


def _strip(
    probs: NDArray[np.floating[Any]],
    name: str,
    classes: Sequence[str],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    answer: int | None,
    output: str,
    theme: Theme,
) -> Lane:
    top = probs.argmax(-1)
    most = probs.max(-1)
    told = [
        f"{name}, {at:.2f} s: "
        + ", ".join(f"{plain(classes[k])} {row[k]:.2f}" for k in np.argsort(-row)[:3] if row[k] >= 0.005)
        for at, row in zip(start_s, probs, strict=True)
    ]
    layers: list[tuple[NDArray[Any], Scale]] = []
    names: list[Span] = []
    if answer is not None:
        layers = [(probs[None, :, answer], rising(theme, _colour_of(output, answer, theme)))]
    else:
        groups = range(len(classes)) if output == "floor" else range(2)
        for group in groups:
            shown = top == group if output == "floor" or group == 0 else top > 0
            layers.append((np.where(shown, most, np.nan)[None], rising(theme, _colour_of(output, group, theme))))
        if output != "floor":
            runs = [Span(classes[k], a, b) for k, a, b in zip(top, start_s, end_s, strict=True)]
            names = [run for run in merged(runs, 1e-6) if run.text != classes[0]]
    return Heat(
        name=name, height_px=_STRIP_PX, start_s=start_s, end_s=end_s, layers=layers, told=told, names=tuple(names)
    )
