"""Bounds of what is shown, and the checks that keep them. Each says which field, what it was, and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from imkit.stream import ContractError

MAX_ID = 80
MAX_TITLE = 120
MAX_TEXT = 4_000
MAX_ROWS = 50
MAX_COLUMNS = 20
MAX_CELL = 200
MAX_LABEL = 80
MAX_SERIES = 8
MAX_POINTS = 5_000


class SurfaceError(ContractError):
    """A surface is not in the catalog or breaks its bounds. Says which field, what it was, and what is allowed."""


class Mark(StrEnum):
    """What a chart can be. A histogram's x holds bin edges, one more than each series has counts."""

    HISTOGRAM = "histogram"
    BAR = "bar"
    SCATTER = "scatter"
    LINE = "line"


def only(value: Mapping[str, Any], keys: set[str], where: str) -> None:
    """Refuses a mapping that has not exactly these keys."""
    if set(value) != keys:
        missing, extra = sorted(keys - set(value)), sorted(str(key)[:40] for key in set(value) - keys)
        raise SurfaceError(f"{where} must have exactly {sorted(keys)}; missing {missing}, not allowed {extra}"[:500])


def text(value: Any, where: str, limit: int) -> str:
    """A string of at most ``limit`` characters. A lone surrogate, which no page can be sent, is replaced."""
    if not isinstance(value, str):
        raise SurfaceError(f"{where} is {type(value).__name__}, expected a string")
    if len(value) > limit:
        raise SurfaceError(f"{where} has {len(value)} characters, at most {limit} are allowed")
    return str(value).encode("utf-8", "replace").decode("utf-8")


def items(value: Any, where: str, limit: int) -> list[Any]:
    """A list of at most ``limit`` items."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        raise SurfaceError(f"{where} is {type(value).__name__}, expected a list")
    if len(value) > limit:
        raise SurfaceError(f"{where} has {len(value)} items, at most {limit} are allowed")
    return list(value)


def number(value: Any, where: str) -> int | float | None:
    """A finite number of a size that a double holds, or None."""
    if value is None:
        return None
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and abs(int(value)) < 10**300:
        return int(value)
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return float(value)
    shown = repr(value)[:200] if not isinstance(value, int) else "a huge integer"
    raise SurfaceError(f"{where} is {shown}, expected a finite number or None")


def cell(value: Any, where: str, limit: int) -> str | int | float | bool | None:
    """A string, number, boolean or None."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return text(value, where, limit) if isinstance(value, str) else number(value, where)


def text_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """{"text": str}."""
    only(spec, {"text"}, "text spec")
    return {"text": text(spec["text"], "text", MAX_TEXT)}


def table_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """{"columns": [str], "rows": [[cell]]}."""
    only(spec, {"columns", "rows"}, "table spec")
    columns = [text(name, "column name", MAX_LABEL) for name in items(spec["columns"], "columns", MAX_COLUMNS)]
    rows = []
    for index, row in enumerate(items(spec["rows"], "rows", MAX_ROWS)):
        cells = items(row, f"row {index}", MAX_COLUMNS)
        if len(cells) != len(columns):
            raise SurfaceError(f"row {index} has {len(cells)} cells, expected {len(columns)}, one a column")
        rows.append([cell(one, f"row {index}", MAX_CELL) for one in cells])
    return {"columns": columns, "rows": rows}


def chart_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """{"mark", "x", "x_label", "y_label", "series": [{"name", "y"}]}."""
    only(spec, {"mark", "x", "x_label", "y_label", "series"}, "chart spec")
    try:
        mark = Mark(spec["mark"])
    except ValueError:
        raise SurfaceError(f"chart mark is {str(spec['mark'])[:40]!r}, expected one of: {', '.join(Mark)}") from None
    x = [cell(value, "x", MAX_LABEL) for value in items(spec["x"], "x", MAX_POINTS + 1)]
    expected = len(x) - 1 if mark is Mark.HISTOGRAM else len(x)
    if mark is Mark.HISTOGRAM and not all(isinstance(edge, int | float) for edge in x):
        raise SurfaceError("a histogram's x holds bin edges, which are numbers")
    series = []
    for index, one in enumerate(items(spec["series"], "series", MAX_SERIES)):
        where = f"series {index}"
        if not isinstance(one, Mapping):
            raise SurfaceError(f"{where} is {type(one).__name__}, expected a mapping")
        only(one, {"name", "y"}, where)
        y = [number(value, f"{where} y") for value in items(one["y"], f"{where} y", MAX_POINTS)]
        if len(y) != expected:
            raise SurfaceError(f"{where} has {len(y)} points, expected {expected} for {len(x)} x values of a {mark}")
        series.append({"name": text(one["name"], f"{where} name", MAX_LABEL), "y": y})
    if not series:
        raise SurfaceError("a chart needs at least one series")
    return {
        "mark": str(mark),
        "x": x,
        "x_label": text(spec["x_label"], "x_label", MAX_LABEL),
        "y_label": text(spec["y_label"], "y_label", MAX_LABEL),
        "series": series,
    }
