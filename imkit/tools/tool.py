"""A tool is a typed Python function with a name, a sentence about it, a schema and a tier."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Literal, overload

from imkit.stream import ImkitError


class ToolError(ImkitError, ValueError):
    """A tool was declared or called in a way that it does not allow."""


class ToolRefused(ImkitError):
    """A tool may not run. The message says why, in words for the person."""


class Tier(StrEnum):
    """What a tool may do: compute (pure), look (read, logged) or change something (effect, must be allowed)."""

    PURE = "pure"
    READ = "read"
    EFFECT = "effect"


_SIMPLE: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. Calling the tool itself calls the function, as if it was never wrapped.

    schema is a JSON schema of the arguments, read from the type hints.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    tier: Tier
    function: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def run(self, arguments: Mapping[str, Any]) -> Any:
        """Calls the function with named arguments, checked first. Raises ToolError when they do not fit."""
        properties: Mapping[str, Any] = self.schema["properties"]
        unknown = sorted(set(arguments) - set(properties))
        missing = [name for name in self.schema["required"] if name not in arguments]
        if unknown or missing:
            raise ToolError(f"{self.name}: unknown arguments {unknown}, missing {missing}; takes {list(properties)}")
        for name, value in arguments.items():
            if not _fits(value, properties[name]):
                raise ToolError(f"{self.name}: {name}={value!r} does not fit {dict(properties[name])}"[:400])
        return self.function(**arguments)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(*, tier: Tier | str = ..., name: str | None = ...) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None, /, *, tier: Tier | str = Tier.READ, name: str | None = None
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Makes a tool of a typed function; ``@tool`` or ``@tool(tier="pure")``.

    Every parameter needs a type hint of str, int, float, bool, list, dict, Literal, an Enum, or one of these or None.
    The first line of the docstring tells what the tool is for. Raises ToolError when something is missing.
    """
    if function is None:
        return lambda function: _make(function, tier, name)
    return _make(function, tier, name)


def _make(function: Callable[..., Any], tier: Tier | str, name: str | None) -> Tool:
    if isinstance(function, Tool):
        raise ToolError(f"{function.name} is a tool already")
    called = str(name or getattr(function, "__name__", ""))
    if not called.isidentifier():
        raise ToolError(f"a tool cannot be named {called!r}; give it a name: @tool(name='...')")
    try:
        tier = Tier(tier)
    except ValueError:
        raise ToolError(f"{called}: tier is {tier!r}, expected one of: {', '.join(Tier)}") from None
    if inspect.iscoroutinefunction(function):
        raise ToolError(f"{called} is async; a tool is a plain function, it already runs in a thread of its own")
    description = (inspect.getdoc(function) or "").strip().split("\n\n")[0].replace("\n", " ")
    if not description:
        raise ToolError(f"{called} has no docstring; its first sentence tells the model what it is for")
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise ToolError(f"{called}: a type hint cannot be read: {error}") from error
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ToolError(f"{called}: parameter {parameter} cannot be given by name; a tool's parameters all can")
        if parameter.name not in hints:
            raise ToolError(f"{called}: parameter {parameter.name} has no type hint; write {parameter.name}: str")
        properties[parameter.name] = _schema(hints[parameter.name], f"{called}({parameter.name})")
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Tool(called, description, schema, tier, function)


def _schema(hint: Any, where: str) -> dict[str, Any]:
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if hint is None or hint is type(None):
        return {"type": "null"}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(one, where) for one in inner]}
    if hint in (list, tuple) or origin in (list, tuple):
        items = [one for one in inner if one is not Ellipsis]
        return {"type": "array"} | ({"items": _schema(items[0], where)} if len(items) == 1 else {})
    if hint is dict or origin is dict:
        return {"type": "object"}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    raise ToolError(f"{where}: type {hint!r} has no schema; use str, int, float, bool, list, dict, Literal or an Enum")


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    if "anyOf" in schema:
        return any(_fits(value, one) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    match schema["type"]:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list | tuple) and all(
                _fits(one, schema.get("items", {"type": ""})) for one in value
            )
        case "object":
            return isinstance(value, Mapping)
        case "null":
            return value is None
        case _:
            return True
