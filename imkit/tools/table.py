"""Tables without knowing who made them: pandas and polars frames, dicts of arrays, numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_SCAN = 200_000


class ColumnKind(StrEnum):
    """What can be said and drawn of a column."""

    NUMBER = "number"
    CATEGORY = "category"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """One column by name.

    values  number: float64 [rows], NaN where missing; time: datetime64[ns] [rows]; category: object [rows], None where
            missing. At most 200,000 rows, evenly taken from longer ones.
    """

    name: str
    kind: ColumnKind
    values: NDArray[Any]

    @property
    def missing(self) -> int:
        """How many of the values are missing."""
        if self.kind is ColumnKind.CATEGORY:
            return sum(value is None for value in self.values)
        return int(np.isnan(self.values).sum() if self.kind is ColumnKind.NUMBER else np.isnat(self.values).sum())


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length. ``rows`` is the true length, also where columns were thinned."""

    rows: int
    names: tuple[str, ...]
    source: Any

    def column(self, name: str) -> Column:
        """Reads one column."""
        return _column(name, self.raw(name))

    def raw(self, name: str) -> Any:
        """One column as its maker holds it."""
        return _raw(self.source, self.names.index(name))


def as_table(value: Any) -> Table | None:
    """``value`` as a table; None when it is not one. Reads names and lengths only."""
    try:
        if isinstance(value, np.ndarray):
            return _array_table(value)
        if isinstance(value, Mapping):
            return _dict_table(value)
        columns = getattr(value, "columns", None)
        if columns is not None and hasattr(value, "__getitem__") and hasattr(value, "__len__"):
            return Table(len(value), tuple(str(name) for name in columns), value)
        if hasattr(value, "dtype") and hasattr(value, "to_numpy") and getattr(value, "ndim", 1) == 1:
            return Table(len(value), (str(getattr(value, "name", None) or "value"),), value)
    except Exception:  # somebody's own class with columns that are no columns: it is no table for us
        return None
    return None


def _array_table(array: NDArray[Any]) -> Table | None:
    if array.dtype.names:
        return Table(len(array), tuple(array.dtype.names), array) if array.ndim == 1 else None
    if array.ndim == 1:
        return Table(len(array), ("value",), array)
    return Table(len(array), tuple(map(str, range(array.shape[1]))), array) if array.ndim == 2 else None


def _dict_table(value: Mapping[Any, Any]) -> Table | None:
    lengths = set()
    for column in value.values():
        if not isinstance(column, list | tuple | np.ndarray) and not hasattr(column, "to_numpy"):
            return None
        if getattr(column, "ndim", 1) != 1:
            return None
        lengths.add(len(column))
    return Table(lengths.pop(), tuple(map(str, value)), value) if len(lengths) == 1 else None


def _raw(source: Any, place: int) -> Any:
    if isinstance(source, np.ndarray):
        if source.dtype.names:
            return source[source.dtype.names[place]]
        return source if source.ndim == 1 else source[:, place]
    if isinstance(source, Mapping):
        return list(source.values())[place]
    if hasattr(source, "columns"):
        if hasattr(source, "iloc"):
            return source.iloc[:, place]
        return source[list(source.columns)[place]]
    return source


def _column(name: str, raw: Any) -> Column:
    step = max(1, -(-len(raw) // MAX_SCAN))
    raw = (raw.iloc if hasattr(raw, "iloc") else raw)[::step]
    values = raw.to_numpy() if hasattr(raw, "to_numpy") else np.asarray(raw)
    if values.dtype.kind == "M":
        return Column(name, ColumnKind.TIME, values.astype("datetime64[ns]"))
    if values.dtype.kind in "iuf":
        return Column(name, ColumnKind.NUMBER, values.astype(np.float64))
    cells = [_cell(value) for value in values.tolist()]
    known = [cell for cell in cells if cell is not None]
    if known and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known):
        numbers = np.array([np.nan if cell is None else float(cell) for cell in cells])
        return Column(name, ColumnKind.NUMBER, numbers)
    out = np.empty(len(cells), object)
    out[:] = [None if cell is None else str(cell)[:200] for cell in cells]
    return Column(name, ColumnKind.CATEGORY, out)


def raw_column(raw: Any) -> NDArray[Any]:
    """A whole column [rows]: numbers (NaN where missing), yes and no, times, or objects that are text or None."""
    values = raw.to_numpy() if hasattr(raw, "to_numpy") else np.asarray(raw)
    if values.dtype.kind != "O":
        return np.asarray(values)
    cells = [_cell(value) for value in values.tolist()]
    known = [cell for cell in cells if cell is not None]
    if known and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known):
        return np.array([np.nan if cell is None else float(cell) for cell in cells])
    out = np.empty(len(cells), object)
    out[:] = cells
    return out


def _cell(value: Any) -> Any:
    """A cell, None where it is missing (None, NaN, NaT, pandas.NA)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return None if isinstance(value, float) and value != value else value
