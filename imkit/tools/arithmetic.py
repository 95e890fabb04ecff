"""Operations and functions on plain values and numpy arrays, each refused before it could grow beyond its bounds."""

from __future__ import annotations

import ast
import math
import operator
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .errors import ToolError

MAX_BITS = 4_096
MAX_ITEMS = 1_000_000
MAX_ELEMENTS = 20_000_000
MAX_DIGITS = 20
NUMERIC = "biuf"
DATED = "Mm"

_PLAIN: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def binary(kind: type[ast.operator], left: Any, right: Any) -> Any:
    """``left (kind) right``. Raises ToolError where the result could be too large or has no plain value."""
    if kind not in _PLAIN:
        raise ToolError(f"the operator {kind.__name__} is not allowed here")
    if isinstance(left, np.ndarray | np.generic) or isinstance(right, np.ndarray | np.generic):
        return _on_arrays(kind, left, right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        if isinstance(left, int) and isinstance(right, int):
            _bounded_integers(kind, int(left), int(right))
        return real(_PLAIN[kind](left, right))
    text_or_list = isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple)
    if kind is ast.Add and text_or_list and type(left) is type(right):
        _few(len(left) + len(right))
        return left + right
    if kind is ast.Mult and text_or_list:
        items, times = (right, left) if isinstance(left, int) else (left, right)
        if isinstance(times, int) and not isinstance(items, int | float):
            _few(len(items) * max(0, times))
            if not isinstance(items, str) and any(isinstance(item, list | tuple | dict) for item in items):
                raise ToolError("a list that holds lists cannot be repeated")
            return items * times
    raise ToolError(
        f"{kind.__name__} does not work between {type(left).__name__} and {type(right).__name__}"  # "%" on text too
    )


def _bounded_integers(kind: type[ast.operator], left: int, right: int) -> None:
    bits = 0
    if kind is ast.Pow and right > 0 and abs(left) > 1:
        bits = left.bit_length() * right
    elif kind is ast.LShift and right > 0:
        bits = left.bit_length() + right
    elif kind is ast.Mult:
        bits = left.bit_length() + right.bit_length()
    if bits > MAX_BITS:
        raise ToolError(f"the whole number would have about {bits:.3g} bits, at most {MAX_BITS} are allowed")


def _few(count: int) -> None:
    if count > MAX_ITEMS:
        raise ToolError(f"the result would have {count:.3g} items, at most {MAX_ITEMS:,} are allowed")


def _on_arrays(kind: type[ast.operator], left: Any, right: Any) -> Any:
    one, other = _array(left), _array(right)
    for side in (one, other):
        if side.dtype.kind not in NUMERIC + DATED:
            raise ToolError(f"{kind.__name__} does not work on {side.dtype} columns")
    _fit_together(one, other)
    if kind is ast.Pow:  # whole numbers of 64 bits would wrap around without a word
        one, other = one.astype(np.float64), other.astype(np.float64)
    if kind is ast.LShift:
        raise ToolError("columns cannot be shifted; multiply by a power of two")
    with np.errstate(all="ignore"):
        return real(_PLAIN[kind](one, other))


def compare(kind: type[ast.cmpop], left: Any, right: Any) -> Any:
    """``left (kind) right``; element by element for columns. Raises ToolError for what cannot be compared."""
    if kind in (ast.In, ast.NotIn):
        if isinstance(right, np.ndarray):
            found = bool(np.any(compare(ast.Eq, right, left)))
        elif isinstance(right, str | list | tuple | dict):
            found = left in right
        else:
            raise ToolError(f"cannot look inside a {type(right).__name__}")
        return found if kind is ast.In else not found
    if kind not in _COMPARE:
        raise ToolError("'is' is not allowed here; use == or !=")
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        left, right = (_dated(one, other) for one, other in ((left, right), (right, left)))
        _fit_together(_array(left), _array(right))
        with np.errstate(all="ignore"):
            return real(np.asarray(_COMPARE[kind](left, right)))
    return bool(_COMPARE[kind](left, right))


def _dated(value: Any, other: Any) -> Any:
    """Text as a time where it stands beside times."""
    if isinstance(value, str) and isinstance(other, np.ndarray) and other.dtype.kind == "M":
        return np.datetime64(value)
    return value


def _array(value: Any) -> np.ndarray[Any, Any]:
    if not isinstance(value, np.ndarray | np.generic | int | float | str):
        raise ToolError(f"a column and a {type(value).__name__} do not go together; both must have one value a row")
    return np.asarray(value)


