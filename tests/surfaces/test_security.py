"""Hostile surfaces: nothing of them becomes markup, and none takes long."""

from __future__ import annotations

import ast
import json
import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from corpus import CORPUS, hostile

from imkit.surfaces import Surface, SurfaceError, from_a2ui, picture, words
from imkit.surfaces.lines import MAX_LINES
from imkit.surfaces.surface import MAX_COMPONENTS

TAGS = {
    "div", "span", "b", "i", "p", "br", "ul", "ol", "li", "code", "pre", "table", "thead", "tbody", "tr", "th", "td",
    "svg", "rect", "path", "text", "title", "img",
}  # fmt: skip
ATTRIBUTES = {
    "style", "viewbox", "role", "aria-label", "x", "y", "width", "height", "rx", "fill", "d", "stroke", "stroke-width",
    "stroke-linejoin", "stroke-linecap", "stroke-opacity", "text-anchor", "transform", "fill-opacity", "src", "alt",
}  # fmt: skip


class Census(HTMLParser):
    """What a browser would see as elements and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.tags.add("comment")

    def handle_decl(self, decl: str) -> None:
        self.tags.add("declaration")


def check(html: str) -> Census:
    seen = Census(html)
    assert seen.tags <= TAGS
    assert {name for name, _ in seen.attributes} <= ATTRIBUTES
    for name, value in seen.attributes:
        if name == "src":
            assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", value)
        elif name == "style":
            assert not re.search(r"url|expression|import|//|\\|javascript", value, re.I)
        elif name not in ("alt", "aria-label"):
            assert re.fullmatch(r"[\w .,#()%-]*", value), (name, value)
    return seen


def test_the_corpus_is_large() -> None:
    assert len(set(CORPUS)) >= 200


@pytest.mark.parametrize("part", range(9))
def test_no_hostile_text_becomes_markup(part: int) -> None:
    for text in CORPUS[part::9]:
        surface = Surface("s", text[:120], lines=hostile(text), source=text[:120])
        assert len(surface.layout.components) > 20
        shown = "".join(check(picture(surface, text)).text)
        cleaned = "".join(letter for letter in text.strip() if letter >= " ")
        assert cleaned in shown
        code = {type(node) for node in ast.walk(ast.parse(surface.to_code()))}
        assert code <= {
            ast.Module, ast.Import, ast.alias, ast.Assign, ast.Name, ast.Store, ast.Load, ast.Call, ast.Attribute,
            ast.Constant, ast.keyword, ast.List, ast.Dict, ast.Expr,
        }  # fmt: skip
        words(surface)


def test_no_short_surface_becomes_markup() -> None:
    for text in CORPUS:
        for kind, spec in (
            ("text", {"text": text}),
            ("table", {"columns": [text[:80]], "rows": [[text[:200]]]}),
            ("chart", {"mark": "bar", "x": [text[:80]], "x_label": text[:80], "y_label": text[:80],
                       "series": [{"name": text[:80], "y": [1]}]}),
        ):  # fmt: skip
            check(picture(Surface("s", text[:120], kind, spec)))


def test_the_census_sees_what_it_looks_for() -> None:
    for bad in (
        "<script>1</script>",
        "<p onclick=x>",
        "<p style='background:url(x)'>",
        "<img src=https://x>",
        "<!--x-->",
    ):
        with pytest.raises(AssertionError):
            check(bad)


def within(seconds: float) -> Any:
    class Timer:
        def __enter__(self) -> None:
            self.start_s = time.process_time()

        def __exit__(self, *error: object) -> None:
            if not any(error):
                assert time.process_time() - self.start_s < seconds

    return Timer()


def test_a_tree_of_a_million_nodes_costs_little() -> None:
    text = "".join(f'["n{n}","column",{{}},["n{2 * n + 1}","n{2 * n + 2}"]]\n' for n in range(1_000_000))
    with within(2.0):
        surface = Surface("s", "T", lines=text)
        html = picture(surface)
    assert len(surface.components) <= MAX_COMPONENTS + 3
    assert surface.counts["dropped_chars"] > 40_000_000
    assert surface.counts["dropped_lines"] + MAX_LINES > 20_000
    assert len(html) < 500_000


def test_a_hundred_thousand_children_and_a_tower_of_brackets() -> None:
    with within(1.0):
        wide = Surface("s", "T", lines=json.dumps(["root", "column", {}, ["a"] * 150_000]))
        deep = Surface("s", "T", lines='["root","text",{"text":' + "[" * 200_000)
        number = Surface("s", "T", lines='["root","slider",{"max":' + "9" * 100_000 + "}]")
    for surface in (wide, deep, number):
        assert surface.counts["malformed"] == 1
        assert [one.kind for one in surface.layout.components.values()] == ["fault"]


def test_every_component_in_every_other_does_not_explode() -> None:
    names = [f"c{n}" for n in range(60)]
    with within(1.0):
        surface = Surface("s", "T", lines="\n".join(json.dumps([name, "column", {}, names]) for name in names))
        html = picture(surface)
    assert len(surface.layout.components) <= 1_000
    assert len(html) < 1_000_000


@pytest.mark.parametrize("prop", ["text", "label", "title"])
def test_a_label_of_a_megabyte_is_a_placeholder(prop: str) -> None:
    kind = {"text": "text", "label": "slider", "title": "card"}[prop]
    with within(1.0):
        surface = Surface("s", "T", lines=json.dumps(["root", kind, {prop: "x" * 1_000_000}]))
        html = picture(surface)
    assert len(html) < 3_000
    with pytest.raises(SurfaceError):
        Surface("s", "x" * 1_000_000)


def test_the_largest_chart_is_drawn_in_time() -> None:
    series = [{"name": str(n), "y": list(range(5_000))} for n in range(8)]
    spec = {"mark": "scatter", "x": list(range(5_000)), "x_label": "", "y_label": "", "series": series}
    with within(2.0):
        picture(Surface("s", "T", "chart", spec))


@pytest.mark.parametrize(
    "y", [[0.0, 0.0], [5e-324, 1e-300], [-1.7e308, 1.7e308], [1e15, 1e15 + 1], [None, None], [-3, -2], [10**299, 0]]
)
@pytest.mark.parametrize("mark", ["line", "bar", "scatter"])
def test_odd_numbers_are_drawn_with_finite_ones(y: list[Any], mark: str) -> None:
    spec = {
        "mark": mark,
        "x": y if None not in y else [0, 1],
        "x_label": "",
        "y_label": "",
        "series": [{"name": "", "y": y}],
    }
    html = picture(Surface("s", "T", "chart", spec))
    check(html)
    assert "nan" not in html
    assert "inf" not in html


def test_hostile_a2ui_is_placeholders() -> None:
    for text in CORPUS[::7]:
        parts = [
            {"id": "root", "component": "Column", "children": ["t", "i", "v", text, "b"]},
            {"id": "t", "component": "Text", "text": text},
            {"id": "i", "component": "Image", "url": text},
            {"id": "v", "component": "Video", "url": text},
            {"id": text, "component": text},
            {"id": "b", "component": "Button", "child": "t",
             "action": {"functionCall": {"call": "openUrl", "args": {"url": text}}}},
        ]  # fmt: skip
        messages = [
            {"version": "v0.9", "createSurface": {"surfaceId": "s", "catalogId": text}},
            {"version": "v0.9", "updateComponents": {"surfaceId": "s", "components": parts}},
            {"version": "v0.9", "updateDataModel": {"surfaceId": "s", "path": "/" + text, "value": text}},
        ]
        (surface,) = from_a2ui(messages)
        check(picture(surface))
        assert sum(one.kind == "fault" for one in surface.components.values()) >= 3
