"""Inter-pausal units: stretches of one talker's speech without a silence longer than 200 ms (Skantze 2021).

Two ways to find them. *By words*: from word times, as exact as whoever timed the words. *By energy*: from the sound,
whatever a model says of itself; but there a cough is speech too, and a soft word may be lost.

Skantze, G. (2021). Turn-taking in conversational systems and human-robot interaction: a review. Computer Speech and
Language 67, 101178.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_SAMPLES, TICK_S, ContractError, Moment, Timeline, Word, samples_per_tick

from .interval import Interval, Talker
from .outline import FRAMES_PER_TICK, known, outlined_levels

PAUSE_S = 0.2  # a longer silence ends a unit
FRAME_S = 0.01
ON_DBFS = -45.0  # a frame sounds above the larger of these two
ON_BELOW_PEAK_DB = 35.0
SHORTEST_S = 0.08  # shorter sounds are dropped
SILENT_DBFS = -120.0
_EDGE_S = 1e-9
_CHUNK_TICKS = 300


@dataclass(frozen=True, slots=True)
class Talk:
    """Two talkers' inter-pausal units on one clock: what every measure is taken from.

    user, model    units in order, none overlapping another of the same talker; the label holds the words, if known
    start_s, end_s what was observed; units lie inside of it

    Times are rounded to a microsecond. Raises ContractError for units that are empty, out of order or outside.
    """

    user: tuple[Interval, ...]
    model: tuple[Interval, ...]
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        for name in ("start_s", "end_s"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise ContractError(f"{name}={value}: expected seconds")
            object.__setattr__(self, name, round(float(value), 6))
        for who in ("user", "model"):
            units = tuple(replace(u, start_s=round(u.start_s, 6), end_s=round(u.end_s, 6)) for u in getattr(self, who))
            at_s = self.start_s
            for unit in units:
                if not at_s <= unit.start_s < unit.end_s <= self.end_s:
                    raise ContractError(
                        f"unit {unit.start_s:g} to {unit.end_s:g} s of the {who} is empty, out of order or outside "
                        f"{self.start_s:g} to {self.end_s:g} s; make units with units_by_words or units_by_energy"
                    )
                at_s = unit.end_s
            object.__setattr__(self, who, units)

    @property
    def duration_s(self) -> float:
        """Seconds observed."""
        return self.end_s - self.start_s

    def of(self, who: Talker) -> tuple[Interval, ...]:
        """The units of one talker."""
        return self.user if who == "user" else self.model

    def swapped(self) -> Talk:
        """The same talk with the talkers' names exchanged."""
        return Talk(self.model, self.user, self.start_s, self.end_s)


def talk_of(timeline: Timeline, by: Literal["energy", "words"] = "energy") -> Talk:
    """The units of a timeline's two talkers.

    by  "energy" takes them from the sound, and labels them with the words that begin in them; "words" from the times of
        the words that the model recognised and of those that it said

    The model's sound is what it generated, at the time it is heard where nothing delays it: (k + 1) * 0.2 s for act k.
    Raises ContractError by energy for a timeline that has let go of sound: silence and forgetting look the same there.
    """
    heard, said = timeline.heard(), timeline.words()
    if by == "words":
        user, model = units_by_words(heard), units_by_words(said)
    elif by == "energy":
        gone = sum(not moment.has_media for moment in timeline)
        if gone:
            raise ContractError(
                f"{gone} of {len(timeline)} moments have let go of their sound; measure by='words' or a later slice"
            )
        return talk_by_levels(*_levels(timeline), timeline.start_s, heard, said)
    else:
        raise ContractError(f"by={by!r}: expected 'energy' or 'words'")
    units = (*user, *model)
    start_s = min([timeline.start_s, *(unit.start_s for unit in units)])
    end_s = max([timeline.end_s + (TICK_S if len(timeline) else 0.0), *(unit.end_s for unit in units)])
    return Talk(user, model, start_s, end_s)


def talk_by_levels(
    user: NDArray[np.float64],
    model: NDArray[np.float64],
    start_s: float,
    heard: Sequence[Word] = (),
    said: Sequence[Word] = (),
) -> Talk:
    """The units of two talkers from their levels: dBFS of frames of 10 ms from ``start_s`` on, each where it is heard.

    ``talk_of`` counts these by energy, and pictures of a timeline draw them. See ``units_by_energy`` for the rule.
    """
    end_s = start_s + max(len(user), len(model)) * FRAME_S
    return Talk(_units(user, start_s, PAUSE_S, heard), _units(model, start_s, PAUSE_S, said), start_s, end_s)


def units_by_words(words: Iterable[Word | Interval], pause_s: float = PAUSE_S) -> tuple[Interval, ...]:
    """Words as units: a silence longer than ``pause_s`` begins a new one. Words may overlap and come in any order.

    A word without length counts as 10 ms long. Words of nothing but space are left out.
    """
    units: list[Interval] = []
    for start_s, end_s, text in sorted((_span(word) for word in words), key=lambda span: span[:2]):
        if not text:
            continue
        if units and start_s - units[-1].end_s <= pause_s + _EDGE_S:
            last = units[-1]
            units[-1] = Interval(last.start_s, max(last.end_s, end_s), f"{last.label} {text}")
        else:
            units.append(Interval(start_s, end_s, text))
    return tuple(units)


