"""Questions about one table that have a number for an answer: how much, how they hang together, what stands out.

Most return {"text", "surface", "numbers"}; ``numbers`` holds what the sentence rounds. Missing values are left out and
counted. Tables of over 200,000 rows are read evenly thinned, and say so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ToolError
from .namespace import Namespace
from .statistics import Line, fences, line_through, pearson, slopes_doubt, welch
from .table import Column, ColumnKind, Table, as_table
from .tool import Tier, Tool, tool

MAX_SHOWN = 20
MAX_NUMBERS = 12
MAX_KINDS = 60
DAY_S = 86_400.0


def analysis_tools(namespace: Namespace) -> tuple[Tool, ...]:
    """Seven tools over one namespace, from column_kinds to compare_groups. They read and never change."""

    @tool(tier=Tier.READ)
    def column_kinds(name: str) -> dict[str, Any]:
        """Tells of every column of one table whether it holds numbers, words (category) or times."""
        table = table_of(namespace, name)
        kinds = {column: str(table.column(column).kind) for column in table.names[:MAX_KINDS]}
        told = ", ".join(f"{column} {kind}" for column, kind in list(kinds.items())[:8])
        return {"text": f"{name} has {told}."[:600], "kinds": kinds, "surface": None}

    @tool(tier=Tier.READ)
    def summarize_column(name: str, column: str) -> dict[str, Any]:
        """Works out the numbers of one column: count, missing, mean, median, spread, range, sum, distinct values."""
        return _summary(name, table_of(namespace, name), column)

    @tool(tier=Tier.READ)
    def correlate_columns(name: str, columns: list[str] | None = None) -> dict[str, Any]:
        """Works out Pearson's correlation between columns of numbers; without columns between all of them."""
        return _correlate(name, table_of(namespace, name), list(columns or ()))

    @tool(tier=Tier.READ)
    def count_missing(name: str) -> dict[str, Any]:
        """Counts missing values in every column of one table."""
        return _missing(name, table_of(namespace, name))

    @tool(tier=Tier.READ)
    def find_outliers(name: str, column: str) -> dict[str, Any]:
        """Finds values of a column far outside the rest: over 1.5 interquartile ranges from the quartiles (Tukey)."""
        return _outliers(name, table_of(namespace, name), column)

    @tool(tier=Tier.READ)
    def find_trend(name: str, column: str, along: str | None = None) -> dict[str, Any]:
        """Fits a straight line to a column along a time or number column, or along the rows, and says if it rises."""
        return _trend(name, table_of(namespace, name), column, along)

    @tool(tier=Tier.READ)
    def compare_groups(name: str, column: str, by: str) -> dict[str, Any]:
        """Compares the mean of a column between the groups of another; for two groups with Welch's t."""
        return _compare(name, table_of(namespace, name), column, by)

    return column_kinds, summarize_column, correlate_columns, count_missing, find_outliers, find_trend, compare_groups


def table_of(namespace: Namespace, name: str) -> Table:
    """A variable as a table with at least one row. Raises ToolError in words."""
    if name not in namespace:
        raise ToolError(f"there is no variable named {name!r} in the notebook")
    table = as_table(namespace[name])
    if table is None:
        raise ToolError(f"{name} is a {type(namespace[name]).__name__}, not a table")
    if not table.rows or not table.names:
        raise ToolError(f"{name} is an empty table")
    return table


def column_of(table: Table, name: str, column: str) -> Column:
    """A column by name. Raises ToolError in words."""
    if column not in table.names:
        raise ToolError(f"{name} has no column named {column!r}; it has {', '.join(table.names[:12])}"[:400])
    return table.column(column)


