"""A timeline and its forks, one below the other: the past once, what came of it by branch, and where they part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE, TICK_S, Floor, Timeline, Word

from .lanes import Span
from .letters import cut, fitted, merged, text_px, told
from .palette import Theme, faint, theme_of
from .parting import Parting, parting

MOST_S = 60.0
BEFORE_S = 4.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 92, 20, 34, 34
_ROW = 15
_LANES = {
    "user": 34,
    "typed": 2 * _ROW,
    "hears": 2 * _ROW,
    "floor": 12,
    "says": 2 * _ROW,
    "model": 34,
    "calls": 2 * _ROW,
}
_TITLE, _GAP, _SPACE, _RESULT = 24, 4, 12, 170
_STEPS_S = (0.2, 1, 2, 5, 10, 15, 30, 60, 300)


def fork_figure(
    parent: Timeline,
    *forks: Timeline,
    names: Sequence[str] = (),
    start_s: float | None = None,
    end_s: float | None = None,
    theme: str = "light",
    width: int = 960,
) -> Any:
    """A ``plotly.graph_objects.Figure``: the parent with the shared past, below it each fork from where it begins.

    A fork's row is empty where its past is the parent's. Bands are what came in otherwise, coloured words and the line
    under the floor are what the model does otherwise, the dotted line is where that begins. ``names`` are titles of the
    rows, the parent's first; without them the changes are told. Without ``start_s`` and ``end_s`` it shows up to a
    minute from four seconds before the first fork. Raises ValueError for an empty range or an unknown theme.
    """
    colours = theme_of(theme)
    parted = [parting(parent, branch) for branch in forks]
    first = min((one.at_s for one in parted), default=parent.start_s)
    low = max(parent.start_s, first - BEFORE_S) if start_s is None else start_s
    last = max((one.end_s for one in (parent, *forks)), default=low) + TICK_S
    high = min(last, low + MOST_S) if end_s is None else end_s
    if high <= low:
        raise ValueError(f"fork_figure(start_s={start_s}, end_s={end_s}) shows nothing; it goes to {last:.1f} s")
    sheet = _Sheet(colours, low, high, width, _lanes([one.between(low, high) for one in (parent, *forks)]))
    told = [*names, *(_told(branch) for branch in forks[max(0, len(names) - 1) :])] if names else []
    titles = told or ["as it was", *map(_told, forks)]
    sheet.branch(parent, titles[0], None, _all_words(one.missing for one in parted), low)
    for branch, one, title in zip(forks, parted, titles[1:], strict=False):
        sheet.branch(branch, title, one, one.words, one.at_s)
    return sheet.figure()


def _lanes(shown: Sequence[Timeline]) -> dict[str, int]:
    """Lanes and their heights in pixels; typed text and calls have one where there are any."""
    empty = set()
    if not any(_typed(one) for one in shown):
        empty.add("typed")
    if not any(_calls(one) for one in shown):
        empty.add("calls")
    return {name: height for name, height in _LANES.items() if name not in empty}


def _typed(part: Timeline) -> list[Span]:
    return [Span(m.percept.text, m.start_s, m.start_s + TICK_S) for m in part if m.percept.text.strip()]


def _calls(part: Timeline) -> list[Span]:
    """Calls and results, in order."""
    spans = []
    for moment in part:
        ends_s = moment.start_s + TICK_S
        results = (event.text or event.kind for event in moment.percept.events if event.kind == "result")
        spans += [Span(cut(f"▼ {text}", _RESULT), moment.start_s, ends_s) for text in results]
        spans += [Span(f"▲ {call.name or call.kind}", moment.start_s, ends_s) for call in moment.act.calls]
    return spans


def _told(branch: Timeline) -> str:
    forked = getattr(branch.origin, "fork", None)
    return ", ".join(forked.edits) if forked is not None and forked.edits else "nothing changed"


def _all_words(parts: Iterable[Sequence[Word]]) -> list[Word]:
    return [word for words in parts for word in words]


@dataclass
class _Sheet:
    """One plot whose y axis counts pixels from the top."""

    theme: Theme
    low: float
    high: float
    width: int
    lanes: dict[str, int]

    def __post_init__(self) -> None:
        self.traces: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.shapes: list[dict[str, Any]] = []
        self.top = 0.0
        self.ends: dict[float, float] = {}
        self.s_per_px = (self.high - self.low) / (self.width - _LEFT - _RIGHT)

    def branch(self, timeline: Timeline, title: str, one: Parting | None, other: Sequence[Word], from_s: float) -> None:
        """One timeline from ``from_s`` on; ``other`` are the words to be set off."""
        part, theme, top = timeline.between(max(from_s, self.low), self.high), self.theme, self.top + _TITLE
        begins = max(from_s, self.low)
        if one is not None:
            where = "never parts" if one.parted_s is None else f"parts at {one.parted_s:.1f} s"
            title = f"{cut(title, self.width - _LEFT - 140)}  ·  {where}"
        self._note(escape(title), self.low, self.top + _TITLE - 3, theme.ink, title=True)
        tops = dict(zip(self.lanes, np.cumsum([top, *(height + _GAP for height in self.lanes.values())]), strict=False))
        bottom = float(top + sum(self.lanes.values()) + _GAP * (len(self.lanes) - 1))
        for name, lane_top in tops.items():
            self._ground(begins, lane_top, lane_top + self.lanes[name])
            self._label(name, lane_top + self.lanes[name] / 2)
        changed = [Span("", at_s, at_s + TICK_S) for at_s in (one.input if one is not None else ())]
        for run in merged(changed, 2 * self.s_per_px):
            self._band(run.start_s, run.end_s, tops["user"], tops["user"] + _LANES["user"], faint(theme.act, 0.22))
        self._wave(part.user_audio(), INPUT_RATE, part.start_s, tops["user"], theme.you)
        self._wave(part.model_audio(), part.output_rate, part.start_s, tops["model"], theme.me)
        heard = one.heard if one is not None else ()
        new = [word for word in part.heard() if word.start_s >= begins or word in heard]
        self._words(new, heard, tops["hears"], theme.you)
        self._words(part.words(), other, tops["says"], theme.me)
        for name, spans, colour in (("typed", _typed(part), theme.you), ("calls", _calls(part), theme.act)):
            for row, span in told(spans, self.low, self.high, self.s_per_px, 2):
                self._note(escape(span.text), span.start_s, tops[name] + (row + 1) * _ROW, colour)
        self._floor(part, one, tops["floor"])
        if one is not None and one.parted_s is not None:
            self._line(one.parted_s, top, bottom, theme.both, "dot", 2)
        if one is not None and self.low <= one.at_s <= self.high:
            self._line(one.at_s, top, bottom, theme.ink, "solid", 2)
            self.ends[one.at_s] = bottom
        self.top = bottom + _SPACE

    def figure(self) -> Any:
        """The whole, with a line from each fork in the first row down to its own."""
        import plotly.graph_objects as go

        height = self.top + _TOP + _BOTTOM
        marks = [Span(f"fork at {at_s:.1f} s", at_s, at_s) for at_s in sorted(self.ends)]
        for row, span in fitted(marks, self.low, self.high + 1e9, self.s_per_px, 2):
            self._note(span.text, span.start_s, 2 - row * _ROW, self.theme.ink)
        for at_s, bottom in self.ends.items():
            self._line(at_s, 0, bottom, self.theme.soft, "solid", 1)
        step = next((s for s in _STEPS_S if s >= 62 * self.s_per_px), 600)
        grid = {"gridcolor": self.theme.line, "zeroline": False, "linecolor": self.theme.line}
        fine = {"minor": {"dtick": TICK_S, "showgrid": TICK_S / self.s_per_px >= 5, "gridcolor": self.theme.fine}}
        return go.Figure(
            {
                "data": self.traces,
                "layout": {
                    "template": "none",
                    "width": self.width,
                    "height": ceil(height),
                    "margin": {"l": _LEFT, "r": _RIGHT, "t": _TOP, "b": _BOTTOM},
                    "paper_bgcolor": self.theme.paper,
                    "plot_bgcolor": self.theme.paper,
                    "font": {"size": 11, "color": self.theme.ink},
                    "showlegend": False,
                    "hovermode": "closest",
                    "xaxis": {"range": [self.low, self.high], "dtick": step, "ticksuffix": " s", **grid, **fine},
                    "yaxis": {"range": [self.top, 0], "visible": False, "fixedrange": True},
                    "annotations": self.notes,
                    "shapes": self.shapes,
                },
            }
        )

    # --- pieces

    def _wave(self, audio: NDArray[np.float32], rate: int, start_s: float, top: float, colour: str) -> None:
        tall = _LANES["user"] / 2
        size = max(rate // 50, round(self.s_per_px * rate))
        whole = len(audio) // size * size
        if not whole:
            return
        loud = np.abs(audio[:whole]).reshape(-1, size).max(axis=1)
        loud = np.maximum(loud / max(0.05, float(loud.max())), 0.02) * tall
        times = start_s + (np.arange(len(loud)) + 0.5) * size / rate
        shown = times < self.high
        times, loud, middle = times[shown], loud[shown], top + tall
        x, y = np.r_[times, times[::-1]], np.r_[middle - loud, (middle + loud)[::-1]]
        self._filled(x.round(3), y.round(1), colour)

    def _words(self, words: Sequence[Word], other: Sequence[Word], top: float, colour: str) -> None:
        """Words in two rows, where they begin or behind the one before; a stroke where each begins."""
        unlike = {(word.text, word.start_s) for word in other}
        spans = [Span(word.text, word.start_s, word.end_s) for word in words if self.low <= word.start_s < self.high]
        shown = told(spans, self.low, self.high, self.s_per_px, 2)
        until = [*(span.start_s for _, span in shown[1:]), self.high]
        for (row, span), end_s in zip(shown, until, strict=False):
            group = [(word.text, (word.text, word.start_s) in unlike) for word in _within(spans, span.start_s, end_s)]
            at_s, y = span.start_s, top + row * _ROW
            for text, marked in _pieces(span.text, group):
                if marked:
                    wide = (text_px(text) + 6) * self.s_per_px
                    self._band(at_s, at_s + wide, y, y + _ROW - 1, faint(self.theme.both, 0.25))
                self._note(escape(text), at_s, y + _ROW, self.theme.ink if marked else colour, bold=marked)
                at_s += text_px(f"{text} ") * self.s_per_px
        if spans:
            times = [span.start_s for span in spans]
            lines = {"x": _thrice(times), "y": [top, top + 2 * _ROW, None] * len(times)}
            texts = [text for span in spans for text in (f"{escape(span.text)} {span.start_s:.2f} s",) * 3]
            self.traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    **lines,
                    "line": {"width": 1, "color": faint(colour, 0.5)},
                    "text": texts,
                    "hovertemplate": "%{text}<extra></extra>",
                }
            )

    def _floor(self, part: Timeline, one: Parting | None, top: float) -> None:
        for floor, colour in ((Floor.SPEAK, self.theme.me), (Floor.BACKCHANNEL, self.theme.nod)):
            runs = [Span("", m.act.starts_s, m.act.ends_s) for m in part if m.act.floor is floor]
            for run in merged(runs, TICK_S / 2):
                self._band(run.start_s, run.end_s, top, top + 8, colour)
        unlike = [Span("", at_s, at_s + TICK_S) for at_s in (one.floor if one is not None else ())]
        for run in merged(unlike, TICK_S / 2):
            self._band(run.start_s, run.end_s, top + 9, top + 12, self.theme.both)

    def _ground(self, from_s: float, top: float, bottom: float) -> None:
        self._band(from_s, self.high, top, bottom, faint(self.theme.cost, 0.1), layer="below")

    def _band(
        self, start_s: float, end_s: float, top: float, bottom: float, colour: str, layer: str = "between"
    ) -> None:
        start_s, end_s = max(start_s, self.low), min(end_s, self.high)
        if end_s > start_s:
            place = {"x0": start_s, "x1": end_s, "y0": top, "y1": bottom}
            self.shapes.append({"type": "rect", **place, "fillcolor": colour, "line": {"width": 0}, "layer": layer})

    def _line(self, at_s: float, top: float, bottom: float, colour: str, dash: str, width: float) -> None:
        line = {"color": colour, "width": width, "dash": dash}
        self.shapes.append({"type": "line", "x0": at_s, "x1": at_s, "y0": top, "y1": bottom, "line": line})

    def _filled(self, x: NDArray[Any], y: NDArray[Any], colour: str) -> None:
        self.traces.append(
            {
                "type": "scatter",
                "x": x,
                "y": y,
                "fill": "toself",
                "mode": "lines",
                "line": {"width": 0.5, "color": colour},
                "fillcolor": colour,
                "hoverinfo": "skip",
            }
        )

    def _note(self, text: str, x: float, y: float, colour: str, *, bold: bool = False, title: bool = False) -> None:
        self.notes.append(
            {
                "text": f"<b>{text}</b>" if bold or title else text,
                "x": x,
                "y": y,
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
                "borderpad": 0,
                "xshift": 2,
                **({"bgcolor": self.theme.paper} if title else {}),
                "font": {"color": colour, "size": 11},
            }
        )

    def _label(self, text: str, y: float) -> None:
        place = {"xref": "paper", "x": 0, "xanchor": "right", "xshift": -8, "y": y, "yanchor": "middle"}
        self.notes.append({"text": text, **place, "showarrow": False, "font": {"color": self.theme.soft, "size": 11}})


def _within(spans: Sequence[Span], start_s: float, end_s: float) -> list[Span]:
    return [span for span in spans if start_s <= span.start_s < end_s]


def _pieces(text: str, words: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """What is shown of ``words``, (word, marked) each, in runs that are marked or not. What was cut off or left out
    behind an ellipsis is marked if any word of it is.
    """
    pieces: list[tuple[str, bool]] = []
    for number, (word, marked) in enumerate(words):
        if not text:
            break
        whole = text == word or text.startswith((f"{word} ", f"{word}…"))
        if not whole:
            word, marked = text, any(one for _, one in words[number:])
        elif text.startswith(f"{word}…"):
            word, marked = f"{word}…", marked or any(one for _, one in words[number + 1 :])
        text = text[len(word) :].lstrip()
        if pieces and pieces[-1][1] == marked:
            pieces[-1] = f"{pieces[-1][0]} {word}", marked
        else:
            pieces.append((word, marked))
    return pieces


def _thrice(times: Sequence[float]) -> list[float | None]:
    return [value for at in times for value in (at, at, None)]
