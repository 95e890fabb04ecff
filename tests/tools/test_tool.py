from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest

from imkit.tools import Tier, Tool, Toolbox, ToolError, ToolRefused, tool


class Colour(Enum):
    RED = "red"


@tool
def everything(
    a: str, b: int, c: float = 1.0, d: bool | None = None, e: list[str] | None = None,
    f: Literal["x", "y"] = "x", g: Colour = Colour.RED, h: dict[str, int] | None = None,
) -> str:  # fmt: skip
    """Takes one
    of each.

    More that nobody needs.
    """
    return f"{a}{b}"


def test_the_schema_comes_from_the_type_hints() -> None:
    assert isinstance(everything, Tool)
    assert (everything.name, everything.description, everything.tier) == ("everything", "Takes one of each.", Tier.READ)
    properties = everything.schema["properties"]
    assert everything.schema["required"] == ["a", "b"]
    assert properties["b"] == {"type": "integer"}
    assert properties["d"] == {"anyOf": [{"type": "boolean"}, {"type": "null"}]}
    assert properties["e"]["anyOf"][0] == {"type": "array", "items": {"type": "string"}}
    assert properties["f"] == {"enum": ["x", "y"]}
    assert properties["g"] == {"enum": ["red"]}


def test_a_tool_is_still_its_function() -> None:
    assert everything("a", 2) == "a2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": "x"}, "missing .'b'."),
        ({"a": "x", "b": 1, "z": 2}, "unknown arguments .'z'."),
        ({"a": "x", "b": "1"}, "b='1'"),
        ({"a": "x", "b": True}, "b=True"),
        ({"a": "x", "b": 1, "e": [1]}, "e="),
        ({"a": "x", "b": 1, "f": "z"}, "f='z'"),
        ({"a": "x", "b": 1, "h": []}, "h="),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        everything.run(arguments)


def test_arguments_that_fit_run() -> None:
    assert everything.run({"a": "x", "b": 1, "c": 2, "d": None, "e": ["q"], "f": "y", "h": {"k": 1}}) == "x1"


def no_hint(a) -> None:  # type: ignore[no-untyped-def]
    """Has no hint."""


def no_words(a: int) -> None: ...


def strange(a: complex) -> None:
    """Takes a complex number."""


def many(*values: int) -> None:
    """Takes many."""


async def later(a: int) -> None:
    """Comes later."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_hint, "no type hint"),
        (no_words, "no docstring"),
        (strange, "has no schema"),
        (many, "cannot be given by name"),
        (later, "async"),
        (everything, "tool already"),
        (lambda: 1, "cannot be named"),
    ],
)
def test_what_cannot_be_a_tool_says_why(function: Any, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        tool(function)


def test_a_tier_must_exist() -> None:
    with pytest.raises(ToolError, match="pure, read, effect"):
        tool(tier="root")(no_words)


def test_a_toolbox_keeps_the_policy() -> None:
    ran: list[str] = []

    @tool(tier="effect")
    def drop(table: str) -> None:
        """Drops a table."""
        ran.append(table)

    @tool(tier="pure")
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    def look(name: str) -> str:
        """Looks."""
        return name

    box = Toolbox([drop, add, look])
    assert box.names == ("drop", "add", "look")
    assert box.functions()["add"](a=1, b=2) == 3
    assert box.call("look", {"name": "x"}) == "x"
    assert list(box.log) == [("look", {"name": "x"})]
    for call in (lambda: box.call("drop", {"table": "t"}), lambda: box.functions()["drop"](table="t")):
        with pytest.raises(ToolRefused, match="permission"):
            call()
    assert ran == []
    with pytest.raises(ToolError, match="no tool named 'x'"):
        box.call("x", {})
    with pytest.raises(ToolError, match="two tools"):
        Toolbox([add, add])
