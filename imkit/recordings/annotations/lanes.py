"""Lanes of labelled intervals, however they were written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imkit.measures import Interval, Talk, units_by_words
from imkit.stream import ImkitError, Word


class AnnotationError(ImkitError):
    """An annotation file is not what it should be. Names the line or the element."""


@dataclass(frozen=True, slots=True)
class Annotations(Mapping[str, tuple[Interval, ...]]):
    """Lane name -> intervals in order of their start. Instants have a start that is their end.

    start_s, end_s  what the file says it covers; without a word about it, from 0 to the last end
    """

    lanes: dict[str, tuple[Interval, ...]]
    start_s: float = 0.0
    end_s: float = 0.0

    def __getitem__(self, name: str) -> tuple[Interval, ...]:
        try:
            return self.lanes[name]
        except KeyError:
            raise KeyError(f"no lane {name!r}; there are {', '.join(map(repr, self.lanes)) or 'none'}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.lanes)

    def __len__(self) -> int:
        return len(self.lanes)

    def words(self, name: str) -> list[Word]:
        """A lane as words, one a label; what has no label is left out."""
        return [Word(one.label, one.start_s, one.end_s) for one in self[name] if one.label.strip()]

    def talk(self, user: str, model: str) -> Talk:
        """Two lanes as two talkers, to measure: their labelled intervals joined over silences up to 200 ms."""
        sides = units_by_words(self.words(user)), units_by_words(self.words(model))
        units = (*sides[0], *sides[1])
        start_s = min([self.start_s, *(unit.start_s for unit in units)])
        return Talk(*sides, start_s, max([self.end_s, *(unit.end_s for unit in units)]))


def in_order(lanes: Mapping[str, list[Interval]], start_s: float = 0.0, end_s: float | None = None) -> Annotations:
    """Annotations with their intervals in order."""
    ordered = {name: tuple(sorted(each, key=lambda one: (one.start_s, one.end_s))) for name, each in lanes.items()}
    last_s = max((one.end_s for each in ordered.values() for one in each), default=start_s)
    return Annotations(ordered, start_s, max(last_s, start_s) if end_s is None else end_s)


def unique(name: str, taken: Mapping[str, object]) -> str:
    """``name``, or with a number after it when there is such a lane already."""
    number, fresh = 2, name
    while fresh in taken:
        fresh = f"{name} ({number})"
        number += 1
    return fresh
