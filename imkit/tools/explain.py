"""The last error in words: what was raised and, where the notebook tells, what was meant. By rule, no model."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, Final

from .explain_values import index_reason, type_reason, value_reason, zero_reason
from .failing import Place, held_in, look, place_of, text_of
from .near import MAX_OPTIONS, a, a_type, listed, near, said
from .packages import import_reason, spoken_import

MAX_WORDS: Final = 400
MAX_MESSAGE: Final = 240

_PANDAS_MISSING = re.compile(r"not in index|None of \[|not found|are in the \[")


def explain(error: BaseException, namespace: Mapping[str, Any]) -> str:
    """An error in one sentence without a full stop, such as "that raised a KeyError; 'prize' is not a column of df,
    'price' is".

    ``namespace`` holds the notebook's variables by name, as they are now. Names of columns, keys, variables and
    attributes in the sentence are real ones. Where nothing is known beyond the error's own message, that is all that is
    said. Runs no code of the notebook but the error's ``__str__``; the same error always gives the same words.
    """
    name = type(error).__name__[:80]
    try:
        reason = _reason(error, place_of(error, namespace))
    except Exception:  # an object that cannot even be looked at: its error is still told
        reason = ""
    reason = reason or message_of(error)
    opening = "that was interrupted" if isinstance(error, KeyboardInterrupt) else f"that raised {a(name)}"
    return _one_line(f"{opening}; {reason}" if reason else opening, MAX_WORDS)


def message_of(error: BaseException, limit: int = MAX_MESSAGE) -> str:
    """The first line of an error's own message, "" when it has none or cannot say it."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        return ""
    return _one_line(lines[0], limit) if lines else ""


def _one_line(text: str, limit: int) -> str:
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _reason(error: BaseException, place: Place) -> str:
    if type(error).__name__ == "ColumnNotFoundError":  # of polars
        return _no_column(error, place)
    for kind, tell in _REASONS:
        if isinstance(error, kind):
            return tell(error, place)
    return ""


# --- keys and columns


def _no_column(error: BaseException, place: Place) -> str:
    message = message_of(error, 4_000)
    found = re.search(r"[\"']([^\"']+)[\"']", message) or re.match(r"(\S+)$", message)
    if found is None:
        return ""
    tables = _tables(place)
    if not tables:
        _, _, valid = message.partition("valid columns:")
        tables = [("the table", re.findall(r"\"([^\"]+)\"", valid))]
    return _not_among(found[1], tables, "column")


def _key(error: KeyError, place: Place) -> str:
    if len(error.args) != 1:
        return ""
    key, tables = error.args[0], _tables(place)
    if isinstance(key, str) and _PANDAS_MISSING.search(key):
        quoted = re.findall(r"'([^']*)'", key) or re.findall(r"not found: (.+)$", key)
        known = {column for _, columns in tables for column in columns}
        wrong = [one for one in quoted if one not in known]
        return _not_among(wrong[0], tables, "column") if wrong and tables else ""
    labels = _row_labels(place.node, place.names, key)
    if labels is not None:
        return labels
    if tables:
        return _not_among(key, tables, "column")
    for text, value in held_in(place.node, place.names):
        if type(value).__name__ == "_Environ":
            return f"the environment variable {str(key)[:80]} is not set"
        if isinstance(value, dict):
            other = _other_type(key, value, text)
            return other or _not_among(key, [(text, list(dict.keys(value))[:MAX_OPTIONS])], "key")
        if _of_library(value) and hasattr(type(value), "index"):
            return _not_among(key, [(text, list(value.index[:MAX_OPTIONS]))], "label")
    return f"{said(key)} was not found"


def _tables(place: Place) -> list[tuple[str, list[Any]]]:
    """(name, columns) of the tables in the failing expression."""
    found = [(text, columns_of(value)) for text, value in held_in(place.node, place.names)]
    return [(text, columns) for text, columns in found if columns is not None]


def columns_of(value: Any) -> list[Any] | None:
    """The columns of a pandas or polars frame, None for anything else."""
    if not (_of_library(value) and hasattr(type(value), "columns") and hasattr(type(value), "__len__")):
        return None  # a lazy frame would have to be worked out first
    return list(value.columns)[:MAX_OPTIONS]


def _of_library(value: Any) -> bool:
    """Whether a value is of a library of tables, so that looking at its labels runs no code of the notebook."""
    return type(value).__module__.partition(".")[0] in ("pandas", "polars", "geopandas", "narwhals", "modin")


def _row_labels(node: ast.expr | None, names: Mapping[str, Any], key: Any) -> str | None:
    """What is wrong with ``table.loc[key]``; None where the key is not one of rows."""
    if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute)):
        return None
    if node.value.attr not in ("loc", "at"):
        return None
    table = look(node.value.value, names)
    if not (_of_library(table) and hasattr(type(table), "index")):
        return None
    inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if len(inside) == 2 and said(look(inside[1], names)) == said(key) != said(look(inside[0], names)):
        return None
    text = text_of(node.value.value)
    index = table.index
    ends = f"; the first is {said(_plain(index[0]))} and the last {said(_plain(index[-1]))}" if len(index) else ""
    found = near(key, index[:MAX_OPTIONS]) if isinstance(key, str) else None
    return f"{said(key)} is not a row label of {text}" + (f", {found!r} is" if found else ends)


