from __future__ import annotations

import ast
import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.surfaces import CATALOG, Action, Surface, SurfaceError, words
from imkit.surfaces.catalog import component_of
from imkit.surfaces.layout import MAX_DEPTH
from imkit.surfaces.lines import BURST_LINES, Reader
from imkit.surfaces.markdown import blocks

LINES = """
["root", "column", {}, ["say", "bins", "go", "late"]]
["$", {"n": 7}]
["say", "text", {"text": {"$": "n"}}]

["bins", "slider", {"label": "bins", "min": 5, "max": 50, "step": 5, "value": {"$": "bins"}, "action": "rebin"}]
not json
["go", "button", {"label": "Draw", "action": "draw"}]
["odd", "iframe", {"src": "x"}]
["say", "text", {"text": "again **n**", "markdown": true}]
"""
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00" + b"\x00" * 8


def panel(*lines: list[Any], **more: Any) -> Surface:
    return Surface("s", "T", lines="\n".join(map(json.dumps, lines)), **more)


def faults(surface: Surface) -> list[str]:
    return [one.props["text"] for one in surface.layout.components.values() if one.kind == "fault"]


# --- reading


def read(text: str, cuts: list[int]) -> list[Any]:
    reader = Reader()
    ends = sorted({cut % (len(text) + 1) for cut in cuts})
    pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [*(line for piece in pieces for line in reader.feed(piece)), *reader.end(), dict(reader.counts)]


@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_any_chunking_gives_the_same(cuts: list[int]) -> None:
    assert read(LINES, cuts) == read(LINES, [])


@given(st.lists(st.integers(0, 10_000), max_size=6))
@settings(max_examples=20, deadline=None)
def test_any_chunking_gives_the_same_beyond_the_bounds(cuts: list[int]) -> None:
    with patch("imkit.surfaces.lines.MAX_CHARS", 300), patch("imkit.surfaces.lines.MAX_LINE", 90):
        assert read(LINES, cuts) == read(LINES, [])


def test_components_come_as_their_lines_are_complete() -> None:
    surface, seen = Surface("s", "T"), []
    surface.watch(lambda changed: seen.append(list(changed.components)))
    for letter in '["root","text",{"text":"a"}]\n["b","divider"]':
        surface.feed(letter)
    assert seen == [["root"]]
    surface.end()
    assert seen == [["root"], ["root", "b"]]


def test_what_is_wrong_is_a_placeholder_that_names_it_and_is_counted() -> None:
    surface = Surface("s", "T", lines=LINES)
    assert surface.components["odd"].props["text"].startswith("unknown kind 'iframe'; there are: text, heading")
    assert [text for text in faults(surface) if "not JSON" in text] == ["line 5 is not JSON: not json"]
    assert +surface.counts == {"malformed": 1, "faults": 1}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["a", "text", {}], "needs the prop text"),
        (["a", "text", {"text": "x", "onclick": "y"}], "no prop onclick"),
        (["a", "text", {"text": "x" * 4001}], "at most 4000"),
        (["a", "text", {"text": "x"}, ["b"]], "at most 0"),
        (["a", "row", {}, ["b"] * 61], "at most 60"),
        (["a", "slider", {"min": 3, "max": 3}], "min below max"),
        (["a", "slider", {"value": 101}], "expected 0 to 100"),
        (["a", "slider", {"step": 0}], "above 0"),
        (["a", "slider", {"min": {"$": "x"}}], "cannot follow the data"),
        (["a", "choice", {"options": []}], "at least one"),
        (["a", "choice", {"options": ["x", "x"]}], "different"),
        (["a", "choice", {"options": ["x"], "value": "y"}], "one of its options"),
        (["a", "button", {"label": "x", "action": "a b"}], "expected a letter"),
        (["a", "image", {"ref": "https://x/y.png"}], "expected a letter"),
        (["a", "heading", {"text": "x", "level": 9}], "from 1 to 4"),
        (["a", "checkbox", {"value": "yes"}], "true or false"),
        (["a", "text", {"text": {"$": "1x"}}], "expected a letter"),
        (["a", "text", []], "expected a mapping"),
        (["a", {}], "unknown kind"),
        (["a"], "has 1 parts"),
        ({"id": "a"}, "expected a list"),
        (["a b", "divider"], "component id"),
        (["!1", "divider"], "placeholder"),
    ],
)  # fmt: skip
def test_bounds(line: Any, says: str) -> None:
    with pytest.raises(SurfaceError, match=says):
        component_of(line)


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.text() | st.floats() | st.booleans(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_line_raises(value: Any) -> None:
    surface = Surface("s", "T", lines=json.dumps(value) + "\n" + json.dumps(["a", "text", value]))
    assert isinstance(words(surface), str)


@given(st.sampled_from(sorted(CATALOG)), st.data())
@settings(max_examples=60, deadline=None)
def test_no_props_raise(kind: str, data: st.DataObject) -> None:
    simple = (
        st.none()
        | st.text(max_size=5)
        | st.integers()
        | st.booleans()
        | st.just({"$": "n"})
        | st.lists(st.text(max_size=3))
    )
    props = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(CATALOG[kind].props, simple)))
    value = data.draw(st.text(max_size=5) | st.integers() | st.booleans() | st.lists(st.integers()))
    surface = panel(["$", {"n": value}], ["root", "column", {}, ["a"]], ["a", kind, props])
    words(surface)
    assert set(surface.layout.components) == {"root", "a"}
    assert Surface.from_json(surface.to_json()) == surface


