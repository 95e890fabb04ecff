"""All measures of a talk in one row, and the same by window of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from imkit.stream import ContractError, Timeline

from .floor import Interlude, Transfer, interludes, states, transfers
from .interval import Interval, Table, Talker
from .turns import (
    Backchannel,
    Interruption,
    Response,
    Turn,
    backchannels,
    interruptions,
    responses,
    turns,
    without_backchannels,
)
from .units import Talk, talk_of


@dataclass(frozen=True, slots=True)
class Measures:
    """One row of figures. Seconds, shares of 1, numbers; None where there was nothing to take a figure from.

    user_alone_s, model_alone_s, both_s, silence_s  sum to the duration
    talk_ratio              the model's share of all that was spoken (overlap counts for both)
    user_wpm, model_wpm     words a minute of that talker's own speech, pauses inside units included
    offset_*_s              floor transfer offsets without backchannels: below 0 an overlap
    overlapped              share of transfers with an offset below 0
    answered                share of the user's segments that the model answered (tau-voice R_R)
    latency_*_s             response latency of the model, signed
    user_interruptions      the user's tries to take the floor; ``yielded`` is the share the model gave way to (R_Y)
    stop_p50_s              how soon it did (L_Y)
    model_interruptions     the model's tries
    """

    start_s: float
    end_s: float
    user_alone_s: float
    model_alone_s: float
    both_s: float
    silence_s: float
    talk_ratio: float | None
    user_wpm: float | None
    model_wpm: float | None
    user_turns: int
    model_turns: int
    pauses: int
    pause_p50_s: float | None
    gaps: int
    gap_p50_s: float | None
    overlaps_between: int
    overlaps_within: int
    overlap_p50_s: float | None
    transfers: int
    offset_p10_s: float | None
    offset_p50_s: float | None
    offset_p90_s: float | None
    overlapped: float | None
    user_backchannels: int
    model_backchannels: int
    user_segments: int
    answered: float | None
    latency_p10_s: float | None
    latency_p50_s: float | None
    latency_p90_s: float | None
    user_interruptions: int
    yielded: float | None
    stop_p50_s: float | None
    model_interruptions: int

    def to_pandas(self) -> Any:
        """A DataFrame of this one row. Needs pandas."""
        return Table(Measures, [self]).to_pandas()


def measure(source: Talk | Timeline, by: Literal["energy", "words"] = "energy") -> Measures:
    """All figures over the whole of a talk, or of a timeline's two talkers (``by`` is that of ``talk_of``)."""
    talk = source if isinstance(source, Talk) else talk_of(source, by)
    return _figures(_Found(talk), talk.start_s, talk.end_s, last=True)


def by_window(talk: Talk, window_s: float = 60.0, step_s: float | None = None) -> Table[Measures]:
    """The figures of one window of time after another; the last one may be shorter.

    What happens is found in the whole talk, and counts in the window in which it starts; times and words are those
    inside the window (a unit that is cut gives its words by share of its time).
    """
    step_s = window_s if step_s is None else step_s
    if not (window_s > 0 and step_s > 0):
        raise ContractError(f"window_s={window_s}, step_s={step_s}: expected seconds above 0")
    found, rows, number = _Found(talk), [], 0
    while (start_s := talk.start_s + number * step_s) < talk.end_s - 1e-9:
        end_s = min(start_s + window_s, talk.end_s)
        rows.append(_figures(found, start_s, end_s, last=end_s >= talk.end_s))
        number += 1
    return Table(Measures, rows)


