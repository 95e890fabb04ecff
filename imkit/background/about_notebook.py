"""What the analyst does when it is asked about the notebook, beyond one table."""

from __future__ import annotations

from .errand import Errand, told
from .intents import expression_in
from .match import mentions, words_of
from .names import FILLER, AskBack, find_names
from .numerals import sum_in
from .protocol import Answer

PACKAGES = """
pandas polars numpy scipy matplotlib plotly seaborn sklearn statsmodels torch transformers xarray narwhals pyarrow
ipywidgets imkit
""".split()
_SPOKEN_PACKAGES = {"num pie": "numpy", "scikit learn": "sklearn", "pie torch": "torch", "mat plot lib": "matplotlib"}
_ASKING = frozenset(
    "a about an api can do doc docs documentation does find for get how i in is it its look manual me of on one or our "
    "please reference search see show tell that the there this to up use what where which with work works you".split()
)


def keys(errand: Errand) -> Answer:
    """Columns by which two tables can be joined."""
    tables = [str(about["name"]) for about in errand.variables if "columns" in about]
    named = find_names(errand.text, tables, errand.settled)
    if len(named) < 2 and len(tables) == 2:
        named = tables
    if len(named) < 2:
        have = f"there {'is' if len(tables) == 1 else 'are'} {', '.join(tables[-6:]) or 'no table'}"
        raise AskBack(f"Which two tables shall I join? In this notebook {have}.")
    return told(errand.use("find_keys", left=named[0], right=named[1]), "")


def changed(errand: Errand) -> Answer:
    """What is different about a variable."""
    names = [str(about["name"]) for about in errand.variables]
    named = find_names(errand.text, names, errand.settled)
    if not named and not names:
        raise AskBack("There are no variables in this notebook yet.")
    if not named:
        named = [name for line in errand.earlier for name in find_names(line, names, frozenset(names))][:1]
    name = named[0] if named else names[-1]
    aside = "" if named or len(names) == 1 else f" You did not name a variable, so I took the newest, {name}."
    return told(errand.use("what_changed", name=name), aside)


def docs(errand: Errand) -> Answer:
    """A search in the documentation of one package."""
    said = errand.text.lower()
    for spoken, name in _SPOKEN_PACKAGES.items():
        said = said.replace(spoken, name)
    found = mentions(said, PACKAGES)
    if not found:
        raise AskBack("In the documentation of which package shall I look?")
    package = max(found, key=lambda one: one.score)
    words = words_of(said)
    asked = [word for place, word in enumerate(words) if not package.start <= place < package.end]
    query = " ".join(word for word in asked if word not in _ASKING)
    if not query:
        raise AskBack(f"What shall I look for in the documentation of {package.name}?")
    return told(errand.use("search_docs", package=package.name, query=query), "")


def compute(errand: Errand) -> Answer:
    """An expression, typed or in words."""
    expression = expression_in(errand.text) or sum_in(errand.text)
    if not expression:
        raise AskBack("Which expression shall I work out?")
    return told(errand.use("evaluate", expression=expression), "")


def error(errand: Errand) -> Answer:
    """The last error of the notebook."""
    return told(errand.use("last_error"), "")


def search(errand: Errand) -> Answer:
    """Names in the notebook."""
    variables = errand.variables
    names = {str(about["name"]): "a variable" for about in variables}
    for about in variables:
        for column in about.get("columns", ()):
            names.setdefault(str(column), f"a column of {about['name']}")
    found = mentions(errand.text, names, FILLER)
    if found:
        places = "; ".join(f"{one.name} is {names[one.name]}" for one in found[:4])
        return Answer(f"I looked through the names in this notebook: {places}.")
    wanted = " ".join(word for word in words_of(errand.text) if word not in FILLER)
    like = f" like {wanted[:60]}" if wanted else " to look for"
    text = f"I found no name{like} among {len(variables)} variables. I only search this notebook, not the web."
    return Answer(text, ok=False)