def short(number: float) -> str:
    """A number as it can be said: four digits that count, no exponent where it can be helped."""
    if number and not 1e-4 <= abs(number) < 1e15:
        return f"{number:.3g}"
    digits = max(0, 3 - int(np.floor(np.log10(abs(number))))) if number else 0
    text = f"{number:,.{digits}f}" if abs(number) < 1e4 else f"{number:,.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _numbers(table: Table, name: str, column: str) -> NDArray[np.float64]:
    """The finite numbers of a column [n]; yes and no count as one and nought."""
    found = column_of(table, name, column)
    if found.kind is ColumnKind.CATEGORY and {v for v in found.values if v is not None} <= {"True", "False"}:
        return np.array([float(value == "True") for value in found.values if value is not None])
    if found.kind is not ColumnKind.NUMBER:
        raise ToolError(f"{column} in {name} holds {_kind(found)}, not numbers")
    values: NDArray[np.float64] = found.values[np.isfinite(found.values)]
    if not values.size:
        raise ToolError(f"{column} in {name} holds no numbers")
    return values


def _kind(column: Column) -> str:
    return {ColumnKind.NUMBER: "numbers", ColumnKind.TIME: "times", ColumnKind.CATEGORY: "words"}[column.kind]


def _told(text: str, numbers: dict[str, Any], surface: dict[str, Any] | None, table: Table) -> dict[str, Any]:
    thinned = table.rows > len(table.column(table.names[0]).values)
    text += " That is from an even sample of the rows." if thinned else ""
    return {"text": text[:600], "numbers": numbers, "surface": surface}


