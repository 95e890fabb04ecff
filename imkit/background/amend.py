"""Corrections: "no, by continent" means the request before it, with what it says put in place."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .intents import kind_of

_NO = re.compile(
    r"^\s*(?:oh |ah |sorry |please )*"
    r"(?:no|nope|wait|actually|rather|instead|not that|i (?:meant|mean)|make (?:it|that))\b"
    r"(?:[\s,.;:!-]+(?:no|wait|sorry|rather|i (?:meant|mean)|make (?:it|that))\b)*[\s,.;:!-]*",
    re.IGNORECASE,
)
_AXIS = re.compile(r"\b(?:by|per|for (?:each|every)|in each|across|between|among|against|versus|vs|over)\b", re.I)
_ROWS = re.compile(r"\b(?:where|only)\b", re.IGNORECASE)


def is_correction(text: str) -> bool:
    """Whether a text corrects the one before it and is no whole request itself."""
    begins = _NO.match(text)
    said = text[begins.end() :].strip() if begins else ""
    return bool(said) and (kind_of(said) is None or _ROWS.match(said) is not None)


def amended(text: str, earlier: Iterable[str]) -> str:
    """The whole request that a correction stands for; a text that is no correction as it is, without a "no" before it.

    ``earlier`` are the person's lines before it, newest first: the newest that asks for work is taken. Of "plot price
    against size", "no, by region" makes "plot price by region", "no, age" makes "plot age against size", and "no, only
    where age is over thirty" is added to it.
    """
    begins = _NO.match(text)
    if begins is None:
        return text
    said = text[begins.end() :].strip()
    if not is_correction(text):
        return said or text
    before = next((_NO.sub("", line) for line in earlier if kind_of(_NO.sub("", line)) is not None), "")
    if not before:
        return text
    if _ROWS.match(said):
        rows = _ROWS.search(before)
        return f"{before[: rows.start()] if rows else before} {said}".replace("  ", " ")
    axis = _AXIS.search(before)
    head, tail = (before[: axis.start()], before[axis.start() :]) if axis else (before, "")
    if _AXIS.match(said):
        return f"{head.rstrip(' ,')} {said}"
    words = head.split()
    verb = next((n for n in range(1, len(words) + 1) if kind_of(" ".join(words[:n])) is not None), len(words))
    return " ".join([*words[:verb], said, tail]).strip()