class _Found:
    """Everything in a talk that a window chooses from."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.states = states(talk)
        self.interludes: Sequence[Interlude] = interludes(talk)
        self.transfers: Sequence[Transfer] = transfers(without_backchannels(talk))
        self.turns: Sequence[Turn] = turns(talk)
        self.backchannels: Sequence[Backchannel] = backchannels(talk)
        self.responses: Sequence[Response] = responses(talk)
        self.interruptions: Sequence[Interruption] = interruptions(talk)


def _figures(found: _Found, start_s: float, end_s: float, *, last: bool) -> Measures:
    def inside(at_s: float) -> bool:
        return start_s - 1e-9 <= at_s and (last or at_s < end_s - 1e-9)

    alone = dict.fromkeys(("user", "model", "both", "silence"), 0.0)
    for stretch in found.states:
        alone[stretch.state] += max(0.0, min(end_s, stretch.end_s) - max(start_s, stretch.start_s))
    spoken = {who: alone[who] + alone["both"] for who in ("user", "model")}
    total_s = spoken["user"] + spoken["model"]
    between = [one for one in found.interludes if inside(one.start_s)]
    lasting = {kind: [one.duration_s for one in between if one.kind.startswith(kind)] for kind in _KINDS}
    offsets = [one.offset_s for one in found.transfers if inside(one.at_s)]
    taken = [one.who for one in found.turns if inside(one.start_s)]
    signs = [one.by for one in found.backchannels if inside(one.start_s)]
    asked = [one.latency_s for one in found.responses if inside(one.start_s)]
    latencies = [latency_s for latency_s in asked if latency_s is not None]
    tries = [one for one in found.interruptions if inside(one.start_s)]
    stops = [one.stop_s for one in tries if one.by == "user"]
    stopped = [stop_s for stop_s in stops if stop_s is not None]
    return Measures(
        start_s=round(start_s, 6),
        end_s=round(end_s, 6),
        user_alone_s=round(alone["user"], 6),
        model_alone_s=round(alone["model"], 6),
        both_s=round(alone["both"], 6),
        silence_s=round(alone["silence"], 6),
        talk_ratio=round(spoken["model"] / total_s, 6) if total_s > 0 else None,
        user_wpm=_words_per_minute(found.talk, "user", start_s, end_s),
        model_wpm=_words_per_minute(found.talk, "model", start_s, end_s),
        user_turns=taken.count("user"),
        model_turns=taken.count("model"),
        pauses=len(lasting["pause"]),
        pause_p50_s=_rank(lasting["pause"], 0.5),
        gaps=len(lasting["gap"]),
        gap_p50_s=_rank(lasting["gap"], 0.5),
        overlaps_between=len(lasting["overlap_between"]),
        overlaps_within=len(lasting["overlap_within"]),
        overlap_p50_s=_rank(lasting["overlap"], 0.5),
        transfers=len(offsets),
        offset_p10_s=_rank(offsets, 0.1),
        offset_p50_s=_rank(offsets, 0.5),
        offset_p90_s=_rank(offsets, 0.9),
        overlapped=_share(sum(offset_s < 0 for offset_s in offsets), len(offsets)),
        user_backchannels=signs.count("user"),
        model_backchannels=signs.count("model"),
        user_segments=len(asked),
        answered=_share(len(latencies), len(asked)),
        latency_p10_s=_rank(latencies, 0.1),
        latency_p50_s=_rank(latencies, 0.5),
        latency_p90_s=_rank(latencies, 0.9),
        user_interruptions=len(stops),
        yielded=_share(len(stopped), len(stops)),
        stop_p50_s=_rank(stopped, 0.5),
        model_interruptions=sum(one.by == "model" for one in tries),
    )


_KINDS = ("pause", "gap", "overlap", "overlap_between", "overlap_within")


def _words_per_minute(talk: Talk, who: Talker, start_s: float, end_s: float) -> float | None:
    """None where no unit has words; a unit without any takes no part."""
    words = seconds = 0.0
    for unit in talk.of(who):
        inside_s = _inside(unit, start_s, end_s)
        if unit.label and inside_s > 0:
            words += len(unit.label.split()) * inside_s / unit.duration_s
            seconds += inside_s
    return round(60 * words / seconds, 3) if seconds else None


def _inside(unit: Interval, start_s: float, end_s: float) -> float:
    return min(unit.end_s, end_s) - max(unit.start_s, start_s)


def _rank(values: Sequence[float], share: float) -> float | None:
    """Linear between neighbours, as numpy's quantile."""
    return round(float(np.quantile(values, share)), 6) if values else None


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
