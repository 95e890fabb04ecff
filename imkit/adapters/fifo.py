"""Between our clock and a guest's: micro-turns of 200 ms go in and come out, blocks of the guest's own length between.

``Inlet`` cuts what is heard into blocks; with 80 ms under 200 ms that is two and three blocks in turn. ``Outlet`` gives
exactly one micro-turn of sound each time, from blocks as they are made. With ``lead`` samples of silence before the
first block it never runs dry.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import gcd

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]


def empty() -> Sound:
    """No sound at all."""
    return np.zeros(0, np.float32)


def lead(block: int, tick: int) -> int:
    """Samples of silence that an outlet of blocks under ticks of so many samples has to begin with.

    After n ticks, floor(n * tick / block) blocks were made, so at most block - gcd(block, tick) samples are missing.
    """
    return block - gcd(block, tick)


@dataclass
class Inlet:
    """Sound in any pieces in, blocks of ``block`` samples out; what makes no whole block waits."""

    block: int
    rest: Sound = field(default_factory=empty)

    def put(self, sound: Sound) -> list[Sound]:
        """The blocks that became whole."""
        whole = np.concatenate([self.rest, sound])
        count = len(whole) // self.block
        self.rest = whole[count * self.block :].copy()
        return [whole[i * self.block : (i + 1) * self.block] for i in range(count)]


@dataclass
class Outlet:
    """Sound in any pieces in, ``tick`` samples out each time; silence where there is nothing.

    Bounded: of more than ``limit`` waiting samples the oldest are dropped and counted in ``dropped``, with the words
    that begin in them. ``words`` are (how many samples from now, text, how many samples long).
    """

    tick: int
    limit: int
    rest: Sound = field(default_factory=empty)
    words: deque[tuple[int, str, int]] = field(default_factory=deque)
    dropped: int = 0

    @property
    def waiting(self) -> int:
        """Samples that are still to be given: where the next piece will begin, from the start of the next tick."""
        return len(self.rest)

    def put(self, sound: Sound) -> None:
        """One more piece."""
        self.rest = np.concatenate([self.rest, sound])
        if (over := len(self.rest) - self.limit) > 0:
            self.rest = self.rest[over:].copy()
            self.dropped += over
            self.words = deque((at - over, text, size) for at, text, size in self.words if at >= over)

    def say(self, at: int, text: str, size: int) -> None:
        """Notes a word that begins ``at`` samples from the start of the next tick."""
        self.words.append((at, text, size))

    def take(self) -> tuple[Sound, list[tuple[int, str, int]]]:
        """One tick of sound, and the words that begin in it or began before."""
        out = np.zeros(self.tick, np.float32)
        piece, self.rest = self.rest[: self.tick], self.rest[self.tick :].copy()
        out[: len(piece)] = piece
        begun = [word for word in self.words if word[0] < self.tick]
        self.words = deque((at - self.tick, text, size) for at, text, size in self.words if at >= self.tick)
        return out, begun
