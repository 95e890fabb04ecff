"""What is right to say: numbers in words, sums, and what else scenes ask for."""

from __future__ import annotations

from typing import Final

import numpy as np

UNITS: Final = "zero one two three four five six seven eight nine".split()
TEENS: Final = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SMALL: Final = UNITS + TEENS


def number_words(value: int) -> tuple[str, ...]:
    """A whole number from -99 to 99 in words: ``-21`` gives ``("minus", "twenty", "one")``."""
    if not -99 <= value <= 99:
        raise ValueError(f"number_words({value}): expected -99 to 99")
    if value < 0:
        return ("minus", *number_words(-value))
    if value < 20:
        return (SMALL[value],)
    tens, unit = divmod(value, 10)
    return (TENS[tens - 2],) if unit == 0 else (TENS[tens - 2], UNITS[unit])


def draw_sum(rng: np.random.Generator, largest: int = 9) -> tuple[str, tuple[str, ...]]:
    """A small sum in words and its answer: ``("two plus three", ("five",))``."""
    a, b = (int(x) for x in rng.integers(0, largest + 1, 2))
    operator = str(rng.choice(["plus", "minus", "times"]))
    value = {"plus": a + b, "minus": a - b, "times": a * b}[operator]
    return f"{number_words(a)[0]} {operator} {number_words(b)[0]}", number_words(value)
