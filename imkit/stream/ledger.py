"""Three ledgers of the model's own sound: what it generated, what was sent, what was really played.

An epoch is a run of speech that nobody interrupted. When the model yields, the epoch rises: what was generated for an
older epoch and not yet played will never be heard, and the words in it were never said as far as the person knows.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from .fates import Fates
from .moment import Act, Word
from .tick import samples_per_tick

MAX_EPOCHS = 256
MAX_WORDS = 8192


@dataclass(frozen=True, slots=True)
class Counts:
    """Samples at the model's output rate; always ``played <= sent <= generated``."""

    generated: int = 0
    sent: int = 0
    played: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.generated + other.generated, self.sent + other.sent, self.played + other.played)


@dataclass(slots=True)
class _SaidWord:
    word: Word
    epoch: int
    end_sample: int  # in the sent sound of its epoch


class Ledger:
    """Counts samples by epoch and tells which words the person heard. Safe to use from several threads.

    Sound is sent in the order it is generated; a sink may leave silence out. Bounded: the newest 256 epochs and 8,192
    words are kept apart, older samples only in the total. ``fates`` says the same act by act.
    """

    def __init__(self, output_rate: int, first_epoch: int = 0) -> None:
        self.output_rate = output_rate
        self._tick_samples = samples_per_tick(output_rate)
        self._lock = threading.Lock()
        self._epoch = first_epoch
        self._counts: dict[int, Counts] = {first_epoch: Counts()}
        self._forgotten = Counts()
        self.fates = Fates(self._tick_samples)
        self._words: deque[_SaidWord] = deque(maxlen=MAX_WORDS)
        self.refused_reports = 0
        """Playback reports of an unknown epoch, or of more sound than was sent; the surplus was not believed."""

    @property
    def epoch(self) -> int:
        """The epoch that sound generated now belongs to."""
        return self._epoch

    def generated(self, act: Act) -> None:
        """Notes one act's sound in the current epoch."""
        with self._lock:
            counts = self._counts[self._epoch]
            self._counts[self._epoch] = Counts(counts.generated + len(act.audio), counts.sent, counts.played)
            self.fates.note(act.index, self._epoch, None)

    def sent(self, act: Act, epoch: int) -> None:
        """Notes that one act's sound, generated in ``epoch``, went on its way to the person.

        Sound of an epoch that is over is stale: it is not counted as sent, because nobody will play it.
        """
        with self._lock:
            if epoch != self._epoch:
                return
            counts = self._counts[epoch]
            total = min(counts.generated, counts.sent + len(act.audio))
            self._counts[epoch] = Counts(counts.generated, total, counts.played)
            self.fates.note(act.index, epoch, counts.sent)
            for word in act.words:
                offset = round((word.end_s - act.starts_s) * self.output_rate)
                self._words.append(_SaidWord(word, epoch, counts.sent + max(offset, 1)))

    def played(self, epoch: int, samples: int) -> None:
        """Notes a report: ``samples`` of that epoch's sound were really played, counted since the epoch began.

        Reports may come late, twice or out of order. A report of more than was sent is cut to what was sent.
        """
        with self._lock:
            counts = self._counts.get(epoch)
            if counts is None or samples < 0:
                self.refused_reports += 1
                return
            self.refused_reports += samples > counts.sent
            total = max(counts.played, min(samples, counts.sent))
            self._counts[epoch] = Counts(counts.generated, counts.sent, total)
            self.fates.play(epoch, total)

    def interrupt(self) -> int:
        """Ends the epoch and returns the new one."""
        with self._lock:
            self._epoch += 1
            self._counts[self._epoch] = Counts()
            while len(self._counts) > MAX_EPOCHS:
                oldest = next(iter(self._counts))
                self._forgotten += self._counts.pop(oldest)
                while self._words and self._words[0].epoch <= oldest:
                    self._words.popleft()
            return self._epoch

    def copy(self) -> Ledger:
        """A ledger that goes on from here by itself. Its ``fates`` begin here too."""
        other = Ledger(self.output_rate)
        with self._lock:
            other._epoch, other._counts, other._forgotten = self._epoch, self._counts.copy(), self._forgotten
            other._words, other.refused_reports = self._words.copy(), self.refused_reports
        return other

    def counts(self, epoch: int | None = None) -> Counts:
        """Samples of one epoch, or of all epochs together."""
        with self._lock:
            if epoch is not None:
                return self._counts.get(epoch, Counts())
            return sum(self._counts.values(), self._forgotten)

    def unheard_samples(self) -> int:
        """Samples of the current epoch that were sent and not yet played."""
        with self._lock:
            counts = self._counts[self._epoch]
            return counts.sent - counts.played

    def heard_words(self, epoch: int | None = None) -> list[Word]:
        """The model's own words that were played to their end, in order; of one epoch or of all."""
        with self._lock:
            return [
                said.word
                for said in self._words
                if (epoch is None or said.epoch == epoch) and self._counts[said.epoch].played >= said.end_sample
            ]
