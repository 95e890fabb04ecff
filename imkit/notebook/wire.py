"""What the page is told: moments, transcript and statistics as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from imkit.stream import Moment, Timeline, Word

TRANSCRIPT_S: Final = 600.0
TRANSCRIPT_LINES: Final = 200
MAX_TEXT: Final = 500


def moment_json(moment: Moment, *, ack: int, dropped: int) -> dict[str, Any]:
    """One micro-turn for transcript and strip. ``ack``: last tick of sound taken; ``dropped``: ticks lost so far."""
    percept, act = moment.percept, moment.act
    return {
        "i": moment.index,
        "floor": str(act.floor),
        "heard": [_word(word) for word in act.heard],
        "words": [_word(word) for word in act.words],
        "typed": percept.text[:MAX_TEXT],
        "level": moment.level_db,
        "own": moment.own_db,
        "frames": moment.frame_count,
        "calls": [{"kind": call.kind, "name": call.name, "id": call.id} for call in act.calls],
        "events": [
            {"kind": event.kind, "provenance": str(event.provenance), "text": event.text[:MAX_TEXT]}
            for event in percept.events
        ],
        "ms": moment.compute_ms,
        "late": moment.late,
        "dropped": dropped,
        "gap": moment.gap,
        "epoch": moment.epoch,
        "ack": ack,
    }


def transcript_json(timeline: Timeline) -> list[dict[str, Any]]:
    """Who said what in the last ten minutes, oldest first."""
    recent = timeline.between(timeline.end_s - TRANSCRIPT_S)
    return [
        {
            "who": "user" if line.who == "typed" else line.who,
            "typed": line.who == "typed",
            "text": line.text[: 4 * MAX_TEXT],
            "start_s": line.start_s,
            "end_s": line.end_s,
        }
        for line in recent.transcript()[-TRANSCRIPT_LINES:]
    ]


def stats_json(stats: Mapping[str, Any], lane: Mapping[str, Any]) -> dict[str, Any]:
    """The session's numbers and the lanes', and those that the status line shows."""
    return {
        "type": "stats",
        **stats,
        **lane,
        "inside": stats.get("probe", {}).get("told", ""),
        "missed": stats.get("missed_deadlines", 0),
        "dropped": stats.get("dropped_audio_ticks", 0) + stats.get("missing_audio_ticks", 0),
    }


def _word(word: Word) -> list[Any]:
    return [word.text, round(word.start_s, 3), round(word.end_s, 3)]
