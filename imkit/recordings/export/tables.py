"""A timeline as two tables: micro-turns, wide, one row a tick; and events, long, one row for whatever happened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from imkit.stream import TICK_S, Timeline, plain

from .lanes import calls, name_of

MICRO_TURNS = {
    "tick": ("int64", "1", "number of the micro-turn, 200 ms each"),
    "time_s": ("float64", "s", "start of the tick on the session clock"),
    "time_ns": ("int64", "ns", "the same, whole nanoseconds"),
    "floor": ("str", "", "what the model decided: listen, backchannel or speak"),
    "speaking": ("bool", "", "floor is not listen"),
    "level_db": ("float64", "dBFS", "root mean square of what came in"),
    "own_db": ("float64", "dBFS", "root mean square of the model's sound"),
    "frames": ("int64", "1", "pictures that came in"),
    "typed": ("str", "", "what was sent by keyboard"),
    "draft": ("str", "", "what was typed and not sent"),
    "heard": ("str", "", "the user's words as the model recognised them"),
    "words": ("str", "", "the model's words"),
    "calls": ("str", "", "names of the model's calls"),
    "events": ("str", "", "what happened besides"),
    "epoch": ("int64", "1", "runs of speech that nobody interrupted"),
    "compute_ms": ("float64", "ms", "how long the model took"),
    "late": ("bool", "", "it took longer than a tick"),
    "yielded": ("bool", "", "the model stopped its own speech"),
    "gap": ("bool", "", "sound was lost here"),
}
EVENTS = {
    "kind": ("str", "", "heard, word, typed, call, or the kind of an event"),
    "tick": ("int64", "1", "the micro-turn it belongs to"),
    "start_s": ("float64", "s", "when it begins, on the session clock"),
    "end_s": ("float64", "s", "when it ends; a call with its result"),
    "text": ("str", "", "the word, what was typed, the call's name, the event's text"),
    "provenance": ("str", "", "where it came from"),
    "id": ("str", "", "the call it belongs to"),
    "detail": ("str", "", "arguments or payload as JSON"),
}
"""Column -> (kind, unit, meaning)."""


@dataclass(frozen=True)
class Tables:
    """Two DataFrames of one library, with the columns of ``MICRO_TURNS`` and of ``EVENTS``."""

    micro_turns: Any
    events: Any


def to_pandas(timeline: Timeline) -> Tables:
    """Both tables for pandas, with its types set even where a table is empty. Needs pandas."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("to_pandas() needs pandas, which is not installed: pip install pandas") from error

    def frame(columns: dict[str, list[Any]], kinds: dict[str, tuple[str, str, str]]) -> Any:
        types = {name: "object" if kind == "str" else kind for name, (kind, _, _) in kinds.items()}
        return pd.DataFrame({name: pd.Series(columns[name], dtype=types[name]) for name in kinds})

    return Tables(frame(micro_turns(timeline), MICRO_TURNS), frame(events(timeline), EVENTS))


def to_polars(timeline: Timeline) -> Tables:
    """Both tables for polars. Needs polars."""
    try:
        import polars as pl
    except ImportError as error:
        raise ImportError("to_polars() needs polars, which is not installed: pip install polars") from error
    types = {"int64": pl.Int64, "float64": pl.Float64, "bool": pl.Boolean, "str": pl.String}

    def frame(columns: dict[str, list[Any]], kinds: dict[str, tuple[str, str, str]]) -> Any:
        return pl.DataFrame(columns, schema={name: types[kind] for name, (kind, _, _) in kinds.items()})

    return Tables(frame(micro_turns(timeline), MICRO_TURNS), frame(events(timeline), EVENTS))


def micro_turns(timeline: Timeline) -> dict[str, list[Any]]:
    """Columns of one value a micro-turn."""
    lanes = timeline.lanes()
    lanes["yielded"] = [moment.yielded for moment in timeline]
    lanes["time_ns"] = [tick * 200_000_000 for tick in lanes["tick"]]
    return {name: [clean(value) for value in lanes[name]] for name in MICRO_TURNS}


def events(timeline: Timeline) -> dict[str, list[Any]]:
    """Columns of one value for each word, text, call and event, in order of time."""
    rows: list[tuple[Any, ...]] = []
    moments = timeline.moments
    for m in moments:
        rows += [("heard", m.index, w.start_s, w.end_s, w.text, str(w.provenance), "", "") for w in m.act.heard]
        rows += [("word", m.index, w.start_s, w.end_s, w.text, "model", "", "") for w in m.act.words]
        if m.percept.text:
            rows.append(("typed", m.index, m.start_s, m.start_s + TICK_S, m.percept.text, "typed", "", ""))
        rows += [
            (e.kind, m.index, m.start_s, m.start_s, name_of(e), str(e.provenance), e.call_id, _json(e.payload))
            for e in m.percept.events
        ]
    rows += [
        (
            "call",
            round(start_s / TICK_S),
            start_s,
            end_s,
            call.name or call.kind,
            "model",
            call.id,
            _json(call.arguments),
        )
        for call, start_s, end_s in calls(moments)
    ]
    rows.sort(key=lambda row: (row[2], row[1]))
    return {name: [clean(row[place]) for row in rows] for place, name in enumerate(EVENTS)}


def clean(value: Any) -> Any:
    """Text without lone surrogates, which no UTF-8 file can hold."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _json(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False) if value else ""