def _plain(value: Any) -> Any:
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def _not_among(key: Any, held: list[tuple[str, list[Any]]], noun: str) -> str:
    """That a key is in none of the named things, and which one is spelled like it."""
    text, options = held[0]
    for name, others in held if isinstance(key, str) else ():
        found = near(key, others)
        if found is not None:
            return f"{said(key)} is not a {noun} of {name}, {found!r} is"
    has = f"; it has {listed(options)}" if options else "; it has none" if text != "the table" else ""
    return f"{said(key)} is not a {noun} of {text}{has}"


def _other_type(key: Any, held: dict[Any, Any], text: str) -> str:
    """The same key as a number in place of a text, or the other way round."""
    if type(key) is str and re.fullmatch(r"-?\d{1,15}", key) and dict.__contains__(held, int(key)):
        return f"the text {key!r} is not a key of {text}, the number {key} is"
    if type(key) is int and dict.__contains__(held, str(key)):
        return f"the number {key} is not a key of {text}, the text '{key}' is"
    return ""


# --- names and attributes


def _name(error: NameError, place: Place) -> str:
    name = getattr(error, "name", None) or next(iter(re.findall(r"'(\w+)'", message_of(error))), "")
    if not name:
        return ""
    if isinstance(error, UnboundLocalError):
        within = f" in {place.function}" if place.function else " there"
        return f"{name} is used{within} before it gets a value"
    if "free variable" in message_of(error):
        return f"{name} has no value yet where it is used"
    spoken = spoken_import(name)
    if spoken:
        return f"{name} is not defined; {spoken}"
    own = [one for one in place.names if isinstance(one, str) and not one.startswith("_")]
    found = near(name, [*own, *(one for one in dir(builtins) if one[0].islower())])
    if found is not None:
        return f"{name} is not defined, {found} is"
    for variable in own[:MAX_OPTIONS]:
        if name in (columns_of(place.names[variable]) or ()):
            return f"{name} is not a variable but a column: {variable}[{name!r}]"
    return f"{name} is not defined here"


def _attribute(error: AttributeError, place: Place) -> str:
    name, owner = getattr(error, "name", None), getattr(error, "obj", None)
    if not isinstance(name, str) or (owner is None and "'NoneType' object" not in message_of(error)):
        return ""
    node = place.node
    receiver = ""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute) and node.attr == name:
        receiver = text_of(node.value)
    if owner is None:
        return f"{receiver or 'it'} is None, so it has no {name!r}"
    if isinstance(owner, ModuleType):
        found = near(name, _public(vars(owner), name))
        return f"{owner.__name__} has no {name!r}" + (f", it has {found!r}" if found else "")
    columns = columns_of(owner)
    if columns is not None:
        found = near(name, columns)
        if found is not None:
            return f"{name!r} is not a column of {receiver or 'the table'}, {found!r} is"
    found = near(name, _public(_attributes(owner), name))
    has = f", it has {found!r}" if found else ""
    if isinstance(owner, type):
        return f"{owner.__name__} has no {name!r}{has}"
    is_a = a_type(owner)
    return f"{receiver} is {is_a} and has no {name!r}{has}" if receiver else f"{is_a} has no {name!r}{has}"


def _public(names: Iterable[str], wanted: str) -> list[str]:
    return [one for one in names if wanted.startswith("_") or not one.startswith("_")]


def _attributes(owner: Any) -> list[str]:
    """Names of attributes, without asking the object itself, which may answer with code."""
    kind = owner if isinstance(owner, type) else type(owner)
    found = [name for base in kind.__mro__ for name in vars(base)]
    try:
        held = object.__getattribute__(owner, "__dict__")
    except (AttributeError, TypeError):
        held = {}
    return [*map(str, held), *dict.fromkeys(found)]


# --- the rest


def _syntax(error: SyntaxError, _: Place) -> str:
    where = f"line {error.lineno}: " if error.lineno else ""
    return f"{where}{error.msg}" if error.msg else ""


def _no_file(error: FileNotFoundError, _: Place) -> str:
    return f"there is no file {str(error.filename)[:MAX_MESSAGE]!r}" if error.filename else ""


def _assertion(error: AssertionError, place: Place) -> str:
    return message_of(error) or (f"this does not hold: {place.line.removeprefix('assert ')}" if place.line else "")


def _recursion(_: RecursionError, place: Place) -> str:
    return f"{place.function} calls itself too often" if place.function else ""


def _group(error: BaseExceptionGroup[Any], _: Place) -> str:
    first = error.exceptions[0]
    more = f" and {len(error.exceptions) - 1} more" if len(error.exceptions) > 1 else ""
    return f"in it {a(type(first).__name__[:80])}{more}: {message_of(first)}"


_REASONS: tuple[tuple[type[BaseException], Callable[[Any, Place], str]], ...] = (
    (KeyError, _key),
    (NameError, _name),
    (AttributeError, _attribute),
    (ImportError, import_reason),
    (IndexError, index_reason),
    (TypeError, type_reason),
    (ZeroDivisionError, zero_reason),
    (ValueError, value_reason),
    (SyntaxError, _syntax),
    (FileNotFoundError, _no_file),
    (AssertionError, _assertion),
    (RecursionError, _recursion),
    (BaseExceptionGroup, _group),
)
