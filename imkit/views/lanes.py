"""What every picture of a timeline is drawn from: spans and marks in seconds, loudness as peaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imkit.measures import talk_by_levels
from imkit.measures.outline import PARTS_PER_TICK
from imkit.stream import TICK_S, Floor, Moment, Timeline, Word

from .sound import Envelope, envelope
from .tasks import Task, tasks_of
from .turns import Turns, turns_of

PEAKS_PER_TICK = PARTS_PER_TICK
DEADLINE_MS = 1000 * TICK_S


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasts, with its words."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happens at a moment. ``detail`` is the longer text to show on demand."""

    kind: Literal["call", "result", "surface", "event"]
    text: str
    time_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lanes:
    """One timeline, ready to draw; times are seconds on the session clock.

    mic, voice      outlines of both sides
    turns           who sounds when, overlaps and gaps, as measures count them by energy; where sound was let go of, its
                    level in each tick stands for it
    drafts          what was typed and not yet sent, as long as it stood there
    frames          times of the ticks that held a picture
    floor           runs of ticks in which the model did not listen only
    tasks           calls, from being made to being woven in
    marks           calls, results, surfaces and other events, each at its moment
    compute_ms      (tick, milliseconds) of every moment
    lost            input that never came, by the time it is missing from
    hooks           changes inside the model, for as long as each was on
    """

    start_s: float
    end_s: float
    mic: Envelope
    voice: Envelope
    turns: Turns
    heard: list[Span]
    words: list[Span]
    typed: list[Span]
    drafts: list[Span]
    frames: list[float]
    floor: list[Span]
    tasks: list[Task]
    marks: list[Mark]
    compute_ms: list[tuple[int, float]]
    lost: list[Span]
    hooks: list[Span] = field(default_factory=list)


def lanes_of(timeline: Timeline) -> Lanes:
    """Everything that a picture shows, from what the timeline still holds."""
    moments = timeline.moments
    mic, voice = envelope(timeline, "user"), envelope(timeline, "model")
    return Lanes(
        start_s=timeline.start_s,
        end_s=timeline.end_s + (TICK_S if moments else 0.0),  # the last act sounds one tick later
        mic=mic,
        voice=voice,
        turns=turns_of(talk_by_levels(mic.dbfs, voice.dbfs, mic.start_s)),
        heard=_spans(timeline.heard()),
        words=_spans(timeline.words()),
        typed=[
            Span(text, m.start_s, m.start_s + TICK_S)
            for m in moments
            for text in (m.percept.text, *m.percept.asked)
            if text.strip()
        ],
        drafts=_drafts(moments),
        frames=[m.start_s for m in moments if m.frame_count],
        floor=_floor(moments),
        tasks=tasks_of(moments),
        marks=[mark for m in moments for mark in _marks(m)],
        compute_ms=[(m.index, m.compute_ms) for m in moments],
        lost=_lost(moments),
        hooks=_hooks(moments),
    )


def peaks(audio: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """The highest magnitude of each fiftieth of a second, float32 [seconds * 50]."""
    size = rate_hz // (5 * PEAKS_PER_TICK)
    whole = len(audio) // size * size
    high: NDArray[np.float32] = (
        np.abs(audio[:whole]).reshape(-1, size).max(axis=1) if whole else np.zeros(0, np.float32)
    )
    return high


def rows_of(spans: Iterable[Span], widths_s: Iterable[float], rows: int) -> list[int]:
    """A row for each span such that texts of the given widths do not overlap, as long as ``rows`` allow."""
    free_s = [-1e9] * rows
    chosen: list[int] = []
    for span, width_s in zip(spans, widths_s, strict=True):
        row = next((number for number, at in enumerate(free_s) if at <= span.start_s + 1e-9), None)
        row = min(range(rows), key=free_s.__getitem__) if row is None else row
        free_s[row] = max(free_s[row], span.start_s + max(width_s, span.end_s - span.start_s))
        chosen.append(row)
    return chosen


def _spans(words: list[Word]) -> list[Span]:
    return [Span(word.text, float(word.start_s), float(word.end_s)) for word in words]


def _floor(moments: list[Moment]) -> list[Span]:
    """Runs of the same floor, placed where the act is heard."""
    runs: list[Span] = []
    for moment in moments:
        floor, start_s = moment.act.floor, moment.act.starts_s
        if floor is Floor.LISTEN:
            continue
        if runs and runs[-1].text == floor and abs(runs[-1].end_s - start_s) < 1e-6:
            runs[-1] = Span(str(floor), runs[-1].start_s, start_s + TICK_S)
        else:
            runs.append(Span(str(floor), start_s, start_s + TICK_S))
    return runs


def _hooks(moments: list[Moment]) -> list[Span]:
    """Runs of micro-turns with the same change inside the model, by when each began."""
    runs: list[Span] = []
    open_runs: dict[str, int] = {}
    for moment in moments:
        told = moment.act.diagnostics.get("hooks")
        names = dict.fromkeys(map(str, told)) if isinstance(told, list | tuple) else {}
        open_runs = {
            name: place
            for name, place in open_runs.items()
            if name in names and abs(runs[place].end_s - moment.start_s) < 1e-6
        }
        for name in names:
            place = open_runs.setdefault(name, len(runs))
            if place == len(runs):
                runs.append(Span(name, moment.start_s, moment.start_s))
            runs[place] = Span(name, runs[place].start_s, moment.start_s + TICK_S)
    return runs


def _drafts(moments: list[Moment]) -> list[Span]:
    """Every state of the draft for as long as it stood."""
    runs: list[Span] = []
    for moment in moments:
        text, start_s = moment.percept.draft, moment.start_s
        if not text.strip():
            continue
        if runs and runs[-1].text == text and abs(runs[-1].end_s - start_s) < 1e-6:
            runs[-1] = Span(text, runs[-1].start_s, start_s + TICK_S)
        else:
            runs.append(Span(text, start_s, start_s + TICK_S))
    return runs


def _lost(moments: list[Moment]) -> list[Span]:
    """Holes between ticks; where a tick says that sound was lost and none is missing, the tick itself."""
    holes: list[Span] = []
    before: Moment | None = None
    for moment in moments:
        ends_s = moment.start_s if before is None else before.start_s + TICK_S
        if moment.start_s - ends_s > TICK_S / 2:
            holes.append(Span(f"{moment.start_s - ends_s:.1f} s lost", ends_s, moment.start_s))
        elif moment.gap:
            holes.append(Span("sound lost", moment.start_s, moment.start_s + TICK_S))
        before = moment
    return holes


def _marks(moment: Moment) -> Iterable[Mark]:
    for call in moment.act.calls:
        detail = ", ".join(f"{key}={value!r}" for key, value in call.arguments.items())
        yield Mark("call", call.name or call.kind, moment.start_s, f"{call.kind} {call.name}({detail[:200]})")
    for event in moment.percept.events:
        if event.payload.get("ask"):
            continue  # it stands among what was typed
        surface = event.payload.get("surface") if event.kind in ("result", "progress") else None
        text = str(surface.get("title") or event.text) if isinstance(surface, dict) else event.text or event.kind
        kind: Literal["surface", "result", "event"] = "result" if event.kind == "result" else "event"
        yield Mark(
            "surface" if isinstance(surface, dict) else kind,
            text,
            moment.start_s,
            f"{event.kind} from {event.provenance}: {event.text[:300]}",
        )
