"""A tool is a typed Python function with a name, a sentence about it, a schema and a tier."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, overload

from .errors import ToolError
from .progress import Progress, finish
from .schema import Make, fits, lift_definitions, schema_of


class Tier(StrEnum):
    """What a tool may do: compute (pure), look (read, logged) or change something (effect, must be allowed)."""

    PURE = "pure"
    READ = "read"
    EFFECT = "effect"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. Calling the tool itself calls the function, as if it was never wrapped.

    schema    a JSON schema of the arguments, read from the type hints
    outside   it reads or reaches beyond the notebook's memory: files, the network, other servers
    makes     argument name -> what makes its value of a JSON value, for pydantic models
    progress  the parameter that is given a Progress, "" for none
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    tier: Tier
    function: Callable[..., Any]
    outside: bool = False
    makes: Mapping[str, Make] = field(default_factory=dict)
    progress: str = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raises ToolError when arguments are missing, unknown or do not fit the schema."""
        properties: Mapping[str, Any] = self.schema.get("properties", {})
        unknown = sorted(set(arguments) - set(properties)) if not self.schema.get("additionalProperties", True) else []
        missing = [name for name in self.schema.get("required", ()) if name not in arguments]
        if unknown or missing:
            raise ToolError(f"{self.name}: unknown arguments {unknown}, missing {missing}; takes {list(properties)}")
        for name, value in arguments.items():
            if name in self.makes:
                self.makes[name](value)
            elif not fits(value, properties.get(name, {})):
                raise ToolError(f"{self.name}: {name}={value!r} does not fit {dict(properties[name])}"[:400])

    def run(self, arguments: Mapping[str, Any], progress: Progress | None = None) -> Any:
        """Calls the function with named arguments, checked first, and waits for it where it is async.

        Raises ToolError when they do not fit, ToolStopped when ``progress`` is cancelled and the function heeds it.
        """
        self.check(arguments)
        made = {name: self.makes[name](value) if name in self.makes else value for name, value in arguments.items()}
        progress = progress or Progress()
        if self.progress:
            made[self.progress] = progress
        if inspect.iscoroutinefunction(self.function):
            return finish(self.function, made, progress)
        return self.function(**made)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *, tier: Tier | str = ..., name: str | None = ..., outside: bool = ...
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    tier: Tier | str = Tier.READ,
    name: str | None = None,
    outside: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Makes a tool of a typed function, plain or async; ``@tool`` or ``@tool(tier="pure")``.

    Every parameter needs a type hint of str, int, float, bool, list, dict, Literal, an Enum, a pydantic model, or one
    of these or None; one of type ``Progress`` is given by the caller. The first paragraph of the docstring tells what
    the tool is for. ``outside`` says that it reads or reaches beyond the notebook's memory: files, the network, other
    servers; such a call is asked about once text from a camera, a file or a tool may have led to it. Raises ToolError
    when something is missing.
    """
    if function is None:
        return lambda function: _make(function, tier, name, outside)
    return _make(function, tier, name, outside)


def _make(function: Callable[..., Any], tier: Tier | str, name: str | None, outside: bool) -> Tool:
    if isinstance(function, Tool):
        raise ToolError(f"{function.name} is a tool already")
    if not callable(function):
        raise ToolError(
            f"{function!r} is no function but a {type(function).__name__}; a tool is made of a typed function"
        )
    called = str(name or getattr(function, "__name__", ""))
    if not called.isidentifier():
        raise ToolError(f"a tool cannot be named {called!r}; give it a name: @tool(name='...')")
    try:
        tier = Tier(tier)
    except ValueError:
        raise ToolError(f"{called}: tier is {tier!r}, expected one of: {', '.join(Tier)}") from None
    description = (inspect.getdoc(function) or "").strip().split("\n\n")[0].replace("\n", " ")
    if not description:
        raise ToolError(f"{called} has no docstring; its first sentence tells the model what it is for")
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise ToolError(f"{called}: a type hint cannot be read: {error}") from error
    properties: dict[str, Any] = {}
    required: list[str] = []
    makes: dict[str, Make] = {}
    progress = ""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ToolError(f"{called}: parameter {parameter} cannot be given by name; a tool's parameters all can")
        if parameter.name not in hints:
            raise ToolError(f"{called}: parameter {parameter.name} has no type hint; write {parameter.name}: str")
        if hints[parameter.name] is Progress:
            progress = parameter.name
            continue
        schema, make = schema_of(hints[parameter.name], f"{called}({parameter.name})")
        properties[parameter.name] = schema
        if make is not None:
            makes[parameter.name] = make
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    properties, definitions = lift_definitions(properties, called)
    root = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if definitions:
        root["$defs"] = definitions
    return Tool(called, description, root, tier, function, outside, makes, progress)
