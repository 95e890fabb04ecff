"""A surface: one thing to show, as checked data within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


class Kind(StrEnum):
    """What a surface can be."""

    TEXT = "text"
    TABLE = "table"
    CHART = "chart"


class Mark(StrEnum):
    """What a chart can be. A histogram's x holds bin edges, one more than each series has counts."""

    HISTOGRAM = "histogram"
    BAR = "bar"
    SCATTER = "scatter"
    LINE = "line"


@dataclass(frozen=True, slots=True, repr=False)
class Surface:
    """One thing to show. Checked when it is made; everything in it is plain text and numbers.

    text   spec {"text": str of at most 4,000 characters}
    table  spec {"columns": [str], "rows": [[str | number | bool | None]]}, at most 20 columns and 50 rows
    chart  spec {"mark": histogram | bar | scatter | line, "x": [number | str], "x_label", "y_label": str,
           "series": [{"name": str, "y": [number | None]}]}, at most 8 series of 5,000 points

    Raises SurfaceError for anything else.
    """

    id: str
    title: str
    kind: Kind
    spec: Mapping[str, Any]

    def __post_init__(self) -> None:
        _text(self.id, "id", MAX_ID)
        _text(self.title, "title", MAX_TITLE)
        try:
            kind = Kind(self.kind)
        except ValueError:
            allowed = ", ".join(Kind)
            raise SurfaceError(f"surface kind is {self.kind!r}, expected one of: {allowed}") from None
        if not isinstance(self.spec, Mapping):
            raise SurfaceError(f"surface spec is {type(self.spec).__name__}, expected a mapping")
        check = {Kind.TEXT: _text_spec, Kind.TABLE: _table_spec, Kind.CHART: _chart_spec}[kind]
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "spec", check(self.spec))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Surface:
        """Makes a surface of {"id", "title", "kind", "spec"}. Raises SurfaceError when it is not one."""
        if not isinstance(value, Mapping):
            raise SurfaceError(f"a surface is a mapping, got {type(value).__name__}")
        _only(value, {"id", "title", "kind", "spec"}, "surface")
        return cls(value["id"], value["title"], value["kind"], value["spec"])

    def __repr__(self) -> str:
        return f"Surface({self.id!r}, {self.title!r}, {self.kind})"

    def to_json(self) -> dict[str, Any]:
        """The surface as plain JSON values; ``from_json`` makes an equal one of it."""
        return {"id": self.id, "title": self.title, "kind": str(self.kind), "spec": dict(self.spec)}


def _only(value: Mapping[str, Any], keys: set[str], where: str) -> None:
    if set(value) != keys:
        missing, extra = sorted(keys - set(value)), sorted(map(str, set(value) - keys))
        raise SurfaceError(f"{where} must have exactly {sorted(keys)}; missing {missing}, not allowed {extra}")


def _text(value: Any, where: str, limit: int) -> str:
    if not isinstance(value, str):
        raise SurfaceError(f"{where} is {type(value).__name__}, expected a string")
    if len(value) > limit:
        raise SurfaceError(f"{where} has {len(value)} characters, at most {limit} are allowed")
    return str(value)


def _items(value: Any, where: str, limit: int) -> list[Any]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        raise SurfaceError(f"{where} is {type(value).__name__}, expected a list")
    if len(value) > limit:
        raise SurfaceError(f"{where} has {len(value)} items, at most {limit} are allowed")
    return list(value)


def _number(value: Any, where: str) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return float(value)
    raise SurfaceError(f"{where} is {value!r}, expected a finite number or None"[:300])


def _cell(value: Any, where: str, limit: int) -> str | int | float | bool | None:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return _text(value, where, limit) if isinstance(value, str) else _number(value, where)


def _text_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    _only(spec, {"text"}, "text spec")
    return {"text": _text(spec["text"], "text", MAX_TEXT)}


def _table_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    _only(spec, {"columns", "rows"}, "table spec")
    columns = [_text(name, "column name", MAX_LABEL) for name in _items(spec["columns"], "columns", MAX_COLUMNS)]
    rows = []
    for number, row in enumerate(_items(spec["rows"], "rows", MAX_ROWS)):
        cells = _items(row, f"row {number}", MAX_COLUMNS)
        if len(cells) != len(columns):
            raise SurfaceError(f"row {number} has {len(cells)} cells, expected {len(columns)}, one a column")
        rows.append([_cell(cell, f"row {number}", MAX_CELL) for cell in cells])
    return {"columns": columns, "rows": rows}


def _chart_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    _only(spec, {"mark", "x", "x_label", "y_label", "series"}, "chart spec")
    try:
        mark = Mark(spec["mark"])
    except ValueError:
        raise SurfaceError(f"chart mark is {spec['mark']!r}, expected one of: {', '.join(Mark)}") from None
    x = [_cell(value, "x", MAX_LABEL) for value in _items(spec["x"], "x", MAX_POINTS + 1)]
    expected = len(x) - 1 if mark is Mark.HISTOGRAM else len(x)
    series = []
    for number, one in enumerate(_items(spec["series"], "series", MAX_SERIES)):
        where = f"series {number}"
        if not isinstance(one, Mapping):
            raise SurfaceError(f"{where} is {type(one).__name__}, expected a mapping")
        _only(one, {"name", "y"}, where)
        y = [_number(value, f"{where} y") for value in _items(one["y"], f"{where} y", MAX_POINTS)]
        if len(y) != expected:
            raise SurfaceError(f"{where} has {len(y)} points, expected {expected} for {len(x)} x values of a {mark}")
        series.append({"name": _text(one["name"], f"{where} name", MAX_LABEL), "y": y})
    if not series:
        raise SurfaceError("a chart needs at least one series")
    return {
        "mark": str(mark),
        "x": x,
        "x_label": _text(spec["x_label"], "x_label", MAX_LABEL),
        "y_label": _text(spec["y_label"], "y_label", MAX_LABEL),
        "series": series,
    }
