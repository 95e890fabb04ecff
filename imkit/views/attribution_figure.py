"""What spoke for a decision and what against it, source by source, on one clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import TICK_S

from .heat import Heat, for_and_against
from .letters import cut
from .palette import Theme, theme_of
from .stack import Lane, Stack, View, plain
from .word_lanes import labels

_NAMES = {"own": "own voice", "acts": "own acts"}
_HEIGHT = {"microphone": 84, "own": 84, "pictures": 46, "acts": 20, "clock": 20}
_WORD_PX = 15
_MEL = ("microphone", "own")


@dataclass
class WordHeat(Heat):
    """Words as coloured cells, those of one micro-turn above each other."""

    words: Sequence[tuple[float, int, str]] = ()

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """The cells, and in each its word as far as it has room."""
        room_px = TICK_S / view.s_per_px - 4
        told = [(at + 2 * view.s_per_px, float(row), cut(word, room_px)) for at, row, word in self.words]
        shown = [one for one in told if one[2] and view.start_s <= one[0] < view.end_s]
        return [*super().drawn(view, theme)[:-1], labels(shown, theme.ink)]


def attribution_figure(found: Any, theme: str = "light", *, width: int = 1000, live: bool | None = None) -> Any:
    """An ``imkit.probe.Attribution`` as lanes on one clock: indigo for the answer, orange against it.

    Sound has a strongest colour of its own, for its cells are many; what a lane adds in all stands beside its name.
    """
    colours = theme_of(theme)
    level = (found.start_s, found.at_s + TICK_S)
    answer = found.answer if found.incorrect is None else f"{found.answer} rather than {found.incorrect}"
    legend = (
        f"<span style='color:{colours.me}'>■</span> for {plain(answer)} at {found.at_s:.1f} s&nbsp;&nbsp;&nbsp;"
        f"<span style='color:{colours.both}'>■</span> against it&nbsp;&nbsp;&nbsp;numbers: logits added in all"
    )
    lanes = attribution_lanes(found.values, found.positions, found.words, colours)
    return Stack(lanes, *level, colours, width, legend, level=level).figure(live)


def attribution_lanes(
    values: Mapping[str, NDArray[Any]], positions: Mapping[str, Any], words: Sequence[str], theme: Theme
) -> list[Lane]:
    """A lane for each source that was there; those of sound share their strongest colour, and so do the others."""
    lanes: list[Lane] = []
    most = {name: max(_most(values, mel), 1e-9) for mel in (True, False) for name in values if (name in _MEL) == mel}
    for name, found in values.items():
        told = f"{_NAMES.get(name, name)} {float(found.sum()):+.2f}".replace("-", "−")
        if name == "words":
            lanes.append(_words(told, found, positions[name], words, most[name], theme))
            continue
        if not np.abs(found).max(initial=0.0) and name in ("own", "acts"):
            continue  # it was silent, and did nothing: no lane without anything in it
        at = positions[name]
        start_s, end_s, cells = at.start_s, at.end_s, found.reshape(len(found), -1).T
        if name == "pictures":
            start_s, end_s, cells = _patches(start_s, found)
        lanes.append(_heat(told, _HEIGHT[name], start_s, end_s, cells, most[name], theme))
    return lanes


def _most(values: Mapping[str, NDArray[Any]], mel: bool) -> float:
    return max(
        (float(np.abs(one).max(initial=0.0)) for name, one in values.items() if (name in _MEL) == mel), default=0
    )


def _heat(
    name: str,
    height_px: int,
    start_s: NDArray[Any],
    end_s: NDArray[Any],
    cells: NDArray[Any],
    most: float,
    theme: Theme,
) -> Heat:
    told = [f"{at:.2f} s: {value:+.3f}".replace("-", "−") for at, value in zip(start_s, cells.sum(0), strict=True)]
    return Heat(
        name=name,
        height_px=height_px,
        start_s=start_s,
        end_s=end_s,
        layers=[(cells, for_and_against(theme))],
        most=most,
        least=-most,
        told=told,
    )


def _words(name: str, found: NDArray[Any], at: Any, words: Sequence[str], most: float, theme: Theme) -> Lane:
    """One row for each word of the micro-turn that has most of them."""
    index, row = np.unique(at.index, return_inverse=True)
    place = np.arange(len(row)) - np.searchsorted(row, row)
    rows = int(place.max()) + 1
    cells = np.full((rows, len(index)), np.nan)
    cells[rows - 1 - place, row] = found
    start_s = index * TICK_S
    texts = [(float(start_s[r]), int(rows - 1 - p), word) for r, p, word in zip(row, place, words, strict=True)]
    told = [
        f"{start_s[k]:.1f} s: "
        + ", ".join(f"{plain(words[i])} {found[i]:+.2f}".replace("-", "−") for i in np.flatnonzero(row == k).tolist())
        for k in range(len(index))
    ]
    return WordHeat(
        name=name,
        height_px=max(20, _WORD_PX * rows),
        start_s=start_s,
        end_s=start_s + TICK_S,
        layers=[(cells, for_and_against(theme, 0.6))],
        most=most,
        least=-most,
        told=told,
        words=texts,
    )


def _patches(start_s: NDArray[Any], found: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Pictures [picture, down, across] as squares in their micro-turns: times, and cells [row from below, column]."""
    _, down, across = found.shape
    begin = (start_s[:, None] + np.arange(across) * TICK_S / across).ravel()
    return begin, begin + TICK_S / across, found[:, ::-1].transpose(1, 0, 2).reshape(down, -1)
