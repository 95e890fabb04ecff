"""Finding real names in what somebody said or typed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

CLOSE_ENOUGH = 0.8
SHORT = 3

_WORD = re.compile(r"[a-z]+|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that was meant: where it stands in the text, in words, and how sure that is (1.0 = exactly)."""

    name: str
    start: int
    end: int
    score: float


def words_of(text: str) -> list[str]:
    """Text or a variable name as small words: "maxTemp_2" -> ["max", "temp", "2"]."""
    return _WORD.findall(_CAMEL.sub(" ", text).lower())


def mentions(text: str, names: Iterable[str], skip: frozenset[str] = frozenset()) -> list[Mention]:
    """The names that the text mentions, in the order they stand in it; no two share a word.

    Names are compared as small words, spoken or spelled: "max temp", "maxtemp" and "max_temp" mean the same. Longer and
    surer matches win. Words in ``skip`` match only a name that is spelled exactly so, and words of up to three
    letters only exactly or in the plural.
    """
    said = words_of(text)
    found: list[Mention] = []
    for name in dict.fromkeys(names):
        spelled = words_of(name)
        wanted = "".join(spelled)
        if not wanted:
            continue
        for length in range(1, len(spelled) + 2):
            for start in range(len(said) - length + 1):
                part = said[start : start + length]
                score = _likeness("".join(part), wanted)
                if score < 1.0 and (all(word in skip for word in part) or part[0] in skip or part[-1] in skip):
                    continue
                if score >= CLOSE_ENOUGH:
                    found.append(Mention(name, start, start + length, score))
    found.sort(key=lambda one: (-one.score, -(one.end - one.start), one.start))
    taken: set[int] = set()
    chosen: dict[str, Mention] = {}
    for one in found:
        if one.name not in chosen and taken.isdisjoint(range(one.start, one.end)):
            chosen[one.name] = one
            taken.update(range(one.start, one.end))
    return sorted(chosen.values(), key=lambda one: one.start)


def _likeness(said: str, wanted: str) -> float:
    if said == wanted:
        return 1.0
    if min(len(said), len(wanted)) >= SHORT and (said.removesuffix("s") == wanted or wanted.removesuffix("s") == said):
        return 0.97
    if min(len(said), len(wanted)) <= SHORT:
        return 0.0
    matcher = SequenceMatcher(None, said, wanted, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= CLOSE_ENOUGH else 0.0
