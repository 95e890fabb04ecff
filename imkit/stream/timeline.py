"""The timeline: one moment after another on one clock, kept within bounds."""

from __future__ import annotations

import html
import math
import operator
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import ContractError
from .fates import Fates
from .lent import Lent
from .logged import Moment
from .moment import Call, Event, Floor, Word
from .tick import INPUT_SAMPLES, TICK_S, TICKS_PER_S, samples_per_tick

UTTERANCE_GAP_S = 1.2


class Utterance(NamedTuple):
    """Words that belong together, said by one side."""

    who: Literal["user", "typed", "model"]
    text: str
    start_s: float
    end_s: float


class Timeline(Lent):
    """Moments in order, sliced by seconds.

    ``timeline[2.0:5.0]`` holds the moments whose ticks start in [2.0, 5.0) seconds; neighbouring slices share none.
    ``timeline[7]`` is the moment of tick 7, ``timeline[-1]`` the newest. A session that lost ticks leaves holes:
    indices always rise, not always by one.

    Bounded: frames older than ``keep_frames_s``, sound older than ``keep_media_s`` and whole moments older than
    ``keep_s`` are let go, oldest first, and counted in ``let_go``.
    """

    def __init__(
        self,
        output_rate: int = 16_000,
        *,
        keep_frames_s: float = 60.0,
        keep_media_s: float = 600.0,
        keep_s: float = 8 * 3600.0,
    ) -> None:
        self.output_rate = output_rate
        self._tick_samples = samples_per_tick(output_rate)
        self._keep_frames = max(1, round(keep_frames_s * TICKS_PER_S))
        self._keep_media = max(1, round(keep_media_s * TICKS_PER_S))
        self._keep = max(1, round(keep_s * TICKS_PER_S))
        self._moments: list[Moment] = []
        self._lock = threading.Lock()
        self.let_go = {"frames": 0, "sound": 0, "moments": 0}
        self.origin: Any = None
        """What it takes to go on from any moment of it, an ``imkit.session.Origin``; None where nobody knows."""
        self.fates: Fates | None = None
        """What became of the model's own sound; None where nobody knows, and it counts as heard."""

    def append(self, moment: Moment) -> None:
        """Adds the newest moment. Raises ContractError unless its index is higher than the last one."""
        with self._lock:
            moments = self._moments
            if moments and moment.index <= moments[-1].index:
                raise ContractError(f"moment {moment.index} comes after moment {moments[-1].index}; time only rises")
            if moment.has_media and len(moment.act.audio) != self._tick_samples:
                raise ContractError(
                    f"act {moment.index}: {len(moment.act.audio)} samples, expected {self._tick_samples} "
                    f"(one tick at {self.output_rate} Hz)"
                )
            moments.append(moment)
            if len(moments) > self._keep_frames:
                old = moments[-self._keep_frames - 1]
                self.let_go["frames"] += len(old.percept.frames)
                moments[-self._keep_frames - 1] = old.without_frames()
            if len(moments) > self._keep_media:
                old = moments[-self._keep_media - 1]
                self.let_go["frames"] += len(old.percept.frames)
                self.let_go["sound"] += old.has_media
                moments[-self._keep_media - 1] = old.without_media()
            excess = len(moments) - self._keep
            if excess > 0:
                self.let_go["moments"] += excess
                del moments[:excess]

    # --- looking

    @property
    def moments(self) -> list[Moment]:
        """All moments that are kept, as a new list."""
        with self._lock:
            return list(self._moments)

    def __len__(self) -> int:
        return len(self._moments)

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            if key.step is not None:
                raise ContractError(f"timeline[a:b:{key.step}]: a timeline slice has no step; use timeline[a_s:b_s]")
            return self.between(key.start, key.stop)
        index = operator.index(key)
        with self._lock:
            if index < 0:
                return self._moments[index]
            place = _first_at(self._moments, index)
            if place < len(self._moments) and self._moments[place].index == index:
                return self._moments[place]
        raise IndexError(f"no moment of tick {index}; this timeline holds {self!r}")

    def between(self, start_s: float | None = None, end_s: float | None = None) -> Timeline:
        """The moments whose ticks start in [start_s, end_s), as a timeline on the same clock."""
        part = Timeline(self.output_rate)
        part._keep_frames, part._keep_media, part._keep = self._keep_frames, self._keep_media, self._keep
        part.origin, part.fates = self.origin, self.fates
        with self._lock:
            low = 0 if start_s is None else _first_at(self._moments, math.ceil(start_s * TICKS_PER_S - 1e-9))
            high = None if end_s is None else _first_at(self._moments, math.ceil(end_s * TICKS_PER_S - 1e-9))
            part._moments = self._moments[low:high]
        return part

    @property
    def start_s(self) -> float:
        """When the first moment that is kept starts; 0.0 when empty."""
        moments = self._moments
        return moments[0].start_s if moments else 0.0

    @property
    def end_s(self) -> float:
        """When the last moment's input ends; 0.0 when empty."""
        moments = self._moments
        return (moments[-1].index + 1) / TICKS_PER_S if moments else 0.0

    @property
    def duration_s(self) -> float:
        """Seconds of input from the first to the last moment, holes included."""
        moments = self._moments
        return (moments[-1].index + 1 - moments[0].index) / TICKS_PER_S if moments else 0.0

    def words(self) -> list[Word]:
        """Words that the model said, in order."""
        return [word for moment in self for word in moment.act.words]

    def heard(self) -> list[Word]:
        """Words of the user that the model recognised, in order."""
        return [word for moment in self for word in moment.act.heard]

    def calls(self) -> list[Call]:
        """What the model wanted done, in order; ``call.tick`` says when."""
        return [call for moment in self for call in moment.act.calls]

    def events(self) -> list[Event]:
        """What happened beside sound, sight and typing, in order."""
        return [event for moment in self for event in moment.percept.events]

    def transcript(self) -> list[Utterance]:
        """Both sides as utterances in order of their start; pauses longer than 1.2 s divide them."""
        lines = utterances("user", self.heard()) + utterances("model", self.words())
        lines += [
            Utterance("typed", text, m.start_s, m.start_s + TICK_S)
            for m in self
            for text in (m.percept.text, *m.percept.asked)
            if text.strip()
        ]
        return sorted(lines, key=lambda line: (line.start_s, line.end_s))

    def lanes(self) -> dict[str, list[Any]]:
        """One list a lane, one item a moment: ready for a figure or a table."""
        lanes: dict[str, list[Any]] = {name: [] for name in _LANES}
        for moment in self:
            for name, read in _LANES.items():
                lanes[name].append(read(moment))
        return lanes

    def to_pandas(self) -> Any:
        """The lanes as a DataFrame, one row a micro-turn, indexed by tick. Needs pandas."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "Timeline.to_pandas() needs pandas, which is not installed: pip install pandas"
            ) from error
        return pd.DataFrame(self.lanes()).set_index("tick")

    # --- listening

    def user_audio(self) -> NDArray[np.float32]:
        """What came in: float32 [samples] at 16 kHz, from ``start_s``; lost or forgotten ticks are silence."""
        moments = self.moments
        if not moments:
            return np.zeros(0, np.float32)
        first = moments[0].index
        audio = np.zeros((moments[-1].index + 1 - first, INPUT_SAMPLES), np.float32)
        for moment in moments:
            audio[moment.index - first] = moment.percept.audio
        return audio.reshape(-1)

    def model_audio(self) -> NDArray[np.float32]:
        """What the model said: float32 [samples] at ``output_rate``, on the same clock as ``user_audio``.

        The sound of act k starts at (k + 1) * 0.2 s, so this is one tick longer than what came in and starts silent.
        """
        moments = self.moments
        if not moments:
            return np.zeros(0, np.float32)
        first = moments[0].index
        audio = np.zeros((moments[-1].index + 2 - first, self._tick_samples), np.float32)
        for moment in moments:
            if moment.has_media:
                audio[moment.index + 1 - first] = moment.act.audio
        return audio.reshape(-1)

    # --- showing

    def __repr__(self) -> str:
        if not self._moments:
            return "Timeline(empty)"
        return (
            f"Timeline({len(self)} moments, {self.start_s:.1f} to {self.end_s:.1f} s, "
            f"{len(self.heard())} words heard, {len(self.words())} words said)"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{line.start_s:.1f} s</td><td>{line.who}</td>"
            f"<td style='text-align:left'>{html.escape(line.text[:500])}</td></tr>"
            for line in self.transcript()[-40:]
        )
        return f"<div><p>{html.escape(repr(self))}</p><table>{rows}</table></div>"


_LANES: dict[str, Any] = {
    "tick": lambda m: m.index,
    "time_s": lambda m: m.start_s,
    "floor": lambda m: str(m.act.floor),
    "speaking": lambda m: m.act.floor is not Floor.LISTEN,
    "level_db": lambda m: m.level_db,
    "own_db": lambda m: m.own_db,
    "frames": lambda m: m.frame_count,
    "typed": lambda m: m.percept.text,
    "draft": lambda m: m.percept.draft,
    "heard": lambda m: " ".join(word.text for word in m.act.heard),
    "words": lambda m: m.act.text,
    "calls": lambda m: " ".join(call.name for call in m.act.calls),
    "events": lambda m: "; ".join(event.text or event.kind for event in m.percept.events),
    "epoch": lambda m: m.epoch,
    "compute_ms": lambda m: m.compute_ms,
    "late": lambda m: m.late,
    "gap": lambda m: m.gap,
}


def _first_at(moments: list[Moment], index: int) -> int:
    """The place of the first moment of tick ``index`` or later."""
    low, high = 0, len(moments)
    while low < high:
        middle = (low + high) // 2
        if moments[middle].index < index:
            low = middle + 1
        else:
            high = middle
    return low


def utterances(who: Literal["user", "model"], words: Iterable[Word]) -> list[Utterance]:
    """Words in order as utterances: a pause longer than 1.2 s begins a new one."""
    lines: list[Utterance] = []
    for word in words:
        if lines and word.start_s - lines[-1].end_s <= UTTERANCE_GAP_S:
            last = lines[-1]
            lines[-1] = Utterance(who, f"{last.text} {word.text}", last.start_s, word.end_s)
        else:
            lines.append(Utterance(who, word.text, word.start_s, word.end_s))
    return lines
