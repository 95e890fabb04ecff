"""One piece of work of the analyst: what is asked, what is known of the notebook, and the tools that may be used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from imkit.stream import ImkitError

from .conditions import Condition, find_condition
from .intents import GROUPED, Kind
from .match import Mention, words_of
from .names import About, AskBack, choose_table, find_columns
from .protocol import Answer, Desk

_ALONG = frozenset({"against", "versus", "vs", "over", "by", "per"})


@dataclass(frozen=True, slots=True)
class Errand:
    """One piece of work: what it is, the text that asks for it, and what is known of the notebook.

    earlier  the conversation, newest line first
    settled  names that were chosen when the analyst asked back
    """

    kind: Kind
    text: str
    variables: list[About]
    earlier: list[str]
    desk: Desk
    settled: frozenset[str] = frozenset()

    def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Calls a tool of the desk. Raises AskBack when there is none of that name, or it says that it cannot."""
        self.desk.check()
        if tool not in self.desk.tools:
            raise AskBack(f"I would need the tool {tool} for that, and this session does not have it.")
        try:
            value = self.desk.tools[tool](**arguments)
        except ImkitError as error:
            if not isinstance(error, ValueError):  # refused, or stopped: for whoever asked for the work
                raise
            raise AskBack(f"That does not work: {error}.") from error
        return dict(value) if isinstance(value, Mapping) else {"text": str(value)}

    def table(self) -> tuple[About, str]:
        """The table that is meant, and an aside."""
        tables = [about for about in self.variables if "columns" in about]
        if not tables:
            verb = {"statistic": "look at", "missing": "look at", "outliers": "look at", "trend": "look at"}
            what = verb.get(self.kind, str(self.kind))
            raise AskBack(f"There is no table to {what} in this notebook yet.")
        about, aside = choose_table(self.text, tables, self.earlier, self.settled)
        if "remember_variable" in self.desk.tools:
            self.use("remember_variable", name=str(about["name"]))
        return about, aside

    def columns(self, about: About) -> list[Mention]:
        """The columns of it that are meant."""
        return find_columns(self.text, about, self.settled)

    def kinds(self, about: About) -> dict[str, str]:
        """Column -> number, category or time."""
        return dict(self.use("column_kinds", name=str(about["name"]))["kinds"])

    def condition(self, about: About) -> Condition | None:
        """The condition on rows, if the text sets one."""
        name = str(about["name"])

        def values_of(column: str) -> Mapping[str, Any]:
            return dict(self.use("summarize_column", name=name, column=column)["numbers"].get("values", {}))

        return find_condition(self.text, about, self.kinds(about), values_of, self.settled)


def told(value: Mapping[str, Any], aside: str) -> Answer:
    """What a tool told, with an aside, as an answer."""
    return Answer(str(value["text"]) + aside, surface=value.get("surface"))


def peek(errand: Errand, name: str, condition: Condition | None, which: str, rows: int) -> dict[str, Any]:
    """Some rows of a table, those where a condition holds."""
    arguments: dict[str, Any] = {"name": name, "which": which, "rows": rows}
    if condition is not None:
        arguments |= {"column": condition.column, "op": condition.op}
        arguments |= {} if condition.value is None else {"value": condition.value}
    return errand.use("peek_table", **arguments)


def x_first(text: str, found: list[Mention]) -> list[str]:
    """The columns that are meant, x first: in "a against b" that is b, otherwise the one named first."""
    names = [one.name for one in found]
    said = words_of(text)
    for before, after in pairwise(found):
        if _ALONG & set(said[before.end : after.start]):
            names.remove(after.name)
            return [after.name, *names]
    return names


def grouped_by(text: str, found: list[Mention], kinds: Mapping[str, str]) -> str | None:
    """The column that the groups come from: after "by" or "per", else the first that holds no numbers."""
    said = words_of(text)
    for one in found:
        if re.search(rf"\b{GROUPED}(?: the| each| all)?$", " ".join(said[max(0, one.start - 3) : one.start])):
            return one.name
    return next((one.name for one in found if kinds.get(one.name) != "number"), None)


def one_number(errand: Errand, about: About, what: str, besides: str | None = None) -> str:
    """The one column of numbers that is meant, or that there is. Raises AskBack when there are several."""
    named = [one.name for one in errand.columns(about) if one.name != besides]
    if named:
        return named[0]
    kinds = errand.kinds(about)
    numbers = [column for column, kind in kinds.items() if kind == "number" and column != besides]
    if len(numbers) != 1:
        choice = f": {', '.join(numbers[:5])}" if numbers else ""
        raise AskBack(f"{what} which column of {about['name']}{choice}?", tuple(numbers[:5]))
    return numbers[0]


def short(number: float) -> str:
    """A number as it can be said."""
    return f"{number:,.0f}" if abs(number) >= 1e4 else f"{number:.4g}"
