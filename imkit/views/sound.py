"""Sound as it can be drawn: its outline and its mel spectrogram, made for what is visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imkit.measures import tick_levels
from imkit.measures.outline import (
    FRAMES_PER_TICK,
    MIDDLE,
    PARTS_PER_TICK,
    SCALE,
    bands_of,
    known,
    outlined_levels,
)
from imkit.measures.spectrum import MEL_BINS, WINDOW
from imkit.stream import INPUT_SAMPLES, TICK_S, TICKS_PER_S, Moment, Timeline

SILENCE_DB = -120.0
CHUNK_TICKS = 300
_HOP = 160
_FRAMES_A_COLUMN = 4


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
    dbfs = np.full((ticks, FRAMES_PER_TICK), SILENCE_DB)
    samples = INPUT_SAMPLES if side == "user" else timeline.output_rate // TICKS_PER_S
    edges = np.arange(PARTS_PER_TICK) * samples // PARTS_PER_TICK
    for start in range(0, len(moments), CHUNK_TICKS):
        chunk = moments[start : start + CHUNK_TICKS]
        kept = [m for m in chunk if m.has_media]
        for places, outline in known(kept, side):
            part = [kept[place] for place in places.tolist()]
            rows = np.array([m.index - first + later for m in part])
            if outline is not None:
                dbfs[rows] = outlined_levels(outline, samples)
                low[rows], high[rows] = (edge / np.float32(SCALE) for edge in (outline.low, outline.high))
                continue
            sound = np.stack([m.percept.audio if side == "user" else m.act.audio for m in part])
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

    Levels and bands are those of ``spectra``, over windows of 25 ms. A column that is longer than that shows the
    loudest of four windows spread over it; one of a tick or more has them in the middle of ticks, where a recording
    knows them without its sound. Ticks whose sound is gone are left empty.
    """
    hops = INPUT_SAMPLES // _HOP
    part = timeline.between(start_s, end_s).moments
    part = [m for m in part if m.has_media]
    if not part:
        return np.zeros(0), np.zeros((MEL_BINS, 0), np.uint8)
    first, last = part[0].index * hops, (part[-1].index + 1) * hops
    step = max(1, -(-(last - first) // columns))
    whole = step >= hops
    if whole:
        first, last, hops = first // hops, last // hops, 1
        step = -(-(last - first) // columns)
    begins = np.arange(first, last, step)
    inside = np.unique(np.linspace(0, step - 1, min(step, _FRAMES_A_COLUMN)).astype(int))
    held = {m.index: m for m in part}
    chosen = [  # in order: a recording is read once
        (number // len(inside), held[hop // hops], hop % hops)
        for number, hop in enumerate((begins[:, None] + inside).ravel().tolist())
        if hop // hops in held
    ]
    levels = np.zeros((len(begins), MEL_BINS), np.uint8)
    if chosen:
        moments = [moment for _, moment, _ in chosen]
        bands = _middles(moments) if whole else _windows(moments, [hop for _, _, hop in chosen])
        np.maximum.at(levels, [column for column, _, _ in chosen], bands)
    times = (begins + step / 2) / hops * TICK_S
    return times, np.ascontiguousarray(levels.T)


def _windows(moments: Sequence[Moment], hops: Sequence[int]) -> NDArray[np.uint8]:
    """The spectra from those hops of 10 ms on, uint8 [n, 40]."""
    begins = [min(hop * _HOP, INPUT_SAMPLES - WINDOW) for hop in hops]
    return bands_of(np.stack([m.percept.audio[at : at + WINDOW] for m, at in zip(moments, begins, strict=True)]))


def _middles(moments: Sequence[Moment]) -> NDArray[np.uint8]:
    """The spectrum in the middle of each tick, uint8 [n, 40]."""
    found = np.zeros((len(moments), MEL_BINS), np.uint8)
    for places, outline in known(moments, "user"):
        if outline is None:
            found[places] = bands_of(np.stack([moments[place].percept.audio[MIDDLE] for place in places.tolist()]))
        else:
            found[places] = outline.bands
    return found
