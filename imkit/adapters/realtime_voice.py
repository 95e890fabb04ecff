"""What a remote model says, from deltas that come when they come to one tick of sound an act, and its words in time.

A server may send a whole answer within a second of speech. It waits here, and is handed out tick by tick; what was
handed out, in which act, is kept, so that the server can be told how much of it was really played.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from imkit.capture.resample import Resampler
from imkit.stream import TICK_S, Word, heard_from_s, samples_per_tick
from imkit.stream.fates import Fates

from .realtime_events import words_in

Sound = NDArray[np.float32]

MAX_WAITING_S: Final = 180.0
MAX_ITEMS: Final = 64
MAX_WORDS: Final = 4096
KEEP_ACTS: Final = 1500
LEAST_WORD_S: Final = 0.08


@dataclass(eq=False)
class Spoken:
    """One item of the server's speech. Positions are in samples at the output rate, from the item's start."""

    response_id: str
    item_id: str
    content_index: int = 0
    sound: deque[Sound] = field(default_factory=deque)
    received: int = 0
    given: int = 0
    ended: bool = False
    words: deque[tuple[str, int, int]] = field(default_factory=deque)
    piece: str = ""
    said_from: int = -(10**9)
    said_until: int = 0
    starved: bool = False
    resampler: Resampler | None = None
    rate: int = 0

    @property
    def waiting(self) -> int:
        """Samples that came and were not handed out yet."""
        return self.received - self.given


class Playing:
    """The speech that came and was not handed out yet, oldest item first; at most three minutes.

    ``counts``: samples that were flushed or found no room, words that were never said, waits in mid-word.
    """

    def __init__(self, output_rate: int) -> None:
        self.rate = output_rate
        self.tick = samples_per_tick(output_rate)
        self.items: deque[Spoken] = deque()
        self.counts: Counter[str] = Counter()
        self.newest: Spoken | None = None
        """The item of which sound was handed out last, over or not."""
        self._handed: deque[tuple[int, str, int, int]] = deque(maxlen=KEEP_ACTS)  # act, item, until, samples

    def item(self, response_id: str, item_id: str, content_index: int = 0) -> Spoken:
        """The item of that name, made if there is none; then those before it are over."""
        for one in self.items:
            if one.item_id == item_id:
                return one
        for one in self.items:
            self.end(one)
        one = Spoken(response_id, item_id, content_index)
        self.items.append(one)
        if len(self.items) > MAX_ITEMS:
            self._forget(self.items.popleft())
        return one

    def hear(self, item: Spoken, sound: Sound, rate: int) -> None:
        """More sound of an item, at ``rate`` Hz."""
        if rate != self.rate:
            if item.resampler is None or item.rate != rate:
                item.resampler, item.rate = Resampler(rate, self.rate), rate
            sound = item.resampler.push(sound)
        room = round(MAX_WAITING_S * self.rate) - self.waiting
        if len(sound) > room:
            self.counts["overflow_samples"] += len(sound) - room
            sound = sound[:room]
        if len(sound):
            self.counts["underruns"] += item.starved
            item.starved = False
            item.sound.append(sound)
            item.received += len(sound)

    def read(self, item: Spoken, text: str) -> None:
        """More of the transcript. A word is known once what follows it is, and begins where the sound is by then."""
        *whole, item.piece = words_in(item.piece + text)
        for word in whole:
            self._place(item, word)

    def end(self, item: Spoken) -> None:
        """Nothing more comes of an item."""
        if item.ended:
            return
        item.ended = True
        if item.piece.strip():
            self._place(item, item.piece.strip())
        item.piece = ""
        if item.resampler is not None:
            self.hear(item, item.resampler.finish(), self.rate)

    def _place(self, item: Spoken, word: str) -> None:
        if len(item.words) >= MAX_WORDS:
            self.counts["overflow_words"] += 1
            return
        ahead = item.received < item.said_from + LEAST_WORD_S * self.rate  # the transcript runs ahead of the sound
        item.said_from = begins = item.said_until if ahead else item.received
        item.said_until = begins + round((0.05 + 0.06 * len(word)) * self.rate)
        item.words.append((word[:80], begins, item.said_until))

    @property
    def waiting(self) -> int:
        """Samples that wait to be handed out."""
        return sum(one.waiting for one in self.items)

    @property
    def speaking(self) -> Spoken | None:
        """The item that is being handed out."""
        return self.items[0] if self.items and self.items[0].given else None

    def act(self, index: int) -> tuple[Sound, tuple[Word, ...], bool]:
        """Sound [tick], the words that begin in it, and whether there was any of either, for act ``index``.

        An item begins once a whole tick of it is there, or all of it.
        """
        out = np.zeros(self.tick, np.float32)
        words: list[Word] = []
        at, spoke = 0, False
        while at < self.tick and self.items:
            item = self.items[0]
            if not item.given and not item.ended and item.waiting < self.tick:
                break
            before = item.given
            while item.sound and at < self.tick:
                piece = item.sound.popleft()
                taken = piece[: self.tick - at]
                if len(taken) < len(piece):
                    item.sound.appendleft(piece[len(taken) :])
                out[at : at + len(taken)] = taken
                at, item.given, spoke = at + len(taken), item.given + len(taken), True
            starts_s = heard_from_s(index) + (at - item.given) / self.rate  # where the item's own start lies
            over = item.ended and not item.sound
            while item.words and (over or item.words[0][1] < item.given):
                word, begins, ends = item.words.popleft()
                begins_s = min(max(starts_s + begins / self.rate, heard_from_s(index)), heard_from_s(index) + TICK_S)
                ends_s = begins_s + (ends - begins) / self.rate
                words.append(Word(word, round(begins_s, 3), round(ends_s, 3)))
                spoke = True
            if item.given > before:
                self.newest = item
                self._handed.append((index, item.item_id, item.given, item.given - before))
            if not over:
                item.starved = at < self.tick and item.given > 0
                break
            self.items.popleft()
        return out, tuple(words), spoke

    def stop(self, response_id: str | None = None) -> list[Spoken]:
        """Drops what waits, of one response or of all, and gives the items that were cut off, oldest first."""
        gone = [one for one in self.items if response_id is None or one.response_id == response_id]
        for one in gone:
            self.items.remove(one)
            self._forget(one)
        return gone

    def _forget(self, item: Spoken) -> None:
        self.counts["flushed_samples"] += item.waiting
        self.counts["unsaid_words"] += len(item.words)

    def played_ms(self, item: Spoken, before: int, fates: Fates | None) -> int:
        """How much of an item was played when act ``before`` is decided, in whole milliseconds.

        By the ledger's ``fates`` where they are known; else what was handed out counts as played.
        """
        played = 0
        for index, item_id, until, samples in self._handed:
            if item_id != item.item_id or index >= before:
                continue
            fate = None if fates is None else fates.of(index)
            if fate is None:
                played = max(played, until)
            elif fate.played:
                played = max(played, until - samples + min(samples, fate.played))
        return played * 1000 // self.rate
