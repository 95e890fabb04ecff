"""Chrome trace JSON, which Perfetto (ui.perfetto.dev) and chrome://tracing open: a track a stream, calls with arrows.

The Trace Event Format: "X" complete slices, "i" instants, "C" counters, "s" and "f" ends of a flow, "M" names; times in
microseconds on the session clock.
"""

from __future__ import annotations

import json
import math
from typing import Any

from imkit.stream import TICK_S, Timeline, plain

from .lanes import calls, lanes_of, name_of, numbered, rows

PROCESS = 1
DEADLINE_US = round(TICK_S * 1e6)


def encode(timeline: Timeline) -> bytes:
    """The lanes of ``lanes_of``, micro-turns with the time they took, events, levels; arrows."""
    tracks = _Tracks()
    lanes = lanes_of(timeline)
    for name in ("user", "user words", "typed", "floor", "model", "model words"):
        for number, row in enumerate(rows(lanes[name]) or [[]]):
            for begin, end, label in row:
                tracks.slice(numbered(name, number), label or name, begin * 1000, (end - begin) * 1000)
    for moment in timeline:
        at = _us(moment.start_s + TICK_S)  # a tick is answered when it has ended
        took = round(moment.compute_ms * 1000)
        late = {"late": True} if moment.late else {}
        tracks.slice("micro-turns", f"tick {moment.index}", at, took, floor=str(moment.act.floor), **late)
        for key in ("level_db", "own_db"):
            if math.isfinite(value := getattr(moment, key)):
                tracks.add("C", key, _us(moment.start_s), args={"dB": value})
        tracks.add("C", "compute_ms", at, args={"ms": round(moment.compute_ms, 3)})
    _calls(timeline, tracks)
    value = {"displayTimeUnit": "ms", "traceEvents": tracks.named() + tracks.events}
    return json.dumps(value, ensure_ascii=True, allow_nan=False).encode("ascii")


def _calls(timeline: Timeline, tracks: _Tracks) -> None:
    """Each call as a slice until its result, each event as a slice of a tick, an arrow where one led to the other."""
    made = calls(timeline.moments)
    free: list[float] = []
    flows: dict[str, tuple[str, int]] = {}
    for call, start_s, end_s in sorted(made, key=lambda item: item[1]):
        row = next((number for number, until in enumerate(free) if until <= start_s + 1e-9), len(free))
        free[row : row + 1] = [end_s]
        track, at = numbered("calls", row), _us(start_s)
        arguments = {"id": call.id, "kind": call.kind, "arguments": plain(call.arguments)}
        tracks.slice(track, call.name or call.kind, at, _us(end_s - start_s), **arguments)
        flows.setdefault(call.id, (track, at))
    for moment in timeline:
        at = _us(moment.start_s)
        for place, event in enumerate(moment.percept.events):
            track = numbered("events", place)
            args = {"kind": event.kind, "from": str(event.provenance), "call": event.call_id}
            tracks.slice(track, name_of(event)[:200], at, DEADLINE_US, **args)
            if event.kind == "result" and event.call_id in flows:
                start, started = flows.pop(event.call_id)
                tracks.add("s", "result", started, start, id=event.call_id, cat="delegation")
                tracks.add("f", "result", at, track, id=event.call_id, cat="delegation", bp="e")


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


class _Tracks:
    """Events of one process, a thread a track, in the order they are named."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._threads: dict[str, int] = {}

    def add(self, phase: str, name: str, at_us: int, track: str = "", **more: Any) -> None:
        thread = self._threads.setdefault(track, len(self._threads) + 1) if track else 0
        self.events.append({"ph": phase, "name": name, "ts": at_us, "pid": PROCESS, "tid": thread, **more})

    def slice(self, track: str, name: str, at_us: int, length_us: int, **args: Any) -> None:
        self.add("X", name, at_us, track, dur=max(length_us, 1), **({"args": args} if args else {}))

    def named(self) -> list[dict[str, Any]]:
        def meta(kind: str, thread: int, **args: Any) -> dict[str, Any]:
            return {"ph": "M", "name": kind, "pid": PROCESS, "tid": thread, "args": args}

        names = [meta("process_name", 0, name="imkit session")]
        for track, thread in self._threads.items():
            names += [meta("thread_name", thread, name=track), meta("thread_sort_index", thread, sort_index=thread)]
        return names
