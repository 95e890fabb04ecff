"""Errors of values, in words: wrong types, wrong values, places that are not there, division by zero."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

import numpy as np

from .failing import MISSING, Place, look, text_of
from .near import a, a_type, near, said

MAX_MESSAGE: Final = 400

_OPERATORS: Final = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip


def _message(error: BaseException) -> str:
    try:
        return " ".join(str(error)[:MAX_MESSAGE].split())
    except Exception:
        return ""


def type_reason(error: TypeError, place: Place) -> str:
    """Why a type does not fit; "" when only its own message tells."""
    message = _message(error)
    for pattern, tell in _TYPE_RULES:
        found = pattern.search(message)
        if found:
            return tell(found, place)
    return ""


def _operands(found: re.Match[str], place: Place) -> str:
    sign, left, right = found["sign"], found["left"], found["right"]
    node = place.node
    if isinstance(node, ast.BinOp):
        sign = _OPERATORS.get(type(node.op), sign)
        sides = [(text_of(one), look(one, place.names)) for one in (node.left, node.right)]
        named = [f"{text} is {a_type(value)}" for (text, value) in sides if value is not MISSING]
        if len(named) == 2 and not any(isinstance(one, ast.Constant) for one in (node.left, node.right)):
            return f"{named[0]} and {named[1]}, and {sign} does not work between them"
    return f"{sign} does not work between {_kind(left)} and {_kind(right)}"


def _concatenated(found: re.Match[str], place: Place) -> str:
    return _operands(
        re.match(r"(?P<left>.*)\n(?P<right>.*)\n(?P<sign>.)", f"{found[1]}\n{found[2]}\n+") or found, place
    )


def _compared(found: re.Match[str], _: Place) -> str:
    return f"{found['sign']} does not work between {_kind(found['left'])} and {_kind(found['right'])}"


def _missing_arguments(found: re.Match[str], _: Place) -> str:
    return f"{found['what']} needs {found['names']}, which it was not given"


def _unexpected(found: re.Match[str], place: Place) -> str:
    wrong = found["name"]
    meant = near(wrong, _parameters(place)) or found["meant"]
    return f"{found['what']} does not take {wrong!r}" + (f", it takes {meant!r}" if meant else "")


def _parameters(place: Place) -> list[str]:
    """Names of the parameters of the function that was called, [] when it is not known."""
    if not isinstance(place.node, ast.Call):
        return []
    called: Any = look(place.node.func, place.names)
    if called is MISSING and isinstance(place.node.func, ast.Attribute):
        owner = look(place.node.func.value, place.names)
        called = MISSING if owner is MISSING else inspect.getattr_static(type(owner), place.node.func.attr, MISSING)
    if not isinstance(called, FunctionType | MethodType | BuiltinFunctionType | type):
        return []
    try:
        return list(inspect.signature(called).parameters)
    except (TypeError, ValueError):
        return []


def _not_callable(found: re.Match[str], place: Place) -> str:
    node = place.node
    if isinstance(node, ast.Call):
        name = text_of(node.func)
        hides = f"; that name hides Python's own {name}" if hasattr(builtins, name) else ""
        return f"{name} is {_kind(found[1])} and cannot be called{hides}"
    return f"{_kind(found[1])} cannot be called"


def _not_subscriptable(found: re.Match[str], place: Place) -> str:
    node = place.node
    what = f"{text_of(node.value)} is {_kind(found[1])}, and it" if isinstance(node, ast.Subscript) else _kind(found[1])
    return f"{what} holds nothing that [ ] could take out"


def _not_iterable(found: re.Match[str], place: Place) -> str:
    named = isinstance(place.node, ast.Name | ast.Attribute)
    what = f"{text_of(place.node)} is {_kind(found[1])}, and it" if named and place.node else _kind(found[1])
    return f"{what} cannot be gone through one by one"


def _no_length(found: re.Match[str], place: Place) -> str:
    node = place.node
    what = text_of(node.args[0]) if isinstance(node, ast.Call) and node.args else ""
    return f"{what} is {_kind(found[1])} and has no length" if what else f"{_kind(found[1])} has no length"


def _unhashable(found: re.Match[str], _: Place) -> str:
    return f"{_kind(found[1])} can change, so it cannot be a key or be in a set"


def _wrong_index(found: re.Match[str], place: Place) -> str:
    node = place.node
    what = f"{text_of(node.value)} is {a(found[1])}, and its" if isinstance(node, ast.Subscript) else f"{a(found[1])}'s"
    return f"{what} places are numbers, not {_kind(found[2])}"


def _kind(name: str) -> str:
    return "None" if name == "NoneType" else a(name)


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str], Place], str]]
_TYPE_RULES: tuple[_Rule, ...] = tuple(
    (re.compile(pattern), tell)
    for pattern, tell in (
        (r"unsupported operand type\(s\) for (?P<sign>.+?): '(?P<left>.+?)' and '(?P<right>.+?)'", _operands),
        (r"can only concatenate (\w+) \(not \"(.+?)\"\) to", _concatenated),
        (r"'(?P<sign>[<>=]+)' not supported between instances of '(?P<left>.+?)' and '(?P<right>.+?)'", _compared),
        (r"(?P<what>\S+)\(\) missing \d+ required .*?arguments?: (?P<names>.+)", _missing_arguments),
        (
            r"(?P<what>\S+)\(\) got an unexpected keyword argument '(?P<name>.+?)'(?:.*mean '(?P<meant>\w+)')?",
            _unexpected,
        ),
        (r"'(.+?)' object is not callable", _not_callable),
        (r"'(.+?)' object is not subscriptable", _not_subscriptable),
        (r"'(.+?)' object is not iterable", _not_iterable),
        (r"object of type '(.+?)' has no len\(\)", _no_length),
        (r"unhashable type: '(.+?)'", _unhashable),
        (r"^(list|tuple|string) indices must be integers or slices, not '?(\w+)'?", _wrong_index),
    )
)


def value_reason(error: ValueError, _: Place) -> str:
    """Why a value does not fit; "" when only its own message tells."""
    message = _message(error)
    if found := re.match(r"could not convert string to float: ('.*'|\".*\")$", message):
        return f"{found[1]} is not a number"
    if found := re.match(r"invalid literal for int\(\) with base (\d+): ('.*'|\".*\")$", message):
        return f"{found[2]} is not a whole number" + ("" if found[1] == "10" else f" with base {found[1]}")
    if found := re.match(r"not enough values to unpack \(expected (?:at least )?(\d+), got (\d+)\)", message):
        return f"there are {found[1]} names on the left and only {found[2]} values for them"
    if found := re.match(r"too many values to unpack \(expected (\d+)(?:, got (\d+))?\)", message):
        return f"there are {found[1]} names on the left and more values than that"
    if found := re.match(r"operands could not be broadcast together with shapes (\([\d,]*\)) (\([\d,]*\))", message):
        return f"the shapes {found[1]} and {found[2]} do not fit together"
    if found := re.match(r"The truth value of an? (.+?) (?:with more than one element )?is ambiguous", message):
        return f"{a(found[1])} is not simply true or false; use & and | between conditions, or .any() and .all()"
    return ""


def zero_reason(error: ZeroDivisionError, place: Place) -> str:
    """What was zero."""
    node = place.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod):
        if isinstance(node.right, ast.Constant):
            return "it divides by zero"
        return f"{text_of(node.right)} is zero, and it is divided by that"
    return "something was divided by zero" if "zero" in _message(error) and "by zero" in _message(error) else ""


def index_reason(error: IndexError, place: Place) -> str:
    """Which place is not there, and how many there are."""
    node = place.node
    if isinstance(node, ast.Subscript):
        base: ast.expr = node.value
        if isinstance(base, ast.Attribute) and base.attr in ("iloc", "iat"):
            base = base.value
        held, index = look(base, place.names), look(node.slice, place.names)
        size = _size(held)
        if size is not None:
            what = text_of(base)
            if type(index) is int and not -size <= index < size:
                last = f"; the last is {text_of(node.value)}[{size - 1}]" if size else ""
                return f"{what} has {_entries(size)}, so there is no {text_of(node.value)}[{said(index)}]{last}"
            if not isinstance(index, int):
                return f"{what} has {_entries(size)}, and {text_of(node.slice)} is beyond them"
    if found := re.match(r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)", _message(error)):
        return f"there are {_entries(int(found[3]))} along axis {found[2]}, and {found[1]} is beyond them"
    if found := re.match(r"pop from (?:an )?empty (\w+)", _message(error)):
        return f"the {found[1]} is empty"
    return ""


def _entries(size: int) -> str:
    return "no entries" if size == 0 else "one entry" if size == 1 else f"{size} entries"


def _size(value: Any) -> int | None:
    if isinstance(value, np.ndarray):
        return len(value) if value.ndim == 1 else None
    if type(value) in (list, tuple, str) or type(value).__module__.partition(".")[0] in ("pandas", "polars"):
        return len(value)
    return None
