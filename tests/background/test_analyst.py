from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imkit.background import Analyst, Answer, BackgroundModel, Cancelled, Desk, Task
from imkit.background.match import mentions, words_of
from imkit.tools import Namespace, Toolbox, notebook_tools

RNG = np.random.default_rng(0)
PEOPLE = pd.DataFrame(
    {"age": RNG.integers(18, 90, 30), "income": RNG.normal(size=30), "home_city": ["Rome", "Oslo"] * 15}
)
WEATHER = {"maxTemp": RNG.normal(size=20), "rain_mm": RNG.normal(size=20)}
VARIABLES: dict[str, Any] = {"people": PEOPLE, "n": 3, "weather_2026": WEATHER}


def ask(topic: str, request: str = "", typed: str = "", variables: dict[str, Any] | None = None) -> Answer:
    box = Toolbox(notebook_tools(Namespace(VARIABLES if variables is None else variables)))
    desk = Desk(box.functions(), lambda: False, lambda text: None)
    return Analyst().answer(Task("t", topic, request, typed), desk)


def axes(answer: Answer) -> tuple[str, list[str]]:
    assert answer.surface is not None
    spec = answer.surface["spec"]
    return spec["x_label"], [series["name"] for series in spec["series"]]


def test_it_sits_in_the_background_models_chair() -> None:
    assert isinstance(Analyst(), BackgroundModel)


@pytest.mark.parametrize(
    ("request_text", "x", "y"),
    [
        ("plot income against age", "age", ["income"]),
        ("plot age and income", "age", ["income"]),
        ("plot the income by home city", "home_city", ["income"]),
        ("plot incomes versus ages", "age", ["income"]),
        ("plot incone against age", "age", ["income"]),
        ("draw a chart of age", "age", ["count"]),
        ("please plot max temp over rain", "rain_mm", ["maxTemp"]),
        ("plot max temp over rain mm", "rain_mm", ["maxTemp"]),
        ("plot maxtemp", "maxTemp", ["count"]),
    ],
)
def test_columns_are_found_in_what_was_said(request_text: str, x: str, y: list[str]) -> None:
    assert axes(ask("plot", request_text)) == (x, y)


def test_what_was_typed_is_read_before_what_was_recognised() -> None:
    assert axes(ask("plot", "plot it", typed="plot rain_mm"))[0] == "rain_mm"
    assert axes(ask("plot", "plot rain mm", typed="hello there"))[0] == "rain_mm"


def test_a_table_is_found_by_its_name() -> None:
    assert ask("describe", "describe people").text.startswith("people has 30 rows")
    assert ask("describe", "describe weather 2026").text.startswith("weather_2026 has 20 rows")


def test_without_a_name_it_takes_the_newest_and_says_so() -> None:
    answer = ask("describe", "describe the data")
    assert answer.text.startswith("weather_2026 has")
    assert "You did not name a table, so I took the newest, weather_2026." in answer.text
    only = ask("describe", "describe the data", variables={"people": PEOPLE})
    assert "did not name" not in only.text


def test_list_and_search() -> None:
    assert ask("list").text == "There are 3 variables; the tables are people and weather_2026."
    assert "income is a column of people" in ask("search", "find the income").text
    answer = ask("search", "search for zebra crossings")
    assert not answer.ok
    assert "no name like zebra crossings" in answer.text
    assert "not the web" in answer.text


def test_an_unknown_topic_is_planned_from_the_words() -> None:
    assert ask("help", "describe people").text.startswith("people has")
    answer = ask("help", "what is the meaning of life")
    assert not answer.ok
    assert "not a language model" in answer.text


@pytest.mark.parametrize("topic", ["plot", "describe"])
def test_an_empty_notebook_is_told(topic: str) -> None:
    answer = ask(topic, "people", variables={"n": 1})
    assert not answer.ok
    assert answer.text == f"There is no table to {topic} in this notebook yet."


def test_answers_are_short_enough_to_say() -> None:
    wide = pd.DataFrame(np.zeros((3, 200)), columns=[f"a_rather_long_column_name_{k}" for k in range(200)])
    for topic in ("plot", "describe", "list", "search"):
        assert len(ask(topic, "column", variables={"wide": wide}).text) < 700


def test_it_stops_when_cancelled() -> None:
    box = Toolbox(notebook_tools(Namespace(VARIABLES)))
    with pytest.raises(Cancelled):
        Analyst().answer(Task("t", "plot", "plot age"), Desk(box.functions(), lambda: True, lambda text: None))


def test_it_reads_the_notebook_through_its_tools_only() -> None:
    used: list[str] = []
    box = Toolbox(notebook_tools(Namespace(VARIABLES)))

    def spy(name: str) -> Any:
        def call(**arguments: Any) -> Any:
            used.append(name)
            return box.call(name, arguments)

        return call

    Analyst().answer(Task("t", "plot", "plot age"), Desk({n: spy(n) for n in box.names}, lambda: False, print))
    assert used == ["list_variables", "remember_variable", "plot_columns"]


def test_names_as_small_words() -> None:
    assert words_of("maxTemp_2 HTTPServer") == ["max", "temp", "2", "http", "server"]


def test_short_names_match_exactly_only() -> None:
    assert mentions("plot it now", ["x", "no"]) == []
    assert [one.name for one in mentions("plot x", ["x", "y"])] == ["x"]


def test_a_column_named_like_a_filler_word_is_found_when_it_is_said() -> None:
    assert [one.name for one in mentions("plot data", ["data"], frozenset({"plot", "data"}))] == ["data"]


@given(st.text(max_size=80), st.lists(st.text(max_size=12), max_size=6))
def test_mentions_never_share_a_word(text: str, names: list[str]) -> None:
    found = mentions(text, names)
    assert [one.start for one in found] == sorted(one.start for one in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert {one.name for one in found} <= set(names)


@given(st.lists(st.sampled_from(["alpha", "bravo", "carrot", "delta"]), unique=True, min_size=1))
def test_every_exact_name_is_found_in_order(names: list[str]) -> None:
    said = "please plot " + " and ".join(names)
    assert [one.name for one in mentions(said, sorted(names))] == names
