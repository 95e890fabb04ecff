"""What kind of work a request asks for, from its words."""

from __future__ import annotations

import re
from enum import StrEnum

from .numerals import sum_in


class Kind(StrEnum):
    """Kinds of work that the analyst knows."""

    LIST = "list"
    DESCRIBE = "describe"
    PLOT = "plot"
    STATISTIC = "statistic"
    COMPARE = "compare"
    CORRELATE = "correlate"
    COUNT = "count"
    FILTER = "filter"
    MISSING = "missing"
    OUTLIERS = "outliers"
    TREND = "trend"
    KEYS = "keys"
    CHANGED = "changed"
    DOCS = "docs"
    COMPUTE = "compute"
    ERROR = "error"
    SEARCH = "search"


STATISTICS = {
    "mean": r"mean|average|averages|typical",
    "median": r"medians?",
    "sum": r"sum|total|totals|altogether",
    "max": r"max|maximum|maxima|highest|largest|biggest|greatest|most expensive|top",
    "min": r"min|minimum|minima|lowest|smallest|least|cheapest",
    "std": r"standard deviation|std|spread|variation",
    "distinct": r"unique|distinct|different",
    "most common": r"most common|most frequent|mode",
}
GROUPED = r"(?:by|per|for each|for every|in each|across|between|among)"
COMPARATORS = (
    (r"(?:greater|bigger|higher|larger|more) than or equal to|at least|no(?:t)? (?:less|fewer) than|>=", ">="),
    (r"(?:less|lower|smaller|fewer) than or equal to|at most|no(?:t)? more than|up to|<=", "<="),
    (r"(?:greater|bigger|higher|larger|more|older|longer|later) than|over|above|exceed(?:s|ing)?|beyond|>", ">"),
    (r"(?:less|lower|smaller|fewer|younger|shorter|earlier) than|under|below|<", "<"),
    (r"is not(?: equal to)?|isn't|are not|does not equal|other than|!=", "!="),
    (r"equals?(?: to)?|is equal to|is exactly|==?|is|are|was", "=="),
)
_NUMBER = r"-?\d[\d,]*(?:\.\d+)?"
COMPARED = tuple(
    (re.compile(rf"(?:(?<=\s)|(?<=\w)|^)(?:{words})\s*({_NUMBER})(?!-\d)"), op) for words, op in COMPARATORS
)

