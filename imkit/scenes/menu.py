"""Coffee orders as people say them: a grammar that gives a sentence, what it orders, and the word that fixes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np

from imkit.tools.order import Drink, Milk, Roast, Shots, Size, Sugar

MENU: Final[Mapping[str, tuple[str, ...]]] = {
    slot: get_args(values)
    for slot, values in (
        ("drink", Drink), ("size", Size), ("roast", Roast), ("shots", Shots), ("milk", Milk), ("sugar", Sugar)
    )
}  # fmt: skip
"""Every value of every slot of ``order_drink``."""

AMOUNTS: Final = ("some ", "a bit of ", "a little bit of ", "a lot of ", "lots of ")
PLAIN_SHARE: Final = 0.5  # of milk and sugar: said without an amount
LATER_SHARE: Final = 0.15  # of sizes, roasts and shots: said after the drink
MILKY_SHARE: Final = 0.3  # of plain milks with a name: said before the drink
BARE_SHARE: Final = 0.1  # of orders: said without an article


@dataclass(frozen=True)
class Order:
    """A sentence. ``fixed`` is the last word of the last slot, 0 for the first: then all ``arguments`` are known."""

    text: str
    arguments: Mapping[str, str]
    fixed: int


def draw_order(rng: np.random.Generator, frame: str, share: float) -> Order:
    """An order in a frame such as "can i get {order} please"; every slot but the drink is in ``share`` of orders.

    Size, roast and shots come before the drink in any order, or after it; milk and sugar after "with", in any order:
    "a double shot large latte with some soy milk and brown sugar", "an almond milk mocha and make it small".
    """
    arguments = {"drink": str(rng.choice(MENU["drink"]))}
    for slot in ("size", "roast", "shots", "milk", "sugar"):
        if rng.random() < share:
            arguments[slot] = _value(rng, slot)
    return worded(rng, frame, arguments)


def worded(rng: np.random.Generator, frame: str, arguments: Mapping[str, str]) -> Order:
    """One way to say an order of these arguments."""
    before, added, size = [], [], ""
    for slot in ("size", "roast", "shots"):
        value = arguments.get(slot)
        if value is None:
            continue
        if rng.random() >= LATER_SHARE:
            before.append(value)
        elif slot == "size":
            size = value
        else:
            added.append(f"a {value}")
    rng.shuffle(before)
    milk = arguments.get("milk", "")
    if milk.count(" ") == 1 and milk not in ("some milk", "some cream") and rng.random() < MILKY_SHARE:
        before.append(milk)
        milk = ""
    added += [value for value in (milk, arguments.get("sugar")) if value]
    rng.shuffle(added)
    phrase = " ".join([*before, arguments["drink"]])
    if rng.random() >= BARE_SHARE:
        phrase = with_article(phrase)
    if added:
        *first, last = added
        phrase += f" with {' '.join([*first, 'and']) + ' ' if first else ''}{last}"
    if size:
        phrase += f" and make it {size}"
    start, end = frame.split("{order}")
    return Order(f"{start}{phrase}{end}", dict(arguments), len(f"{start}{phrase}".split()) - 1)


def change_order(
    rng: np.random.Generator, arguments: Mapping[str, str], any_slot: Sequence[str], denied: Sequence[str]
) -> Order:
    """One slot gets another value: ``arguments`` are then all of the mended order's.

    any_slot  frames for every slot, "sorry i mean {value}"
    denied    frames that begin with a no, "no {value}": not for milk and sugar, where that means none

    Who gave an amount gives one again, so that what is meant is one thing only.
    """
    slot = str(rng.choice(list(arguments)))
    old = arguments[slot]
    values = [v for v in MENU[slot] if v != old and (not old.startswith(AMOUNTS) or v.startswith(AMOUNTS))]
    value = str(rng.choice(values))
    frames = [*any_slot, *([] if slot in ("milk", "sugar") else denied)]
    start, end = frames[int(rng.integers(len(frames)))].split("{value}")
    phrase = with_article(value) if slot in ("drink", "roast", "shots") else value
    return Order(f"{start}{phrase}{end}", {**arguments, slot: value}, len(f"{start}{phrase}".split()) - 1)


def with_article(phrase: str) -> str:
    """``iced latte`` gives ``an iced latte``."""
    return f"{'an' if phrase[0] in 'aei' else 'a'} {phrase}"


def _value(rng: np.random.Generator, slot: str) -> str:
    values = MENU[slot]
    if slot in ("milk", "sugar"):
        plain = rng.random() < PLAIN_SHARE
        values = tuple(value for value in values if value.startswith(AMOUNTS) != plain)
    return str(rng.choice(values))
