"""A chart as shapes: numbers and plain strings in a box of 640 by 320, drawn alike by the page and by the picture.

bar   ["bar", series, x, y, width, height, what it says]      line  ["line", series, [[x, y, x, y, ...], ...]]
dots  ["dots", series, [x, y, ...]]                           grid  ["grid", x1, y1, x2, y2, is an axis]
text  ["text", x, y, anchor, string, slanted]                 key   ["key", series, x, y, string]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

WIDTH: Final = 640
HEIGHT: Final = 320
CHAR: Final = 6.4
"""Width of a character at the size that labels have."""

Shape = list[Any]
Scale = Callable[[float], float]


def plot(chart: Mapping[str, Any]) -> dict[str, Any]:
    """{"width", "height", "shapes", "says"} of checked chart props; "says" is the chart in one sentence."""
    values = [y for one in chart["series"] for y in one["y"] if y is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if chart["mark"] in ("bar", "histogram"):
        low, high = min(low, 0), max(high, 0)
    y_ticks = ticks(low, high)
    y_names = [tick_name(tick, y_ticks) for tick in y_ticks]
    keyed = len(chart["series"]) > 1
    left = 20 + (18 if chart["y_label"] else 0) + CHAR * max(map(len, y_names))
    top, bottom, right = 14 + (22 if keyed else 0), HEIGHT - 34 - (18 if chart["x_label"] else 0), WIDTH - 14
    axis = _Axis(chart, left + 4, right)
    if axis.slanted:
        bottom -= 34
    y_of = _scale(y_ticks[0], y_ticks[-1], bottom, top)
    shapes: list[Shape] = []
    for tick, name in zip(y_ticks, y_names, strict=True):
        shapes.append(["grid", _r(left), _r(y_of(tick)), right, _r(y_of(tick)), False])
        shapes.append(["text", _r(left - 8), _r(y_of(tick) + 4), "end", name, False])
    base = y_of(min(max(0, y_ticks[0]), y_ticks[-1]))
    for at, name in axis.labels:
        half = CHAR * len(name) / 2
        x = at if axis.slanted else max(half, min(at, WIDTH - half))
        shapes.append(["text", _r(x), bottom + 18, "end" if axis.slanted else "middle", name, axis.slanted])
    for number, one in enumerate(chart["series"]):
        shapes.extend(_marks(chart, number, one, axis, y_of, base))
    shapes.append(["grid", _r(left), _r(base), right, _r(base), True])
    if chart["x_label"]:
        shapes.append(["text", _r((left + right) / 2), HEIGHT - 10, "middle", chart["x_label"], False])
    if chart["y_label"]:
        shapes.append(["side", 15, _r((top + bottom) / 2), chart["y_label"]])
    if keyed:
        shapes.extend(_key(chart["series"], left))
    what = {"bar": "bars", "line": "lines", "scatter": "points"}.get(chart["mark"], chart["mark"])
    says = f"{what} of {', '.join(one['name'] for one in chart['series'])} over {chart['x_label'] or 'x'}"
    says += f"; from {tick_name(min(values), [])} to {tick_name(max(values), [])}" if values else "; no values"
    return {"width": WIDTH, "height": HEIGHT, "shapes": shapes, "says": says[:300]}


class _Axis:
    """Where x values lie: by their numbers, by their times, or one beside the other."""

    def __init__(self, chart: Mapping[str, Any], left: float, right: float) -> None:
        x, mark = chart["x"], chart["mark"]
        self.slanted = False
        numbers = _numbers(x) if mark != "bar" else None
        times = _times(x) if mark != "bar" and numbers is None else None
        if numbers is not None or times is not None:
            along = numbers if numbers is not None else times or []
            known = [one for one in along if one is not None] or [0.0, 1.0]
            low, high = min(known), max(known)
            if times is not None:
                marks, names = _time_ticks(low, high)
            else:
                marks = ticks(low, high, 7, outside=mark != "histogram")
                names = [tick_name(tick, marks) for tick in marks]
                low, high = (min(low, marks[0]), max(high, marks[-1])) if mark != "histogram" else (low, high)
            of = _scale(low, high, left + 6, right - 6)
            self.at: list[float | None] = [None if one is None else of(one) for one in along]
            self.width = 0.0
            self.labels = [(of(tick), name) for tick, name in zip(marks, names, strict=True)]
        else:
            self.width = (right - left) / max(1, len(x))
            self.at = [left + (n + 0.5) * self.width for n in range(len(x))]
            longest = max((len(_name(one)) for one in x), default=0) * CHAR
            self.slanted = longest > self.width - 4 and len(x) <= 30
            room = int((64 if self.slanted else max(30.0, self.width - 4)) / CHAR)
            every = 1 if self.slanted else max(1, math.ceil(len(x) * min(longest + 8, 80) / (right - left)))
            room = max(room, int((every * self.width - 6) / CHAR)) if not self.slanted else room
            kept = [(self.at[n], _name(x[n])) for n in range(0, len(x), every)]
            self.labels = [(at, short(name, room)) for at, name in kept if at is not None]


def _marks(
    chart: Mapping[str, Any], number: int, one: Mapping[str, Any], axis: _Axis, y_of: Scale, base: float
) -> list[Shape]:
    at, ys = axis.at, one["y"]
    if chart["mark"] == "histogram":
        edges = [value if value is not None else 0.0 for value in at]
        return [
            ["bar", number, _r(edges[n]), _r(min(y_of(y), base)), _r(max(1.0, edges[n + 1] - edges[n] - 1)),
             _r(abs(y_of(y) - base)), f"{_name(chart['x'][n])} to {_name(chart['x'][n + 1])}: {_name(y)}"]
            for n, y in enumerate(ys) if y is not None
        ]  # fmt: skip
    if chart["mark"] == "bar":
        slot = axis.width * 0.78 / len(chart["series"])
        wide = min(slot, 64.0)
        first = -wide * len(chart["series"]) / 2 + wide * number
        return [
            ["bar", number, _r((at[n] or 0) + first), _r(min(y_of(y), base)), _r(max(1.0, wide - 1)),
             _r(abs(y_of(y) - base)), f"{_name(chart['x'][n])}, {one['name']}: {_name(y)}"]
            for n, y in enumerate(ys) if y is not None
        ]  # fmt: skip
    points = [(x, y_of(y)) if x is not None and y is not None else None for x, y in zip(at, ys, strict=True)]
    if chart["mark"] == "scatter":
        return [["dots", number, [_r(part) for point in points if point for part in point]]]
    runs: list[list[float]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].extend((_r(point[0]), _r(point[1])))
    return [["line", number, [run for run in runs if run]]]


def _key(series: Sequence[Mapping[str, Any]], left: float) -> list[Shape]:
    found: list[Shape] = []
    room = max(4, int((WIDTH - left) / len(series) / CHAR) - 4)
    x = left
    for number, one in enumerate(series):
        name = short(one["name"], room)
        found.append(["key", number, _r(x), 12, name])
        x += 34 + CHAR * len(name)
    return found


def ticks(low: float, high: float, most: int = 6, outside: bool = True) -> list[float]:
    """Round numbers from below ``low`` to above ``high``; ``outside`` False keeps those between them."""
    low, high = float(low), float(high)
    if not low < high:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)
    span = high / 2 - low / 2  # halves, so that the widest range of doubles has a width
    raw = max(span / most * 2, 5e-308)
    power = 10.0 ** math.floor(math.log10(raw)) if math.isfinite(raw) else 1e307
    step = next((power * size for size in (1, 2, 2.5, 5) if power * size >= raw), power * 10)
    if not math.isfinite(step) or step <= 0:
        return [low, high]
    first, last = math.floor(low / step), math.ceil(high / step)
    found = [n * step for n in range(first, last + 1)] if last - first <= 3 * most else [low, high]
    found = [round(tick, 12) if 1e-9 < abs(tick) < 1e9 else tick for tick in found if math.isfinite(tick)]
    if not outside:
        found = [tick for tick in found if low <= tick <= high]
    return found if len(found) > 1 else [low, high]


def tick_name(tick: float, beside: Sequence[float]) -> str:
    """A number as it stands on an axis: 1,200 or 0.25, and 1.2e+09 where it is far from one."""
    if tick == 0:
        return "0"
    size = max((abs(one) for one in beside), default=abs(tick))
    if size >= 1e7 or size < 1e-4:
        return f"{tick:.3g}"
    return f"{round(tick):,}" if float(tick).is_integer() else f"{tick:.6g}"


def short(name: str, room: int) -> str:
    """The name, or as much of it as fits into ``room`` characters."""
    return name if len(name) <= room else name[: max(1, room - 1)] + "…"


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    half = (high / 2 - low / 2) or 1.0
    return lambda value: start + (value / 2 - low / 2) / half * (end - start)


def _r(value: float) -> float:
    return round(value, 1)


def _name(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _numbers(x: Sequence[Any]) -> list[float | None] | None:
    good = all(one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in x)
    return [None if one is None else float(one) for one in x] if good else None


def _times(x: Sequence[Any]) -> list[float | None] | None:
    """Seconds of ISO times; None when one is none."""
    found: list[float | None] = []
    for one in x:
        try:
            when = datetime.fromisoformat(one) if isinstance(one, str) else None
        except ValueError:
            return None
        if when is None and one is not None:
            return None
        found.append(None if when is None else (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    return found


def _time_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Five times from the first to the last, named as fine as their distance needs."""
    marks = [low + (high - low) * n / 4 for n in range(5)] if high > low else [low]
    step = (high - low) / 4
    form = "%Y" if step > 700 * 86400 else "%b %Y" if step > 40 * 86400 else "%d %b" if step > 86400 else "%H:%M"
    form = "%H:%M:%S" if step < 120 else form
    return marks, [datetime.fromtimestamp(mark, UTC).strftime(form) for mark in marks]