def test_what_comes_too_fast_is_dropped_and_counted() -> None:
    now = [0.0]
    surface = Surface("s", "T", clock=lambda: now[0])
    surface.feed("".join(f'["a{n}","divider"]\n' for n in range(BURST_LINES + 100)))
    assert surface.counts["dropped_rate"] == 100
    now[0] = 1.0
    surface.feed("".join(f'["a{n}","divider"]\n' for n in range(200)))
    assert surface.counts["dropped_rate"] == 200


# --- the tree


def test_the_root_is_the_one_named_root_else_the_first() -> None:
    assert panel(["x", "divider"], ["root", "heading", {"text": "r"}]).layout.roots == ("root",)
    assert panel(["x", "divider"], ["y", "divider"]).layout.roots == ("x",)


def test_cycles_and_second_uses_are_placeholders() -> None:
    surface = panel(["root", "row", {}, ["a", "a"]], ["a", "column", {}, ["b"]], ["b", "card", {}, ["a", "root"]])
    assert faults(surface) == ["a: holds itself", "root: holds itself", "a: is used in two places"]


def test_a_chain_is_cut_at_its_depth() -> None:
    surface = panel(*(["root" if n == 0 else f"c{n}", "column", {}, [f"c{n + 1}"]] for n in range(40)))
    assert len(surface.layout.components) == MAX_DEPTH + 1
    assert faults(surface) == [f"c{MAX_DEPTH}: lies deeper than 12"]


def test_a_child_that_is_not_there_yet_is_left_out_until_it_is() -> None:
    surface = panel(["root", "row", {}, ["a", "b"]], ["b", "divider"])
    assert surface.layout.components["root"].children == ("b",)
    surface.feed('["a","divider"]\n')
    assert surface.layout.components["root"].children == ("a", "b")


# --- values


def test_values_follow_the_data_and_controls_hold_theirs() -> None:
    surface = panel(
        ["root", "column", {}, ["m", "s", "c"]],
        ["m", "metric", {"label": "bins", "value": {"$": "s"}}],
        ["s", "slider", {"min": 1, "max": 9}],
        ["c", "choice", {"options": ["a", "b"], "value": {"$": "which"}}],
    )
    assert surface.data == {"s": 1, "which": "a"}
    surface.set("s", 4)
    assert surface.layout.components["m"].props["value"] == "4"
    surface.set("free", [1, "x", True])
    assert surface.data["free"] == [1, "x", True]
    for name, value in (("s", 10), ("s", "4"), ("which", "z"), ("free", {}), ("free", float("nan")), ("no name", 1)):
        with pytest.raises(SurfaceError):
            surface.set(name, value)
    with pytest.raises(SurfaceError):
        surface.update({"s": 5, "which": "z"})
    assert surface.data["s"] == 4


