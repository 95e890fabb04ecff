"""ELAN annotation format 3.0: one tier a lane, shared time slots, whole milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from imkit.stream import Timeline

from .lanes import Row, lanes_of, numbered, rows

MEDIA = "user.wav"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).isoformat()  # the same timeline gives the same bytes


def encode(timeline: Timeline) -> bytes:
    """The lanes of ``lanes_of`` as time-aligned tiers; what overlaps in a lane goes to a further tier "name (2)".

    The medium is ``user.wav`` beside the file, as a recording folder has it, from the timeline's start.
    """
    lanes = lanes_of(timeline)
    tiers: list[tuple[str, Row]] = []
    for name, lane in lanes.items():
        tiers += [(numbered(name, number), row) for number, row in enumerate(rows(lane) or [[]])]
    times = sorted({at_ms for _, row in tiers for begin, end, _ in row for at_ms in (begin, end)})
    slot = {at_ms: f"ts{number}" for number, at_ms in enumerate(times, 1)}
    origin = round(timeline.start_s * 1000)
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ANNOTATION_DOCUMENT AUTHOR="" DATE="{_EPOCH}" FORMAT="3.0" VERSION="3.0" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{_SCHEMA}">\n'
        '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">\n'
        f'        <MEDIA_DESCRIPTOR MEDIA_URL="./{MEDIA}" RELATIVE_MEDIA_URL="./{MEDIA}" MIME_TYPE="audio/x-wav"'
        f"{f' TIME_ORIGIN={quoteattr(str(origin))}' if origin else ''}/>\n"
        "    </HEADER>\n    <TIME_ORDER>\n"
    ]
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
