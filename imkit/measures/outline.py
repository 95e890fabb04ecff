"""The outline of sound: its extremes, its levels and a spectrum of every tick, made of samples or read where kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_SAMPLES, Moment
from imkit.stream.outline import Outline, Outlines, Side

from .spectrum import WINDOW, spectra

PARTS_PER_TICK = 10
FRAMES_PER_TICK = 20
SCALE = 32768
MIDDLE = slice((INPUT_SAMPLES - WINDOW) // 2, (INPUT_SAMPLES + WINDOW) // 2)
"""The samples of a tick that its one spectrum is of."""


def outline_of(pcm: NDArray[np.int16], side: Side) -> Outline:
    """The outline of ticks of 16-bit sound, int16 [tick, sample]."""
    samples = pcm.shape[1]
    parts, frames = (np.arange(count) * samples // count for count in (PARTS_PER_TICK, FRAMES_PER_TICK))
    power = np.add.reduceat(pcm.astype(np.int64) ** 2, frames, axis=1)
    bands = np.zeros((len(pcm), 0), np.uint8)
    if side == "user":
        bands = bands_of(pcm[:, MIDDLE].astype(np.float32) / np.float32(SCALE))
    return Outline(np.minimum.reduceat(pcm, parts, axis=1), np.maximum.reduceat(pcm, parts, axis=1), power, bands)


def bands_of(middles: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The spectrum of what lies in the ``MIDDLE`` of each tick, float32 [tick, 400]: uint8 [tick, 40]."""
    return spectra(middles).round().astype(np.uint8)


def outlined_levels(outline: Outline, samples: int) -> NDArray[np.float64]:
    """Levels of frames of 10 ms in dBFS, float64 [tick, 20]: to the bit what ``tick_levels`` gives for the samples."""
    size = np.diff(np.arange(FRAMES_PER_TICK + 1) * samples // FRAMES_PER_TICK)
    return np.asarray(10 * np.log10(outline.power / float(SCALE**2) / size + 1e-12))


def known(moments: Sequence[Moment], side: Side) -> Iterator[tuple[NDArray[np.int64], Outline | None]]:
    """The places of all moments in groups, each with its outline; None where nobody knows it without the samples."""
    groups: dict[int, tuple[Outlines | None, list[int]]] = {}
    for place, moment in enumerate(moments):
        who = (moment.percept if side == "user" else moment.act).outlines
        groups.setdefault(id(who), (who, []))[1].append(place)
    for who, places in groups.values():
        ticks = np.array([moments[place].index for place in places], np.int64)
        yield np.array(places, np.int64), None if who is None else who.outline(side, ticks)
