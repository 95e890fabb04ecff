"""Finding real names in what somebody said or typed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from .sound import sound_of

CLOSE_ENOUGH = 0.8
SHORT = 3
SOUNDS_ALIKE = 0.86
PART = 0.7
LEAST = 0.56
RIVAL = 0.06

_WORD = re.compile(r"[a-z]+|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that was meant: where it stands in the text, in words, and how sure that is (1.0 = exactly).

    rivals  other names that fit the same words about as well; none when the name was said exactly
    """

    name: str
    start: int
    end: int
    score: float
    rivals: tuple[str, ...] = ()


def words_of(text: str) -> list[str]:
    """Text or a variable name as small words: "maxTemp_2" -> ["max", "temp", "2"]."""
    return _WORD.findall(_CAMEL.sub(" ", text).lower())


def mentions(text: str, names: Iterable[str], skip: frozenset[str] = frozenset()) -> list[Mention]:
    """The names that the text mentions, in the order they stand in it; no two share a word.

    Names are compared as small words, spoken or spelled: "max temp", "maxtemp" and "max_temp" mean the same. Longer and
    surer matches win. A name is also found by how it sounds ("prize" for price), and by one of its words ("price" for
    unit_price), less surely. Words in ``skip`` match only a name that is spelled exactly so, and words of up to three
    letters only exactly or in the plural.
    """
    said = words_of(text)
    found: list[Mention] = []
    for name in dict.fromkeys(names):
        found += _places(said, name, skip)
    found.sort(key=lambda one: (-one.score, -(one.end - one.start), one.start))
    taken: set[int] = set()
    chosen: dict[str, Mention] = {}
    for one in found:
        if one.name not in chosen and taken.isdisjoint(range(one.start, one.end)):
            chosen[one.name] = one
            taken.update(range(one.start, one.end))
    kept = [_with_rivals(one, found, set(chosen)) for one in chosen.values()]
    return sorted(kept, key=lambda one: one.start)


def _places(said: list[str], name: str, skip: frozenset[str]) -> list[Mention]:
    spelled = words_of(name)
    wanted = "".join(spelled)
    found = []
    for length in range(1, len(spelled) + 2) if wanted else ():
        for start in range(len(said) - length + 1):
            part = said[start : start + length]
            score = _likeness("".join(part), wanted)
            if length == 1 and score < CLOSE_ENOUGH and len(spelled) > 1:
                score = max(score, _likeness_of_part(part[0], spelled))
            if score < 1.0 and (part[0] in skip or part[-1] in skip):
                continue
            if score >= LEAST:
                found.append(Mention(name, start, start + length, score))
    return found


def _with_rivals(one: Mention, found: list[Mention], chosen: set[str]) -> Mention:
    if one.score == 1.0:
        return one
    rivals = {
        other.name: None
        for other in found
        if other.name not in chosen
        and other.score >= one.score - RIVAL
        and other.start < one.end
        and one.start < other.end
    }
    return Mention(one.name, one.start, one.end, one.score, tuple(rivals))


@lru_cache(maxsize=16_384)
def _likeness(said: str, wanted: str) -> float:
    """How well one word fits another, 0 where it does not."""
    if said == wanted:
        return 1.0
    if min(len(said), len(wanted)) < SHORT:
        return 0.0
    if _singular(said) == _singular(wanted):
        return 0.97
    if max(len(said), len(wanted)) <= SHORT:
        return 0.0
    matcher = SequenceMatcher(None, said, wanted, autojunk=False)
    if matcher.real_quick_ratio() < 0.5 or matcher.quick_ratio() < 0.5:
        return 0.0
    ratio = matcher.ratio()
    if ratio >= 0.5 and wanted.isalpha() and sound_of(said) == sound_of(wanted):
        return max(SOUNDS_ALIKE, ratio)
    return ratio if ratio >= CLOSE_ENOUGH and min(len(said), len(wanted)) > SHORT else 0.0


def _singular(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") and len(word) > 4 else word.removesuffix("s")


def _likeness_of_part(word: str, spelled: list[str]) -> float:
    """How well one word stands for a name that has it among others: 0.7 to 0.8, by its share of the letters."""
    if len(word) < SHORT:
        return 0.0
    best, inside = max((_likeness(word, one), len(one)) for one in spelled)
    return best * (PART + 0.1 * inside / sum(map(len, spelled))) if best >= CLOSE_ENOUGH else 0.0
