"""16 kHz to a guest's own rate, a micro-turn at a time: a causal windowed-sinc polyphase filter.

The filter looks 16 samples, 1 ms, to each side, so what comes out is 1 ms late. A stream in pieces gives what the
whole gives, and every micro-turn gives exactly one micro-turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE, INPUT_SAMPLES, ModelError

Sound = NDArray[np.float32]
REACH = 16  # samples at 16 kHz, each side
PASSBAND = 0.94
KAISER_BETA = 9.0


class Upsampler:
    """From 16 kHz to ``rate``, which is 16 kHz or more. Holds only the filter; a stream's own past is ``Past``."""

    def __init__(self, rate: int) -> None:
        divisor = gcd(rate, INPUT_RATE)
        self.up, self.down = rate // divisor, INPUT_RATE // divisor
        if rate < INPUT_RATE or INPUT_SAMPLES * self.up % self.down or self.up > 1024:
            raise ModelError(f"a guest at {rate} Hz; expected 16000 Hz or more with whole samples in 0.2 s")
        at = np.arange(-(REACH - 1), REACH + 1)[None, :] - np.arange(self.up)[:, None] / self.up
        taper = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (at / REACH) ** 2, 0, 1)))
        bank = np.sinc(PASSBAND * at) * taper
        self._bank = (bank / bank.sum(1, keepdims=True)).astype(np.float32)
        steps = np.arange(INPUT_SAMPLES * self.up // self.down) * self.down
        self._whole, self._phase = steps // self.up, steps % self.up

    def __call__(self, past: Past, audio: Sound) -> Sound:
        """One micro-turn, float32 [3200], at the other rate. Moves ``past`` on."""
        if self.up == self.down:
            return audio
        whole = np.concatenate([past.samples, audio])
        past.samples = whole[-len(past.samples) :].copy()
        windows = sliding_window_view(whole, 2 * REACH)[self._whole]
        out: Sound = np.einsum("mt,mt->m", windows, self._bank[self._phase])
        return out


@dataclass
class Past:
    """The end of what a stream heard before."""

    samples: Sound = field(default_factory=lambda: np.zeros(2 * REACH - 1, np.float32))
