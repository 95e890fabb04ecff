"""Which table and which columns of it a request means; asks back when that is not sure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .match import Mention, mentions, words_of

_FILLER_WORDS = """
a about above across after all altogether an and any are as at average averages be before below between bigger biggest
by can cell chart column columns common compare compared comparison compute correlate correlated correlation could
count data dataframe describe deviation did differ difference different distinct do does docs documentation draw each
entries error every falling find first for frame frequent from get give graph greater group grouped growing has have
head highest his histogram hold how i if in is it its join joined key keys last least less line lines list look
lowest make many max maximum me mean means median merge min minimum missing more most my new null number of off on one
only or our out outlier outliers over per percent please plot related relation rises rising row rows sample scatter
search see show smallest some sort spread standard statistics sum summarize summary table tables tail tell than that
the them there these this those time to top total trend trends typical under unique use value values variable
variables versus vs was were what when where which will with would you your
"""
FILLER = frozenset(_FILLER_WORDS.split())

About = Mapping[str, Any]


class AskBack(Exception):
    """The request cannot be carried out as it is. The message asks for what is missing, in words.

    options  the names to choose between, where it is a choice
    """

    def __init__(self, words: str, options: tuple[str, ...] = ()) -> None:
        super().__init__(words)
        self.options = options


def names_something(text: str, variables: Iterable[About]) -> bool:
    """Whether the text names a variable or column."""
    names = [str(about["name"]) for about in variables]
    for about in variables:
        names += map(str, about.get("columns", ()))
    return bool(mentions(text, names, FILLER))


def choose_table(text: str, tables: list[About], earlier: Iterable[str], settled: frozenset[str]) -> tuple[About, str]:
    """The table that is meant, and an aside where the text does not say so.

    By its name, else by its columns, else the one that was spoken of last (``earlier``, newest first), else the newest.
    Raises AskBack when two are equally likely.
    """
    by_name = {str(about["name"]): about for about in tables}
    named = mentions(text, by_name, FILLER)
    if named:
        return by_name[_sure(max(named, key=lambda one: one.score), settled, set(by_name))], ""
    scores = {name: _fit(text, about) for name, about in by_name.items()}
    best = max(scores.values())
    likely = [name for name, score in scores.items() if score > 0 and score >= best - 0.05]
    likely = [name for name in likely if name in settled] or likely
    spoken_of = next((name for line in earlier for name in _names(line, by_name) if name in (likely or by_name)), None)
    if len(likely) == 1:
        return by_name[likely[0]], ""
    if spoken_of is not None:
        return by_name[spoken_of], f" I took {spoken_of}, which we spoke of."
    if likely:
        raise AskBack(f"Do you mean {_or(likely)}? They have the same columns.", tuple(likely))
    newest = str(tables[-1]["name"])
    aside = "" if len(tables) == 1 else f" You did not name a table, so I took the newest, {newest}."
    return tables[-1], aside


def find_columns(text: str, about: About, settled: frozenset[str] = frozenset()) -> list[Mention]:
    """The columns of a table that are meant, in the order of the text. Raises AskBack when one is not sure."""
    columns = [str(column) for column in about["columns"]]
    found = [one for one in mentions(text, [str(about["name"]), *columns], FILLER) if one.name in columns]
    said = words_of(text)
    plain = [one for one in found if not all(word in FILLER for word in said[one.start : one.end])]
    if not found:  # what was chosen when asked back need not stand in the text
        return [Mention(name, 0, 0, 1.0) for name in columns if name in settled]
    found = plain or found  # "the total price" means the price, also where there is a column named total
    return [Mention(_sure(one, settled, set(columns)), one.start, one.end, one.score) for one in found]


def find_names(text: str, names: Iterable[str], settled: frozenset[str] = frozenset()) -> list[str]:
    """Those of the names that are meant. Raises AskBack when one is not sure."""
    names = list(names)
    return [_sure(one, settled, set(names)) for one in mentions(text, names, FILLER)]


def _sure(one: Mention, settled: frozenset[str], allowed: set[str]) -> str:
    options = [name for name in (one.name, *one.rivals) if name in allowed]
    chosen = next((name for name in options if name in settled), None)
    if chosen is not None:
        return chosen
    if len(options) > 1:
        raise AskBack(f"Do you mean {_or(options[:4])}?", tuple(options))
    return one.name


def _fit(text: str, about: About) -> float:
    return sum(one.score for one in mentions(text, map(str, about["columns"]), FILLER))


def _names(line: str, names: Iterable[str]) -> list[str]:
    return [one.name for one in mentions(line, names, FILLER)]


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
