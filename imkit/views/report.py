"""A timeline as one HTML file: to scroll, zoom and hear, with everything in it and nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.measures.outline import PARTS_PER_TICK
from imkit.stream import TICK_S, Floor, Moment, Timeline

from .lanes import DEADLINE_MS, Lanes, lanes_of
from .palette import css_variables
from .pictures import pictures_of
from .report_sound import both_sides
from .sound import Envelope
from .svg import static

_SPARSE = ("text", "draft", "events", "heard", "words", "calls", "yielded")
_FLOORS = [str(floor) for floor in Floor]


def report(
    timeline: Timeline, path: str | Path, *, title: str = "imkit session", facts: Mapping[str, object] | None = None
) -> Path:
    """Writes the report to ``path`` and returns it. ``facts`` are shown beside the title.

    All lanes are drawn by the page for what is visible, so an hour opens and moves like a minute. Inside are every
    micro-turn, up to 240 small pictures, and the sound that the timeline still holds, the user left and the model
    right: as FLAC up to two minutes, beyond that as Opus at 48 kbit/s. An hour with all its sound is about 20 MB, up
    to 35 MB with a loud room, and 3 to 5 MB without sound.
    """
    path = Path(path)
    path.write_text(_page(timeline, title, dict(facts or {})), encoding="utf-8")
    return path


def _page(timeline: Timeline, title: str, facts: dict[str, object]) -> str:
    lanes = lanes_of(timeline)
    sound = both_sides(timeline)
    shown = {
        "length": f"{timeline.duration_s:.1f} s",
        "heard": f"{len(lanes.heard)} words",
        "said": f"{len(lanes.words)} words",
        "overlaps": len(lanes.turns.overlaps),
    }
    if sound is None:
        shown["sound"] = "none kept"
    elif sound.start_s > lanes.start_s + TICK_S:
        shown["sound"] = f"from {sound.start_s:.0f} s on"
    told = " · ".join(f"{escape(key)} {escape(str(value))}" for key, value in (facts | shown).items())
    data = _data(timeline, lanes) | {
        "pictures": list(pictures_of(timeline).items()),
        "sound_s": sound.start_s if sound else 0,
        "sound_type": sound.kind if sound else "",
    }
    return Template(static("report.html")).substitute(
        title=escape(title),
        style=css_variables() + static("report.css"),
        facts=told,
        transcript=_transcript(timeline),
        tick_ms=f"{1000 * TICK_S:g}",
        data=_json(data),
        sound=base64.b64encode(sound.file).decode("ascii") if sound else "",
        script=static("report_lanes.js") + static("report.js"),
    )


def _data(timeline: Timeline, lanes: Lanes) -> dict[str, Any]:
    """What the script draws from; arrays of numbers as base64."""
    moments = timeline.moments
    return {
        "start_s": lanes.start_s,
        "end_s": max(lanes.end_s, lanes.start_s + TICK_S),
        "tick_s": TICK_S,
        "deadline_ms": DEADLINE_MS,
        "parts": PARTS_PER_TICK,
        "floors": _FLOORS,
        "mic": _outline(lanes.mic),
        "voice": _outline(lanes.voice),
        "turns": [[[round(a, 2), round(b, 2)] for a, b in part] for part in lanes.turns],
        "heard": _spans(lanes.heard),
        "words": _spans(lanes.words),
        "typed": _spans(lanes.typed),
        "drafts": _spans(lanes.drafts),
        "floor": _spans(lanes.floor),
        "lost": _spans(lanes.lost),
        "frames": [round(at, 1) for at in lanes.frames],
        "marks": [
            [m.kind, m.text[:200], round(m.time_s, 1), m.detail] for m in lanes.marks if m.kind in ("event", "surface")
        ],
        "tasks": [[t.name, t.outcome, t.call_s, t.result_s, t.woven_s, t.asked, t.answered] for t in lanes.tasks],
        "ticks": {
            "index": _packed([m.index for m in moments], "<i4"),
            "ms": _packed([m.compute_ms for m in moments], "<f4"),
            "level": _packed([m.level_db for m in moments], "<f4"),
            "own": _packed([m.own_db for m in moments], "<f4"),
            "floor": _packed([_FLOORS.index(str(m.act.floor)) for m in moments], "u1"),
            "frames": _packed([m.frame_count for m in moments], "u1"),
            "epoch": _packed([m.epoch for m in moments], "<i4"),
        },
        "inside": _inside(moments),
        "told": {m.index: told for m in moments if (told := _told(m))},
    }


def _outline(sound: Envelope) -> dict[str, str]:
    """Peaks as a byte each, against the loudest, and where only the level is known."""
    peaks = sound.peaks
    loudest = max(0.02, float(peaks.max(initial=0.0)))
    return {"peaks": _packed(np.ceil(peaks / loudest * 255), "u1"), "level": _packed(np.packbits(sound.level), "u1")}


def _inside(moments: list[Moment]) -> dict[str, str]:
    """Numbers among the diagnostics, one array a name; NaN where a micro-turn has none."""
    names = {
        str(name)
        for m in moments
        for name, value in m.act.diagnostics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {
        name: _packed([_number(m.act.diagnostics.get(name)) for m in moments], "<f4") for name in sorted(names)[:32]
    }


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _told(moment: Moment) -> dict[str, Any]:
    """What is not there in every micro-turn."""
    value = moment.to_json()
    return {key: value[key] for key in _SPARSE if value.get(key)}


def _spans(spans: Any) -> list[list[Any]]:
    return [[span.text, round(span.start_s, 2), round(span.end_s, 2)] for span in spans]


def _packed(values: Any, kind: str) -> str:
    array: NDArray[Any] = np.asarray(values).astype(kind)
    return base64.b64encode(array.tobytes()).decode("ascii")


def _transcript(timeline: Timeline) -> str:
    names_of = {"user": "you", "typed": "typed", "model": "model"}
    return "".join(
        f'<li class="who-{line.who}" data-start="{line.start_s:.2f}" data-end="{line.end_s:.2f}"><button>'
        f"<time>{line.start_s:.1f} s</time><b>{names_of[line.who]}</b><span>{escape(line.text)}</span></button></li>"
        for line in timeline.transcript()
    )


def _json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
