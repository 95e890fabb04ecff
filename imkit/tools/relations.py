"""One table beside another, and one variable beside what it was before."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from .analysis import short, table_of
from .errors import ToolError
from .namespace import Namespace
from .table import Column, ColumnKind, Table, as_table
from .tool import Tier, Tool, tool

MAX_COLUMNS = 40
MAX_REMEMBERED = 100
MIN_SHARE = 0.5
SHOWN_PAIRS = 10


def relation_tools(namespace: Namespace) -> tuple[Tool, ...]:
    """find_keys, remember_variable and what_changed. They read the notebook and change nothing in it."""
    seen: dict[str, dict[str, Any]] = {}

    @tool(tier=Tier.READ)
    def find_keys(left: str, right: str) -> dict[str, Any]:
        """Finds columns by which two tables can be joined: shared values, unique on one side at least."""
        return _keys(left, table_of(namespace, left), right, table_of(namespace, right))

    @tool(tier=Tier.READ)
    def remember_variable(name: str) -> dict[str, Any]:
        """Remembers how a variable is now, its size, columns and means, unless it is remembered; see what_changed."""
        if name not in seen:
            _remember(seen, name, _look(namespace, name))
        return {"text": f"I remember how {name} is now.", "surface": None}

    @tool(tier=Tier.READ)
    def what_changed(name: str) -> dict[str, Any]:
        """Compares a variable with how it was when it was last looked at: rows, columns, means, missing values."""
        now = _look(namespace, name)
        before = seen.get(name)
        _remember(seen, name, now)
        if before is None:
            text = f"I have not looked at {name} before. I remember it now, so that I can tell next time."
            return {"text": text, "changes": [], "surface": None}
        changes = _changes(before, now)
        text = f"In {name}, {'; '.join(changes[:4])}." if changes else f"Nothing that I can see changed in {name}."
        text += f" There are {len(changes) - 4} more changes." if len(changes) > 4 else ""
        return {"text": text[:600], "changes": changes[:50], "surface": None}

    return find_keys, remember_variable, what_changed


def _remember(seen: dict[str, dict[str, Any]], name: str, look: dict[str, Any]) -> None:
    seen.pop(name, None)
    seen[name] = look
    while len(seen) > MAX_REMEMBERED:
        seen.pop(next(iter(seen)))


def _look(namespace: Namespace, name: str) -> dict[str, Any]:
    """A variable in brief: enough to say later what is different."""
    if name not in namespace:
        raise ToolError(f"there is no variable named {name!r} in the notebook")
    value = namespace[name]
    look: dict[str, Any] = {"type": type(value).__name__}
    table = as_table(value)
    if table is not None:
        look["rows"] = table.rows
        look["columns"] = {column: _column_look(table, column) for column in table.names[:MAX_COLUMNS]}
    elif isinstance(value, int | float | bool | str | None):
        look["value"] = str(value)[:80]
    elif hasattr(value, "shape"):
        look["shape"] = " x ".join(map(str, value.shape))[:80]
    elif hasattr(value, "__len__"):
        look["length"] = len(value)
    return look


def _column_look(table: Table, name: str) -> dict[str, Any]:
    column = table.column(name)
    look: dict[str, Any] = {"kind": str(column.kind), "missing": column.missing}
    if column.kind is ColumnKind.NUMBER:
        known = column.values[np.isfinite(column.values)]
        look["mean"] = float(known.mean()) if known.size else None
    elif column.kind is ColumnKind.CATEGORY:
        look["distinct"] = len({value for value in column.values if value is not None})
    else:
        known = column.values[~np.isnat(column.values)]
        look["last"] = str(known.max().astype("M8[s]")) if known.size else None
    return look


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    told: list[str] = []
    for key, words in (("type", "the type was {} and is {}"), ("value", "the value was {} and is {}"),
                       ("shape", "the shape was {} and is {}"), ("length", "the length was {} and is {}")):  # fmt: skip
        if before.get(key) != now.get(key) and key in before and key in now:
            told.append(words.format(before[key], now[key]))
    if "rows" in before and "rows" in now and before["rows"] != now["rows"]:
        more = now["rows"] - before["rows"]
        told.append(f"there are {abs(more)} {'more' if more > 0 else 'fewer'} rows, {now['rows']} now")
    old, new = before.get("columns", {}), now.get("columns", {})
    told += [f"{name} is new" for name in new if name not in old and old]
    told += [f"{name} is gone" for name in old if name not in new and new]
    for name in (name for name in new if name in old and old[name] != new[name]):
        told += _column_changes(name, old[name], new[name])
    return told


def _column_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    if old["kind"] != new["kind"]:
        return [f"{name} held {old['kind']} values and now holds {new['kind']} values"]
    told = []
    if old["missing"] != new["missing"]:
        told.append(f"{name} had {old['missing']} missing values and has {new['missing']}")
    if old.get("mean") != new.get("mean") and None not in (old.get("mean"), new.get("mean")):
        told.append(f"the mean of {name} went from {short(old['mean'])} to {short(new['mean'])}")
    if old.get("distinct") != new.get("distinct"):
        told.append(f"{name} had {old['distinct']} different values and has {new['distinct']}")
    if old.get("last") != new.get("last"):
        told.append(f"{name} now ends at {new['last']}")
    return told


def _keys(left: str, one: Table, right: str, other: Table) -> dict[str, Any]:
    if left == right:
        raise ToolError(f"say two tables to join; {left} was given twice")
    sides = [_candidates(table) for table in (one, other)]
    found: list[tuple[float, list[Any]]] = []
    for name, (values, kind, rows) in sides[0].items():
        for named, (others, other_kind, other_rows) in sides[1].items():
            if kind != other_kind:
                continue
            shared = len(values & others)
            share = shared / min(len(values), len(others))
            unique = (len(values) == rows, len(others) == other_rows)
            if share < MIN_SHARE or not any(unique):
                continue
            alike = max(_alike(name, named), _alike(name, f"{right}_{named}"), _alike(f"{left}_{name}", named))
            shape = f"{'one' if unique[0] else 'many'} to {'one' if unique[1] else 'many'}"
            row = [name, named, shape, round(shared / len(values), 4), round(shared / len(others), 4)]
            found.append((share + alike, row))
    if not found:
        text = f"I found no columns by which {left} and {right} could be joined."
        return {"text": text, "keys": [], "surface": None}
    found.sort(key=lambda item: -item[0])
    rows_shown = [row for _, row in found[:SHOWN_PAIRS]]
    name, named, shape, share, _ = rows_shown[0]
    join = f"by {name}" if name == named else f"by {name} in {left} and {named} in {right}"
    text = f"{left} and {right} can be joined {join}, {shape}; {100 * share:.0f} percent of the values in {left}"
    text += f" are found in {right}."
    columns = [left[:80], right[:80], "shape", f"share of {left}"[:80], f"share of {right}"[:80]]
    spec = {
        "columns": columns,
        "rows": [[str(cell)[:200] if isinstance(cell, str) else cell for cell in row] for row in rows_shown],
    }
    surface = {"title": f"Keys of {left} and {right}"[:120], "kind": "table", "spec": spec}
    return {"text": text[:600], "keys": rows_shown, "surface": surface}


def _candidates(table: Table) -> dict[str, tuple[frozenset[Any], ColumnKind, int]]:
    """Columns that could be keys: words, times and whole numbers with more than two different values."""
    found = {}
    for name in table.names[:MAX_COLUMNS]:
        column = table.column(name)
        values = _known(column)
        if values is not None and len(set(values)) > 2:
            found[name] = (frozenset(values), column.kind, len(values))
    return found


def _known(column: Column) -> list[Any] | None:
    if column.kind is ColumnKind.CATEGORY:
        return [value for value in column.values if value is not None]
    if column.kind is ColumnKind.TIME:
        return list(column.values[~np.isnat(column.values)].tolist())
    known = column.values[np.isfinite(column.values)]
    return list(known.tolist()) if known.size and (known == np.round(known)).all() else None


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower(), other.lower(), autojunk=False).ratio()
