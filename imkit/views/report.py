"""A timeline as one HTML file: to scroll, zoom and hear, with everything in it and nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE, TICK_S, Timeline

from .lanes import lanes_of
from .pictures import jpeg_address
from .svg import height_px, names, static, tracks

PX_PER_S = 110.0
MAX_S = 1800.0
MAX_PICTURES = 120
_GUTTER = 112


def report_html(
    timeline: Timeline, path: str | Path, *, title: str = "imkit session", facts: Mapping[str, object] | None = None
) -> Path:
    """Writes the report to ``path`` and returns it. ``facts`` are shown beside the title.

    At most the last half hour is drawn. Inside are the sound as FLAC and the pictures as small JPEGs, one a second;
    both are missing where the timeline has let go of them.
    """
    left_out_s = max(0.0, timeline.duration_s - MAX_S)
    if left_out_s:
        timeline = timeline.between(timeline.end_s - MAX_S)
    path = Path(path)
    path.write_text(_page(timeline, title, dict(facts or {}), left_out_s), encoding="utf-8")
    return path


def _page(timeline: Timeline, title: str, facts: dict[str, object], left_out_s: float) -> str:
    lanes = lanes_of(timeline)
    seconds = max(lanes.end_s - lanes.start_s, TICK_S)
    data = {
        "ticks": [moment.to_json() | {"ms": round(moment.compute_ms, 1)} for moment in timeline],
        "start_s": lanes.start_s,
        "seconds": seconds,
        "tick_s": TICK_S,
        "scale": PX_PER_S,
        "last": timeline[-1].index if len(timeline) else 0,
    }
    shown = {
        "length": f"{timeline.duration_s:.1f} s",
        "heard": f"{len(lanes.heard)} words",
        "said": f"{len(lanes.words)} words",
    }
    if left_out_s:
        shown["not shown"] = f"the first {left_out_s:.0f} s"
    told = " · ".join(f"{escape(key)} {escape(str(value))}" for key, value in (facts | shown).items())
    return Template(static("report.html")).substitute(
        title=escape(title),
        style=static("timeline.css") + static("report.css"),
        facts=told,
        gutter=_GUTTER,
        height=height_px(),
        names=names(_GUTTER - 12),
        width=round(seconds * PX_PER_S),
        tracks=tracks(lanes, PX_PER_S, _pictures(timeline)),
        transcript=_transcript(timeline),
        tick_ms=f"{1000 * TICK_S:g}",
        data=_json(data),
        user_sound=_flac(timeline.user_audio(), INPUT_RATE),
        model_sound=_flac(timeline.model_audio(), timeline.output_rate),
        script=static("report.js"),
    )


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


def _flac(audio: NDArray[np.float32], rate_hz: int) -> str:
    """Mono sound as base64 of a FLAC file; at least one sample long, so that it always decodes."""
    import soundfile

    buffer = io.BytesIO()
    samples = np.clip(audio, -1, 1) if len(audio) else np.zeros(rate_hz // 5, np.float32)
    soundfile.write(buffer, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _pictures(timeline: Timeline) -> dict[float, str]:
    """The pictures still held, at most one a second, as data addresses by time."""
    shown: dict[float, str] = {}
    last_s = -1.0
    for moment in timeline:
        if moment.percept.frames and moment.start_s - last_s >= 0.999 and len(shown) < MAX_PICTURES:
            last_s = moment.start_s
            shown[moment.start_s] = jpeg_address(moment.percept.frames[-1])
    return shown
