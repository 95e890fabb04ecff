"""What of the past is in reach: a ring of the last tokens, and a second ring of words that have left the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .config import PROVENANCES, NanoConfig

STREAMS = ("camera", "audio", "act", *PROVENANCES)
"""What a token can be of. Microphone and own sound share the audio tokens; the rest are words, by where from."""
WORD_STREAM = 3
Floats = npt.NDArray[np.float32]


class Seat:
    """Where in a ``pool.Pool`` the cache of a ring lies. The place is free again when nobody holds its seat.

    A copied or pickled ring has arrays of its own, so the copy of a seat is None.
    """

    def __init__(self, room: int, number: int) -> None:
        self.room, self.number = room, number

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


@dataclass
class Ring:
    """Keys and values of past tokens, preallocated: the cost and the memory of a stream never grow.

    keys, values  float32 [layer, window + pinned, head, head_width]; places ``window ..`` hold pinned words
    bias          float32 [window + pinned], 0 where something is, -inf where nothing is yet
    position      int64 [window + pinned], ``16 * tick + slot`` of the token at each place, -1 where nothing is yet
    stream        int8 [window + pinned], index into ``STREAMS``; from ``WORD_STREAM`` on it is a word
    seat          where in a pool keys and values lie, as views or as tensors on a device; None for arrays of its own
    """

    window: int
    pinned: int
    keys: Floats
    values: Floats
    bias: Floats
    position: npt.NDArray[np.int64]
    stream: npt.NDArray[np.int8]
    next: int = 0
    next_pin: int = 0
    seen: int = 0
    seat: Seat | None = None

    @classmethod
    def empty(cls, config: NanoConfig) -> Ring:
        """A ring that holds nothing."""
        places = config.window + config.pinned
        shape = (config.layers, places, config.heads, config.head_width)
        return cls(
            config.window,
            config.pinned,
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
            np.full(places, -np.inf, np.float32),
            np.full(places, -1, np.int64),
            np.zeros(places, np.int8),
        )

    def write(
        self, keys: Floats, values: Floats, position: npt.NDArray[np.int64], stream: npt.NDArray[np.int8]
    ) -> None:
        """Take in the tokens of one micro-turn [layer, n, head, head_width] with their positions and streams [n].

        The oldest n leave; words among them stay, pinned.
        """
        count = keys.shape[1]
        places = (self.next + np.arange(count)) % self.window
        leaving = places[(self.stream[places] >= WORD_STREAM) & (self.bias[places] == 0)]
        if len(leaving):
            pins = self.window + (self.next_pin + np.arange(len(leaving))) % self.pinned
            self.keys[:, pins] = self.keys[:, leaving]
            self.values[:, pins] = self.values[:, leaving]
            self.position[pins], self.stream[pins] = self.position[leaving], self.stream[leaving]
            self.bias[pins] = 0
            self.next_pin = (self.next_pin + len(leaving)) % self.pinned
        self.keys[:, places] = keys
        self.values[:, places] = values
        self.bias[places] = 0
        self.position[places], self.stream[places] = position, stream
        self.next = (self.next + count) % self.window
        self.seen += count

    def own(self) -> None:
        """Leave the pool, if it sits in one: hold keys and values in arrays of its own, laid out as above."""
        if self.seat is not None or not isinstance(self.keys, np.ndarray) or not self.keys.flags.c_contiguous:
            self.keys, self.values = np.array(fetched(self.keys), order="C"), np.array(fetched(self.values), order="C")
            self.seat = None

    def newest(self, count: int) -> npt.NDArray[np.intp]:
        """Places of the newest ``count`` tokens, oldest first."""
        return (self.next - count + np.arange(count)) % self.window


def fetched(cache: Any) -> Floats:
    """Keys or values as an array, from whatever device they are on."""
    return cache if isinstance(cache, np.ndarray) else np.asarray(cache.cpu().numpy())
