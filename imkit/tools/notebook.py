"""The notebook's own tools, and three of them: what variables there are, what is in a table, what it looks like."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from .analysis import analysis_tools, table_of
from .chart import chart_spec
from .errors import ToolError
from .evaluate import evaluate_tool
from .frames import Op, frame_tools, rows_where
from .namespace import Namespace
from .relations import relation_tools
from .search import search_tools
from .table import Column, ColumnKind, Table, as_table
from .tool import Tier, Tool, tool

MAX_VARIABLES = 50
MAX_COLUMNS = 40
MAX_DESCRIBED = 16


def notebook_tools(namespace: Namespace) -> tuple[Tool, ...]:
    """The tools that every session has, over one namespace. They read and never change.

    list_variables, describe_frame, plot_columns, peek_table, aggregate_table, evaluate, search_docs, search_files, and
    those of ``analysis_tools`` and ``relation_tools``.
    """

    @tool(tier=Tier.READ)
    def list_variables() -> dict[str, Any]:
        """Lists the notebook's variables, the newest last, with type, size and, for tables, column names."""
        return _list(namespace)

    @tool(tier=Tier.READ)
    def describe_frame(name: str) -> dict[str, Any]:
        """Describes one table: rows, columns, ranges, means, missing values."""
        return _describe(name, table_of(namespace, name))

    @tool(tier=Tier.READ)
    def plot_columns(
        name: str,
        columns: list[str] | None = None,
        column: str | None = None,
        op: Op | None = None,
        value: str | float | bool | None = None,
    ) -> dict[str, Any]:
        """Plots columns of a table, the first along x; with column, op and value only rows where that holds."""
        table, where = table_of(namespace, name), ""
        if column is not None or op is not None:
            frame, where = rows_where(namespace, name, column, op, value)
            if not len(frame):
                raise ToolError(f"{name} has no rows{where}")
            table = Table(len(frame), tuple(frame.columns), frame)
        return _plot(name, table, list(columns or ()), where)

    return (
        list_variables,
        describe_frame,
        plot_columns,
        *frame_tools(namespace),
        *analysis_tools(namespace),
        *relation_tools(namespace),
        evaluate_tool(namespace),
        *search_tools(),
    )


def _list(namespace: Namespace) -> dict[str, Any]:
    variables = []
    everything = [(name, namespace.get(name)) for name in namespace]
    for name, value in everything[-MAX_VARIABLES:]:
        table = as_table(value)
        about: dict[str, Any] = {"name": name, "type": type(value).__name__, "size": _size(value, table)}
        if table is not None:
            about |= {"rows": table.rows, "columns": [column[:200] for column in table.names[:MAX_COLUMNS]]}
        variables.append(about)
    tables = [about["name"] for about in variables if "columns" in about]
    if not variables:
        text = "There are no variables in this notebook yet."
    else:
        text = f"There {_are(len(everything), 'variable')}"
        text += f"; {_are_tables(tables)}." if tables else "; none of them is a table."
    rows = [[about["name"][:200], about["type"][:200], about["size"]] for about in reversed(variables)]
    spec = {"columns": ["name", "type", "size"], "rows": rows}
    surface = {"title": "Variables", "kind": "table", "spec": spec} if rows else None
    return {"text": text, "variables": variables, "surface": surface}


def _are(count: int, noun: str) -> str:
    return f"is one {noun}" if count == 1 else f"are {count} {noun}s"


