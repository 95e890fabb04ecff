from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from enum import Enum
from typing import Any, Literal

import pydantic
import pytest

from imkit.tools import Progress, Tier, Tool, Toolbox, ToolError, ToolRefused, ToolStopped, tool


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


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_hint, "no type hint"),
        (no_words, "no docstring"),
        (strange, "has no schema"),
        (many, "cannot be given by name"),
        (everything, "tool already"),
        (lambda: 1, "cannot be named"),
        (3, "3 is no function but a int; a tool is made of a typed function"),
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


# --- async, progress, cancel


@tool(tier="pure")
async def steps(count: int, progress: Progress) -> str:
    """Takes steps."""
    for number in range(count):
        progress(f"step {number} {'x' * 500}")
        await asyncio.sleep(0.001)
    return f"{count} steps in {threading.current_thread().name}"


def test_an_async_tool_runs_to_its_end_in_the_thread_that_calls() -> None:
    told: list[str] = []
    box = Toolbox([steps])
    assert steps.schema["properties"] == {"count": {"type": "integer"}}
    answer = box.call("steps", {"count": 2}, progress=told.append)
    assert answer == f"2 steps in {threading.current_thread().name}"
    assert [text[:6] for text in told] == ["step 0", "step 1"]
    assert max(map(len, told)) == 200


def test_an_async_tool_also_runs_where_a_loop_runs_already() -> None:
    async def cell() -> Any:
        return Toolbox([steps]).call("steps", {"count": 1})

    assert asyncio.run(cell()) == "1 steps in imkit-tool"


def test_what_an_async_tool_raises_arrives() -> None:
    @tool
    async def fails() -> None:
        """Fails."""
        await asyncio.sleep(0)
        raise KeyError("inside")

    async def cell() -> Any:
        return fails.run({})

    for run in (lambda: fails.run({}), lambda: asyncio.run(cell())):
        with pytest.raises(KeyError, match="inside"):
            run()


def test_a_cancelled_async_tool_stops_at_its_next_await() -> None:
    cleaned: list[str] = []

    @tool
    async def sleeps() -> None:
        """Sleeps."""
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append("yes")

    start_s = time.monotonic()
    with pytest.raises(ToolStopped, match="nobody waits"):
        Toolbox([sleeps]).call("sleeps", {}, cancelled=lambda: time.monotonic() - start_s > 0.1)
    assert time.monotonic() - start_s < 5
    assert cleaned == ["yes"]


def test_a_plain_tool_checks_for_itself() -> None:
    done: list[int] = []

    @tool(tier="pure")
    def counts(progress: Progress) -> None:
        """Counts."""
        for number in range(10):
            progress.check()
            done.append(number)

    with pytest.raises(ToolStopped):
        Toolbox([counts]).call("counts", {}, cancelled=lambda: len(done) == 3)
    assert done == [0, 1, 2]
    assert counts.run({}) is None  # nobody gave a progress: it tells nobody and never stops
    assert not Progress().cancelled


# --- pydantic


class Size(pydantic.BaseModel):
    width: int
    unit: str = "cm"


class Box(pydantic.BaseModel):
    size: Size
    tags: list[str] = []


def test_pydantic_models_are_described_checked_and_made() -> None:
    got: list[Any] = []

    @tool
    def pack(box: Box, spare: list[Box] | None = None, count: int = 1) -> str:
        """Packs a box."""
        got.extend([box, spare])
        return box.size.unit

    assert pack.schema["$defs"]["Size"]["properties"]["width"]["type"] == "integer"
    assert "$defs" not in pack.schema["properties"]["box"]
    box = Toolbox([pack])
    assert box.call("pack", {"box": {"size": {"width": 2}}, "spare": [{"size": {"width": 3, "unit": "m"}}]}) == "cm"
    assert got == [Box(size=Size(width=2)), [Box(size=Size(width=3, unit="m"))]]
    for wrong in ({"size": {"width": "2"}}, {"size": {}}, {"size": {"width": 2.5}}, 7):
        with pytest.raises(ToolError, match=r"pack\(box\)"):
            box.call("pack", {"box": wrong})


def test_two_models_of_one_name_are_refused() -> None:
    other = pydantic.create_model("Size", depth=(str, ...))

    def both(a: list[Size], b: list[other]) -> None:  # type: ignore[valid-type]
        """Takes both."""

    both.__annotations__ = {"a": list[Size], "b": list[other], "return": None}
    with pytest.raises(ToolError, match="two different models are named 'Size'"):
        tool(both)


def test_pydantic_and_mcp_are_not_loaded_unless_used() -> None:
    code = "import sys, imkit.tools\n@imkit.tool\ndef f(a: int) -> int:\n  'Does.'\nimkit.mcp\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"pydantic", "mcp", "mcp_types", "narwhals"}
