"""Audacity labels: start, end and text with tabs between, in seconds; the lane stands before the text."""

from __future__ import annotations

from imkit.stream import Timeline

from .lanes import lanes_of, tidy


def encode(timeline: Timeline) -> bytes:
    """All lanes of ``lanes_of`` as one label track, in order of time."""
    labels = [
        (one.start_s, one.end_s, f"{name}: {tidy(one.label)}")
        for name, lane in lanes_of(timeline).items()
        for one in lane
    ]
    return "".join(f"{a:.6f}\t{b:.6f}\t{text}\n" for a, b, text in sorted(labels)).encode("utf-8")