def _are_tables(names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is a table"
    shown = names[-4:]
    more = f" and {len(names) - 4} others" if len(names) > 4 else ""
    return f"the tables are {_and(shown)}{more}"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _size(value: Any, table: Table | None) -> str:
    if table is not None:
        return f"{table.rows} x {len(table.names)}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return " x ".join(map(str, shape))[:60]
    if isinstance(value, str | bytes | list | tuple | dict | set | frozenset):
        return str(len(value))
    return ""


def _describe(name: str, table: Table) -> dict[str, Any]:
    columns = [table.column(column) for column in table.names[:MAX_DESCRIBED]]
    told = _and([column.name for column in columns[:6]])
    more = f" and {len(table.names) - 6} more" if len(table.names) > 6 else ""
    text = f"{name} has {table.rows} rows and {len(table.names)} columns: {told}{more}."
    first = next((c for c in columns if c.kind is ColumnKind.NUMBER and np.isfinite(c.values).any()), None)
    if first is not None:
        values = first.values[np.isfinite(first.values)]
        text += f" {first.name} goes from {values.min():.4g} to {values.max():.4g}, with a mean of {values.mean():.4g}."
    missing = [column.name for column in columns if column.missing]
    if missing:
        text += f" {_and(missing[:4])} {'has' if len(missing) == 1 else 'have'} missing values."
    headers = ["column", "kind", "missing", "lowest", "mean", "highest", "most common"]
    rows = [_row(column) for column in columns]
    spec = {"columns": headers, "rows": rows}
    return {"text": text[:600], "surface": {"title": f"{name}"[:120], "kind": "table", "spec": spec}}


def _row(column: Column) -> list[Any]:
    row: list[Any] = [column.name[:200], str(column.kind), column.missing, None, None, None, None]
    if column.kind is ColumnKind.NUMBER:
        values = column.values[np.isfinite(column.values)]
        if values.size:
            row[3:6] = [float(f"{number:.6g}") for number in (values.min(), values.mean(), values.max())]
    elif column.kind is ColumnKind.TIME:
        known = column.values[~np.isnat(column.values)]
        if known.size:
            row[3], row[5] = str(known.min().astype("M8[s]")), str(known.max().astype("M8[s]"))
    else:
        common = Counter(value for value in column.values if value is not None).most_common(1)
        row[6] = f"{common[0][0][:150]} ({common[0][1]})" if common else None
    return row


def _plot(name: str, table: Table, wanted: list[str], where: str = "") -> dict[str, Any]:
    unknown = [column for column in wanted if column not in table.names]
    if unknown:
        raise ToolError(f"{name} has no column named {unknown[0]!r}; it has {_and(list(table.names[:12]))}")
    columns = [table.column(column) for column in dict.fromkeys(wanted)] or _choose(table)
    try:
        spec = chart_spec(columns)
    except ValueError as error:
        raise ToolError(f"{name} cannot be plotted: {error}") from error
    drawn = [series["name"] for series in spec["series"]]
    x = spec["x_label"]
    match spec["mark"]:
        case "histogram":
            title, text = f"{x} in {name}", f"Here is how {x} is spread in {name}."
        case "bar" if spec["y_label"] == "count":
            title, text = f"{x} in {name}", f"Here is how often each {x} comes up in {name}."
        case "bar":
            title, text = f"{_and(drawn)} by {x} in {name}", f"Here is the mean {_and(drawn)} for each {x} in {name}."
        case _:
            title, text = f"{_and(drawn)} against {x} in {name}", f"Here is {_and(drawn)} against {x} in {name}."
    title, text = f"{title}{where}", f"{text[:-1]}{where}."
    shown = {series["name"] for series in spec["series"]} | {x}
    left_out = [column for column in dict.fromkeys(wanted) if column[:80] not in shown]
    if left_out:
        text += f" I left out {_and(left_out[:3])}, which did not fit."
    return {"text": text[:600], "surface": {"title": title[:120], "kind": "chart", "spec": spec}}


def _choose(table: Table) -> list[Column]:
    """A time and a number, else two numbers, else one number, else the first column; of the first twelve."""
    columns = [table.column(column) for column in table.names[:12]]
    numbers = [column for column in columns if column.kind is ColumnKind.NUMBER and np.isfinite(column.values).any()]
    times = [column for column in columns if column.kind is ColumnKind.TIME and column.missing < len(column.values)]
    if times and numbers:
        return [times[0], numbers[0]]
    return numbers[:2] if numbers else columns[:1]
