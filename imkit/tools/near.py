"""The name that was probably meant, and how names and values are said."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

MAX_OPTIONS: Final = 2_000
MAX_NAME: Final = 80
MAX_LISTED: Final = 5
CLOSE: Final = 0.6
CLOSE_SHORT: Final = 0.75


def near(name: str, options: Iterable[Any]) -> str | None:
    """The option that is spelled most like ``name``; None when none comes near. Upper and lower case are alike.

    Of names with one or two letters only the same letters in another order or case come near.
    """
    strings = [one for one in islice(options, MAX_OPTIONS) if isinstance(one, str) and one != name]
    lower: dict[str, str] = {}
    for one in strings:
        if 0 < len(one) <= MAX_NAME:
            lower.setdefault(one.lower(), one)
    wanted = name.lower()[:MAX_NAME]
    if wanted in lower:
        return lower[wanted]
    if len(wanted) <= 2:
        return next((one for key, one in lower.items() if sorted(key) == sorted(wanted)), None)
    found = get_close_matches(wanted, lower, 1, CLOSE_SHORT if len(wanted) == 3 else CLOSE)
    return lower[found[0]] if found else None


def a(noun: str) -> str:
    """The noun with its article."""
    vowel = noun[:1].lower() in "aeiou" and not noun.lower().startswith(("uni", "use", "eu"))
    return f"{'an' if vowel else 'a'} {noun}"


def a_type(value: Any) -> str:
    """What a value is: "an int", "None"."""
    return "None" if value is None else a(type(value).__name__[:MAX_NAME])


def said(value: Any) -> str:
    """A key or index as it is written, short; of what is not plain only its type, since its own words may be code."""
    if value is None or type(value) in (bool, int, float):
        return str(value)[:40]
    if type(value) is str:
        text = value if len(value) <= MAX_NAME else value[: MAX_NAME - 1] + "…"
        return repr(text)
    if type(value) is tuple and len(value) <= 4:
        return f"({', '.join(map(said, value))})"
    return a(type(value).__name__)


def listed(names: Iterable[Any]) -> str:
    """Some names in a row: "a, b and 3 more"."""
    everything = [name[:MAX_NAME] if type(name) is str else said(name) for name in islice(names, MAX_OPTIONS)]
    shown, rest = everything[:MAX_LISTED], len(everything) - MAX_LISTED
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)
