"""WebVTT captions (W3C): one lane a voice."""

from __future__ import annotations

import html
import re

from imkit.measures import Interval

from .lanes import AnnotationError, Annotations, in_order

CAPTIONS = "captions"
_TIME = re.compile(r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")


def parse(text: str) -> Annotations:
    """Cues as intervals in the lane of their voice; without a voice in the lane "captions"."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not re.fullmatch(r"WEBVTT([ \t].*)?", lines[0]):
        raise AnnotationError("line 1: is no WebVTT; expected WEBVTT")
    lanes: dict[str, list[Interval]] = {}
    for first, block in _blocks(lines):
        if block[0].startswith(("NOTE", "STYLE", "REGION", "WEBVTT")):
            continue
        at = 0 if "-->" in block[0] else 1
        if at >= len(block) or "-->" not in block[at]:
            raise AnnotationError(f"line {first}: {block[0][:40]!r} begins no cue; expected START --> END")
        start_s, end_s = _span(block[at], first + at)
        for voice, said in _voices("\n".join(block[at + 1 :])):
            lanes.setdefault(voice, []).append(Interval(start_s, end_s, said))
    return in_order(lanes)


def _blocks(lines: list[str]) -> list[tuple[int, list[str]]]:
    """Runs of lines that are not empty, each with the number of its first line."""
    blocks: list[tuple[int, list[str]]] = []
    open_ = False
    for number, line in enumerate(lines, 1):
        if line and open_:
            blocks[-1][1].append(line)
        elif line:
            blocks.append((number, [line]))
        open_ = bool(line)
    return blocks


def _span(line: str, number: int) -> tuple[float, float]:
    left, _, right = line.partition("-->")
    found = _TIME.fullmatch(left.strip()), _TIME.fullmatch((right.split() or [""])[0])
    if found[0] is None or found[1] is None:
        raise AnnotationError(f"line {number}: {line[:60]!r} holds no times such as 00:01.000 --> 00:02.500")
    start_s, end_s = (int(m[1] or 0) * 3600 + int(m[2]) * 60 + int(m[3]) + int(m[4]) / 1000 for m in found if m)
    if end_s <= start_s:
        raise AnnotationError(f"line {number}: the cue ends at {end_s:g} s and starts at {start_s:g} s")
    return start_s, end_s


def _voices(payload: str) -> list[tuple[str, str]]:
    """(voice, text) of each voice span of a cue."""
    parts = _VOICE.split(payload)
    named = [(CAPTIONS, parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    plain = [(html.unescape(name).strip(), html.unescape(_TAG.sub("", text)).strip()) for name, text in named]
    return [(name or CAPTIONS, text) for name, text in plain if text]
