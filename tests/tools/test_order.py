from __future__ import annotations

import pytest

from imkit.tools import Tier, Toolbox, ToolError, order_drink


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"drink": "latte"}, "I ordered a latte."),
        ({"drink": "iced coffee", "roast": None}, "I ordered an iced coffee."),
        ({"drink": "mocha", "size": "eight ounce"}, "I ordered an eight ounce mocha."),
        (
            {
                "drink": "house coffee",
                "size": "large",
                "roast": "dark roast",
                "shots": "double shot",
                "milk": "a little bit of almond milk",
                "sugar": "lots of brown sugar",
            },
            "I ordered a large dark roast double shot house coffee with a little bit of almond milk "
            "and lots of brown sugar.",
        ),
        ({"drink": "espresso", "sugar": "sweetener"}, "I ordered an espresso with sweetener."),
    ],
)
def test_it_says_what_was_ordered(order: dict[str, str], said: str) -> None:
    assert Toolbox([order_drink]).call("order_drink", order) == said


@pytest.mark.parametrize(
    "order",
    [{}, {"drink": "tea"}, {"drink": "latte", "size": "huge"}, {"drink": "latte", "milk": "oat milk"},
     {"drink": "latte", "shots": "two"}, {"drink": "latte", "sugar": "some milk"}, {"drink": "latte", "cup": "paper"}],
)  # fmt: skip
def test_what_is_not_on_the_menu_is_refused(order: dict[str, str]) -> None:
    with pytest.raises(ToolError, match="order_drink"):
        order_drink.run(order)


def test_every_amount_of_every_milk_and_sugar_is_on_the_menu() -> None:
    menu = {
        slot: (schema.get("anyOf") or [schema])[0]["enum"] for slot, schema in order_drink.schema["properties"].items()
    }
    amounts = ["", "some ", "a bit of ", "a little bit of ", "a lot of ", "lots of "]
    milks = ["milk", "cream", "whole milk", "skim milk", "soy milk", "almond milk"]
    assert sorted(menu["milk"]) == sorted(amount + milk for amount in amounts for milk in milks)
    assert sorted(menu["sugar"]) == sorted(a + s for a in amounts for s in ("sugar", "brown sugar", "sweetener"))
    assert order_drink.schema["required"] == ["drink"]


def test_it_runs_without_being_allowed_since_it_buys_nothing() -> None:
    assert order_drink.tier is Tier.PURE
    assert Toolbox([order_drink]).refusal("order_drink") == ""