def _fit_together(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> None:
    size = math.prod(np.broadcast_shapes(one.shape, other.shape))
    if size > MAX_ELEMENTS:
        raise ToolError(f"the result would have {size:.3g} elements, at most {MAX_ELEMENTS:,} are allowed")


def real(value: Any) -> Any:
    """A result as a plain value: no numpy scalars but times, no complex numbers, no overlong whole numbers."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        value = value.item()
    if isinstance(value, complex) or getattr(value, "dtype", np.dtype(float)).kind == "c":
        raise ToolError("the result is a complex number; expected a real one")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ToolError(f"the whole number has {value.bit_length()} bits, at most {MAX_BITS} are allowed")
    return value


# --- the fixed list of functions


def _numbers(value: Any, name: str) -> np.ndarray[Any, Any]:
    """The known numbers of a column or list as float64 [n]; what is missing is left out."""
    if isinstance(value, list | tuple) and not all(isinstance(item, int | float) for item in value):
        raise ToolError(f"{name} needs numbers only")
    if not isinstance(value, np.ndarray | list | tuple):
        raise ToolError(f"{name} needs a column or a list of numbers, got {type(value).__name__}")
    array = np.asarray(value)
    if array.dtype.kind not in NUMERIC and array.size:
        raise ToolError(f"{name} needs numbers, got {array.dtype}")
    numbers: np.ndarray[Any, Any] = array.astype(np.float64).ravel()
    numbers = numbers[~np.isnan(numbers)]
    if not numbers.size:
        raise ToolError(f"{name} of nothing: there are no known values")
    return numbers


def _each(name: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of one number, or of every element of a column."""

    def applied(value: Any) -> Any:
        if not isinstance(value, int | float | np.ndarray):
            raise ToolError(f"{name} needs a number or a column, got {type(value).__name__}")
        array = np.asarray(value)
        if array.dtype.kind not in NUMERIC:
            raise ToolError(f"{name} needs numbers, got {array.dtype}")
        with np.errstate(all="ignore"):
            return real(function(array.astype(np.float64)))

    return applied


def _sum(value: Any) -> Any:
    if isinstance(value, list | tuple):
        _numbers(value or [0], "sum")
        return real(math.fsum(value) if any(isinstance(item, float) for item in value) else sum(value))
    if isinstance(value, np.ndarray) and value.dtype.kind in "biu":
        return real(value.sum())
    return real(np.sum(_numbers(value, "sum")))


def _extreme(name: str, of_plain: Callable[[Iterable[Any]], Any], of_array: Callable[[Any], Any]) -> Callable[..., Any]:
    def chosen(*values: Any) -> Any:
        items = values[0] if len(values) == 1 else list(values)
        if isinstance(items, np.ndarray) and items.dtype.kind in "biuM" and items.size:
            return real(of_array(items[~np.isnat(items)] if items.dtype.kind == "M" else items))
        if isinstance(items, np.ndarray) and items.dtype.kind == "f":
            return real(of_array(_numbers(items, name)))
        if isinstance(items, np.ndarray):
            items = [item for item in items.ravel().tolist() if item is not None]
        if not isinstance(items, list | tuple | str):
            raise ToolError(f"{name} needs several values or a column, got {type(items).__name__}")
        return of_plain(items)

    return chosen


def _round(value: Any, digits: Any = 0) -> Any:
    if type(digits) is not int or abs(digits) > MAX_DIGITS:
        raise ToolError(
            f"round: digits is {digits!r}, expected a whole number from -{MAX_DIGITS} to {MAX_DIGITS}"[:200]
        )
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMERIC:
        return real(np.round(value.astype(np.float64), digits))
    if not isinstance(value, int | float):
        raise ToolError(f"round needs a number or a column, got {type(value).__name__}")
    return round(value, digits) if digits else round(value)


def _sorted(value: Any, reverse: Any = False) -> Any:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        in_order = np.sort(value)
        return in_order[::-1] if reverse else in_order
    if isinstance(value, list | tuple | str):
        return sorted(value, reverse=bool(reverse))
    raise ToolError(f"sorted needs a list or a column, got {type(value).__name__}")


def _len(value: Any) -> int:
    if isinstance(value, str | list | tuple | dict) or (isinstance(value, np.ndarray) and value.ndim):
        return len(value)
    raise ToolError(f"len: a {type(value).__name__} has no length")


def _quantile(value: Any, share: Any) -> Any:
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ToolError(f"quantile: the share is {share!r}, expected a number from 0 to 1"[:200])
    return real(np.quantile(_numbers(value, "quantile"), share))


def _unique(value: Any) -> Any:
    items = value.ravel().tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(items, list | tuple | str):
        raise ToolError(f"unique needs a list or a column, got {type(items).__name__}")
    return list(dict.fromkeys(items))


def _whole(value: Any) -> Any:
    if not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > 1_000):
        raise ToolError("int needs a number or a short text")
    return real(int(value))


def _decimal(value: Any) -> float:
    if not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > 1_000):
        raise ToolError("float needs a number or a short text")
    return float(value)


def _spread(value: Any, power: float) -> float:
    numbers = _numbers(value, "std" if power == 0.5 else "var")
    if numbers.size < 2:
        raise ToolError("the spread of one value is not known; two are needed")
    return float(np.var(numbers, ddof=1) ** power)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _each("abs", np.abs),
    "all": lambda value: bool(np.all(_truths(value))),
    "any": lambda value: bool(np.any(_truths(value))),
    "ceil": _each("ceil", np.ceil),
    "exp": _each("exp", np.exp),
    "float": _decimal,
    "floor": _each("floor", np.floor),
    "int": _whole,
    "len": _len,
    "log": _each("log", np.log),
    "log10": _each("log10", np.log10),
    "max": _extreme("max", max, np.max),
    "mean": lambda value: real(np.mean(_numbers(value, "mean"))),
    "median": lambda value: real(np.median(_numbers(value, "median"))),
    "min": _extreme("min", min, np.min),
    "mode": lambda value: statistics.mode(_unique_source(value)),
    "quantile": _quantile,
    "round": _round,
    "sorted": _sorted,
    "sqrt": _each("sqrt", np.sqrt),
    "std": lambda value: _spread(value, 0.5),
    "sum": _sum,
    "unique": _unique,
    "var": lambda value: _spread(value, 1.0),
}


def _truths(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMERIC:
        return value
    if isinstance(value, list | tuple):
        return [bool(item) for item in value]
    raise ToolError(f"needs a list or a column of yes and no, got {type(value).__name__}")


def _unique_source(value: Any) -> Any:
    items = value.ravel().tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(items, list | tuple) or not items:
        raise ToolError("mode needs a list or a column with values")
    return items
