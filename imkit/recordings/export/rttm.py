"""RTTM: who sounds when, a line a stretch, so that standard diarisation tools can score it."""

from __future__ import annotations

from imkit.measures import Interval, talk_of
from imkit.stream import Timeline

FILE = "session"


def encode(timeline: Timeline) -> bytes:
    """Inter-pausal units of the speakers "user" and "model", by energy; by words if sound was let go."""
    sound = all(moment.has_media for moment in timeline)
    talk = talk_of(timeline, "energy" if sound else "words")
    spans = [(unit, "user") for unit in talk.user] + [(unit, "model") for unit in talk.model]
    spans.sort(key=lambda item: (item[0].start_s, item[1]))
    return "".join(_line(unit, who) for unit, who in spans).encode("utf-8")


def _line(unit: Interval, who: str) -> str:
    return f"SPEAKER {FILE} 1 {unit.start_s:.3f} {max(unit.duration_s, 0.001):.3f} <NA> <NA> {who} <NA> <NA>\n"
