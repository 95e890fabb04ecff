from __future__ import annotations

import contextlib
import math
import sys
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.surfaces import Surface
from imkit.tools import Namespace, Toolbox, ToolError, notebook_tools

ROWS = 60


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame(
        {
            "age": rng.integers(18, 90, ROWS),
            "income": rng.normal(1000, 100, ROWS),
            "city": rng.choice(["Rome", "Oslo", "Lima"], ROWS),
            "day": pd.date_range("2026-01-01", periods=ROWS),
            "paid": rng.choice([True, False], ROWS),
            "step": np.arange(ROWS),
        }
    )
    made.loc[3, "income"] = np.nan
    made.loc[4, "city"] = None
    return made


def call(called: str, variables: dict[str, Any], /, **arguments: Any) -> dict[str, Any]:
    value: dict[str, Any] = Toolbox(notebook_tools(Namespace(variables))).call(called, arguments)
    if value["surface"] is not None:
        Surface.from_json({"id": "s", **value["surface"]})  # what tools give keeps the bounds of what is shown
    return value


def plot(*columns: str, data: Any = None) -> dict[str, Any]:
    answer = call("plot_columns", {"d": frame() if data is None else data}, name="d", columns=list(columns))
    spec: dict[str, Any] = answer["surface"]["spec"]
    return spec


def test_a_namespace_shows_data_only_and_cannot_be_written() -> None:
    variables = {"x": 1, "_y": 2, "In": [], "math": math, "f": len, "int": int, "m": types.ModuleType("m"), "d": {}}
    view = Namespace(variables)
    assert list(view) == ["x", "d"]
    assert "math" not in view
    with pytest.raises(TypeError):
        view["z"] = 1  # type: ignore[index]
    variables["later"] = 3
    assert view["later"] == 3


