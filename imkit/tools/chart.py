"""Which chart fits which columns, and its data: a small plain specification."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .table import Column, ColumnKind

MAX_POINTS = 1_000
MAX_BARS = 24
MAX_SERIES = 6
MAX_LABEL = 80


def chart_spec(columns: list[Column]) -> dict[str, Any]:
    """The chart for columns in the order they were asked for; the first is x.

    One number: histogram. One category: bars of counts. One time: bars of counts a day, month or year.
    A category and numbers: bars of means. A time and numbers: lines. Numbers: scatter, or lines where x only rises.
    """
    columns = columns[: MAX_SERIES + 1]
    first, rest = columns[0], columns[1:]
    axis = next((column for column in columns if column.kind is not ColumnKind.NUMBER), first)
    if rest and axis is not first:  # whatever was named first, a category or a time is what one reads along
        first, rest = axis, [column for column in columns if column is not axis]
    numbers = [column for column in rest if column.kind is ColumnKind.NUMBER]
    if not numbers:
        return _histogram(first) if first.kind is ColumnKind.NUMBER else _counts(first)
    if first.kind is ColumnKind.CATEGORY:
        return _means(first, numbers)
    return _points(first, numbers)


def _spec(mark: str, x: list[Any], x_label: str, y_label: str, series: list[tuple[str, list[Any]]]) -> dict[str, Any]:
    lines = [{"name": name[:MAX_LABEL], "y": y} for name, y in series]
    return {"mark": mark, "x": x, "x_label": x_label[:MAX_LABEL], "y_label": y_label[:MAX_LABEL], "series": lines}


def _histogram(column: Column) -> dict[str, Any]:
    values = column.values[np.isfinite(column.values)]
    if not values.size:
        raise ValueError(f"{column.name} holds no numbers that can be drawn")
    bins = int(np.clip(np.ceil(np.sqrt(values.size)), 5, 40))
    counts, edges = np.histogram(values, bins=bins)
    return _spec("histogram", edges.tolist(), column.name, "count", [("count", counts.tolist())])


def _counts(column: Column) -> dict[str, Any]:
    if column.kind is ColumnKind.TIME:
        names, counts = np.unique(_periods(column.values), return_counts=True)
        kept = slice(max(0, len(names) - MAX_POINTS), None)
        labels = [str(name) for name in names[kept]]
        return _spec("bar", labels, column.name, "count", [("count", counts[kept].tolist())])
    known = Counter("missing" if value is None else value[:MAX_LABEL] for value in column.values)
    if not known:
        raise ValueError(f"{column.name} is empty")
    common = sorted(known.items(), key=lambda item: (-item[1], item[0]))
    bars = common if len(common) <= MAX_BARS else common[: MAX_BARS - 1]
    others = len(column.values) - sum(count for _, count in bars)
    if others:
        bars = [*bars, ("all others", others)]
    return _spec("bar", [name for name, _ in bars], column.name, "count", [("count", [n for _, n in bars])])


def _periods(times: NDArray[Any]) -> NDArray[Any]:
    """Known times as days, months or years, so that at most 60 or so are left."""
    known: NDArray[Any] = times[~np.isnat(times)]
    if not known.size:
        raise ValueError("the times are all missing")
    for unit in ("D", "M"):
        if (known.max().astype(f"M8[{unit}]") - known.min().astype(f"M8[{unit}]")).astype(int) < 62:
            return np.asarray(known.astype(f"M8[{unit}]"))
    return np.asarray(known.astype("M8[Y]"))


def _means(axis: Column, numbers: list[Column]) -> dict[str, Any]:
    common = Counter(value for value in axis.values if value is not None).most_common()
    names = [name for name, _ in sorted(common, key=lambda item: (-item[1], item[0]))[:MAX_BARS]]
    if not names:
        raise ValueError(f"{axis.name} is all missing")
    series: list[tuple[str, list[Any]]] = []
    for column in numbers:
        means: list[float | None] = []
        for name in names:
            inside = column.values[axis.values == name]
            inside = inside[np.isfinite(inside)]
            means.append(float(inside.mean()) if inside.size else None)
        series.append((column.name, means))
    labels = [name[:MAX_LABEL] for name in names]
    y_label = f"mean of {numbers[0].name}" if len(numbers) == 1 else "mean"
    return _spec("bar", labels, axis.name, y_label, series)


def _points(axis: Column, numbers: list[Column]) -> dict[str, Any]:
    timed = axis.kind is ColumnKind.TIME
    kept = np.flatnonzero(~np.isnat(axis.values) if timed else np.isfinite(axis.values))
    if not kept.size:
        raise ValueError(f"{axis.name} holds nothing that can be drawn")
    if timed:
        kept = kept[np.argsort(axis.values[kept], kind="stable")]
    if kept.size > MAX_POINTS:
        kept = kept[np.linspace(0, kept.size - 1, MAX_POINTS).round().astype(int)]
    values = axis.values[kept]
    rising = timed or (values.size > 2 and bool((np.diff(values) > 0).all()))
    x = [str(value.astype("M8[s]")) for value in values] if timed else values.tolist()
    series = [(c.name, [float(v) if np.isfinite(v) else None for v in c.values[kept]]) for c in numbers]
    y_label = numbers[0].name if len(numbers) == 1 else "value"
    return _spec("line" if rising else "scatter", x, axis.name, y_label, series)
