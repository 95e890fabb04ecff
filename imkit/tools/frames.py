"""Rows and groups of tables, whoever made them, through narwhals: pandas, polars, pyarrow; arrays and dicts as well."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from .errors import ToolError
from .namespace import Namespace
from .table import as_table, raw_column
from .tool import Tier, Tool, tool

MAX_ROWS = 50
MAX_COLUMNS = 20
MAX_CELL = 200
MAX_GROUPS = 50
MAX_KEYS = 3
SAMPLE_SEED = 0
BACKENDS: tuple[Literal["polars", "pandas", "pyarrow"], ...] = ("polars", "pandas", "pyarrow")

Which = Literal["first", "last", "sample"]
Op = Literal["==", "!=", "<", "<=", ">", ">=", "contains", "missing"]
How = Literal["count", "sum", "mean", "median", "min", "max", "std", "unique"]


def frame_tools(namespace: Namespace) -> tuple[Tool, ...]:
    """peek_table and aggregate_table over one namespace. They read and never change."""

    @tool(tier=Tier.READ)
    def peek_table(
        name: str,
        which: Which = "first",
        rows: int = 5,
        column: str | None = None,
        op: Op | None = None,
        value: str | float | bool | None = None,
    ) -> dict[str, Any]:
        """Shows some rows of one table, first, last or a sample; with column, op and value only rows where it holds."""
        return _peek(namespace, name, which, rows, column, op, value)

    @tool(tier=Tier.READ)
    def aggregate_table(
        name: str, by: list[str], column: str | None = None, how: How = "count", top: int = 20
    ) -> dict[str, Any]:
        """Groups one table by columns and counts rows, or works out a number of another column for each group."""
        return _aggregate(namespace, name, by, column, how, top)

    return peek_table, aggregate_table


def as_frame(namespace: Namespace, name: str) -> Any:
    """A variable as a narwhals frame in memory. Raises ToolError in words where it is no table."""
    import narwhals as nw

    if name not in namespace:
        raise ToolError(f"there is no variable named {name!r} in the notebook")
    value = namespace[name]
    native = nw.from_native(value, pass_through=True, allow_series=True)
    if isinstance(native, nw.DataFrame):
        return native
    if isinstance(native, nw.Series):
        return native.to_frame()
    if isinstance(native, nw.LazyFrame):
        raise ToolError(f"{name} is not computed yet (a lazy frame); collect it into a variable first")
    table = as_table(value)
    if table is None:
        raise ToolError(f"{name} is a {type(value).__name__}, not a table")
    backend = next((known for known in BACKENDS if importlib.util.find_spec(known)), None)
    if backend is None:
        raise ToolError(f"{name} is a {type(value).__name__}; rows and groups of it need pandas or polars installed")
    return nw.from_dict({column: raw_column(table.raw(column)) for column in table.names}, backend=backend)


def _known(frame: Any, name: str, column: str) -> str:
    if column not in frame.columns:
        listed = ", ".join(str(one) for one in frame.columns[:12])
        raise ToolError(f"{name} has no column named {column!r}; it has {listed}"[:400])
    return column


def rows_where(namespace: Namespace, name: str, column: str | None, op: Op | None, value: Any) -> tuple[Any, str]:
    """The rows of a table where a condition holds, all without one, as a narwhals frame, and " where ..." in words."""
    frame = as_frame(namespace, name)
    if (column is None) != (op is None):
        raise ToolError("give column and op together, such as column='age', op='>', value=30")
    if column is None or op is None:
        return frame, ""
    frame = frame.filter(_mask(frame[_known(frame, name, column)], op, value, f"{name}.{column}"))
    return frame, f" where {column} is missing" if op == "missing" else f" where {column} {op} {value}"


def _peek(
    namespace: Namespace, name: str, which: Which, rows: int, column: str | None, op: Op | None, value: Any
) -> dict[str, Any]:
    frame, where = rows_where(namespace, name, column, op, value)
    rows = max(1, min(rows, MAX_ROWS))
    found = len(frame)
    if which == "sample":
        chosen = sorted(random.Random(SAMPLE_SEED).sample(range(found), min(rows, found)))
        frame = frame[chosen]
    else:
        frame = frame.head(rows) if which == "first" else frame.tail(rows)
    text = f"{name} has {found} row{'' if found == 1 else 's'}{where}"
    if found > len(frame):
        text += f"; I show {'a sample of' if which == 'sample' else f'the {which}'} {len(frame)}"
    if len(frame.columns) > MAX_COLUMNS:
        text += f", {MAX_COLUMNS} of its {len(frame.columns)} columns"
    text += "."
    title = f"{name}{where}"[:120]
    return {"text": text[:600], "surface": _table(title, frame.columns, frame.rows()) if found else None}


def _mask(series: Any, op: Op, value: Any, where: str) -> Any:
    import narwhals as nw

    if op == "missing":
        mask = series.is_null()
        return mask | series.is_nan() if series.dtype.is_float() else mask
    value = _like(series, value, where)
    if series.dtype == nw.String and not isinstance(value, str) and op != "contains":
        raise ToolError(f"{where} holds text, which cannot be compared with {value!r}; give a text"[:300])
    try:
        match op:
            case "==":
                mask = series == value
            case "!=":
                mask = series != value
            case "<":
                mask = series < value
            case "<=":
                mask = series <= value
            case ">":
                mask = series > value
            case ">=":
                mask = series >= value
            case "contains":
                mask = series.cast(nw.String).str.contains(str(value), literal=True)
    except Exception as error:  # each maker of tables has errors of its own for what cannot be compared
        raise ToolError(f"{where} ({series.dtype}) cannot be compared with {value!r}: {error}"[:400]) from None
    mask = mask.fill_null(False) & ~series.is_null()
    return mask & ~series.is_nan() if series.dtype.is_float() else mask


def _like(series: Any, value: Any, where: str) -> Any:
    """What was given, as the column's own kind: a number that came as text, a time."""
    if value is None:
        raise ToolError(f"{where}: say which value to compare with; op='missing' finds missing ones")
    try:
        if series.dtype.is_numeric() and isinstance(value, str):
            return float(value)
        if series.dtype.is_temporal() and isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.date() if str(series.dtype) == "Date" else moment
    except ValueError:
        raise ToolError(f"{where} holds {series.dtype}; {value!r} is none"[:300]) from None
    return value


