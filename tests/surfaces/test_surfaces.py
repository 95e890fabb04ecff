from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.surfaces import Surface, SurfaceError, chart_figure

CHART: dict[str, Any] = {
    "id": "c",
    "title": "income <b>by</b> age",
    "kind": "chart",
    "spec": {
        "mark": "scatter",
        "x": [1, 2, 3],
        "x_label": "<a href='https://x'>age</a>",
        "y_label": "income",
        "series": [{"name": "<i>n</i>", "y": [1.5, None, 2]}],
    },
}
TABLE: dict[str, Any] = {"id": "t", "title": "t", "kind": "table", "spec": {"columns": ["a"], "rows": [[1], ["x"]]}}
TEXT: dict[str, Any] = {"id": "x", "title": "t", "kind": "text", "spec": {"text": "plain <script>"}}


def changed(base: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    value = copy.deepcopy(base)
    inside: Any = value
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = to
    return value


@pytest.mark.parametrize("value", [CHART, TABLE, TEXT], ids=lambda v: v["kind"])
def test_json_there_and_back(value: dict[str, Any]) -> None:
    surface = Surface.from_json(value)
    assert json.loads(json.dumps(surface.to_json(), allow_nan=False)) == value
    assert Surface.from_json(surface.to_json()) == surface


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (changed(TEXT, "kind", to="html"), "text, table, chart"),
        (changed(TEXT, "html", to="x"), "not allowed .'html'."),
        (changed(TEXT, "title", to="x" * 121), "at most 120"),
        (changed(TEXT, "title", to=3), "expected a string"),
        (changed(TEXT, "spec", to={"text": "x" * 4001}), "at most 4000"),
        (changed(TEXT, "spec", to="x"), "expected a mapping"),
        (changed(TABLE, "spec", "rows", to=[[1, 2]]), "expected 1, one a column"),
        (changed(TABLE, "spec", "rows", to=[[1]] * 51), "at most 50"),
        (changed(TABLE, "spec", "rows", to=[[{}]]), "finite number"),
        (changed(TABLE, "spec", "columns", to="abc"), "expected a list"),
        (changed(CHART, "spec", "mark", to="pie"), "histogram, bar, scatter, line"),
        (changed(CHART, "spec", "series", to=[]), "at least one"),
        (changed(CHART, "spec", "series", to=CHART["spec"]["series"] * 9), "at most 8"),
        (changed(CHART, "spec", "series", 0, "y", to=[1, 2]), "has 2 points, expected 3"),
        (changed(CHART, "spec", "series", 0, "y", to=[1, 2, float("nan")]), "finite"),
        (changed(CHART, "spec", "mark", to="histogram"), "expected 2"),
        (changed(CHART, "spec", "x", to=list(range(5002))), "at most 5001"),
        (changed(CHART, "spec", "onclick", to="x"), "not allowed .'onclick'."),
    ],
)
def test_what_breaks_the_bounds_says_where(value: dict[str, Any], message: str) -> None:
    with pytest.raises(SurfaceError, match=message):
        Surface.from_json(value)


def test_numpy_becomes_plain() -> None:
    value = changed(CHART, "spec", "x", to=np.arange(3))
    value["spec"]["series"][0]["y"] = np.arange(3.0)
    json.dumps(Surface.from_json(value).to_json())


def test_a_surface_does_not_share_what_it_was_made_of() -> None:
    value = copy.deepcopy(CHART)
    surface = Surface.from_json(value)
    value["spec"]["series"][0]["y"][0] = 99
    assert surface.spec["series"][0]["y"][0] == 1.5


@settings(max_examples=40, deadline=None)
@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_anything_else_is_a_surface_error(value: Any) -> None:
    with pytest.raises(SurfaceError):
        Surface.from_json(value)


@pytest.mark.parametrize(("mark", "kind"), [("scatter", "scatter"), ("line", "scatter"), ("bar", "bar")])
def test_a_chart_is_drawn_with_its_own_numbers(mark: str, kind: str) -> None:
    figure = chart_figure(changed(CHART, "spec", "mark", to=mark))
    (trace,) = figure.data
    assert trace.type == kind
    assert list(trace.x) == [1, 2, 3]
    assert list(trace.y) == [1.5, None, 2]


def test_a_histogram_is_drawn_between_its_edges() -> None:
    value = changed(CHART, "spec", "mark", to="histogram")
    value["spec"]["x"] = [0, 1, 3, 4]
    (trace,) = chart_figure(value).data
    assert list(trace.x) == [0.5, 2.0, 3.5]
    assert list(trace.width) == [1, 2, 1]


def test_labels_are_plain_text_in_the_figure() -> None:
    figure = chart_figure(CHART)
    assert figure.layout.title.text == "income &lt;b&gt;by&lt;/b&gt; age"
    drawn = figure.to_json()
    for markup in ("<b>", "<a ", "<i>"):
        assert markup not in drawn


def test_only_charts_are_drawn() -> None:
    with pytest.raises(SurfaceError, match="expected a chart"):
        chart_figure(TEXT)
