"""What the model was heard to do: when it sounded, which words really sounded, what it called for."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np

from imkit.measures.units import FRAME_S, PAUSE_S, levels_of, segments_of
from imkit.stream import Act, Call, Word, heard_from_s, samples_per_tick

MERGE_S = PAUSE_S  # shorter gaps are bridged
WHOLE = 2 / 3  # the share of its words' own time for which an utterance that was not cut short sounds
LONGEST_WORD_S = 1.2


@dataclass(frozen=True)
class Utterance:
    """A stretch of speech and the words that begin in it."""

    start_s: float
    end_s: float
    words: tuple[Word, ...]

    @property
    def texts(self) -> list[str]:
        """The words alone."""
        return [word.text for word in self.words]

    @property
    def whole(self) -> bool:
        """Whether it sounds for about as long as its words are said to last: it was not cut short."""
        claimed_s = self.words[-1].end_s - self.words[0].start_s if self.words else 0.0
        return self.end_s - self.start_s >= WHOLE * claimed_s

    def is_just(self, word: str) -> bool:
        """Whether it is this one word, in at most 1.2 s."""
        return self.texts == [word] and self.end_s - self.start_s <= LONGEST_WORD_S + 1e-9


def take(left: list[Utterance], word: str, low_s: float, high_s: float) -> Utterance | None:
    """Removes and returns the first utterance of just this word that starts in [low_s, high_s]; None without one."""
    for said in left:
        if said.is_just(word) and low_s - 1e-9 <= said.start_s <= high_s + 1e-9:
            left.remove(said)
            return said
    return None


class Agent:
    """The model's side of one trial, on the session's clock. Acts are added as they come; every answer is about those.

    Speech is found by energy, never taken from what the model says of itself: 10 ms frames above -45 dBFS and above the
    peak -35 dB, shorter than 80 ms dropped, gaps up to 200 ms bridged. A word counts only where it sounds.
    """

    def __init__(self, output_rate: int) -> None:
        self.output_rate = output_rate
        self.calls: list[Call] = []
        self.heard: list[Word] = []
        self._words: list[Word] = []
        self._levels = np.full(int(heard_from_s(0) / FRAME_S + 0.5), -120.0)  # before the first act: nothing
        self._count = len(self._levels)
        self._segments: list[tuple[float, float]] | None = None

    def add(self, act: Act) -> None:
        """Append one act; its sound follows that of the one before."""
        frame = round(self.output_rate * FRAME_S)
        assert len(act.audio) == samples_per_tick(self.output_rate)
        level = levels_of(act.audio[: len(act.audio) // frame * frame].reshape(-1, frame))
        if self._count + len(level) > len(self._levels):
            self._levels = np.concatenate([self._levels, np.full(max(2000, len(self._levels)), -120.0)])
        self._levels[self._count : self._count + len(level)] = level
        self._count += len(level)
        self._words += act.words
        self.heard += act.heard
        self.calls += act.calls
        self._segments = None

    @property
    def until_s(self) -> float:
        """Up to when the model's sound is known."""
        return self._count * FRAME_S

    @property
    def segments(self) -> list[tuple[float, float]]:
        """Stretches of speech (start_s, end_s)."""
        if self._segments is None:
            self._segments = segments_of(self._levels[: self._count])
        return self._segments

    def speaking(self, from_s: float, to_s: float) -> float:
        """Seconds of speech in a span of time."""
        return sum(max(0.0, min(end, to_s) - max(start, from_s)) for start, end in self.segments)

    def onset(self, from_s: float, to_s: float = float("inf")) -> float | None:
        """When the first stretch of speech that starts in [from_s, to_s] starts; None where there is none."""
        return next((start for start, _ in self.segments if from_s <= start <= to_s), None)

    def words(self, from_s: float = 0.0, to_s: float = float("inf")) -> list[Word]:
        """Words that begin in [from_s, to_s] and really sound."""
        return [word for word in self._words if from_s <= word.start_s <= to_s and self._sounds(word)]

    def texts(self, from_s: float = 0.0, to_s: float = float("inf")) -> list[str]:
        """The texts of ``words``."""
        return [word.text for word in self.words(from_s, to_s)]

    def utterances(self) -> list[Utterance]:
        """Every stretch of speech with its words; one without any is sound that says nothing."""
        starts = [start - MERGE_S for start, _ in self.segments]
        words: list[list[Word]] = [[] for _ in starts]
        for word in self.words():
            words[max(0, bisect.bisect_right(starts, word.start_s) - 1)].append(word)
        return [Utterance(*span, tuple(said)) for span, said in zip(self.segments, words, strict=True)]

    @property
    def mismatches(self) -> int:
        """Words without sound, and stretches of sound without any word: text and audio that disagree."""
        silent = sum(not self._sounds(word) for word in self._words)
        starts = sorted(word.start_s for word in self._words)
        wordless = 0
        for start, end in self.segments:
            at = bisect.bisect_left(starts, start - MERGE_S)
            wordless += at == len(starts) or starts[at] > end
        return silent + wordless

    def _sounds(self, word: Word) -> bool:
        return self.speaking(word.start_s - 0.02, max(word.end_s, word.start_s + 0.2)) >= 0.05
