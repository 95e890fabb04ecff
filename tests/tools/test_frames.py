from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from imkit.surfaces import Surface
from imkit.tools import Namespace, Toolbox, ToolError
from imkit.tools.frames import frame_tools

DATA: dict[str, Any] = {
    "age": [30.0, 41.0, None, 22.0, 22.0],
    "city": ["Rome", "Oslo", None, "Rome", "Lima"],
    "paid": [True, False, True, True, False],
    "day": pd.date_range("2026-01-01", periods=5).to_pydatetime().tolist(),
}
MAKERS = {
    "pandas": pd.DataFrame(DATA),
    "polars": pl.DataFrame(DATA),
    "dict": {"age": np.array([30, 41, np.nan, 22, 22]), "city": DATA["city"], "paid": DATA["paid"],
             "day": np.array(DATA["day"], "M8[us]")},
}  # fmt: skip


def call(called: str, table: Any, /, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = Toolbox(frame_tools(Namespace({"t": table}))).call(called, {"name": "t", **arguments})
    if answer["surface"] is not None:
        Surface.from_json({"id": "s", **answer["surface"]})
    return answer


def rows(answer: dict[str, Any]) -> list[list[Any]]:
    return answer["surface"]["spec"]["rows"] if answer["surface"] else []


@pytest.fixture(params=list(MAKERS))
def table(request: pytest.FixtureRequest) -> Any:
    return MAKERS[request.param]


@pytest.mark.parametrize(
    ("column", "op", "value", "cities"),
    [
        ("age", ">", 25, ["Rome", "Oslo"]),
        ("age", ">=", "22", ["Rome", "Oslo", "Rome", "Lima"]),
        ("age", "!=", 22, ["Rome", "Oslo"]),
        ("age", "<", 0, []),
        ("age", "missing", None, [None]),
        ("city", "missing", None, [None]),
        ("city", "==", "Rome", ["Rome", "Rome"]),
        ("city", "contains", "o", ["Rome", "Oslo", "Rome"]),
        ("city", "contains", ".", []),
        ("paid", "==", False, ["Oslo", "Lima"]),
        ("day", ">", "2026-01-03", ["Rome", "Lima"]),
        ("day", "==", "2026-01-02", ["Oslo"]),
    ],
)
def test_rows_where_it_holds(table: Any, column: str, op: str, value: Any, cities: list[Any]) -> None:
    answer = call("peek_table", table, rows=50, column=column, op=op, value=value)
    assert [row[1] for row in rows(answer)] == cities
    assert answer["text"].startswith(f"t has {len(cities)} row")


def test_first_last_and_sample(table: Any) -> None:
    assert [row[1] for row in rows(call("peek_table", table, rows=2))] == ["Rome", "Oslo"]
    assert [row[1] for row in rows(call("peek_table", table, rows=2, which="last"))] == ["Rome", "Lima"]
    sample = rows(call("peek_table", table, rows=3, which="sample"))
    assert len(sample) == 3
    assert sample == rows(call("peek_table", table, rows=3, which="sample"))
    assert call("peek_table", table, rows=2)["text"] == "t has 5 rows; I show the first 2."


@pytest.mark.parametrize(
    ("how", "column", "expected"),
    [
        ("count", None, {"Rome": 2, "Oslo": 1, "Lima": 1, None: 1}),
        ("count", "age", {"Rome": 2, "Oslo": 1, "Lima": 1, None: 0}),
        ("mean", "age", {"Rome": 26.0, "Oslo": 41.0, "Lima": 22.0, None: None}),
        ("max", "age", {"Rome": 30.0, "Oslo": 41.0, "Lima": 22.0, None: None}),
        ("sum", "paid", {"Rome": 2, "Oslo": 0, "Lima": 0, None: 1}),
        ("unique", "paid", {"Rome": 1, "Oslo": 1, "Lima": 1, None: 1}),
    ],
)
def test_groups(table: Any, how: str, column: str | None, expected: dict[Any, Any]) -> None:
    answer = call("aggregate_table", table, by=["city"], how=how, **({"column": column} if column else {}))
    assert dict(map(tuple, rows(answer))) == expected
    values = [value for _, value in rows(answer) if value is not None]
    assert values == sorted(values, reverse=True)
    assert answer["text"].startswith("t has 4 groups by city. ")


def test_groups_by_time_are_in_order_and_cut(table: Any) -> None:
    answer = call("aggregate_table", table, by=["day"], column="age", how="max", top=2)
    assert [row[0][:10] for row in rows(answer)] == ["2026-01-01", "2026-01-02"]
    assert answer["text"].startswith("t has 5 groups by day.")


@pytest.mark.parametrize(
    ("called", "arguments", "message"),
    [
        ("peek_table", {"column": "height", "op": "==", "value": 1}, "no column named 'height'; it has age"),
        ("peek_table", {"column": "age"}, "give column and op together"),
        ("peek_table", {"column": "age", "op": "=="}, "say which value"),
        ("peek_table", {"column": "age", "op": ">", "value": "old"}, "'old' is none"),
        ("peek_table", {"column": "day", "op": ">", "value": "soon"}, "'soon' is none"),
        ("peek_table", {"column": "city", "op": ">", "value": 3}, "cannot be compared"),
        ("aggregate_table", {"by": []}, "one to 3 columns"),
        ("aggregate_table", {"by": ["city"], "how": "mean"}, "of which column"),
        ("aggregate_table", {"by": ["city"], "column": "city"}, "cannot be both"),
        ("aggregate_table", {"by": ["age"], "column": "city", "how": "mean"}, "has no mean"),
    ],
)
def test_what_cannot_be_done_is_said(table: Any, called: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        call(called, table, **arguments)


@pytest.mark.parametrize(
    ("value", "message"),
    [(7, "t is a int, not a table"), (pl.LazyFrame({"a": [1]}), "collect it"), ([1, 2], "not a table")],
)
def test_what_is_no_table(value: Any, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        call("peek_table", value)


def test_series_arrays_and_wide_tables() -> None:
    assert rows(call("peek_table", pd.Series([3, 4], name="x"))) == [[3], [4]]
    assert rows(call("peek_table", np.arange(4).reshape(2, 2))) == [[0, 1], [2, 3]]
    wide = call("peek_table", pd.DataFrame([["y" * 999] * 30]))
    assert "20 of its 30 columns" in wide["text"]
    assert len(rows(wide)[0]) == 20
    assert rows(call("peek_table", pd.DataFrame({"x": [2**60, 1], "y": [np.inf, 0.5]}))) == [
        [str(2**60), "inf"],
        [1, 0.5],
    ]