_PATTERNS: tuple[tuple[Kind, str], ...] = (
    (Kind.DOCS, r"\b(?:docs?|documentation|docstrings?|manual|api reference)\b"),
    (Kind.ERROR, r"\b(?:last error|error message|traceback|exception|went wrong|(?:cell|it|that) fail(?:ed|s)?)\b"),
    (Kind.CHANGED, r"\bchange[ds]?\b|\bdifferent (?:from|than) before\b|\bwhat(?:'s| is) new\b"),
    (Kind.KEYS, r"\b(?:join|joined|joins|merge|merged|foreign keys?|join keys?|common keys?|key columns?)\b"),
    (Kind.MISSING, r"\b(?:missing|nulls?|nans?|incomplete|blanks?|empty (?:values?|cells?)|holes)\b"),
    (Kind.OUTLIERS, r"\b(?:out ?li(?:ers?|ars?)|anomal\w+|extreme values?|stands? out|unusual|odd values?)\b"),
    (Kind.CORRELATE, r"\b(?:correlat\w+|co related?|relat(?:ed|es?|ion\w*)|depends? on|go(?:es)? together)\b"),
    (Kind.TREND, r"\b(?:trends?|rising|falling|growing|declining|increasing|decreasing|going (?:up|down))\b"),
    (Kind.TREND, r"\b(?:does|do|did|is|are)\b.*\b(?:rise|fall|grow|decline|increase|decrease)\b"),
    (Kind.PLOT, r"\b(?:plots?|plotted|draw|charts?|graph|histogram|scatter|visuali[sz]e|figure|diagram|slider)\b"),
    (Kind.COMPARE, r"\b(?:compare\w*|comparison|differ|difference|group(?:ed)? by)\b"),
    (Kind.COMPARE, r"\b(?:which|what) (?:\w+ ){1,3}?(?:has|have|had|is|are|with) the (?:highest|lowest|most|least)\b"),
    (Kind.COMPARE, r"\b(?:which|what) (?:\w+ ){1,3}?(?:has|have|had|is|are|with) the (?:largest|biggest|smallest)\b"),
    (Kind.COUNT, r"\bhow many\b|\bcount\b|\bnumber of\b"),
    (Kind.COMPARE, rf"\b(?:{'|'.join(STATISTICS.values())})\b.*\b{GROUPED}\b"),
    (Kind.STATISTIC, rf"\b(?:{'|'.join(STATISTICS.values())})\b"),
    (Kind.FILTER, r"\b(?:filter|rows?|lines|records|entries|head|tail|sample)\b"),
    (Kind.FILTER, r"\bonly\b|\bwhere .*(?:is|are|=|<|>|over|under|above|below|than)\b"),
    (Kind.LIST, r"\b(?:list|variables|names|(?:what|which) (?:tables|data ?frames|frames|data)|tables do i have)\b"),
    (Kind.DESCRIBE, r"\b(?:describe|summary|summari[sz]e|about|statistics|stats|overview|look like|what is in)\b"),
)  # fmt: skip
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _PATTERNS)
_COMPUTE = re.compile(r"^\s*(?:please )?(?:compute|calculate|evaluate|work out)\b")
_SEARCH = re.compile(r"\b(?:search|find|look|where|which)\b")
_ELSEWHERE = re.compile(r"\b(?:web|internet|online|website|web ?page|google|wikipedia|news|browse|url)\b|https?://")
_EXPRESSION = re.compile(r"^\s*[\w.\s\[\]\"'()+\-*/%<>=,&|]+$")
_GENERAL = frozenset({Kind.LIST, Kind.DESCRIBE, Kind.SEARCH, Kind.PLOT})


def kind_of(text: str, topic: str = "") -> Kind | None:
    """The kind of work that a text asks for; None when its words do not say.

    ``topic`` is what the interaction model took it for: it decides where the words say nothing more particular.
    """
    found = _by_words(text)
    if topic not in set(Kind):
        return found
    given = Kind(topic)
    if found is None or given not in _GENERAL or given is Kind.PLOT:
        return given
    return given if found in _GENERAL else found


def topic_of(text: str) -> str:
    """The topic that a text has by its words: plot, describe, list, or search for all other work; "" for none."""
    kind = kind_of(text)
    if kind is None:
        return ""
    return str(kind) if kind in _GENERAL else str(Kind.SEARCH)


def about_data(text: str, topic: str = "") -> bool:
    """Whether a request is surely about the notebook's data: its words ask for such work, and not for the web."""
    return kind_of(text, topic) not in (None, Kind.DOCS, Kind.SEARCH) and not _ELSEWHERE.search(text.lower())


def _by_words(text: str) -> Kind | None:
    said = text.lower()
    if expression_in(text):
        return Kind.COMPUTE
    for kind, pattern in _COMPILED:
        if pattern.search(said):
            return kind
    if sum_in(text):
        return Kind.COMPUTE
    return Kind.SEARCH if _SEARCH.search(said) else None


def expression_in(text: str) -> str:
    """An expression that was typed as one, "" where none was: after "compute", or a text that has calls or indexes."""
    after = _COMPUTE.sub("", text).strip().rstrip("?.!")
    asked = after != text.strip().rstrip("?.!")
    typed = bool(re.search(r"\w\(.*\)|\w\[.*\]", after)) and bool(_EXPRESSION.match(after))
    if typed:
        return after
    return (sum_in(after) or after) if asked and re.search(r"[-+*/]|\d", sum_in(after) or after) else ""


def statistic_of(text: str) -> str:
    """Which statistic a text names first, "" for none."""
    said = text.lower()
    places = [
        (match.start(), -len(match[0]), name)
        for name, words in STATISTICS.items()
        if (match := re.search(rf"\b(?:{words})\b", said))
    ]
    return min(places)[2] if places else ""
