"""Lanes of what is said, decided and done: words, the floor, tasks, marks, compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imkit.stream import TICK_S

from .lanes import DEADLINE_MS, Mark, Span, rows_of
from .letters import cut, fitted, merged, text_px, told
from .palette import Theme, faint
from .sound_lanes import SHARES_FROM_S_PER_PX, bars
from .stack import Lane, View, plain
from .tasks import Task
from .turns import shares

_MARK_PX = 14
_SHARE_PX = 6
_SIGNS = {"open": "…", "done": "✓", "failed": "✗", "cancelled": "✗ cancelled"}


def labels(shown: Sequence[tuple[float, float, str]], colour: str, where: str = "middle right") -> dict[str, Any]:
    """Texts at (x, y)."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [x for x, _, _ in shown],
        "y": [y for _, y, _ in shown],
        "text": [plain(text) for _, _, text in shown],
        "textposition": where,
        "textfont": {"color": colour, "size": 11},
        "hoverinfo": "skip",
        "cliponaxis": True,
    }


@dataclass
class Words(Lane):
    """A line for as long as each word lasts, and where there is room each word, else the phrase that it begins."""

    spans: Sequence[Span]
    rows: int = 2

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """Lines and texts."""
        around, s_per_px = view.around, view.s_per_px
        near = [span for span in self.spans if span.end_s > around.start_s and span.start_s < around.end_s]
        seen = [span for span in near if view.start_s <= span.start_s < view.end_s]
        shown = told(seen, view.start_s, view.end_s, s_per_px, self.rows)
        lines = near if len(near) < 1500 else merged([Span("", s.start_s, s.end_s) for s in near], s_per_px)
        return [
            bars(lines, -0.28, 0.2, self.colour, s_per_px, apart=theme.band if s_per_px < 0.06 else "", opacity=0.75),
            labels([(span.start_s, self.rows - row - 0.5, span.text) for row, span in shown], self.colour),
        ]


@dataclass
class FloorStates(Lane):
    """What the model decided: to listen as a line, to nod half as high, to speak in full.

    Where a pixel is longer than half a second, the share of time in which it did not only listen, as a height.
    """

    runs: Sequence[Span]
    start_s: float
    end_s: float

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """Three states and their names."""
        around, s_per_px = view.around, view.s_per_px
        apart = s_per_px < SHARES_FROM_S_PER_PX
        whole = [run for run in self.runs if run.end_s > around.start_s and run.start_s < around.end_s]
        near = whole if apart else []
        kinds = {kind: merged([r for r in near if r.text == kind], s_per_px) for kind in ("speak", "backchannel")}
        named = [
            (run.start_s + 4 * s_per_px, 0.5, run.text)
            for run in near
            if run.start_s >= view.start_s
            and run.end_s <= view.end_s
            and (run.end_s - run.start_s) / s_per_px > text_px(run.text) + 8
        ]
        return [
            bars(
                [Span("listen", self.start_s, self.end_s)], 0.06, 0.06, theme.cost, hoverinfo="skip", hovertemplate=None
            ),
            bars(kinds["speak"], 0.5, 0.92, theme.me, s_per_px),
            bars(kinds["backchannel"], 0.3, 0.56, theme.nod, s_per_px),
            labels([label for label in named if label[2] == "speak"], theme.paper),
            labels(
                [(x, 0.3, text) for x, _, text in named if text == "backchannel"],
                theme.paper if theme.name == "dark" else theme.ink,
            ),
            self._shares([] if apart else whole, around, theme),
        ]

    def _shares(self, runs: Sequence[Span], view: View, theme: Theme) -> dict[str, Any]:
        step_s = _SHARE_PX * view.s_per_px
        start_s = max(0.0, view.start_s) // step_s * step_s
        columns = int(np.ceil((view.end_s - start_s) / step_s)) if runs else 0
        share = shares([(run.start_s, run.end_s) for run in runs], start_s, step_s, columns)
        return {
            "type": "bar",
            "x": start_s + (np.arange(columns) + 0.5) * step_s,
            "y": 0.92 * share,
            "width": step_s,
            "marker": {"color": theme.me, "line": {"width": 0}},
            "customdata": share * 100,
            "hovertemplate": f"not listening only %{{customdata:.0f}} % of {step_s:.1f} s<extra></extra>",
        }


