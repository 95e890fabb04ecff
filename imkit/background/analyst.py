"""The analyst: an offline background model. A small deterministic planner over the notebook tools.

It is not a language model and says so: it finds the names of real variables and columns in a request, chooses one of
three tools, and answers in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from .match import mentions, words_of
from .protocol import Answer, Desk, Task

WHAT_I_AM = "I am a small planner, not a language model"
WHAT_I_CAN = "I can list your variables, describe a table, plot its columns, or find a name in this notebook"

_TOPIC_WORDS = {
    "plot": ("plot", "draw", "chart", "graph", "histogram", "scatter", "visualise", "visualize", "figure", "diagram"),
    "describe": ("describe", "summary", "summarise", "summarize", "about", "statistics", "stats", "mean", "average"),
    "list": ("list", "variables", "names", "tables", "dataframes", "frames"),
    "search": ("search", "find", "look", "where", "which"),
}
_FILLER_WORDS = """
a all an and are as at against between by can chart column columns could data dataframe describe do draw each find
for frame from get give graph have histogram how i in is it list look make me my of on or our over per please plot
scatter search see show some summarise summarize summary table tables tell that the them there this to use variable
variables versus vs what where which with would you your
"""
_FILLER = frozenset(_FILLER_WORDS.split())
_ALONG = frozenset({"against", "versus", "vs", "over", "by", "per"})


class Analyst:
    """Answers "list", "describe", "plot" and "search"; for anything else it says what it can do."""

    def answer(self, task: Task, desk: Desk) -> Answer:
        """Plans and carries out one task. Reads the notebook through the desk's tools only."""
        listed = desk.tools["list_variables"]()
        desk.check()
        text = task.typed or task.request
        match self._topic(task, text):
            case "list":
                return Answer(listed["text"], surface=listed["surface"])
            case "describe" | "plot" as topic:
                return self._on_table(topic, task, listed["variables"], desk)
            case "search":
                return self._search(text, listed["variables"])
            case _:
                return Answer(f"I did not understand that. {WHAT_I_AM}. {WHAT_I_CAN}.", ok=False)

    def _topic(self, task: Task, text: str) -> str:
        if task.topic in _TOPIC_WORDS:
            return task.topic
        said = words_of(text)
        return next((topic for topic, words in _TOPIC_WORDS.items() if any(word in said for word in words)), "")

    def _on_table(self, topic: str, task: Task, variables: list[Mapping[str, Any]], desk: Desk) -> Answer:
        tables = [about for about in variables if "columns" in about]
        if not tables:
            return Answer(f"There is no table to {topic} in this notebook yet.", ok=False)
        # What was typed holds real names; what was recognised may be all there is.
        text = task.typed if task.typed and _names_something(task.typed, tables) else task.request or task.typed
        table, named = _choose_table(text, tables)
        desk.check()
        name = str(table["name"])
        aside = "" if named or len(tables) == 1 else f" You did not name a table, so I took the newest, {name}."
        if topic == "describe":
            answer = desk.tools["describe_frame"](name=name)
        else:
            columns = _columns_in_order(text, name, [str(column) for column in table["columns"]])
            answer = desk.tools["plot_columns"](name=name, columns=columns)
        return Answer(answer["text"] + aside, surface=answer["surface"])

    def _search(self, text: str, variables: list[Mapping[str, Any]]) -> Answer:
        names = {str(about["name"]): "a variable" for about in variables}
        for about in variables:
            for column in about.get("columns", ()):
                names.setdefault(str(column), f"a column of {about['name']}")
        found = mentions(text, names, _FILLER)
        if found:
            told = "; ".join(f"{one.name} is {names[one.name]}" for one in found[:4])
            return Answer(f"I looked through the names in this notebook: {told}.")
        wanted = " ".join(word for word in words_of(text) if word not in _FILLER)
        like = f" like {wanted[:60]}" if wanted else " to look for"
        return Answer(
            f"I found no name{like} among {len(variables)} variables. I only search this notebook, not the web.",
            ok=False,
        )


def _names_something(text: str, tables: list[Mapping[str, Any]]) -> bool:
    names = [str(about["name"]) for about in tables]
    for about in tables:
        names.extend(map(str, about["columns"]))
    return bool(mentions(text, names, _FILLER))


def _choose_table(text: str, tables: list[Mapping[str, Any]]) -> tuple[Mapping[str, Any], bool]:
    """The table that is meant and whether the text says so: by its name, else by its columns, else the newest."""
    by_name = {str(about["name"]): about for about in tables}
    named = mentions(text, by_name, _FILLER)
    if named:
        return by_name[max(named, key=lambda one: one.score).name], True
    best, most = tables[-1], 0.0
    for about in reversed(tables):
        score = sum(one.score for one in mentions(text, map(str, about["columns"]), _FILLER))
        if score > most:
            best, most = about, score
    return best, most > 0


def _columns_in_order(text: str, table: str, columns: list[str]) -> list[str]:
    """The columns that are meant, x first: in "a against b" that is b, otherwise the one named first."""
    found = [one for one in mentions(text, [table, *columns], _FILLER) if one.name in columns]
    names = [one.name for one in found]
    said = words_of(text)
    for before, after in pairwise(found):
        if _ALONG & set(said[before.end : after.start]):
            names.remove(after.name)
            return [after.name, *names]
    return names
