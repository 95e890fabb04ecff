"""Conditions on rows, as they are said: "price over thirty", "where region is north", "in Oslo", "since 2026-03-01"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .intents import COMPARED
from .match import mentions
from .names import FILLER, About, AskBack, find_columns
from .numerals import with_digits

_DATED = re.compile(r"\b(after|since|from|before|until|on)\s+(\d{4}-\d\d-\d\d)\b")
_DATE_OPS = {"after": ">", "since": ">=", "from": ">=", "before": "<", "until": "<=", "on": "=="}
_NAMED = re.compile(
    r"(.*)\b(is not|isn't|are not|not|is|are|equals|==|!=|=)\s+(?:called |named )?['\"]?([\w .&-]+?)['\"]?$"
)
MAX_LOOKED_AT = 8


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one column, as the tool ``peek_table`` takes it, and in words."""

    column: str
    op: str
    value: str | float | None

    @property
    def words(self) -> str:
        """As it can be said."""
        told = {"==": "is", "!=": "is not", ">": "is over", "<": "is under", ">=": "is at least", "<=": "is at most"}
        if self.op == "missing":
            return f"{self.column} is missing"
        value = f"{self.value:g}" if isinstance(self.value, float) else str(self.value)
        return f"{self.column} {told[self.op]} {value}"


def find_condition(
    text: str,
    about: About,
    kinds: Mapping[str, str],
    values_of: Callable[[str], Mapping[str, Any]],
    settled: frozenset[str] = frozenset(),
) -> Condition | None:
    """The condition that a text sets on rows of a table; None when it sets none.

    ``kinds`` tells of each column whether it holds number, category or time; ``values_of`` gives a column's values.
    Raises AskBack when there is a condition but no column for it.
    """
    said = with_digits(text).rstrip("?.! ")
    dated = _DATED.search(said.lower())
    if dated:
        times = [name for name, kind in kinds.items() if kind == "time"]
        named = [one.name for one in find_columns(said, about, settled) if one.name in times]
        if not (named or times):
            raise AskBack(f"{about['name']} has no column of times to compare with {dated[2]}.")
        return Condition((named or times)[0], _DATE_OPS[dated[1]], dated[2])
    if re.search(r"\bis (?:missing|null|empty)\b", said.lower()):
        found = find_columns(said, about, settled)
        return Condition(found[-1].name, "missing", None) if found else None
    for pattern, op in COMPARED:
        match = pattern.search(said.lower())
        if match:
            before, after = said[: match.start()], said[match.end() :]
            found = find_columns(before, about, settled)[-1:] or find_columns(after, about, settled)[:1]
            if not found:
                raise AskBack(f"Which column of {about['name']} do you mean by {match[0].strip()}?")
            return Condition(found[0].name, op, float(match[1].replace(",", "")))
    return _by_value(said, about, kinds, values_of, settled)


def _by_value(
    said: str,
    about: About,
    kinds: Mapping[str, str],
    values_of: Callable[[str], Mapping[str, Any]],
    settled: frozenset[str],
) -> Condition | None:
    """A condition by one of the values that a column of words really holds."""
    words = [name for name, kind in kinds.items() if kind == "category"]
    named = [one.name for one in find_columns(said, about, settled)]
    in_order = sorted(words, key=lambda name: name not in named)[:MAX_LOOKED_AT]
    taken = {str(about["name"]), *map(str, about["columns"])}
    for column in in_order:
        values = [value for value in values_of(column) if value not in taken]
        found = [one for one in mentions(said, values, FILLER) if not one.rivals]
        if found:
            best = max(found, key=lambda one: one.score)
            negated = re.search(
                rf"\b(?:not|other than|except)\b(?:\W+\w+){{0,2}}\W+{re.escape(best.name.lower())}", said.lower()
            )
            return Condition(column, "!=" if negated else "==", best.name)
    match = _NAMED.match(said)
    if match and named and named[-1] in words and match[3].lower() not in FILLER:
        meant = find_columns(match[1], about, settled)[-1:]
        if meant and meant[0].name in words:
            raise AskBack(f"No {meant[0].name} in {about['name']} is called {match[3].strip()[:60]}.")
    return None
