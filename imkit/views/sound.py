"""Sound as it can be drawn: its outline and its mel spectrogram, made for what is visible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imkit.measures import tick_levels
from imkit.stream import INPUT_RATE, INPUT_SAMPLES, TICK_S, TICKS_PER_S, Timeline

PARTS_PER_TICK = 10
SILENCE_DB = -120.0
CHUNK_TICKS = 300
MEL_BINS = 40
_WINDOW, _HOP = 400, 160
_FRAMES_A_COLUMN = 4
_FLOOR_DB, _TOP_DB = -90.0, -20.0


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """The lowest and the highest sample of every fiftieth of a second, float32 [n], from ``start_s``.

    Where the timeline has let go of the sound, its level is all that is known: ``level`` is True there and the
    envelope is that of a tone as loud. ``dbfs`` holds the levels of frames of 10 ms, float64 [2 n], as measures take
    them.
    """

    start_s: float
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    level: NDArray[np.bool_]
    dbfs: NDArray[np.float64]

    @property
    def peaks(self) -> NDArray[np.float32]:
        """The highest magnitude of each part, float32 [n]."""
        return np.maximum(-self.low, self.high)

    def seen(
        self, start_s: float, end_s: float, columns: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
        """At most ``columns`` times in [start_s, end_s) with the extremes of what lies in each: (times, low, high)."""
        rate = TICKS_PER_S * PARTS_PER_TICK
        first = max(0, int((start_s - self.start_s) * rate))
        last = min(len(self.low), int(np.ceil((end_s - self.start_s) * rate)))
        if last <= first:
            return np.zeros(0), np.zeros(0, np.float32), np.zeros(0, np.float32)
        step = max(1, -(-(last - first) // columns))
        first -= first % step  # the same columns wherever the view begins, so that panning does not shimmer
        edges = np.arange(first, last, step)
        low, high = np.minimum.reduceat(self.low[:last], edges), np.maximum.reduceat(self.high[:last], edges)
        return self.start_s + (edges + step / 2) / rate, low, high


def envelope(timeline: Timeline, side: Literal["user", "model"]) -> Envelope:
    """The outline of one side, placed where it is heard: the model's sound one tick after what it answers."""
    moments = timeline.moments
    later = int(side == "model")
    if not moments:
        return Envelope(0.0, *(np.zeros(0, np.float32),) * 2, np.zeros(0, bool), np.zeros(0))
    first = moments[0].index
    ticks = moments[-1].index + 1 - first + later
    low = np.zeros((ticks, PARTS_PER_TICK), np.float32)
    high, level = np.zeros_like(low), np.zeros((ticks, PARTS_PER_TICK), bool)
    dbfs = np.full((ticks, 2 * PARTS_PER_TICK), SILENCE_DB)
    samples = INPUT_SAMPLES if side == "user" else timeline.output_rate // TICKS_PER_S
    edges = np.arange(PARTS_PER_TICK) * samples // PARTS_PER_TICK
    for start in range(0, len(moments), CHUNK_TICKS):
        chunk = moments[start : start + CHUNK_TICKS]
        kept = [m for m in chunk if m.has_media]
        if kept:
            rows = np.array([m.index - first + later for m in kept])
            sound = np.stack([m.percept.audio if side == "user" else m.act.audio for m in kept])
            dbfs[rows] = tick_levels(sound)
            low[rows], high[rows] = (reduce.reduceat(sound, edges, axis=1) for reduce in (np.minimum, np.maximum))
        for m in chunk:
            if not m.has_media:
                row, db = m.index - first + later, m.level_db if side == "user" else m.own_db
                tall = min(1.0, 10 ** (db / 20) * 2**0.5) if db > -119 else 0.0
                low[row], high[row], level[row], dbfs[row] = -tall, tall, True, db
    return Envelope(moments[0].start_s, low.reshape(-1), high.reshape(-1), level.reshape(-1), dbfs.reshape(-1))


def mel(
    timeline: Timeline, start_s: float, end_s: float, columns: int
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Loudness of what came in by time and pitch: (times [n], levels [40, n] from 0 to 255), n <= columns.

    Levels are decibels from -90 to -20 below full scale. The bands are 40 triangles evenly spaced on the mel scale
    from 60 Hz to 7.6 kHz, over Hann windows of 25 ms. A column that is longer than that shows the loudest of four
    windows spread over it. Ticks whose sound is gone are left empty.
    """
    hops = INPUT_SAMPLES // _HOP
    part = timeline.between(start_s, end_s).moments
    part = [m for m in part if m.has_media]
    if not part:
        return np.zeros(0), np.zeros((MEL_BINS, 0), np.uint8)
    first, last = part[0].index * hops, (part[-1].index + 1) * hops
    step = max(1, -(-(last - first) // columns))
    begins = np.arange(first, last, step)
    inside = np.unique(np.linspace(0, step - 1, min(step, _FRAMES_A_COLUMN)).astype(int))
    held = {m.index: m for m in part}
    levels = np.zeros((len(begins), MEL_BINS))
    frames, present = [], []
    for number, hop in enumerate((begins[:, None] + inside).ravel().tolist()):  # in order: a recording is read once
        moment = held.get(hop // hops)
        if moment is not None:
            at = min(hop % hops * _HOP, INPUT_SAMPLES - _WINDOW)
            frames.append(moment.percept.audio[at : at + _WINDOW])
            present.append(number // len(inside))
    if frames:
        np.maximum.at(levels, present, _loudness(np.stack(frames)))
    times = (begins + step / 2) / hops * TICK_S
    return times, levels.T.round().astype(np.uint8)


def _loudness(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Windows [n, 400] as levels [n, 40] from 0 to 255."""
    taper = np.hanning(_WINDOW + 1)[:-1]
    power = np.abs(np.fft.rfft(frames * taper, axis=1)) ** 2 / (taper.sum() / 2) ** 2
    db = 10 * np.log10(power @ _bank() + 1e-12)
    return np.asarray(np.clip((db - _FLOOR_DB) / (_TOP_DB - _FLOOR_DB), 0, 1) * 255, np.float64)


@cache
def _bank() -> NDArray[np.float64]:
    """Triangular filters [201, 40] whose tops are 1."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (60.0, 7600.0))
    edges = 700 * (10 ** (np.linspace(low, high, MEL_BINS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(_WINDOW, 1 / INPUT_RATE)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bank = np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)).clip(min=0)
    empty = np.flatnonzero(bank.max(axis=0) < 0.5)  # lower bands are narrower than one step of the transform
    bank[np.abs(hz - centre[empty]).argmin(axis=0), empty] = 1
    return bank
