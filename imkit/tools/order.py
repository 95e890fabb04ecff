"""An example of a tool of one's own: a drink with closed lists of values, ``Session(tools=[order_drink])``."""

from __future__ import annotations

from typing import Literal

from .tool import Tier, tool

Drink = Literal[
    "americano", "cappuccino", "coffee", "drip coffee", "espresso", "house coffee", "iced coffee", "iced mocha",
    "latte", "mocha",
]  # fmt: skip
Size = Literal["small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce"]
Roast = Literal["light roast", "medium roast", "dark roast"]
Shots = Literal["single shot", "double shot", "triple shot"]
Milk = Literal[
    "milk", "some milk", "a bit of milk", "a little bit of milk", "a lot of milk", "lots of milk",
    "cream", "some cream", "a bit of cream", "a little bit of cream", "a lot of cream", "lots of cream",
    "whole milk", "some whole milk", "a bit of whole milk", "a little bit of whole milk", "a lot of whole milk",
    "lots of whole milk",
    "skim milk", "some skim milk", "a bit of skim milk", "a little bit of skim milk", "a lot of skim milk",
    "lots of skim milk",
    "soy milk", "some soy milk", "a bit of soy milk", "a little bit of soy milk", "a lot of soy milk",
    "lots of soy milk",
    "almond milk", "some almond milk", "a bit of almond milk", "a little bit of almond milk", "a lot of almond milk",
    "lots of almond milk",
]  # fmt: skip
Sugar = Literal[
    "sugar", "some sugar", "a bit of sugar", "a little bit of sugar", "a lot of sugar", "lots of sugar",
    "brown sugar", "some brown sugar", "a bit of brown sugar", "a little bit of brown sugar", "a lot of brown sugar",
    "lots of brown sugar",
    "sweetener", "some sweetener", "a bit of sweetener", "a little bit of sweetener", "a lot of sweetener",
    "lots of sweetener",
]  # fmt: skip


@tool(tier=Tier.PURE)
def order_drink(
    drink: Drink,
    size: Size | None = None,
    roast: Roast | None = None,
    shots: Shots | None = None,
    milk: Milk | None = None,
    sugar: Sugar | None = None,
) -> str:
    """Orders a coffee drink and says what was ordered.

    An example: it makes the sentence and buys nothing, so it is a pure tool.
    """
    wanted = " ".join(part for part in (size, roast, shots, drink) if part)
    article = "an" if wanted[0] in "aei" else "a"
    added = " and ".join(part for part in (milk, sugar) if part)
    return f"I ordered {article} {wanted}{f' with {added}' if added else ''}."
