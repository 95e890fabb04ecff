"""Corrections, and charts with sliders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from imkit.background import Analyst, Answer, Desk, Task
from imkit.background.amend import amended, is_correction
from imkit.background.intents import topic_of
from imkit.stream import Utterance
from imkit.surfaces import Surface
from imkit.tools import Namespace, Toolbox, notebook_tools

RNG = np.random.default_rng(0)
HOUSES = pd.DataFrame(
    {
        "price": RNG.normal(300, 50, 60),
        "size": RNG.normal(90, 20, 60),
        "region": ["north", "south", "east"] * 20,
        "year": [2000, 2005, 2010, 2015, 2020, 2025] * 10,
    }
)
BOX = Toolbox(notebook_tools(Namespace({"houses": HOUSES})))
DESK = Desk(BOX.functions(), lambda: False, lambda text: None)


def typed(*lines: str, topic: str = "plot") -> Answer:
    talk = tuple(Utterance("typed", line, float(n), n + 0.2) for n, line in enumerate(lines))
    return Analyst().answer(Task("t", topic, typed=lines[-1], conversation=talk), DESK)


def chart(answer: Answer) -> dict[str, Any]:
    assert answer.surface is not None, answer.text
    made = Surface.from_json({"id": "s", **answer.surface})
    return next(dict(one.props) for one in made.components.values() if one.kind == "chart")


@pytest.mark.parametrize(
    ("text", "earlier", "whole"),
    [
        ("no, by region", ["plot price"], "plot price by region"),
        ("No by region", ["plot price against size"], "plot price by region"),
        ("no, size", ["plot price by region"], "plot size by region"),
        ("wait, sorry, per year", ["no, by region", "draw the price"], "draw the price per year"),
        ("no, only where year is 2020", ["hello", "plot price"], "plot price only where year is 2020"),
        ("no, describe houses", ["plot price"], "describe houses"),
        ("notes by region", ["plot price"], "notes by region"),
        ("no, by region", ["hello there"], "no, by region"),
        ("no", ["plot price"], "no"),
    ],
)  # fmt: skip
def test_a_correction_is_put_into_the_request_before_it(text: str, earlier: list[str], whole: str) -> None:
    assert amended(text, earlier) == whole


def test_only_what_is_no_request_itself_is_a_correction() -> None:
    assert is_correction("no, by region")
    assert is_correction("actually, only where year is 2020")
    assert not is_correction("no, plot price")
    assert not is_correction("no")
    assert not is_correction("by region")


def test_the_analyst_reads_a_correction_with_the_line_before_it() -> None:
    drawn = chart(typed("plot price against size", "no, by region"))
    assert (drawn["mark"], drawn["x"], drawn["y_label"]) == ("bar", ["east", "north", "south"], "mean of price")


def test_topics_by_words() -> None:
    assert [topic_of(text) for text in ("plot price", "describe houses", "compare price by region", "hello")] == [
        "plot",
        "describe",
        "search",
        "",
    ]


def test_a_plot_of_some_rows() -> None:
    drawn = chart(typed("plot price against size where year is 2020"))
    assert sorted(drawn["x"]) == sorted(HOUSES[HOUSES.year == 2020]["size"])
    assert [one["name"] for one in drawn["series"]] == ["price"]
    assert "no rows" in typed("plot price where year is 1999").text


def test_a_slider_steps_through_few_whole_numbers() -> None:
    answer = typed("plot price against size with a slider for the year")
    panel = Surface.from_json({"id": "s", **(answer.surface or {})})
    slider = panel.components["pick"].props
    assert (slider["label"], slider["min"], slider["max"], slider["step"]) == ("year", 2000, 2025, 5)
    assert sorted(chart(answer)["x"]) == sorted(HOUSES[HOUSES.year == 2025]["size"])
    action = panel.act("pick", 2010)
    again = Analyst().adjust(Task("u", "adjust"), {"surface": "s", "values": action.values}, DESK)
    assert again.text == ""
    assert sorted(chart(Answer("", surface={"title": "", **(again.surface or {})}))["x"]) == sorted(
        HOUSES[HOUSES.year == 2010]["size"]
    )
    panel.merge(Surface.from_json(again.surface or {}))
    assert panel.data["at"] == 2010


def test_a_slider_over_other_numbers_lets_all_up_to_it_through() -> None:
    answer = typed("plot size by region and a slider over price")
    panel = Surface.from_json({"id": "s", **(answer.surface or {})})
    assert panel.data["op"] == "<="
    few = Analyst().adjust(Task("u", "adjust"), {"surface": "s", "values": {**panel.data, "at": 300.0}}, DESK)
    assert "price <= 300" in str((few.surface or {})["title"])


@pytest.mark.parametrize("values", [None, {}, {"table": "houses"}])
def test_what_is_done_on_an_unknown_panel_is_told(values: Any) -> None:
    answer = Analyst().adjust(Task("u", "adjust"), {"surface": "s", "values": values}, DESK)
    assert (answer.ok, answer.surface) == (False, None)


def test_forged_values_are_refused_in_words() -> None:
    panel = typed("plot price with a slider for year").surface or {}
    forged = {**panel["data"], "columns": ["nothing"], "at": "x"}
    answer = Analyst().adjust(Task("u", "adjust"), {"surface": "s", "values": forged}, DESK)
    assert not answer.ok
    assert answer.text


def test_a_slider_needs_a_column_of_numbers() -> None:
    assert "price, size, year" in typed("plot price with a slider for region").text
