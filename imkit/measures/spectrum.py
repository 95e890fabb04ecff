"""Mel spectra of what came in: how loud it is by pitch."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE

MEL_BINS = 40
WINDOW = 400
_FLOOR_DB, _TOP_DB = -90.0, -20.0


def spectra(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Windows of 25 ms at 16 kHz, float32 [n, 400], as levels [n, 40] from 0 to 255.

    Levels are decibels from -90 to -20 below full scale. The bands are 40 triangles evenly spaced on the mel scale
    from 60 Hz to 7.6 kHz, over Hann windows.
    """
    taper = np.hanning(WINDOW + 1)[:-1]
    power = np.abs(np.fft.rfft(frames * taper, axis=1)) ** 2 / (taper.sum() / 2) ** 2
    db = 10 * np.log10(power @ _bank() + 1e-12)
    return np.asarray(np.clip((db - _FLOOR_DB) / (_TOP_DB - _FLOOR_DB), 0, 1) * 255, np.float64)


@cache
def _bank() -> NDArray[np.float64]:
    """Triangular filters [201, 40] whose tops are 1."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (60.0, 7600.0))
    edges = 700 * (10 ** (np.linspace(low, high, MEL_BINS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(WINDOW, 1 / INPUT_RATE)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bank = np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)).clip(min=0)
    empty = np.flatnonzero(bank.max(axis=0) < 0.5)  # lower bands are narrower than one step of the transform
    bank[np.abs(hz - centre[empty]).argmin(axis=0), empty] = 1
    return bank
