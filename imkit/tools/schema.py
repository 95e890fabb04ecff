"""JSON schemas from type hints, and the values that fit them."""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal

from .errors import ToolError

_SIMPLE: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}

Make = Callable[[Any], Any]


def schema_of(hint: Any, where: str) -> tuple[dict[str, Any], Make | None]:
    """The JSON schema of a type hint, and what makes its value of a JSON value; None where that is the value itself.

    pydantic models, alone or inside list, dict, tuple, Optional and so on, get pydantic's schema and are made by it,
    strictly: nothing is converted that JSON itself does not. pydantic is never imported here; who uses it has done so.
    Raises ToolError for a hint that has no schema; ``where`` names the parameter.
    """
    if _holds_model(hint):
        return _by_pydantic(hint, where)
    return _plain(hint, where), None


def _plain(hint: Any, where: str) -> dict[str, Any]:
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if hint is None or hint is type(None):
        return {"type": "null"}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_plain(one, where) for one in inner]}
    if hint in (list, tuple) or origin in (list, tuple):
        items = [one for one in inner if one is not Ellipsis]
        return {"type": "array"} | ({"items": _plain(items[0], where)} if len(items) == 1 else {})
    if hint is dict or origin is dict:
        return {"type": "object"}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    raise ToolError(
        f"{where}: type {hint!r} has no schema; use str, int, float, bool, list, dict, Literal, an Enum or a pydantic "
        "model"
    )


def _holds_model(hint: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return False
    if isinstance(hint, type) and not typing.get_origin(hint):
        return issubclass(hint, pydantic.BaseModel)
    return any(_holds_model(one) for one in typing.get_args(hint))


def _by_pydantic(hint: Any, where: str) -> tuple[dict[str, Any], Make]:
    import pydantic

    adapter: Any = pydantic.TypeAdapter(hint)
    try:
        schema: dict[str, Any] = adapter.json_schema()
    except pydantic.errors.PydanticInvalidForJsonSchema as error:
        raise ToolError(f"{where}: pydantic has no JSON schema for {hint!r}: {error}"[:400]) from error

    def make(value: Any) -> Any:
        try:
            return adapter.validate_json(json.dumps(value), strict=True)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise ToolError(f"{where}: {place + ': ' if place else ''}{first['msg']}"[:400]) from None

    return schema, make


def lift_definitions(properties: Mapping[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Properties without the ``$defs`` that pydantic puts in each, and all of those together for the root.

    Raises ToolError when two different models share a name.
    """
    definitions: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for name, schema in properties.items():
        for model, definition in schema.get("$defs", {}).items():
            if definitions.setdefault(model, definition) != definition:
                raise ToolError(f"{where}: two different models are named {model!r}; rename one of them")
        kept[name] = {key: value for key, value in schema.items() if key != "$defs"}
    return kept, definitions


def fits(value: Any, schema: Any) -> bool:
    """Whether a JSON value fits a schema. Knows anyOf, enum, const, type and items; what else is asked, is not seen."""
    if not isinstance(schema, Mapping):
        return True
    if isinstance(schema.get("anyOf"), list):
        return any(fits(value, one) for one in schema["anyOf"])
    if isinstance(schema.get("enum"), list):
        return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in schema["enum"])
    if "const" in schema:
        return bool(value == schema["const"])
    kind = schema.get("type", "")
    if isinstance(kind, list):
        return any(fits(value, {**schema, "type": one}) for one in kind)
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list | tuple) and all(fits(one, schema.get("items")) for one in value)
        case "object":
            return isinstance(value, Mapping)
        case "null":
            return value is None
        case _:
            return True
