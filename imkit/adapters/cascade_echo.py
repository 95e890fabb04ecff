"""The model's own sound, taken out of what the microphone delivers, so that it does not interrupt itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float32]

BLOCK: Final = 800
TAPS: Final = 64
BEFORE: Final = 16  # taps before the strongest echo
LONGEST: Final = 8000  # samples from the loudspeaker back to the microphone
FAINT: Final = 1e-4


@dataclass
class Echo:
    """What was played lately, at 16 kHz."""

    played: Sound = field(default_factory=lambda: np.zeros(LONGEST + TAPS, np.float32))

    def remove(self, microphone: Sound, own: Sound) -> Sound:
        """One tick of the microphone, float32 [3200], without the echo of ``own``, which was played in the same tick.

        Block least squares: the delay is where both correlate most, and the filter is solved anew for every 50 ms, so
        that a change of volume is followed at once. Other sound passes, less a twelfth of its energy by chance.
        """
        joined = np.concatenate([self.played, own])
        self.played = joined[len(own) :]
        if float(np.abs(joined).max()) < FAINT:
            return microphone
        delay = self._find(joined, microphone)
        out = microphone.copy()
        for at in range(0, len(microphone), BLOCK):
            first = len(joined) - len(microphone) + at - delay + BEFORE - (TAPS - 1)
            span = joined[max(0, first) : first + BLOCK + TAPS - 1]
            span = np.pad(span, (max(0, -first), max(0, BLOCK + TAPS - 1 - len(span) - max(0, -first))))
            rows = np.lib.stride_tricks.sliding_window_view(span, TAPS).astype(np.float64)
            square = rows.T @ rows
            size = float(np.trace(square)) / TAPS
            if size < BLOCK * FAINT**2:
                continue
            heard = microphone[at : at + BLOCK]
            taps = np.linalg.solve(square + 1e-3 * size * np.eye(TAPS), rows.T @ heard)
            out[at : at + BLOCK] -= (rows @ taps).astype(np.float32)
        return out

    @staticmethod
    def _find(played: Sound, microphone: Sound) -> int:
        """Samples from what was played to its echo: where the whitened cross-correlation peaks (GCC-PHAT)."""
        size = 16384
        cross = np.fft.rfft(microphone, size) * np.conj(np.fft.rfft(played, size))
        peaks = np.fft.irfft(cross / (np.abs(cross) + 1e-9), size)
        lags = (len(played) - len(microphone)) - np.arange(LONGEST)  # played[i + lag] sounds in microphone[i]
        return int(np.argmax(np.abs(peaks[-lags % size])))
