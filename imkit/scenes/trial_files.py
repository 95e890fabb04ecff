"""A trial as files: what happened as JSON, what was to be heard as stereo sound, what was to be seen as a strip."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from imkit.model.reading import small_square
from imkit.stream import INPUT_RATE, TICK_S, Moment, Timeline, Word
from imkit.stream.plain import plain
from imkit.voices import resample

from .scoring import Verdict
from .world import Expected, Said, World

PEAKS_PER_S = 20
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
STRIP_PX = 48
STRIP_S = 1.0


def trial_json(world: World, verdict: Verdict, timeline: Timeline) -> dict[str, Any]:
    """Everything about a trial but its sound, as plain values; times in seconds on the session's clock.

    verdict    checks and measures
    said       who (user or other), in which voice, words as [text, start_s, end_s]
    typed      [time_s, text];  events: [time_s, kind, provenance, text]
    words      the model's, as [text, start_s, end_s, whether it really sounds]
    heard      what the model recognised, as [text, start_s, end_s]
    segments   the model's stretches of speech, [start_s, end_s];  mismatches: words without sound and the reverse
    calls      time_s, kind, name, arguments
    expected   what a perfect model would do
    peaks      loudness of both sides, 20 digits a second: 0 to z is the root of 0 to 1
    """
    agent = world.agent
    sounding = set(agent.words())
    moments = timeline.moments
    return {
        "seconds": round(timeline.end_s + TICK_S, 3),
        "verdict": verdict.to_json(),
        "said": [_said(said, world) for said in sorted(world.said, key=lambda said: said.start_s)],
        "typed": [[m.start_s, m.percept.text] for m in moments if m.percept.text],
        "events": [[m.start_s, e.kind, str(e.provenance), e.text] for m in moments for e in m.percept.events],
        "frames": sum(m.frame_count for m in moments),
        "words": [[*_word(word), word in sounding] for word in timeline.words()],
        "heard": [_word(word) for word in timeline.heard()],
        "segments": [list(segment) for segment in agent.segments],
        "mismatches": agent.mismatches,
        "calls": [
            {"time_s": m.start_s, "kind": c.kind, "name": c.name, "arguments": plain(c.arguments)}
            for m in moments
            for c in m.act.calls
        ],
        "expected": [_expected(wanted) for wanted in world.expected],
        "peaks": {
            "user": digits(timeline.user_audio(), INPUT_RATE),
            "model": digits(timeline.model_audio(), timeline.output_rate),
        },
    }


def _word(word: Word) -> list[Any]:
    return [word.text, round(float(word.start_s), 3), round(float(word.end_s), 3)]


def _said(said: Said, world: World) -> dict[str, Any]:
    voice = said.voice or world.voice
    return {
        "who": "user" if voice == world.voice else "other",
        "voice": f"{voice.engine}:{voice.name}",
        "words": [[word, round(start, 3), round(end, 3)] for word, start, end in said.words],
    }


def _expected(wanted: Expected) -> dict[str, Any]:
    out: dict[str, Any] = {"words": list(wanted.words), "cause_s": round(float(wanted.cause_s), 3)}
    if wanted.due_s is not None:
        out["due_s"] = round(float(wanted.due_s), 3)
    if wanted.pace_s:
        out["pace_s"] = round(float(wanted.pace_s), 3)
    if wanted.call is not None:
        out["call"] = {"name": wanted.call[0], "arguments": plain(wanted.call[1])}
    return out | ({"withdrawn": True} if wanted.withdrawn else {}) | {"floor": wanted.floor}


def digits(audio: npt.NDArray[np.float32], rate_hz: int) -> str:
    """The highest magnitude of each twentieth of a second as one digit: 0 to z is the root of 0 to 1."""
    size = rate_hz // PEAKS_PER_S
    whole = len(audio) // size * size
    high = np.abs(audio[:whole]).reshape(-1, size).max(1) if whole else np.zeros(0, np.float32)
    return "".join(DIGITS[int(x)] for x in np.rint((len(DIGITS) - 1) * np.sqrt(np.minimum(high, 1))))


def write_sound(path: Path, timeline: Timeline) -> None:
    """The user left and the model right, FLAC at 16 kHz."""
    user = timeline.user_audio()
    model = resample(timeline.model_audio(), timeline.output_rate, INPUT_RATE)
    both = np.zeros((max(len(user), len(model)), 2), np.float32)
    both[: len(user), 0], both[: len(model), 1] = user, np.clip(model, -1, 1)
    partial = path.with_suffix(".partial")
    soundfile.write(partial, both, INPUT_RATE, format="FLAC", subtype="PCM_16")
    partial.replace(path)


def write_strip(path: Path, timeline: Timeline) -> int:
    """What the model saw, a square of 48 px a second side by side, as PNG. How many; 0 and no file without pictures."""
    squares: list[npt.NDArray[np.uint8]] = []
    last: Moment | None = None
    for moment in timeline:
        last = moment if moment.percept.frames else last
        if moment.start_s + 1e-9 >= len(squares) * STRIP_S:
            blank = np.zeros((STRIP_PX, STRIP_PX, 3), np.uint8)
            squares.append(blank if last is None else small_square(last.percept.frames[-1], STRIP_PX))
    if last is None:
        path.unlink(missing_ok=True)
        return 0
    path.write_bytes(png(np.concatenate(squares, 1)))
    return len(squares)


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """An RGB image [height, width, 3] as PNG (ISO/IEC 15948)."""
    height, width, _ = image.shape

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def json_text(value: Any, indent: int | None = 1) -> str:
    """JSON with an end of line; numbers that are not finite are an error (ValueError)."""
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=plain) + "\n"


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Replace ``path`` in one step."""
    partial = path.with_suffix(".partial")
    partial.write_text(json_text(value, indent), encoding="utf-8")
    partial.replace(path)