def _grid(title: str, columns: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    cells = [[cell if not isinstance(cell, str) else cell[:80] for cell in row] for row in rows[:MAX_SHOWN]]
    return {"title": title[:120], "kind": "table", "spec": {"columns": [name[:80] for name in columns], "rows": cells}}


def _summary(name: str, table: Table, column: str) -> dict[str, Any]:
    found = column_of(table, name, column)
    about: dict[str, Any] = {"rows": table.rows, "missing": found.missing}
    if found.kind is ColumnKind.NUMBER:
        values = _numbers(table, name, column)
        quarters = np.quantile(values, [0.25, 0.5, 0.75])
        about |= {
            "count": int(values.size), "mean": float(values.mean()), "median": float(quarters[1]),
            "std": float(values.std(ddof=1)) if values.size > 1 else 0.0, "min": float(values.min()),
            "max": float(values.max()), "sum": float(values.sum()), "lower quartile": float(quarters[0]),
            "upper quartile": float(quarters[2]), "distinct": int(np.unique(values).size),
        }  # fmt: skip
        text = f"{column} has a mean of {short(about['mean'])} and a median of {short(about['median'])}; "
        text += f"it goes from {short(about['min'])} to {short(about['max'])}."
    elif found.kind is ColumnKind.TIME:
        known = found.values[~np.isnat(found.values)]
        if not known.size:
            raise ToolError(f"{column} in {name} holds no times")
        first, last = str(known.min().astype("M8[s]")), str(known.max().astype("M8[s]"))
        about |= {"count": int(known.size), "min": first, "max": last, "distinct": int(np.unique(known).size)}
        text = f"{column} goes from {first.replace('T', ' ')} to {last.replace('T', ' ')}."
    else:
        words, counts = np.unique([value for value in found.values if value is not None], return_counts=True)
        if not words.size:
            raise ToolError(f"{column} in {name} is all missing")
        top = np.argsort(-counts, kind="stable")
        about |= {"count": int(counts.sum()), "distinct": int(words.size), "most common": str(words[top[0]])}
        about["values"] = {str(words[k])[:80]: int(counts[k]) for k in top[:MAX_SHOWN]}
        text = f"{column} has {words.size} different value{'s' if words.size != 1 else ''}; "
        text += f"the most common is {words[top[0]]}, {counts[top[0]]} times."
    if found.missing:
        text += f" {found.missing} {'is' if found.missing == 1 else 'are'} missing."
    shown: list[list[Any]] = [[key, value] for key, value in about.items() if not isinstance(value, dict)]
    shown += [[value, count] for value, count in about.get("values", {}).items()]
    return _told(text, about, _grid(f"{column} in {name}", ["of it", "value"], shown), table)


def _correlate(name: str, table: Table, wanted: list[str]) -> dict[str, Any]:
    for column in wanted:
        found = column_of(table, name, column)
        if found.kind is not ColumnKind.NUMBER:
            raise ToolError(f"{column} in {name} holds {_kind(found)}; a correlation needs numbers")
    columns = [table.column(column) for column in dict.fromkeys(wanted or table.names)]
    numbers = [column for column in columns if column.kind is ColumnKind.NUMBER][:MAX_NUMBERS]
    if len(numbers) < 2:
        raise ToolError(f"{name} has fewer than two columns of numbers to correlate")
    pairs: list[list[Any]] = []
    for place, one in enumerate(numbers):
        for other in numbers[place + 1 :]:
            r, count = pearson(one.values, other.values)
            if r is not None:
                pairs.append([one.name, other.name, round(r, 4), count])
    if not pairs:
        raise ToolError(f"the numbers in {name} do not vary together on at least three rows, so nothing correlates")
    pairs.sort(key=lambda pair: -abs(pair[2]))
    first, second, r, count = pairs[0]
    if len(numbers) == 2:
        text = f"{first} and {second} have a correlation of {r:.2f} over {count} rows; that is {_strength(r)}."
    else:
        text = f"The strongest correlation in {name} is between {first} and {second}: {r:.2f}; that is {_strength(r)}."
    surface = _grid(f"Correlations in {name}", ["column", "with", "Pearson's r", "rows"], pairs)
    return _told(text, {"pairs": pairs[:MAX_SHOWN]}, surface, table)


def _strength(r: float) -> str:
    """Cohen's words for the size of a correlation (Statistical Power Analysis, 1988)."""
    if abs(r) < 0.1:
        return "next to none"
    return (
        f"{'strong' if abs(r) >= 0.5 else 'medium' if abs(r) >= 0.3 else 'weak'} and {'rising' if r > 0 else 'falling'}"
    )


def _missing(name: str, table: Table) -> dict[str, Any]:
    counts = {column: table.column(column).missing for column in table.names[:200]}
    some = sorted(((column, count) for column, count in counts.items() if count), key=lambda item: -item[1])
    rows = len(table.column(table.names[0]).values)
    if not some:
        return _told(f"Nothing is missing in {name}.", {"missing": {}}, None, table)
    told = ", ".join(f"{column} {count} ({100 * count / rows:.0f} percent)" for column, count in some[:3])
    more = f", and {len(some) - 3} more columns" if len(some) > 3 else ""
    text = f"{sum(counts.values())} values are missing in {name}: {told}{more}."
    grid = [[column, count, round(count / rows, 4)] for column, count in some]
    return _told(
        text, {"missing": dict(some)}, _grid(f"Missing in {name}", ["column", "missing", "share"], grid), table
    )


def _outliers(name: str, table: Table, column: str) -> dict[str, Any]:
    values = _numbers(table, name, column)
    low, high = fences(values)
    outside = np.sort(values[(values < low) | (values > high)])
    numbers = {"low": low, "high": high, "count": int(outside.size), "of": int(values.size)}
    if not outside.size:
        text = f"{column} has no outliers: all {values.size} values lie between {short(low)} and {short(high)}."
        return _told(text, numbers, None, table)
    far = sorted(outside.tolist(), key=lambda value: -max(low - value, value - high))
    are = "is one outlier" if outside.size == 1 else f"are {outside.size} outliers"
    text = f"There {are} in {column} among {values.size} values, outside {short(low)} to {short(high)}; "
    text += f"the farthest is {short(far[0])}."
    place = table.column(column).values
    rows = [[int(np.flatnonzero(place == value)[0]), value] for value in dict.fromkeys(far[:MAX_SHOWN])]
    return _told(text, numbers, _grid(f"Outliers of {column} in {name}", ["row", column], rows), table)


def _trend(name: str, table: Table, column: str, along: str | None) -> dict[str, Any]:
    y = column_of(table, name, column)
    if y.kind is not ColumnKind.NUMBER:
        raise ToolError(f"{column} in {name} holds {_kind(y)}; a trend needs numbers")
    axis = column_of(table, name, along) if along else None
    if axis is None:
        x, unit = np.arange(len(y.values), dtype=np.float64), "row"
    elif axis.kind is ColumnKind.TIME:
        known = ~np.isnat(axis.values)
        x = np.full(len(axis.values), np.nan)
        x[known] = (axis.values[known] - axis.values[known].min()).astype("m8[ns]").astype(np.float64) / 1e9 / DAY_S
        unit = "day"
    elif axis.kind is ColumnKind.NUMBER:
        x, unit = axis.values, f"unit of {along}"
    else:
        raise ToolError(f"{along} in {name} holds words; a trend goes along times or numbers")
    fit = line_through(x, y.values)
    if fit is None:
        raise ToolError(f"{column} in {name} has fewer than three known places along {along or 'the rows'}")
    where = f" along {along}" if along else " from row to row"
    if slopes_doubt(fit):
        text = f"{column} has no clear trend{where}: the slope of {short(fit.slope)} per {unit} is within its error."
    else:
        way = "rises" if fit.slope > 0 else "falls"
        text = f"{column} {way}{where} by {short(abs(fit.slope))} per {unit}, "
        text += f"from about {short(fit.start)} to {short(fit.end)}."
    numbers = {
        "slope": fit.slope,
        "unit": unit,
        "error": fit.error,
        "start": fit.start,
        "end": fit.end,
        "rows": fit.rows,
    }
    return _told(text, numbers, _drawn(name, column, along or "row", x, y.values, fit), table)


def _drawn(name: str, column: str, along: str, x: NDArray[Any], y: NDArray[Any], fit: Line) -> dict[str, Any]:
    kept = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    kept = kept[np.argsort(x[kept], kind="stable")]
    kept = kept[np.unique(np.linspace(0, kept.size - 1, min(kept.size, 500)).round().astype(int))]
    at = x[kept]
    series = [
        {"name": column[:80], "y": y[kept].tolist()},
        {"name": "line", "y": (fit.start + fit.slope * (at - fit.low)).tolist()},
    ]
    spec = {"mark": "line", "x": at.tolist(), "x_label": along[:80], "y_label": column[:80], "series": series}
    return {"title": f"Trend of {column} in {name}"[:120], "kind": "chart", "spec": spec}


def _compare(name: str, table: Table, column: str, by: str) -> dict[str, Any]:
    y, groups = column_of(table, name, column), column_of(table, name, by)
    if y.kind is not ColumnKind.NUMBER:
        raise ToolError(f"{column} in {name} holds {_kind(y)}; groups are compared by numbers")
    keys = np.array([None if value is None else str(value) for value in groups.values.tolist()], object)
    found = []
    for key in sorted({key for key in keys if key is not None}):
        inside = y.values[keys == key]
        inside = inside[np.isfinite(inside)]
        if inside.size:
            found.append((key, inside))
    if len(found) < 2:
        raise ToolError(f"{by} in {name} has fewer than two groups with numbers in {column}")
    if len(found) > 200:
        raise ToolError(f"{by} in {name} has {len(found)} groups; at most 200 can be compared")
    found.sort(key=lambda item: -float(item[1].mean()))
    (top, most), (bottom, least) = found[0], found[-1]
    text = (
        f"The mean {column} is highest for {top}, {short(most.mean())}, and lowest for {bottom}, {short(least.mean())}"
    )
    numbers: dict[str, Any] = {"means": {key: float(inside.mean()) for key, inside in found[:MAX_SHOWN]}}
    if len(found) == 2:
        numbers["t"], clear = welch(most, least)
        text += "; that is more than chance would do." if clear else "; that may be chance."
    else:
        text += f", among {len(found)} groups."
    rows = [[key, round(float(v.mean()), 6), round(float(np.median(v)), 6), int(v.size)] for key, v in found]
    surface = _grid(f"{column} by {by} in {name}", [by, "mean", "median", "rows"], rows)
    return _told(text, numbers, surface, table)