@dataclass
class Tasks(Lane):
    """Each call from being made to its result, then paler to the words that follow it."""

    tasks: Sequence[Task]
    end_s: float
    rows: int = 2

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """Work, weaving in, results, names."""
        around, s_per_px = view.around, view.s_per_px
        near = [t for t in self.tasks if (t.end_s > around.start_s or t.outcome == "open") and t.call_s < around.end_s]
        until = [t.result_s or (self.end_s if t.outcome == "open" else t.call_s + TICK_S) for t in near]
        work = [Span(f"{t.kind} {t.name}({t.asked})", t.call_s, end_s) for t, end_s in zip(near, until, strict=True)]
        whole = [Span(s.text, t.call_s, max(t.end_s, s.end_s)) for s, t in zip(work, near, strict=True)]
        named = [f"{t.name} {_SIGNS[t.outcome]}" for t in near]
        wide = [(text_px(name) + 10) * s_per_px for name in named]
        begins = [  # inside the work where that is long enough, else behind it
            span.start_s if span.end_s - span.start_s > width else span.end_s
            for span, width in zip(work, wide, strict=True)
        ]
        ends = [begin + width - span.start_s for begin, width, span in zip(begins, wide, whole, strict=True)]
        y, places = self._packed(whole, named, begins, ends, wide)
        woven = [(number, t) for number, t in enumerate(near) if t.woven_s]
        crowded = len(near) * _MARK_PX * s_per_px > around.end_s - around.start_s
        ended = [] if crowded else [(number, t) for number, t in enumerate(near) if t.result_s]
        shown = [] if crowded else [label for label in places if view.start_s <= label[0] < view.end_s - label[3]]
        return [
            bars(work, y, 0.8, faint(theme.act, 0.28), 2 * s_per_px),
            bars(
                [Span(f"woven in: {t.answered}", t.result_s or 0, t.woven_s or 0) for _, t in woven],
                [y[number] for number, _ in woven],
                0.8,
                faint(theme.act, 0.1),
            ),
            {
                "type": "scatter",
                "mode": "markers",
                "x": [t.result_s for _, t in ended],
                "y": [y[number] for number, _ in ended],
                "marker": {
                    "symbol": "line-ns-open",
                    "size": 15,
                    "line": {"width": 2},
                    "color": theme.act,
                },
                "customdata": [[plain(t.answered), f"{(t.result_s or 0) - t.call_s:.1f}", t.outcome] for _, t in ended],
                "hovertemplate": "%{customdata[2]} after %{customdata[1]} s: %{customdata[0]}<extra></extra>",
            },
            labels([(x + 4 * s_per_px, at, name) for x, at, name, _ in shown], theme.act),
        ]

    def _packed(
        self, whole: list[Span], named: list[str], begins: list[float], widths: list[float], wide: list[float]
    ) -> tuple[list[float], list[tuple[float, float, str, float]]]:
        """The height of each task, and (x, y, text, width) of the names that touch no other task of their row."""
        rows = rows_of(whole, widths, self.rows)
        y = [self.rows - row - 0.5 for row in rows]
        free_s = [-1e18] * self.rows
        taken_s = [-1e18] * self.rows
        places: list[tuple[float, float, str, float]] = []
        for number, row in enumerate(rows):
            begin = begins[number]
            if begin >= free_s[row] and whole[number].start_s >= taken_s[row]:
                places.append((begin, y[number], named[number], wide[number]))
                free_s[row] = taken_s[row] = begin + wide[number]
            taken_s[row] = max(taken_s[row], whole[number].end_s)
        return y, places


@dataclass
class Hooks(Lane):
    """Each change inside the model for as long as it was on, with its name where that has room."""

    spans: Sequence[Span]
    rows: int = 1

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """Bars and names."""
        around, s_per_px = view.around, view.s_per_px
        lasting = [span.end_s - span.start_s for span in self.spans]
        placed = zip(self.spans, rows_of(self.spans, lasting, self.rows), strict=True)
        near = [
            (s, self.rows - row - 0.5) for s, row in placed if s.end_s > around.start_s and s.start_s < around.end_s
        ]
        named = []
        for span, y in near:
            begin_s = max(span.start_s, view.start_s) + 4 * s_per_px
            text = cut(span.text, (min(span.end_s, view.end_s) - begin_s) / s_per_px - 4)
            if len(text) > 3 or text == span.text:
                named.append((begin_s, y, text))
        return [
            bars(
                [s for s, _ in near], [y for _, y in near], 0.8, faint(theme.ink, 0.16), 2 * s_per_px, apart=theme.band
            ),
            labels(named, theme.ink),
        ]


