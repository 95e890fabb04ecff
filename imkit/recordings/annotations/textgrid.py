"""Praat TextGrid, in the long and the short text form.

Praat reads a text file as free-standing numbers, quoted strings and <flags>; all other text, and what follows "!", is
for the reader's eye (Praat manual, "TextGrid file formats").
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from imkit.measures import Interval

from .lanes import AnnotationError, Annotations, in_order, unique

MAX_TIERS = 1_000
_TOKEN = re.compile(r'"(?:[^"]|"")*"|<[a-z]+>|![^\n]*|[^\s"<!]+|["<]')
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?%?")


def parse(text: str) -> Annotations:
    """TextGrid text as lanes. Intervals without a label are the gaps between annotations, and left out."""
    tokens = _Tokens(text)
    if tokens.string("the file type") != "ooTextFile" or tokens.string("the object class") != "TextGrid":
        raise AnnotationError('line 1: is no TextGrid; expected File type = "ooTextFile", Object class = "TextGrid"')
    start_s, end_s = tokens.number("xmin"), tokens.number("xmax")
    if tokens.flag() != "<exists>":
        return Annotations({}, start_s, end_s)
    lanes: dict[str, list[Interval]] = {}
    for _ in range(tokens.count("the number of tiers", MAX_TIERS)):
        kind, name = tokens.string("a tier's class"), tokens.string("a tier's name")
        if kind not in ("IntervalTier", "TextTier"):
            raise tokens.wrong(f"a tier of class {kind!r}, expected IntervalTier or TextTier")
        tokens.number("the tier's xmin"), tokens.number("the tier's xmax")
        lane: list[Interval] = []
        for _ in range(tokens.count("the number of intervals", len(text))):
            begin_s = tokens.number("a time")
            until_s = tokens.number("an interval's xmax") if kind == "IntervalTier" else begin_s
            if until_s < begin_s:
                raise tokens.wrong(f"an interval from {begin_s:g} to {until_s:g} s, which ends before it starts")
            label = tokens.string("a label")
            if label.strip() or kind == "TextTier":
                lane.append(Interval(begin_s, until_s, label))
        lanes[unique(name, lanes)] = lane
    return in_order(lanes, start_s, end_s)


class _Tokens:
    """The strings, numbers and flags of a file, with the line that each is on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._tokens = self._scan()

    def _scan(self) -> Iterator[str]:
        for match in _TOKEN.finditer(self._text):
            token = match.group()
            if token[0] == '"' or _NUMBER.fullmatch(token) or token.startswith("<"):
                self._place = match.start()
                if token in ('"', "<"):
                    raise self.wrong('a quote or "<" that is never closed')
                yield token

    def _next(self, wanted: str) -> str:
        token = next(self._tokens, None)
        if token is None:
            self._place = len(self._text)
            raise self.wrong(f"the file ends where {wanted} is expected")
        return token

    def string(self, wanted: str) -> str:
        token = self._next(wanted)
        if token[0] != '"':
            raise self.wrong(f"{token[:40]} where {wanted} is expected, in quotes")
        return token[1:-1].replace('""', '"')

    def number(self, wanted: str) -> float:
        token = self._next(wanted)
        if not _NUMBER.fullmatch(token) or not math.isfinite(value := float(token.rstrip("%"))):
            raise self.wrong(f"{token[:40]} where {wanted} is expected, a number")
        return value

    def count(self, wanted: str, most: int) -> int:
        value = self.number(wanted)
        if value != int(value) or not 0 <= value <= most:
            raise self.wrong(f"{value:g} as {wanted}, expected a whole number from 0 to {most}")
        return int(value)

    def flag(self) -> str:
        return self._next("<exists>")

    def wrong(self, what: str) -> AnnotationError:
        return AnnotationError(f"line {self._text.count(chr(10), 0, self._place) + 1}: {what}")