@pytest.mark.parametrize(
    ("control", "good", "bad"),
    [
        (["c", "slider", {"max": 10, "step": 2}], [(0, 0), (5, 4), (9.4, 10)], [11, -1, "3", None, True, float("inf")]),
        (["c", "number", {"min": 0}], [(0, 0), (1e9, 1e9)], [-1, "3", None, True, float("nan")]),
        (["c", "choice", {"options": ["a", "b"]}], [("b", "b")], ["c", 0, None, ["a"]]),
        (["c", "checkbox", {}], [(True, True)], [1, "true", None]),
        (["c", "input", {}], [("x", "x")], ["x" * 501, 1, None]),
        (["c", "button", {"label": "x"}], [(None, None)], [1, "x", True]),
        (["c", "heading", {"text": "x"}], [], [None, "x"]),
    ],
)  # fmt: skip
def test_the_kernel_takes_only_what_the_control_may_hold(control: Any, good: Any, bad: Any) -> None:
    surface = panel(["root", "row", {}, ["c"]], control)
    for value, taken in good:
        assert surface.act("c", value).value == taken
    for value in bad:
        with pytest.raises(SurfaceError):
            surface.act("c", value)
    assert surface.counts["refused"] == len(bad)


def test_what_is_not_shown_cannot_be_used() -> None:
    surface = panel(["root", "row"], ["hidden", "button", {"label": "x"}])
    for id in ("hidden", "none", None, 3, ["hidden"]):
        with pytest.raises(SurfaceError, match="shows no control"):
            surface.act(id)


def test_an_action_tells_name_value_and_all_values_and_is_answered() -> None:
    surface, got = Surface("s", "T", lines=LINES), []
    surface.on("draw", got.append)
    surface.act("bins", 20)
    action = surface.act("go")
    surface.answer(action)
    assert got == [Action("s", "go", "draw", None, {"n": 7, "bins": 20}, "Draw")]


def test_pictures_are_made_in_the_kernel_only() -> None:
    surface = panel(["root", "image", {"ref": "map", "alt": "a map"}])
    assert faults(surface) == ["image: the kernel holds no picture map"]
    surface.image("map", PNG)
    assert not faults(surface)
    for wrong in (b"GIF89a", b"<svg/>", PNG[:20], PNG[:16] + b"\xff" * 8 + PNG[24:], PNG + b"\x00" * 2_000_000):
        with pytest.raises(SurfaceError):
            surface.image("map", wrong)


# --- as data


def test_json_there_and_back_and_through_a_cell() -> None:
    surface = Surface("s", "It's \"q\"\n'''\\", lines=LINES, data={"other": "'''"})
    surface.act("bins", 30)
    assert Surface.from_json(json.loads(json.dumps(surface.to_json()))) == surface
    code = surface.to_code()
    names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    assert names == {"imkit", "surface"}
    space: dict[str, Any] = {}
    exec(code, space)
    assert space["surface"] == surface
    assert code.isascii()


def test_a_short_surface_as_a_cell() -> None:
    space: dict[str, Any] = {}
    surface = Surface("t", "T", "table", {"columns": ["a"], "rows": [[1.5], [None]]})
    exec(surface.to_code(), space)
    assert space["surface"] == surface


def test_a_later_surface_of_the_same_id_adds_and_replaces() -> None:
    surface = panel(["root", "row", {}, ["a", "b"]], ["a", "heading", {"text": "old"}])
    surface.merge(panel(["a", "heading", {"text": "new"}], ["b", "divider"]))
    assert [one.kind for one in surface.layout.components.values()] == ["row", "heading", "divider"]
    assert surface.components["a"].props["text"] == "new"


@pytest.mark.parametrize(
    "value",
    [{"lines": 3}, {"lines": "", "kind": "text"}, {"components": "x"}, {"components": [], "data": 3},
     {"lines": "", "data": {"a b": 1}}],
)  # fmt: skip
def test_a_form_that_is_no_surface_raises(value: dict[str, Any]) -> None:
    with pytest.raises(SurfaceError):
        Surface.from_json({"id": "s", "title": "t", **value})


def test_markdown_is_spans_and_nothing_else() -> None:
    assert blocks("a **b** *c* _d_ `e*f*` snake_case_name 2*3*4\n- x\n- y\n\n1. z\n![i](u) <b>") == [
        ["p", [[["", "a "], ["b", "b"], ["", " "], ["i", "c"], ["", " "], ["i", "d"], ["", " "], ["code", "e*f*"],
                ["", " snake_case_name 2"], ["i", "3"], ["", "4"]]]],
        ["ul", [[["", "x"]], [["", "y"]]]],
        ["ol", [[["", "z"]]]],
        ["p", [[["", "![i](u) <b>"]]]],
    ]  # fmt: skip
    assert blocks("**a**\n- b", markdown=False) == [["p", [[["", "**a**"]], [["", "- b"]]]]]
