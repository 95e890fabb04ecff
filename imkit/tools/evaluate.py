"""A pure expression over the notebook's numbers, worked out without Python's own ``eval``.

The expression is parsed to Python's syntax tree and walked here. What is not on the lists below does not exist: no
attributes, no calls but of a fixed list of functions, no lambdas, comprehensions, f-strings or assignments. Values are
plain copies or numpy arrays of exactly known types, so that no method of somebody's own class is ever called.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import arithmetic
from .arithmetic import FUNCTIONS, MAX_ITEMS
from .errors import ToolError
from .namespace import Namespace
from .table import as_table, raw_column
from .tool import Tier, Tool, tool

MAX_EXPRESSION = 2_000
MAX_NODES = 500
MAX_DEPTH = 50
MAX_MADE = 100_000_000
LIMIT_S = 5.0
SHOWN_ROWS = 50

_SCALARS = (int, float, str, bool, type(None))


def evaluate_tool(namespace: Namespace) -> Tool:
    """The tool ``evaluate`` over one namespace."""

    @tool(tier=Tier.READ)
    def evaluate(expression: str) -> dict[str, Any]:
        """Works out one expression over the notebook's variables, such as mean(people["age"]) or 3 * len(names):
        arithmetic, comparisons, indexing, a column of a table by its name, and abs, all, any, ceil, exp, float, floor,
        int, len, log, log10, max, mean, median, min, mode, quantile, round, sorted, sqrt, std, sum, unique, var.

        Missing values are left out. Nothing else of Python can be used.
        """
        value = worked_out(expression, namespace)
        shown = _shown(value)
        text = f"{expression.strip()[:120]} is {shown}."
        return {"text": text[:600], "surface": _surface(expression, value)}

    return evaluate


def worked_out(expression: str, variables: Mapping[str, Any]) -> Any:
    """The value of an expression: numbers, text, lists, tuples, dicts, times or numpy arrays.

    Raises ToolError in words for everything else: syntax, names, sizes, types, arithmetic.
    """
    if len(expression) > MAX_EXPRESSION:
        raise ToolError(f"the expression has {len(expression)} characters, at most {MAX_EXPRESSION} are allowed")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ToolError(f"this is not an expression: {getattr(error, 'msg', error)}"[:200]) from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise ToolError(f"the expression has more than {MAX_NODES} parts")
    try:
        return _Walk(variables).value(tree.body, 0)
    except ToolError:
        raise
    except KeyError as error:
        raise ToolError(f"there is no entry {error}"[:200]) from None
    except (ArithmeticError, ValueError, TypeError, IndexError, MemoryError, RecursionError) as error:
        raise ToolError(f"that cannot be worked out: {error or type(error).__name__}"[:300]) from None


class _Frame:
    """A table: only its columns can be taken from it."""

    def __init__(self, value: Any) -> None:
        table = as_table(value)
        if table is None:
            raise ToolError(f"a {type(value).__name__} cannot be used in an expression")
        self.table = table


class _Walk:
    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._made = 0
        self._until_s = time.monotonic() + LIMIT_S

    def value(self, node: ast.expr, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ToolError(f"the expression is nested over {MAX_DEPTH} deep")
        if time.monotonic() > self._until_s:
            raise ToolError(f"it takes longer than {LIMIT_S:.0f} seconds")
        made = self._node(node, depth + 1)
        if not isinstance(node, ast.Name | ast.Constant):
            size = made.nbytes // 8 if isinstance(made, np.ndarray) else len(made) if hasattr(made, "__len__") else 1
            self._made += size
            if self._made > MAX_MADE:
                raise ToolError("it needs too much memory on the way")
        return made

    def _node(self, node: ast.expr, depth: int) -> Any:
        match node:
            case ast.Constant(value=value):
                if type(value) not in _SCALARS:
                    raise ToolError(f"{type(value).__name__} values are not allowed here")
                return arithmetic.real(value)
            case ast.Name(id=name):
                return self._variable(name)
            case ast.List(elts=items):
                return [self._plain(item, depth) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self._plain(item, depth) for item in items)
            case ast.Dict(keys=keys, values=values):
                if None in keys:
                    raise ToolError("** is not allowed here")
                pairs = zip(keys, values, strict=True)
                return {self._plain(key, depth): self._plain(item, depth) for key, item in pairs if key is not None}
            case ast.UnaryOp(op=op, operand=operand):
                return _unary(op, self.value(operand, depth))
            case ast.BinOp(left=left, op=op, right=right):
                return arithmetic.binary(type(op), self.value(left, depth), self.value(right, depth))
            case ast.BoolOp(op=op, values=values):
                return self._both(op, values, depth)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                return self._compared(left, ops, rights, depth)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if _truth(self.value(test, depth)) else orelse, depth)
            case ast.Subscript(value=holder, slice=index):
                return _taken(self.value(holder, depth), self._index(index, depth))
            case ast.Call():
                return self._called(node, depth)
            case _:
                raise ToolError(f"{type(node).__name__} is not allowed in an expression")

    def _plain(self, node: ast.expr, depth: int) -> Any:
        value = self.value(node, depth)
        if isinstance(value, np.ndarray | _Frame):
            raise ToolError("a column or table cannot be put into a list")
        return value

    def _both(self, op: ast.boolop, values: list[ast.expr], depth: int) -> Any:
        value: Any = None
        for one in values:
            value = self.value(one, depth)
            if _truth(value) is not isinstance(op, ast.And):
                break
        return value

    def _compared(self, left: ast.expr, ops: list[ast.cmpop], rights: list[ast.expr], depth: int) -> Any:
        one, outcome = self.value(left, depth), True
        for op, right in zip(ops, rights, strict=True):
            other = self.value(right, depth)
            if isinstance(one, _Frame) or isinstance(other, _Frame):
                raise ToolError("a table cannot be compared as a whole; compare its columns")
            outcome = arithmetic.compare(type(op), one, other)
            if len(ops) > 1 and not _truth(outcome):
                return False
            one = other
        return outcome

    def _index(self, node: ast.expr, depth: int) -> Any:
        if isinstance(node, ast.Slice):
            ends = [None if end is None else self.value(end, depth) for end in (node.lower, node.upper, node.step)]
            if any(end is not None and type(end) is not int for end in ends):
                raise ToolError("a slice takes whole numbers")
            return slice(*ends)
        if isinstance(node, ast.Tuple):
            return tuple(self._index(one, depth) for one in node.elts)
        return self.value(node, depth)

    def _called(self, node: ast.Call, depth: int) -> Any:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            raise ToolError(f"only these can be called: {', '.join(FUNCTIONS)}")
        named = {word.arg: word.value for word in node.keywords}
        if named and (name != "sorted" or set(named) != {"reverse"}):
            raise ToolError(f"{name} takes no such named arguments here")
        arguments = [self.value(argument, depth) for argument in node.args]  # a starred one is refused as a node
        if name == "len" and len(arguments) == 1 and isinstance(arguments[0], _Frame):
            return arguments[0].table.rows
        extra = {key: self.value(argument, depth) for key, argument in named.items() if key is not None}
        return FUNCTIONS[name](*arguments, **extra)

    def _variable(self, name: str) -> Any:
        if name not in self._variables:
            hint = f"; call it: {name}(...)" if name in FUNCTIONS else ""
            raise ToolError(f"there is no variable named {name!r} in the notebook{hint}")
        value = self._variables[name]
        if isinstance(value, np.generic):
            return _element(value, name)
        if type(value) is np.ndarray:
            return _checked(value, name)
        if type(value) in _SCALARS:
            return arithmetic.real(value)
        if type(value) in (list, tuple, dict):
            return _copied(value, name, [MAX_ITEMS])
        if hasattr(value, "columns"):
            return _Frame(value)
        if hasattr(value, "to_numpy") and hasattr(value, "dtype"):
            return _checked(raw_column(value), name)
        raise ToolError(f"{name} is a {type(value).__name__}, which cannot be used in an expression")


def _element(value: np.generic[Any], name: str) -> Any:
    if value.dtype.kind not in arithmetic.NUMERIC + arithmetic.DATED + "U":
        raise ToolError(f"{name} is a {type(value).__name__}, which cannot be used in an expression")
    return arithmetic.real(value)


def _checked(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """An array of numbers, times or text; of objects only where each is a plain value."""
    if array.dtype.kind == "O":
        if array.size > MAX_ITEMS or any(type(item) not in _SCALARS for item in array.flat):
            raise ToolError(f"{name} holds objects; expected numbers, times or text, at most {MAX_ITEMS:,}")
    elif array.dtype.kind not in arithmetic.NUMERIC + arithmetic.DATED + "U":
        raise ToolError(f"{name} holds {array.dtype}; expected numbers, times or text")
    return array


def _copied(value: Any, name: str, left: list[int], depth: int = 0) -> Any:
    """A copy made of plain values only."""
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        raise ToolError(f"{name} is too large for an expression: over {MAX_ITEMS:,} items or {MAX_DEPTH} levels")
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, np.generic):
        return _element(value, name)
    if kind in (list, tuple):
        return kind(_copied(item, name, left, depth + 1) for item in value)
    if kind is dict:
        pairs = ((_copied(k, name, left, depth + 1), _copied(v, name, left, depth + 1)) for k, v in value.items())
        return dict(pairs)
    if kind is np.ndarray:
        return _checked(value, name)
    raise ToolError(f"{name} holds a {kind.__name__}; expected numbers, text, lists and dicts only")


def _unary(op: ast.unaryop, value: Any) -> Any:
    if isinstance(op, ast.Not):
        return not _truth(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "b" and isinstance(op, ast.Invert):
        return ~value
    if not (isinstance(value, int | float) or (isinstance(value, np.ndarray) and value.dtype.kind in "iuf")):
        raise ToolError(f"{type(op).__name__} does not work on a {type(value).__name__}")
    if isinstance(op, ast.Invert):
        raise ToolError("~ works on a column of yes and no only")
    return arithmetic.real(-value if isinstance(op, ast.USub) else +value)


def _truth(value: Any) -> bool:
    if isinstance(value, np.ndarray | _Frame):
        raise ToolError("a column is neither true nor false as a whole; use any(...) or all(...)")
    return bool(value)


def _taken(holder: Any, index: Any) -> Any:
    if isinstance(holder, _Frame):
        if not isinstance(index, str) or index not in holder.table.names:
            raise ToolError(f"a table gives columns only; it has {', '.join(holder.table.names[:12])}"[:300])
        return _checked(raw_column(holder.table.raw(index)), index)
    if isinstance(holder, dict):
        return holder[index]
    if isinstance(holder, str | list | tuple):
        if type(index) is not int and not isinstance(index, slice):
            raise ToolError(f"a {type(holder).__name__} is indexed by whole numbers, got {type(index).__name__}")
        return holder[index]
    if isinstance(holder, np.ndarray):
        steps = index if isinstance(index, tuple) else (index,)
        mask = isinstance(index, np.ndarray) and index.dtype.kind == "b" and index.shape == holder.shape[:1]
        if not mask and any(type(step) is not int and not isinstance(step, slice) for step in steps):
            raise ToolError("a column is indexed by whole numbers, slices, or a column of yes and no as long as itself")
        return arithmetic.real(holder[index])
    raise ToolError(f"a {type(holder).__name__} cannot be indexed")


def _shown(value: Any) -> str:
    """A value in at most some 300 characters, however large it is."""
    if isinstance(value, _Frame):
        return f"a table of {value.table.rows} rows and {len(value.table.names)} columns"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, np.ndarray):
        few = ", ".join(_shown(item) for item in value.ravel()[:6].tolist())
        return f"{' x '.join(map(str, value.shape))} values: {few}{', ...' if value.size > 6 else ''}"[:300]
    if isinstance(value, list | tuple):
        few = ", ".join(_short(item) for item in value[:8])
        return f"{len(value)} items: {few}{', ...' if len(value) > 8 else ''}"[:300]
    if isinstance(value, dict):
        few = ", ".join(f"{_short(key)}: {_short(value[key])}" for key in list(value)[:6])
        return f"{len(value)} entries: {few}{', ...' if len(value) > 6 else ''}"[:300]
    return _short(value)


def _short(value: Any) -> str:
    if isinstance(value, list | tuple | dict | np.ndarray):
        return f"{type(value).__name__} of {len(value)}"
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _surface(expression: str, value: Any) -> dict[str, Any] | None:
    """A column or list as a table of its first fifty values."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = (
            value[:SHOWN_ROWS].tolist() if value.dtype.kind not in "Mm" else [str(one) for one in value[:SHOWN_ROWS]]
        )
    if not isinstance(value, list | tuple) or not value:
        return None
    rows = [[place, _short(item)] for place, item in enumerate(value[:SHOWN_ROWS])]
    return {"title": expression.strip()[:120], "kind": "table", "spec": {"columns": ["row", "value"], "rows": rows}}