def _aggregate(
    namespace: Namespace, name: str, by: Sequence[str], column: str | None, how: How, top: int
) -> dict[str, Any]:
    import narwhals as nw

    frame = as_frame(namespace, name)
    keys = [_known(frame, name, key) for key in dict.fromkeys(by)]
    if not 0 < len(keys) <= MAX_KEYS:
        raise ToolError(f"group by one to {MAX_KEYS} columns, got {len(keys)}")
    if how == "count" and column is None:
        made, label = nw.len(), "rows"
    else:
        if column is None:
            raise ToolError(f"say of which column the {how} is wanted")
        if column in keys:
            raise ToolError(f"{column} cannot be both what is grouped by and what is worked out")
        dtype = frame[_known(frame, name, column)].dtype
        if how in ("sum", "mean", "median", "std") and not (dtype.is_numeric() or dtype == nw.Boolean):
            raise ToolError(f"{name}.{column} holds {dtype}, which has no {how}; count or unique work")
        if dtype.is_float():
            frame = frame.with_columns(nw.col(column).fill_nan(None))
        made, label = _number(nw.col(column), how), f"{how} of {column}"
    while label in keys:
        label += "'"
    groups = frame.group_by(keys, drop_null_keys=False).agg(made.alias(label))
    groups = (
        groups.sort(keys)
        if groups.schema[keys[0]].is_temporal()
        else groups.sort(label, descending=True, nulls_last=True)
    )
    total = len(groups)
    groups = groups.head(max(1, min(top, MAX_GROUPS)))
    rows = groups.rows()
    told = "; ".join(f"{_key(row)}: {_spoken(row[-1])}" for row in rows[:3])
    first = f"{name} has {total} group{'' if total == 1 else 's'} by {' and '.join(keys)}"
    text = f"{first}. {label[:1].upper()}{label[1:]}, {'in order' if total <= 3 else 'the first three'}: {told}."
    return {"text": text[:600], "surface": _table(f"{label} by {', '.join(keys)} in {name}", groups.columns, rows)}


def _number(column: Any, how: How) -> Any:
    match how:
        case "count":
            return column.count()
        case "unique":
            return column.n_unique()
        case _:
            return getattr(column, how)()


def _key(row: Sequence[Any]) -> str:
    return ", ".join("missing" if key is None or key != key else str(key)[:60] for key in row[:-1])


def _spoken(value: Any) -> str:
    return "unknown" if value is None or value != value else f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(title: str, columns: Sequence[Any], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    names = [str(column)[:MAX_CELL] for column in columns[:MAX_COLUMNS]]
    cells = [[_plain(cell) for cell in row[:MAX_COLUMNS]] for row in rows]
    return {"title": title[:120], "kind": "table", "spec": {"columns": names, "rows": cells}}


def _plain(cell: Any) -> str | int | float | bool | None:
    if cell is None or cell != cell or type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(cell, "item") and not hasattr(cell, "__len__"):
        cell = cell.item()
    if isinstance(cell, float) and cell in (float("inf"), float("-inf")):
        return str(cell)
    if isinstance(cell, bool | int | float):
        return cell if not isinstance(cell, int) or abs(cell) < 2**53 else str(cell)
    return str(cell)[:MAX_CELL]