def units_by_energy(
    audio: NDArray[np.float32],
    rate_hz: int,
    *,
    start_s: float = 0.0,
    pause_s: float = PAUSE_S,
    words: Sequence[Word | Interval] = (),
) -> tuple[Interval, ...]:
    """Stretches in which ``audio`` (float32 [n] in [-1, 1]) sounds, labelled with the words that begin in them.

    Frames of 10 ms sound above -45 dB of full scale and above the loudest frame less 35 dB; sounds shorter than 80 ms
    are dropped, silences up to ``pause_s`` bridged. A word that begins up to ``pause_s`` before a unit belongs to it.
    """
    size = round(rate_hz * FRAME_S)
    if size < 1:
        raise ContractError(f"rate_hz={rate_hz}: expected at least 100 Hz, so that 10 ms hold a sample")
    levels = levels_of(np.asarray(audio, np.float32)[: len(audio) // size * size].reshape(-1, size))
    return _units(levels, start_s, pause_s, words)


def _units(
    levels: NDArray[np.float64], start_s: float, pause_s: float, words: Sequence[Word | Interval]
) -> tuple[Interval, ...]:
    """The stretches of speech in levels of 10 ms frames, with the words that begin in them."""
    spans = [(start_s + a, start_s + b) for a, b in segments_of(levels, pause_s)]
    labels: list[list[str]] = [[] for _ in spans]
    starts = [start - pause_s for start, _ in spans]
    for word_start, _, text in sorted((_span(word) for word in words), key=lambda span: span[:2]):
        at = bisect_right(starts, word_start) - 1
        if at >= 0 and word_start < spans[at][1]:
            labels[at].append(text)
    return tuple(Interval(a, b, " ".join(filter(None, said))) for (a, b), said in zip(spans, labels, strict=True))


def tick_levels(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """The levels of whole ticks, float32 [tick, sample], by frames of 10 ms: dBFS, float64 [tick, 20]."""
    ticks, samples = sound.shape
    if samples % FRAMES_PER_TICK == 0:
        return levels_of(sound.reshape(-1, samples // FRAMES_PER_TICK)).reshape(ticks, FRAMES_PER_TICK)
    edges = np.arange(FRAMES_PER_TICK) * samples // FRAMES_PER_TICK
    power = np.add.reduceat(sound.astype(np.float64) ** 2, edges, axis=1) / np.diff(np.r_[edges, samples])
    return np.asarray(10 * np.log10(power + 1e-12))


def _levels(timeline: Timeline) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The levels of both sides, each where it is heard: the model's sound one tick later than what it answers."""
    moments = timeline.moments
    if not moments:
        return np.zeros(0), np.zeros(0)
    first = moments[0].index
    user = np.full((moments[-1].index + 1 - first, FRAMES_PER_TICK), SILENT_DBFS)
    model = np.full((len(user) + 1, FRAMES_PER_TICK), SILENT_DBFS)
    for start in range(0, len(moments), _CHUNK_TICKS):
        chunk = moments[start : start + _CHUNK_TICKS]
        rows = np.array([moment.index - first for moment in chunk])
        user[rows] = _side_levels(chunk, "user", INPUT_SAMPLES)
        model[rows + 1] = _side_levels(chunk, "model", samples_per_tick(timeline.output_rate))
    return user.reshape(-1), model.reshape(-1)


def _side_levels(moments: Sequence[Moment], side: Talker, samples: int) -> NDArray[np.float64]:
    """The levels of one side of moments, as ``tick_levels``, without reading the sound whose outline is known."""
    found = np.zeros((len(moments), FRAMES_PER_TICK))
    for places, outline in known(moments, side):
        if outline is None:
            part = [moments[place] for place in places.tolist()]
            found[places] = tick_levels(np.stack([m.percept.audio if side == "user" else m.act.audio for m in part]))
        else:
            found[places] = outlined_levels(outline, samples)
    return found


def levels_of(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """The level of each frame, float32 [frame, sample], in dB of full scale, float64 [frame]; -120 for silence."""
    return np.asarray(10 * np.log10(np.mean(frames.astype(np.float64) ** 2, 1) + 1e-12))


def segments_of(levels: NDArray[np.float64], pause_s: float = PAUSE_S) -> list[tuple[float, float]]:
    """Stretches of speech (start_s, end_s) from levels in dBFS of 10 ms frames; see ``units_by_energy``."""
    if not len(levels):
        return []
    on = levels > max(ON_DBFS, float(levels.max()) - ON_BELOW_PEAK_DB)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    runs = [(a, b) for a, b in edges.reshape(-1, 2).tolist() if (b - a) * FRAME_S >= SHORTEST_S - _EDGE_S]
    if not runs:
        return []
    cuts = [
        i + 1 for i, (left, right) in enumerate(pairwise(runs)) if (right[0] - left[1]) * FRAME_S > pause_s + _EDGE_S
    ]
    groups = [runs[a:b] for a, b in pairwise([0, *cuts, len(runs)])]
    return [(round(group[0][0] * FRAME_S, 2), round(group[-1][1] * FRAME_S, 2)) for group in groups]


def _span(word: Word | Interval) -> tuple[float, float, str]:
    text = word.text if isinstance(word, Word) else word.label
    start_s, end_s = float(word.start_s), float(word.end_s)
    if not (math.isfinite(start_s) and math.isfinite(end_s)) or end_s < start_s:
        raise ContractError(f"word {text!r} is from {start_s} to {end_s} s; expected a start before its end")
    return start_s, max(end_s, start_s + FRAME_S), " ".join(text.split())
