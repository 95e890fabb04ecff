from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imkit.surfaces import Surface
from imkit.tools import Namespace, Tier, Toolbox, ToolError
from imkit.tools.analysis import analysis_tools, short
from imkit.tools.relations import relation_tools
from imkit.tools.statistics import fences, line_through, pearson, slopes_doubt, t_95, welch

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "x": np.arange(50.0),
        "y": 3.0 * np.arange(50.0) + RNG.normal(0, 5, 50),
        "noise": RNG.normal(size=50),
        "kind": RNG.choice(["a", "b"], 50),
        "when": pd.date_range("2026-01-01", periods=50, freq="12h"),
        "flag": RNG.choice([True, False], 50),
        "same": 1.0,
    }
)
FRAME.loc[5, "y"] = np.nan


def call(name: str, /, variables: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    view = Namespace({"d": FRAME} if variables is None else variables)
    value: dict[str, Any] = Toolbox([*analysis_tools(view), *relation_tools(view)]).call(name, arguments)
    if value["surface"] is not None:
        Surface.from_json({"id": "s", **value["surface"]})
    return value


def test_they_only_read() -> None:
    tools = [*analysis_tools(Namespace({})), *relation_tools(Namespace({}))]
    assert {tool.tier for tool in tools} == {Tier.READ}


def test_kinds_of_columns() -> None:
    kinds = call("column_kinds", name="d")["kinds"]
    assert kinds == dict.fromkeys(("x", "y", "noise", "same"), "number") | {
        "kind": "category", "when": "time", "flag": "category"
    }  # fmt: skip


def test_the_numbers_of_a_column() -> None:
    numbers = call("summarize_column", name="d", column="y")["numbers"]
    y = FRAME.y.dropna()
    want = {"mean": y.mean(), "median": y.median(), "std": y.std(), "min": y.min(), "max": y.max(), "sum": y.sum()}
    assert {key: numbers[key] for key in want} == pytest.approx(want)
    assert (numbers["count"], numbers["missing"], numbers["rows"]) == (49, 1, 50)
    words = call("summarize_column", name="d", column="kind")["numbers"]
    assert words["values"] == FRAME.kind.value_counts().to_dict()
    assert call("summarize_column", name="d", column="when")["numbers"]["min"] == "2026-01-01T00:00:00"


def test_outliers_are_those_outside_the_fences() -> None:
    values = np.array([*range(20), 60.0, -45.0])
    numbers = call("find_outliers", {"d": {"v": values}}, name="d", column="v")["numbers"]
    q1, q3 = np.percentile(values, [25, 75])
    assert (numbers["low"], numbers["high"]) == pytest.approx((q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)))
    assert numbers["count"] == 2
    text = call("find_outliers", {"d": {"v": values[:20]}}, name="d", column="v")["text"]
    assert text.startswith("v has no outliers")


def test_a_trend_is_told_only_where_there_is_one() -> None:
    fit = call("find_trend", name="d", column="y", along="x")
    slope = np.polyfit(FRAME.x[FRAME.y.notna()], FRAME.y.dropna(), 1)[0]
    assert fit["numbers"]["slope"] == pytest.approx(slope)
    assert "y rises along x" in fit["text"]
    assert call("find_trend", name="d", column="y", along="when")["numbers"]["slope"] == pytest.approx(2 * slope)
    assert "no clear trend" in call("find_trend", name="d", column="noise")["text"]
    assert "falls" in call("find_trend", {"d": {"v": np.arange(9.0)[::-1]}}, name="d", column="v")["text"]


def test_two_groups_and_chance() -> None:
    apart = {"v": np.r_[RNG.normal(0, 1, 40), RNG.normal(2, 1, 40)], "g": ["a"] * 40 + ["b"] * 40}
    told = call("compare_groups", {"d": apart}, name="d", column="v", by="g")
    assert "highest for b" in told["text"]
    assert "more than chance" in told["text"]
    alike = {"v": np.tile([1.0, 2.0, 3.0, 4.0], 20), "g": ["a"] * 40 + ["b"] * 40}
    assert "may be chance" in call("compare_groups", {"d": alike}, name="d", column="v", by="g")["text"]


