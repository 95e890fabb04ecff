from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imkit.background.intents import Kind, kind_of, statistic_of
from imkit.background.match import mentions
from imkit.background.numerals import sum_in, with_digits
from imkit.background.sound import sound_of


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("over twenty five", "over 25"),
        ("one hundred and five rows", "105 rows"),
        ("two point five and six", "2.5 and 6"),
        ("two thousand twenty six", "2026"),
        ("3 thousand", "3000"),
        ("a hundred", "100"),
        ("a hundredth part", "a hundredth part"),
        ("ages between twenty and thirty", "ages between 20 and 30"),
        ("five five", "5 5"),
        ("twenty-five", "25"),
        ("three million two hundred thousand", "3200000"),
        ("no numbers, none at all", "no numbers, none at all"),
        ("column_one stays", "column_one stays"),
    ],
)
def test_number_words_become_digits(text: str, digits: str) -> None:
    assert with_digits(text) == digits


@given(st.text(alphabet="abcdefg _.,!?", max_size=60))
def test_text_without_numbers_stays_as_it_is(text: str) -> None:
    assert with_digits(text) == text


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("what is three plus four", "3 + 4"),
        ("twelve times three minus one", "12 * 3 - 1"),
        ("ten percent of two hundred", "10 / 100 * 200"),
        ("the square root of sixteen", "sqrt(16)"),
        ("two to the power of eight", "2 ** 8"),
        ("(3+4)*2 is what", "(3+4)*2"),
        ("five squared", "5 ** 2"),
        ("plot price over age", ""),
        ("how many rows in 2026", ""),
    ],
)
def test_sums_in_words(text: str, expression: str) -> None:
    assert sum_in(text) == expression


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("prize", "price"), ("wait", "weight"), ("reign", "rain"), ("edge", "age"), ("sails", "sales"),
        ("coast", "cost"), ("tear", "tier"), ("hite", "height"), ("flour", "flower"), ("rode", "road"),
    ],
)  # fmt: skip
def test_a_name_is_found_by_its_sound(said: str, name: str) -> None:
    assert sound_of(said) == sound_of(name)
    assert [one.name for one in mentions(f"plot the {said}", [name, "zebra"])] == [name]


@pytest.mark.parametrize(
    ("text", "names", "found", "rivals"),
    [
        ("plot the price", ["price_usd", "price_eur"], "price_usd", ("price_eur",)),
        ("plot the price", ["price", "price_eur"], "price", ()),
        ("plot price eur", ["price_usd", "price_eur"], "price_eur", ()),
        ("plot the wait", ["weight", "width"], "weight", ()),
        ("plot the hight", ["height_a", "weight_b"], "height_a", ()),
    ],
)
def test_names_that_fit_as_well_are_rivals(text: str, names: list[str], found: str, rivals: tuple[str, ...]) -> None:
    (one,) = mentions(text, names)
    assert (one.name, one.rivals) == (found, rivals)


@pytest.mark.parametrize(
    ("text", "topic", "kind"),
    [
        ("plot the trend of sales", "plot", Kind.PLOT),
        ("is there a trend in sales", "describe", Kind.TREND),
        ("describe the sales", "", Kind.DESCRIBE),
        ("the mean of x", "list", Kind.STATISTIC),
        ("hello there", "describe", Kind.DESCRIBE),
        ("hello there", "", None),
        ("mean(x)", "", Kind.COMPUTE),
        ("x['a'] + 2", "", Kind.COMPUTE),
        ("find zebras", "search", Kind.SEARCH),
        ("what is new", "", Kind.CHANGED),
        ("what went wrong in that cell", "", Kind.ERROR),
    ],
)
def test_what_a_request_asks_for(text: str, topic: str, kind: Kind | None) -> None:
    assert kind_of(text, topic) is kind


def test_the_statistic_named_first_counts() -> None:
    assert statistic_of("the average of the highest") == "mean"
    assert statistic_of("most common value") == "most common"
    assert statistic_of("nothing of the kind") == ""
