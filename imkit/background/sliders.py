"""A chart with a slider: drawn from the rows that the slider lets through, and drawn anew whenever it is moved.

The panel's data says what it shows, so nothing of it is kept here: what a person does brings all that is needed back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .names import About, AskBack, find_columns
from .protocol import Answer

_SLIDER = re.compile(
    r"[\s,;]*\b(?:(?:with|and|using|add|plus)\s+)?(?:a |an |the )?sliders?\s+"
    r"(?:for|on|over|by|of|along)\s+(?:the )?(.+)$",
    re.IGNORECASE,
)
MOST_STEPS = 60
SMOOTH_STEPS = 50

Use = Callable[..., dict[str, Any]]


def without_slider(text: str) -> tuple[str, str]:
    """A request without the slider that it asks for, and the words for what the slider moves along; "" for none."""
    found = _SLIDER.search(text)
    return (text[: found.start()], found[1]) if found else (text, "")


def chart_with_slider(use: Use, about: About, columns: list[str], along: str, kinds: Mapping[str, str]) -> Answer:
    """A panel with a slider over one column of numbers, at its highest value, and the chart of the rows there.

    A column of few whole numbers at even distances is stepped through, value by value; of any other the slider lets
    everything up to its value through. Raises AskBack where ``along`` names no column of numbers.
    """
    name = str(about["name"])
    named = [one.name for one in find_columns(along, about) if kinds.get(one.name) == "number"]
    if not named:
        numbers = [column for column, kind in kinds.items() if kind == "number"]
        raise AskBack(f"A slider moves along a column of numbers; {name} has {', '.join(numbers[:6]) or 'none'}.")
    column = named[0]
    numbers = use("summarize_column", name=name, column=column)["numbers"]
    low, high, distinct = numbers["min"], numbers["max"], numbers["distinct"]
    if not low < high:
        raise AskBack(f"Every {column} in {name} is {low:g}; there is nothing to slide along.")
    step = (high - low) / (distinct - 1)
    stepped = distinct <= MOST_STEPS and step.is_integer() and float(low).is_integer()
    step = step if stepped else (high - low) / SMOOTH_STEPS
    low, high, step = (int(one) if float(one).is_integer() else one for one in (low, high, step))
    data: dict[str, Any] = {"table": name, "columns": [one for one in columns if one != column], "column": column}
    data |= {"op": "==" if stepped else "<=", "low": low, "high": high, "step": step, "at": high}
    return _panel(use, data)


def moved(use: Use, action: Mapping[str, Any]) -> Answer:
    """The same panel with its chart drawn anew, after a person moved the slider. Raises AskBack for another panel."""
    values = action.get("values")
    wanted = {"table", "columns", "column", "op", "low", "high", "step", "at"}
    if not isinstance(values, Mapping) or not wanted <= set(values):
        raise AskBack("I do not know that control.")
    drawn = _panel(use, {key: values[key] for key in wanted})
    return Answer("", surface={"id": str(action.get("surface", "")), **(drawn.surface or {})})


def _panel(use: Use, data: Mapping[str, Any]) -> Answer:
    plotted = use(
        "plot_columns",
        name=data["table"],
        columns=data["columns"],
        column=data["column"],
        op=data["op"],
        value=data["at"],
    )
    chart = plotted["surface"]
    scale = {"min": data["low"], "max": data["high"], "step": data["step"], "value": {"$": "at"}}
    lines = [
        ["root", "column", {}, ["pick", "chart"]],
        ["pick", "slider", {"label": data["column"], "action": "filter", **scale}],
        ["chart", "chart", dict(chart["spec"])],
    ]
    surface = {"title": chart["title"], "components": lines, "data": dict(data)}
    return Answer(str(plotted["text"]), surface=surface)
