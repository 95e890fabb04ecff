"""What can be known of sound without its samples: enough to draw it and to say who sounds when."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Side = Literal["user", "model"]


class Outline(NamedTuple):
    """Ticks of 16-bit sound, a row each, without loss for what is drawn and measured of them.

    low, high  int16 [tick, 10], the extremes of each fiftieth of a second
    power      int64 [tick, 20], the sum of the squared samples of each 10 ms
    bands      uint8 [tick, 40], one mel spectrum from the middle of each tick; [tick, 0] for the model's sound
    """

    low: NDArray[np.int16]
    high: NDArray[np.int16]
    power: NDArray[np.int64]
    bands: NDArray[np.uint8]


class Outlines(Protocol):
    """Whoever knows the outline of sound that lies elsewhere, such as a recording."""

    def outline(self, side: Side, ticks: NDArray[np.int64]) -> Outline:
        """The outline of those ticks, which rise."""
