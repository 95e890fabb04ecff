"""What the analyst does when it is asked about one table: which tools, in which order, and what it says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Final

from .conditions import Condition
from .errand import Errand, grouped_by, one_number, peek, short, told, x_first
from .intents import GROUPED, statistic_of
from .names import AskBack
from .numerals import with_digits
from .protocol import Answer
from .sliders import chart_with_slider, without_slider

_ROWS: Final = re.compile(r"\b(?:where|only)\b", re.IGNORECASE)


def describe(errand: Errand) -> Answer:
    """One table, or one column of it."""
    about, aside = errand.table()
    name = str(about["name"])
    found = errand.columns(about)
    if len(found) == 1 and "summarize_column" in errand.desk.tools:
        return told(errand.use("summarize_column", name=name, column=found[0].name), aside)
    return told(errand.use("describe_frame", name=name), aside)


def plot(errand: Errand) -> Answer:
    """The columns that are meant, x first; of all rows, of those where a condition holds, or with a slider."""
    about, aside = errand.table()
    name = str(about["name"])
    request, along = without_slider(errand.text)
    some = _ROWS.search(request)
    named = replace(errand, text=request[: some.start()] if some else request).columns(about)
    columns = x_first(request, named)
    if re.search(r"\b(?:over|through|in) time\b|\bby (?:day|date|month)\b", errand.text.lower()):
        times = [column for column, kind in errand.kinds(about).items() if kind == "time"]
        columns = [*times[:1], *(column for column in columns if column not in times[:1])]
    if along:
        drawn = chart_with_slider(errand.use, about, columns, along, errand.kinds(about))
        return replace(drawn, text=drawn.text + aside)
    condition = replace(errand, text=request[some.start() :]).condition(about) if some else None
    where = {} if condition is None else {"column": condition.column, "op": condition.op, "value": condition.value}
    return told(errand.use("plot_columns", name=name, columns=columns, **where), aside)


def statistic(errand: Errand) -> Answer:
    """One number of one column, over all rows or those where a condition holds."""
    about, aside = errand.table()
    name = str(about["name"])
    how = statistic_of(errand.text)
    condition = errand.condition(about) if "column_kinds" in errand.desk.tools else None
    found = [one.name for one in errand.columns(about) if condition is None or one.name != condition.column]
    if not found and condition is not None and not isinstance(condition.value, str):
        found = [condition.column]
    if not found:
        raise AskBack(f"The {how} of which column of {name}?")
    if condition is not None and how in ("mean", "median", "sum", "max", "min", "std"):
        value = json.dumps(condition.value)
        rows = f"{name}[{json.dumps(condition.column)}] {condition.op} {value}"
        worked_out = errand.use("evaluate", expression=f"{how}({name}[{json.dumps(found[0])}][{rows}])")
        number = re.search(r" is (-?[\d.,e+-]+)\.$", str(worked_out["text"]))
        if number is None:
            return told(worked_out, aside)
        return Answer(f"The {how} of {found[0]} where {condition.words} is {short(float(number[1]))}.{aside}")
    about_it = errand.use("summarize_column", name=name, column=found[0])
    numbers = about_it["numbers"]
    if how == "distinct":
        return told(
            about_it | {"text": f"There are {numbers['distinct']} different values of {found[0]} in {name}."}, aside
        )
    if how not in numbers:
        return told(about_it, aside)
    value = numbers[how] if isinstance(numbers[how], str) else short(numbers[how])
    of = "most common value" if how == "most common" else how
    return told(about_it | {"text": f"The {of} of {found[0]} in {name} is {value}."}, aside)


def compare(errand: Errand) -> Answer:
    """A number between groups."""
    about, aside = errand.table()
    name = str(about["name"])
    kinds = errand.kinds(about)
    found = errand.columns(about)
    by = grouped_by(errand.text, found, kinds)
    numbers = [one.name for one in found if one.name != by and kinds.get(one.name) == "number"]
    if by is None:
        words = [column for column, kind in kinds.items() if kind == "category"]
        if len(words) != 1:
            of = numbers[0] if numbers else "the groups"
            choice = f", {' or '.join(words[:4])}" if words else ""
            raise AskBack(f"Compare {of} of {name} by which column{choice}?")
        by = words[0]
        aside += f" I took the groups of {by}."
    if not numbers:
        known = [column for column, kind in kinds.items() if kind == "number" and column != by]
        if len(known) != 1:
            raise AskBack(f"Compare which numbers between the groups of {by}, {' or '.join(known[:4])}?")
        numbers = known
    how = statistic_of(errand.text)
    if how in ("sum", "median", "std"):
        return told(errand.use("aggregate_table", name=name, by=[by], column=numbers[0], how=how), aside)
    return told(errand.use("compare_groups", name=name, column=numbers[0], by=by), aside)


def count(errand: Errand) -> Answer:
    """Rows, rows a group, rows where a condition holds, different values, or things in the notebook."""
    said = errand.text.lower()
    if re.search(r"\b(?:how many|number of|count(?: the)?) (?:variables|tables|data ?frames)\b", said):
        return told(errand.use("list_variables"), "")
    about, aside = errand.table()
    name = str(about["name"])
    found = errand.columns(about)
    if re.search(r"\b(?:how many|number of|count(?: the)?) (?:columns)\b", said):
        return Answer(f"{name} has {len(about['columns'])} columns.{aside}")
    if re.search(r"\b(?:different|distinct|unique)\b", said) and found:
        return statistic(errand)
    if found and re.search(rf"\b{GROUPED}\b", said):
        return told(errand.use("aggregate_table", name=name, by=[found[-1].name], how="count"), aside)
    condition = errand.condition(about)
    if condition is not None:
        return told(peek(errand, name, condition, "first", 5), aside)
    kinds = errand.kinds(about) if found else {}
    words = [one.name for one in found if kinds.get(one.name) == "category"]
    if words and not re.search(r"\brows\b", said):
        about_it = errand.use("summarize_column", name=name, column=words[0])
        distinct = about_it["numbers"]["distinct"]
        return told(about_it | {"text": f"There are {distinct} different values of {words[0]} in {name}."}, aside)
    return Answer(f"{name} has {about['rows']} row{'' if about['rows'] == 1 else 's'}.{aside}")


def some_rows(errand: Errand) -> Answer:
    """Some rows, all or those where a condition holds."""
    about, aside = errand.table()
    said = with_digits(errand.text).lower()
    which = "last" if re.search(r"\b(?:last|tail|end)\b", said) else "first"
    which = "sample" if re.search(r"\b(?:sample|random)\b", said) else which
    wanted = re.search(
        r"\b(?:first|last|top|sample(?: of)?|show(?: me)?|random)\s+(\d+)\b|\b(\d+)\s+(?:random )?rows\b", said
    )
    rows = int(next(group for group in wanted.groups() if group)) if wanted else 5
    condition = errand.condition(about)
    return told(peek(errand, str(about["name"]), condition, which, rows), aside)


def correlate(errand: Errand) -> Answer:
    """Between the columns that are meant, else between all columns of numbers."""
    about, aside = errand.table()
    columns = [one.name for one in errand.columns(about)]
    kinds = errand.kinds(about)
    if len(columns) == 2 and sorted(kinds[column] for column in columns) == ["category", "number"]:
        number, by = sorted(columns, key=lambda column: kinds[column] != "number")
        return told(errand.use("compare_groups", name=str(about["name"]), column=number, by=by), aside)
    given = columns if len(columns) > 1 else None
    value = errand.use("correlate_columns", name=str(about["name"]), columns=given)
    if len(columns) == 1:
        pairs = [pair for pair in value["numbers"]["pairs"] if columns[0] in pair[:2]]
        if pairs:
            other = next(name for name in pairs[0][:2] if name != columns[0])
            value["text"] = f"{columns[0]} goes most with {other}, with a correlation of {pairs[0][2]:.2f}."
    return told(value, aside)


def missing(errand: Errand) -> Answer:
    """Missing values of a table, or of the column that is meant."""
    about, aside = errand.table()
    name = str(about["name"])
    found = errand.columns(about)
    if re.search(r"\b(?:show|rows)\b", errand.text.lower()) and found:
        return told(peek(errand, name, Condition(found[0].name, "missing", None), "first", 5), aside)
    value = errand.use("count_missing", name=name)
    if found:
        counted = value["numbers"]["missing"].get(found[0].name, 0)
        how_many = "Nothing is" if not counted else f"{counted} value{' is' if counted == 1 else 's are'}"
        value = value | {"text": f"{how_many} missing in {found[0].name} of {name}."}
    return told(value, aside)


def outliers(errand: Errand) -> Answer:
    """Outliers of the column that is meant, else of the only column of numbers."""
    about, aside = errand.table()
    column = one_number(errand, about, "Outliers of")
    return told(errand.use("find_outliers", name=str(about["name"]), column=column), aside)


def trend(errand: Errand) -> Answer:
    """The trend of a column along the column that is meant, else along the only column of times, else the rows."""
    about, aside = errand.table()
    kinds = errand.kinds(about)
    in_order = x_first(errand.text, errand.columns(about))
    times = [column for column, kind in kinds.items() if kind == "time"]
    along = next((column for column in in_order if column in times), None)
    if along is None and len(in_order) > 1 and kinds.get(in_order[0]) == "number":
        along = in_order[0]
    if along is None and len(times) == 1:
        along = times[0]
    numbers = [column for column in in_order if column != along and kinds.get(column) == "number"]
    column = numbers[0] if numbers else one_number(errand, about, "The trend of", besides=along)
    return told(errand.use("find_trend", name=str(about["name"]), column=column, along=along), aside)
