"""Where in somebody's code an error came up: the frame, the line, and the expression that failed."""

from __future__ import annotations

import ast
import linecache
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any, Final

MAX_SOURCE: Final = 50_000
MAX_TEXT: Final = 60
MAX_LINE: Final = 200

MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Place:
    """Where it failed. ``line`` is its source text, "" when unknown; ``number`` counts from 1, 0 when unknown.

    names  what every name stood for there: the function's own first, then the notebook's
    node   the expression that failed, None when it cannot be told
    """

    names: Mapping[str, Any]
    line: str = ""
    number: int = 0
    function: str = ""
    node: ast.expr | None = field(default=None, compare=False)


def place_of(error: BaseException, namespace: Mapping[str, Any]) -> Place:
    """The innermost place in code of the notebook that an error passed through.

    ``namespace`` is what that code ran in; code that names itself ``__main__`` counts too. Reads source that Python
    already holds, and never runs anything.
    """
    found: TracebackType | None = None
    traceback = error.__traceback__
    while traceback is not None:
        if _of_notebook(traceback.tb_frame, namespace):
            found = traceback
        traceback = traceback.tb_next
    if found is None:
        return Place(namespace)
    frame, number = found.tb_frame, found.tb_lineno
    code = frame.f_code
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    line = lines[number - 1].strip()[:MAX_LINE] if 0 < number <= len(lines) else ""
    names = ChainMap(dict(frame.f_locals), frame.f_globals)
    function = "" if code.co_name.startswith("<") else code.co_name
    return Place(names, line, number, function, _failed(lines, code, found.tb_lasti))


def _of_notebook(frame: FrameType, namespace: Mapping[str, Any]) -> bool:
    return frame.f_globals is namespace or frame.f_globals.get("__name__") == "__main__"


def _failed(lines: list[str], code: CodeType, at: int) -> ast.expr | None:
    """The smallest expression that the failing instruction belongs to."""
    source = "".join(lines)
    where = next(islice(code.co_positions(), at // 2, None), None)
    if where is None or None in where or not 0 < len(source) <= MAX_SOURCE:
        return None
    first, last, left, right = where
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    best: ast.expr | None = None
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr) or node.end_lineno is None or node.end_col_offset is None:
            continue
        begins, ends = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        if begins <= (first or 0, left or 0) and ends >= (last or 0, right or 0):
            best = node  # walked from the outside in
    return best


def look(node: ast.AST | None, names: Mapping[str, Any]) -> Any:
    """What an expression stood for, as far as that can be read without running any code; MISSING otherwise."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return names.get(node.id, MISSING)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Attribute():
            return attribute(look(node.value, names), node.attr)
        case ast.Subscript():
            held, key = look(node.value, names), look(node.slice, names)
            try:
                if type(key) in (str, int) and type(held) in (dict, list, tuple):
                    return held[key]
            except LookupError:
                pass
    return MISSING


def attribute(owner: Any, name: str) -> Any:
    """An attribute that an object or module simply holds; MISSING for everything that would have to be computed."""
    if owner is MISSING:
        return MISSING
    try:
        held = vars(owner) if isinstance(owner, ModuleType) else object.__getattribute__(owner, "__dict__")
    except (AttributeError, TypeError):
        return MISSING
    return held.get(name, MISSING) if isinstance(held, dict) else MISSING


def held_in(node: ast.AST | None, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The things that an expression names, outermost first: their text and what they were."""
    for part in ast.walk(node) if node is not None else ():
        if isinstance(part, ast.Name | ast.Attribute | ast.Subscript):
            value = look(part, names)
            if value is not MISSING:
                yield text_of(part), value


def text_of(node: ast.AST) -> str:
    """An expression as it is written, short."""
    text = ast.unparse(node)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
