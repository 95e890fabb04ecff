"""What one stream gives the network in a micro-turn, and where its tokens stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .config import SLOTS_PER_TICK, WORD_SLOTS
from .graph import ROW_ACT, ROW_AUDIO, ROW_FRAME, ROW_WORD, SLOT_OF_ROW
from .ring import STREAMS, WORD_STREAM, Floats

Ints = npt.NDArray[np.int64]
CAMERA, ACT, AUDIO = (STREAMS.index(name) for name in ("camera", "act", "audio"))
SLOTS = np.array(SLOT_OF_ROW, np.int64)


@dataclass
class Given:
    """What came in.

    microphone, own  float32 [history + 3200]
    ears   float32 [1, stem_state]
    frame  float32 [3, px, px] in [0, 1], None where none came
    before  the last ``context_words`` words of earlier micro-turns, 0 for none
    words  (word, provenance), at most 8
    done   word, floor and call of the micro-turn before
    tick   number of the micro-turn
    """

    microphone: Floats
    own: Floats
    ears: Floats
    frame: Floats | None
    before: list[int]
    words: list[tuple[int, int]]
    done: tuple[int, int, int]
    tick: int

    @cached_property
    def rows(self) -> Ints:
        """Which rows of a micro-turn are tokens, rising [n]."""
        frame = [] if self.frame is None else [ROW_FRAME]
        words = range(ROW_WORD, ROW_WORD + len(self.words))
        return np.array([*frame, *words, *range(ROW_AUDIO, ROW_ACT + 1)], np.int64)

    @property
    def positions(self) -> Ints:
        """Where the tokens are in time, ``16 * tick + slot`` [n]."""
        return self.tick * SLOTS_PER_TICK + SLOTS[self.rows]

    @property
    def streams(self) -> npt.NDArray[np.int8]:
        """What the tokens are of, indices into ``ring.STREAMS`` [n]."""
        frame = [] if self.frame is None else [CAMERA]
        words = [WORD_STREAM + provenance for _, provenance in self.words]
        return np.array([*frame, *words, *[AUDIO] * (ROW_ACT - ROW_AUDIO), ACT], np.int8)

    @property
    def read(self) -> list[int]:
        """The words before and those of this micro-turn."""
        return [*self.before, *(word for word, _ in self.words)]

    def inputs(self, px: int) -> dict[str, npt.NDArray[Any]]:
        """The inputs of ``graph.TickGraph``, all but the cache."""
        ids, provenance = np.zeros(len(self.before) + WORD_SLOTS, np.int64), np.zeros(WORD_SLOTS, np.int64)
        ids[: len(self.before) + len(self.words)] = self.read
        provenance[: len(self.words)] = [given for _, given in self.words]
        frame = np.zeros((3, px, px), np.float32) if self.frame is None else self.frame
        return {
            "microphone": self.microphone[None],
            "own": self.own[None],
            "ears": self.ears,
            "frame": frame[None],
            "words": ids,
            "provenance": provenance,
            "done": np.array(self.done, np.int64),
            "tick": np.array([self.tick], np.int64),
            "present": self.rows,
        }
