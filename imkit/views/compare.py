"""Two timelines over each other on one clock, with what differs marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imkit.stream import TICK_S, Moment, Timeline

from .figure import rows
from .lanes import Span, lanes_of
from .letters import merged
from .palette import Theme, faint, theme_of
from .sound_lanes import bars
from .stack import Lane, Stack, View, clock

_INPUT = ("microphone", "spectrogram", "camera", "typed", "draft", "events")
_CAME_IN = {"camera": "frames", "typed": "text", "draft": "draft", "events": "events"}
_IN_THE_TICK = {"presence", "microphone", *_CAME_IN, "heard", "calls"}
_OUTPUT = ("heard", "floor", "says", "own voice", "tasks", "surfaces")


@dataclass(frozen=True, slots=True)
class Difference:
    """A micro-turn in which two timelines are not alike, and in what."""

    tick: int
    what: tuple[str, ...]

    @property
    def start_s(self) -> float:
        """Where it is seen: what comes in and is called in the tick itself, what is only heard one tick later."""
        return (self.tick + (not _IN_THE_TICK & set(self.what))) * TICK_S


@dataclass
class Marked(Lane):
    """The micro-turns that differ."""

    spans: Sequence[Span]

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """One row of bars."""
        return [bars(merged(self.spans, view.s_per_px / 2), 0.5, 0.7, theme.both, view.s_per_px)]


def differences(a: Timeline, b: Timeline) -> list[Difference]:
    """Every micro-turn in which they differ, in order; one that only one of them holds differs in "presence".

    Of sound that either has let go of, the levels are compared.
    """
    mine, others = ({moment.index: moment for moment in timeline} for timeline in (a, b))
    found = []
    for tick in sorted(mine.keys() | others.keys()):
        one, other = mine.get(tick), others.get(tick)
        what = _what(one, other) if one is not None and other is not None else ("presence",)
        if what:
            found.append(Difference(tick, what))
    return found


def compare(
    a: Timeline,
    b: Timeline,
    names: tuple[str, str] = ("a", "b"),
    start_s: float | None = None,
    end_s: float | None = None,
    theme: str = "light",
    *,
    width: int = 960,
    live: bool | None = None,
) -> Any:
    """Two timelines on one clock: what came in once where it is the same, what the models did one above the other.

    The lane on top and the bands mark the micro-turns that differ, the dotted line the first of them. ``live`` is as
    for ``figure``. Raises ValueError for an empty range or an unknown theme.
    """
    colours = theme_of(theme)
    known = [lanes_of(timeline) for timeline in (a, b)]
    held = [one for one, timeline in zip(known, (a, b), strict=True) if len(timeline)] or known
    whole = (min(one.start_s for one in held), max(max(one.end_s for one in held), held[0].start_s + TICK_S))
    first, last = whole[0] if start_s is None else start_s, whole[1] if end_s is None else end_s
    if last <= first:
        raise ValueError(
            f"compare(start_s={start_s}, end_s={end_s}) shows nothing; they run from {whole[0]:.1f} to {whole[1]:.1f} s"
        )
    unlike = differences(a, b)
    spans = [Span(", ".join(one.what), one.start_s, one.start_s + TICK_S) for one in unlike]
    lanes: list[Lane] = [Marked(name="differs", height_px=20, colour=colours.both, span=(0, 1), spans=spans)]
    both = [rows(timeline, one, colours) for timeline, one in zip((a, b), known, strict=True)]
    told = Counter(what for one in unlike for what in one.what)
    unlike_kinds = {*told, *(("spectrogram",) if "microphone" in told else ())}
    once = set() if "presence" in told else {kind for kind in _INPUT if kind not in unlike_kinds}
    lanes += _paired(both, names, once)
    runs = merged([Span("", span.start_s, span.end_s) for span in spans], TICK_S / 2)
    stack = Stack(
        lanes,
        first,
        last,
        colours,
        width,
        _legend(unlike, told, max(len(a), len(b))),
        [(run.start_s, run.end_s, faint(colours.both, 0.1)) for run in runs],
        [spans[0].start_s] if spans else [],
        whole,
    )
    return stack.figure(live)


def _paired(both: list[dict[str, Lane]], names: tuple[str, str], once: set[str]) -> list[Lane]:
    """All lanes, those of ``once`` from the first timeline only, the others of both one above the other."""
    lanes: list[Lane] = []
    for kind in (*_INPUT, *_OUTPUT):
        if kind in once:
            lanes += [both[0][kind]] if kind in both[0] else []
            continue
        lanes += [replace(of[kind], name=f"{kind}, {name}") for of, name in zip(both, names, strict=True) if kind in of]
    return lanes


def _legend(unlike: list[Difference], told: Counter[str], ticks: int) -> str:
    if not unlike:
        return f"nothing differs in {ticks} micro-turns"
    parts = ", ".join(f"{what} {count}" for what, count in told.most_common())
    first_s = round(unlike[0].start_s, 1)
    first = f"{clock(first_s)} s" if first_s < 60 else clock(first_s)
    return f"{len(unlike)} of {ticks} micro-turns differ, first at {first} ({parts})"


def _what(a: Moment, b: Moment) -> tuple[str, ...]:
    one, other = a.to_json(), b.to_json()
    what = [lane for lane, key in _CAME_IN.items() if one.get(key) != other.get(key)]
    if one["level_db"] != other["level_db"] or _sound_differs(a, b, own=False):
        what.insert(0, "microphone")
    what += [key for key in ("heard", "floor", "words", "calls") if one.get(key) != other.get(key)]
    if one["own_db"] != other["own_db"] or _sound_differs(a, b, own=True):
        what.append("own sound")
    return tuple(what)


def _sound_differs(a: Moment, b: Moment, *, own: bool) -> bool:
    if not (a.has_media and b.has_media):
        return False
    one, other = (m.act.audio if own else m.percept.audio for m in (a, b))
    return not np.array_equal(one, other)
