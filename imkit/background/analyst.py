"""The analyst: an offline background model. A small deterministic planner over the notebook tools.

It is not a language model and says so: it finds what kind of work a request asks for, the names of real variables and
columns in it, chooses tools, and answers in a sentence. Where it is not sure which name is meant it asks back.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import about_notebook, about_tables, sliders
from .amend import amended
from .errand import Errand
from .intents import Kind, kind_of
from .match import mentions
from .names import AskBack, names_something
from .protocol import Answer, Desk, Task

WHAT_I_AM = "I am a small planner, not a language model"
WHAT_I_CAN = (
    "I can list your variables, describe, plot, filter and compare tables, look for missing values, outliers, trends "
    "and join keys, work out a sum, or look into the docs"
)
REMEMBER_TICKS = 150
_ORDINALS = (("first", "former", "1"), ("second", "latter", "2"), ("third", "3"), ("fourth", "4"))

_ERRANDS: Mapping[Kind, Callable[[Errand], Answer]] = {
    Kind.DESCRIBE: about_tables.describe,
    Kind.PLOT: about_tables.plot,
    Kind.STATISTIC: about_tables.statistic,
    Kind.COMPARE: about_tables.compare,
    Kind.CORRELATE: about_tables.correlate,
    Kind.COUNT: about_tables.count,
    Kind.FILTER: about_tables.some_rows,
    Kind.MISSING: about_tables.missing,
    Kind.OUTLIERS: about_tables.outliers,
    Kind.TREND: about_tables.trend,
    Kind.KEYS: about_notebook.keys,
    Kind.CHANGED: about_notebook.changed,
    Kind.DOCS: about_notebook.docs,
    Kind.COMPUTE: about_notebook.compute,
    Kind.ERROR: about_notebook.error,
    Kind.SEARCH: about_notebook.search,
}


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked back, and of which request."""

    tick: int
    kind: Kind
    text: str
    options: tuple[str, ...]
    settled: frozenset[str]


class Analyst:
    """Answers requests about the notebook's data by rule; for anything else it says what it can do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._question: _Question | None = None

    def answer(self, task: Task, desk: Desk) -> Answer:
        """Plans and carries out one task. Reads the notebook through the desk's tools only."""
        with self._lock:
            question, self._question = self._question, None
        text = task.typed or task.request
        if kind_of(text, task.topic) is Kind.DOCS:  # before anything is read, so that nothing read can steer a search
            return self._carry_out(Kind.DOCS, text, (), task, desk)
        listed = desk.tools["list_variables"]()
        desk.check()
        variables: list[Mapping[str, Any]] = listed["variables"]
        text, kind = _understood(_whole(task), variables)
        chosen = _choice(text, question, task.tick) if question is not None else ""
        if question is not None and chosen and (kind is None or kind is Kind.SEARCH or task.topic):
            return self._carry_out(question.kind, question.text, variables, task, desk, question.settled | {chosen})
        if kind is None:
            return Answer(f"I did not understand that. {WHAT_I_AM}. {WHAT_I_CAN}.", ok=False)
        if kind is Kind.LIST:
            return Answer(listed["text"], surface=listed["surface"])
        return self._carry_out(kind, text, variables, task, desk)

    def adjust(self, task: Task, action: Mapping[str, Any], desk: Desk) -> Answer:  # noqa: ARG002
        """Draws a chart anew whose slider a person moved."""
        try:
            return sliders.moved(Errand(Kind.PLOT, "", [], [], desk).use, action)
        except AskBack as unsure:
            return Answer(str(unsure), ok=False)

    def _carry_out(
        self,
        kind: Kind,
        text: str,
        variables: Any,
        task: Task,
        desk: Desk,
        settled: frozenset[str] = frozenset(),
    ) -> Answer:
        earlier = [line.text for line in reversed(task.conversation)]
        errand = Errand(kind, text, list(variables), earlier, desk, settled)
        try:
            return _ERRANDS[kind](errand)
        except AskBack as unsure:
            if unsure.options:
                with self._lock:
                    self._question = _Question(task.tick, kind, text, unsure.options, settled)
            return Answer(str(unsure), ok=False)


def _whole(task: Task) -> Task:
    """The task with a correction, typed or said, made whole from the person's lines before it."""
    lines = [line.text for line in reversed(task.conversation) if line.who != "model"]
    typed, heard = (
        amended(text, lines[lines.index(text) + 1 :] if text in lines else lines) if text else ""
        for text in (task.typed, task.request)
    )
    return replace(task, typed=typed, request=heard)


def _understood(task: Task, variables: list[Mapping[str, Any]]) -> tuple[str, Kind | None]:
    """What to read and what it asks for. Typed words hold real names; what was recognised may be all there is."""
    typed, heard = task.typed, task.request
    if typed and (not heard or names_something(typed, variables)):
        text, other = typed, heard
    elif heard and (not typed or names_something(heard, variables) or kind_of(heard) is not None):
        text, other = heard, typed
    else:
        text, other = typed or heard, ""
    kind = kind_of(text, task.topic)
    return text, kind if kind is not None else kind_of(other)


def _choice(text: str, question: _Question, tick: int) -> str:
    """Which of the options of a question the text chooses; "" for none."""
    if not 0 <= tick - question.tick <= REMEMBER_TICKS:
        return ""
    found = [one for one in mentions(text, question.options) if not one.rivals]
    if len(found) == 1:
        return found[0].name
    said = set(re.findall(r"\w+", text.lower()))
    for option, words in zip(question.options, _ORDINALS, strict=False):
        if said & set(words):
            return option
    return ""
