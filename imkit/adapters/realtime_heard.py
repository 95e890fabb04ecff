"""The server's transcript of the user, piece by piece, as words with times."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from imkit.stream import TICKS_PER_S, Word

from .realtime_events import words_in

MAX_WORDS: Final = 64
WORD_S: Final = 0.3


class Hearing:
    """Servers tell words without their times: those that come in one micro-turn end with it, one after another."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._item, self._piece = "", ""
        self._words: deque[str] = deque(maxlen=MAX_WORDS)
        self._until_s = 0.0

    def delta(self, item_id: str, text: str) -> None:
        """More of the transcript of an item. A word is known once it is followed by a space."""
        if item_id != self._item:
            self._add(self._piece)
            self._item, self._piece = item_id, ""
        *whole, self._piece = words_in(self._piece + text)
        self._add(*whole)

    def all(self, item_id: str, text: str) -> None:
        """The whole transcript of an item, which counts only where no part of it was told before."""
        self._add(*([self._piece] if item_id and item_id == self._item else text.split()))
        self._item = self._piece = ""

    def _add(self, *words: str) -> None:
        for word in filter(None, words):
            self._counts["dropped_heard_words"] += len(self._words) == MAX_WORDS
            self._words.append(word[:80])

    def words(self, index: int) -> tuple[Word, ...]:
        """What was heard by the end of micro-turn ``index`` and not told before."""
        texts = list(self._words)
        self._words.clear()
        if not texts:
            return ()
        ends_s = (index + 1) / TICKS_PER_S
        begins_s = min(ends_s, max(self._until_s, ends_s - WORD_S * len(texts)))
        self._until_s, step_s = ends_s, (ends_s - begins_s) / len(texts)
        return tuple(
            Word(text, round(begins_s + place * step_s, 3), round(begins_s + (place + 1) * step_s, 3))
            for place, text in enumerate(texts)
        )
