"""RTTM, the rich transcription time marks of NIST's evaluations: one speaker's stretch of speech a line."""

from __future__ import annotations

import math

from imkit.measures import Interval

from .lanes import AnnotationError, Annotations, in_order

TYPES = {
    "SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT", "IP", "SU", "CB",
    "A/P", "SPEAKER", "SPKR-INFO",
}  # fmt: skip


def parse(text: str) -> Annotations:
    """SPEAKER lines as one lane a speaker; other types of line are passed over. Lines of ";;" are comments."""
    lanes: dict[str, list[Interval]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        if fields[0] not in TYPES:
            raise AnnotationError(f"line {number}: type {fields[0][:40]!r}, expected one such as SPEAKER")
        if fields[0] != "SPEAKER":
            continue
        if len(fields) not in (9, 10):
            raise AnnotationError(f"line {number}: {len(fields)} fields, expected 9 or 10")
        onset_s, length_s = (_seconds(fields[i], number, name) for i, name in ((3, "onset"), (4, "duration")))
        label = "" if fields[5] == "<NA>" else fields[5]
        lanes.setdefault(fields[7], []).append(Interval(onset_s, onset_s + length_s, label or fields[7]))
    return in_order(lanes)


def _seconds(text: str, number: int, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise AnnotationError(f"line {number}: {name} is {text[:40]!r}, expected seconds from 0")
    return value
