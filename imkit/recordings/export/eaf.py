"""ELAN annotation format 3.0: one tier a lane, shared time slots, whole milliseconds."""

from __future__ import annotations

import wave
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from imkit.recordings.exact import pcm_of
from imkit.stream import INPUT_RATE, TICK_S, Timeline, samples_per_tick
from imkit.stream.outline import Side

from .files import ExportError
from .lanes import Row, lanes_of, numbered, rows

_SIDES: tuple[Side, Side] = ("user", "model")
_MOST_BYTES = 2**32 - 2**16  # a RIFF file counts in 32 bits
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).isoformat()  # the same timeline gives the same bytes


def encode(timeline: Timeline, stem: str = "session") -> bytes:
    """The lanes of ``lanes_of`` as time-aligned tiers; what overlaps in a lane goes to a further tier "name (2)".

    Its media are those of ``media(timeline, stem)`` in the same folder, named by themselves alone, so that ELAN finds
    them wherever the folder is. Without any sound it names none.
    """
    lanes = lanes_of(timeline)
    tiers: list[tuple[str, Row]] = []
    for name, lane in lanes.items():
        tiers += [(numbered(name, number), row) for number, row in enumerate(rows(lane) or [[]])]
    times = sorted({at_ms for _, row in tiers for begin, end, _ in row for at_ms in (begin, end)})
    slot = {at_ms: f"ts{number}" for number, at_ms in enumerate(times, 1)}
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ANNOTATION_DOCUMENT AUTHOR="" DATE="{_EPOCH}" FORMAT="3.0" VERSION="3.0" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{_SCHEMA}">\n'
        '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">\n'
    ]
    for file in media(timeline, stem):
        url = quoteattr(f"./{quote(file)}")
        out.append(f'        <MEDIA_DESCRIPTOR MEDIA_URL={url} RELATIVE_MEDIA_URL={url} MIME_TYPE="audio/x-wav"/>\n')
    out.append("    </HEADER>\n    <TIME_ORDER>\n")
    out += [f'        <TIME_SLOT TIME_SLOT_ID="{slot[at_ms]}" TIME_VALUE="{at_ms}"/>\n' for at_ms in times]
    out.append("    </TIME_ORDER>\n")
    number = 0
    for name, row in tiers:
        kind = "words" if " words" in name else "default-lt"
        out.append(f'    <TIER LINGUISTIC_TYPE_REF="{kind}" TIER_ID={quoteattr(name)}>\n')
        for begin, end, label in row:
            number += 1
            out.append(
                f'        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" '
                f'TIME_SLOT_REF1="{slot[begin]}" TIME_SLOT_REF2="{slot[end]}">'
                f"<ANNOTATION_VALUE>{escape(label)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>\n"
            )
        out.append("    </TIER>\n")
    out += [
        f'    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="{kind}" TIME_ALIGNABLE="true"/>\n'
        for kind in ("default-lt", "words")
    ]
    out.append("</ANNOTATION_DOCUMENT>\n")
    return "".join(out).encode("utf-8")


def media(timeline: Timeline, stem: str) -> dict[str, Callable[[BinaryIO], None]]:
    """Name -> writer of ``stem.user.wav`` and ``stem.model.wav``, where the timeline still holds sound.

    16 bit, and both on the session clock: they begin at 0 s, in silence up to the timeline's start, because ELAN takes
    a medium's offset (TIME_ORIGIN) for what is to be skipped of it. Sound that was let go of is silence.
    """
    if not any(moment.has_media for moment in timeline):
        return {}
    return {f"{stem}.{side}.wav": partial(_write, timeline, side) for side in _SIDES}


def _write(timeline: Timeline, side: Side, file: BinaryIO) -> None:
    """Tick by tick, so that the length does not matter."""
    rate, later = (INPUT_RATE, 0) if side == "user" else (timeline.output_rate, 1)
    size = 2 * samples_per_tick(rate)
    if (round(timeline.end_s / TICK_S) + later) * size > _MOST_BYTES:
        raise ExportError(f"{timeline.end_s / 3600:.1f} h of sound at {rate} Hz are too long for WAV; export a slice")
    at, silence = 0, bytes(size)
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        for moment in timeline:
            for _ in range(at, moment.index + later):
                sound.writeframesraw(silence)
            held = moment.percept.audio if side == "user" else moment.act.audio
            sound.writeframesraw(pcm_of(held).tobytes() if moment.has_media else silence)
            at = moment.index + later + 1