@dataclass
class Marks(Lane):
    """What happened at a moment, with its words where they have room."""

    marks: Sequence[Mark]
    rows: int = 1

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:  # noqa: ARG002
        """Signs and texts."""
        around, s_per_px = view.around, view.s_per_px
        near = [mark for mark in self.marks if around.start_s <= mark.time_s < around.end_s]
        spans = [Span(f"   {self._words(mark, view)}", mark.time_s, mark.time_s) for mark in near]
        shown = fitted([s for s in spans if s.text.strip()], view.start_s, view.end_s, s_per_px, self.rows)
        if len(shown) < 0.25 * sum(view.start_s <= mark.time_s < view.end_s for mark in near):
            shown = []
        placed = {(span.start_s, span.text): row for row, span in shown}
        rows = [placed.get((span.start_s, span.text)) for span in spans]
        named = [(mark, row) for mark, row in zip(near, rows, strict=True) if row is not None]
        rest = [mark for mark, row in zip(near, rows, strict=True) if row is None]
        return [
            self._signs([mark for mark, _ in named], [self.rows - row - 0.5 for _, row in named], "diamond", 8),
            self._signs(rest, [0.1] * len(rest), "line-ns-open", 6),
            labels([(span.start_s, self.rows - row - 0.5, span.text) for row, span in shown], self.colour),
        ]

    def _words(self, mark: Mark, view: View) -> str:
        room_px = (view.end_s - mark.time_s) / view.s_per_px - 24
        text = cut(" ".join(mark.text.split()), min(220, room_px)) if room_px > _MARK_PX else ""
        return text if len(text) > 5 or text == mark.text else ""

    def _signs(self, marks: Sequence[Mark], y: list[float], symbol: str, size: int) -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "markers",
            "x": [mark.time_s for mark in marks],
            "y": y,
            "marker": {"symbol": symbol, "size": size, "color": self.colour},
            "customdata": [[plain(mark.detail or mark.text)] for mark in marks],
            "hovertemplate": "%{x:.1f} s  %{customdata[0]}<extra></extra>",
        }


@dataclass
class Compute(Lane):
    """What micro-turns took, beside the deadline. Where several share a column: the slowest pale, the median full."""

    compute_ms: Sequence[tuple[int, float]]

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """Slowest, median, late ones, deadline."""
        around = view.around
        all_ticks = np.array([tick for tick, _ in self.compute_ms], np.int64)
        first, last = np.searchsorted(all_ticks, [around.start_s / TICK_S, around.end_s / TICK_S])
        ticks, ms = all_ticks[first:last], np.array([value for _, value in self.compute_ms[first:last]], float)
        step = max(1, round(4 * view.s_per_px / TICK_S))
        groups = ticks // step
        edges = np.flatnonzero(np.r_[True, np.diff(groups) > 0]) if len(ticks) else np.zeros(0, int)
        slowest = np.maximum.reduceat(ms, edges) if len(edges) else np.zeros(0)
        median = np.array([np.median(part) for part in np.split(ms, edges[1:])]) if len(edges) else np.zeros(0)
        x = (groups[edges] + 0.5) * step * TICK_S if len(edges) else np.zeros(0)
        late = slowest > DEADLINE_MS
        top = self.span[1]

        def bar(at: Any, value: Any, colour: str) -> dict[str, Any]:
            hover = {"customdata": value, "hovertemplate": "%{customdata:.0f} ms<extra></extra>"}
            shape = {"type": "bar", "x": at, "y": np.minimum(value, top), "width": step * TICK_S * 0.85, **hover}
            return {**shape, "marker": {"color": colour, "line": {"width": 0}}}

        return [
            bar(x[~late], slowest[~late], theme.cost if step == 1 else faint(theme.cost, 0.45)),
            bar(x, median if step > 1 else np.where(late, 0, slowest), theme.cost),
            bar(x[late], slowest[late], theme.late),
            {
                "type": "scatter",
                "mode": "lines",
                "x": [around.start_s, around.end_s],
                "y": [DEADLINE_MS] * 2,
                "line": {"color": theme.late, "width": 1, "dash": "dot"},
                "hoverinfo": "skip",
            },
        ]