def test_keys_are_found_by_values_not_by_names_alone() -> None:
    left = pd.DataFrame(
        {"id": np.arange(100), "who": RNG.choice(["ann", "bob", "cy", "di"], 100), "n": RNG.normal(size=100)}
    )
    right = pd.DataFrame({"name": ["ann", "bob", "cy", "di", "eve"], "id": np.arange(5000, 5005)})
    found = call("find_keys", {"l": left, "r": right}, left="l", right="r")
    assert found["keys"] == [["who", "name", "many to one", 1.0, 0.8]]
    nothing = call("find_keys", {"l": left, "r": {"z": ["p", "q", "s"]}}, left="l", right="r")
    assert "no columns" in nothing["text"]


def test_memory_of_variables_is_bounded() -> None:
    variables = {f"v{k}": k for k in range(200)}
    view = Namespace(variables)
    box = Toolbox(relation_tools(view))
    for name in variables:
        box.call("remember_variable", {"name": name})
    assert "not looked at" in box.call("what_changed", {"name": "v0"})["text"]
    assert "Nothing" in box.call("what_changed", {"name": "v199"})["text"]


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("summarize_column", {"name": "d", "column": "z"}, "has no column named 'z'"),
        ("summarize_column", {"name": "q", "column": "z"}, "no variable named 'q'"),
        ("find_outliers", {"name": "d", "column": "kind"}, "holds words, not numbers"),
        ("correlate_columns", {"name": "d", "columns": ["x", "kind"]}, "a correlation needs numbers"),
        ("correlate_columns", {"name": "d", "columns": ["x", "same"]}, "nothing correlates"),
        ("find_trend", {"name": "d", "column": "y", "along": "kind"}, "along times or numbers"),
        ("compare_groups", {"name": "d", "column": "kind", "by": "flag"}, "compared by numbers"),
        ("compare_groups", {"name": "d", "column": "y", "by": "same"}, "fewer than two groups"),
        ("find_keys", {"left": "d", "right": "d"}, "given twice"),
    ],
)
def test_what_cannot_be_done_is_told(tool: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ToolError, match=words):
        call(tool, **arguments)


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042), (1e6, 1.960)],
)
def test_students_t_as_in_the_tables(freedom: float, t: float) -> None:
    assert t_95(freedom) == pytest.approx(t, rel=0.012)


def test_no_trend_is_claimed_in_noise_more_often_than_one_time_in_twenty() -> None:
    rng = np.random.default_rng(5)
    claimed = [not slopes_doubt(line_through(np.arange(12.0), rng.normal(size=12))) for _ in range(2000)]  # type: ignore[arg-type]
    apart = [welch(rng.normal(size=8), rng.normal(0, 3, 12))[1] for _ in range(2000)]
    assert 0.03 < np.mean(claimed) < 0.07
    assert 0.03 < np.mean(apart) < 0.07


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=40))
def test_fences_hold_the_middle_half(values: list[float]) -> None:
    low, high = fences(np.array(values))
    q1, q3 = np.quantile(values, [0.25, 0.75])
    assert low <= q1 <= q3 <= high


def test_correlation_leaves_out_what_is_missing() -> None:
    x, y = np.array([1.0, 2, 3, np.nan, 5]), np.array([2.0, 4, 6, 8, np.inf])
    assert pearson(x, y) == (pytest.approx(1.0), 3)
    assert pearson(np.ones(5), x) == (None, 4)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0"),
        (3.14159, "3.142"),
        (1234.5678, "1,235"),
        (0.012345, "0.01235"),
        (5e6, "5,000,000"),
        (1e-9, "1e-09"),
        (2.50, "2.5"),
        (100, "100"),
    ],
)
def test_numbers_as_they_can_be_said(number: float, told: str) -> None:
    assert short(number) == told