def test_the_notebooks_variables_are_read_live(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = types.SimpleNamespace(user_ns={"x": 1, "get_ipython": len})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    view = Namespace.of_notebook()
    assert dict(view) == {"x": 1}
    shell.user_ns["y"] = 2
    assert dict(view) == {"x": 1, "y": 2}


@pytest.mark.parametrize("ipython", [None, types.SimpleNamespace(get_ipython=lambda: None)])
def test_without_a_notebook_there_are_no_variables(ipython: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert dict(Namespace.of_notebook()) == {}


def test_variables_are_listed_with_their_columns() -> None:
    answer = call("list_variables", {"n": 3, "people": frame(), "words": ["a", "b"], "a": np.zeros((3, 4, 5))})
    about = {one["name"]: one for one in answer["variables"]}
    assert about["people"]["columns"] == ["age", "income", "city", "day", "paid", "step"]
    assert "columns" not in about["n"]
    assert about["a"]["size"] == "3 x 4 x 5"
    assert answer["text"] == "There are 4 variables; people is a table."
    assert call("list_variables", {})["text"] == "There are no variables in this notebook yet."


def test_the_list_is_bounded() -> None:
    answer = call("list_variables", {f"v{k}": {"c" * 500: [1]} for k in range(500)})
    assert len(answer["variables"]) == 50
    assert answer["variables"][-1]["name"] == "v499"
    assert len(answer["text"]) < 200


def test_a_frame_is_described() -> None:
    answer = call("describe_frame", {"people": frame()}, name="people")
    ages = frame()["age"]
    assert f"age goes from {ages.min()} to {ages.max()}, with a mean of {ages.mean():.4g}." in answer["text"]
    assert answer["text"].startswith("people has 60 rows and 6 columns")
    assert "income and city have missing values" in answer["text"]
    rows = {row[0]: row for row in answer["surface"]["spec"]["rows"]}
    assert rows["city"][2] == 1
    assert rows["day"][1] == "time"
    assert rows["income"][4] == pytest.approx(frame()["income"].mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["nothing", "n", "empty"])
def test_what_is_no_table_says_so(name: str) -> None:
    with pytest.raises(ToolError, match=name):
        call("describe_frame", {"n": 3, "empty": {}}, name=name)


@pytest.mark.parametrize(
    ("columns", "mark", "x"),
    [
        (["age"], "histogram", "age"),
        (["city"], "bar", "city"),
        (["paid"], "bar", "paid"),
        (["day"], "bar", "day"),
        (["age", "income"], "scatter", "age"),
        (["step", "income"], "line", "step"),
        (["day", "income"], "line", "day"),
        (["income", "day"], "line", "day"),
        (["city", "income"], "bar", "city"),
        (["income", "city"], "bar", "city"),
        ([], "line", "day"),
    ],
)
def test_the_chart_fits_the_columns(columns: list[str], mark: str, x: str) -> None:
    spec = plot(*columns)
    assert (spec["mark"], spec["x_label"]) == (mark, x)


def test_a_histogram_counts_every_value() -> None:
    spec = plot("income")
    assert sum(spec["series"][0]["y"]) == ROWS - 1
    assert len(spec["x"]) == len(spec["series"][0]["y"]) + 1


def test_bars_count_and_average() -> None:
    counts = plot("city")
    expected = frame()["city"].fillna("missing").value_counts()
    assert dict(zip(counts["x"], counts["series"][0]["y"], strict=True)) == expected.to_dict()
    means = plot("city", "income")
    by_city = frame().groupby("city")["income"].mean()
    assert dict(zip(means["x"], means["series"][0]["y"], strict=True)) == pytest.approx(by_city.to_dict())


def test_large_tables_become_small_charts() -> None:
    n = 300_000
    data = {"x": np.arange(n), "y": np.sin(np.arange(n)), "name": np.array([f"n{k % 1000}" for k in range(n)])}
    line = plot("x", "y", data=data)
    assert line["mark"] == "line"
    assert len(line["x"]) == 1000
    bars = plot("name", data=data)
    assert len(bars["x"]) == 24
    assert bars["x"][-1] == "all others"


@pytest.mark.parametrize(
    "data",
    [
        {"age": [3, 1, 2], "income": [1.0, None, 3.0]},
        {"age": (3, 1, 2), "income": np.array([1, 2, 3])},
        pd.DataFrame({"age": [3, 1, 2], "income": pd.array([1, None, 3], dtype="Int64")}),
        np.array([(3, 1.0), (1, 2.0), (2, 3.0)], dtype=[("age", int), ("income", float)]),
    ],
    ids=["lists", "tuples", "pandas", "records"],
)
def test_tables_of_many_makers(data: Any) -> None:
    spec = plot("age", "income", data=data)
    assert (spec["mark"], spec["x"]) == ("scatter", [3.0, 1.0, 2.0])
    assert spec["series"][0]["y"][2] == 3.0


def test_arrays_and_series_are_tables_too() -> None:
    assert plot(data=np.arange(9.0))["mark"] == "histogram"
    assert plot(data=np.arange(9.0).reshape(3, 3))["x_label"] == "0"
    assert plot(data=pd.Series([1, 2, 3], name="speed"))["x_label"] == "speed"


def test_two_columns_of_one_name_do_not_break_it() -> None:
    assert plot("a", data=pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))["mark"] == "histogram"


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolError, match="no column named 'height'; it has age"):
        plot("height")


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(ToolError, match="cannot be plotted"):
        plot("a", data={"a": [float("nan"), float("inf")]})


cells = st.none() | st.integers(-(10**6), 10**6) | st.floats() | st.text(max_size=300) | st.booleans()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda rows: st.dictionaries(
            st.text(min_size=1, max_size=120), st.lists(cells, min_size=rows, max_size=rows), min_size=1, max_size=4
        )
    )
)
def test_any_table_is_described_and_drawn_within_bounds(data: dict[str, list[Any]]) -> None:
    assert len(call("describe_frame", {"d": data}, name="d")["text"]) <= 600
    for columns in ([], list(data)[:1], list(data)):
        with contextlib.suppress(ToolError):  # a table with nothing to draw
            call("plot_columns", {"d": data}, name="d", columns=columns)
