"""WebVTT captions (W3C Recommendation): one cue a few seconds long, with the voice that says it."""

from __future__ import annotations

import html

from imkit.measures import units_by_words
from imkit.stream import Timeline, Word

from .lanes import UTTERANCE_S, tidy

LONGEST_S = 7.0
MOST_LETTERS = 84  # two lines of 42, as captions usually are


def encode(timeline: Timeline) -> bytes:
    """Both voices, "User" and "Model", and what was typed, in order of their start."""
    cues = [(*cue, "User") for cue in _cues(timeline.heard())] + [(*cue, "Model") for cue in _cues(timeline.words())]
    typed = [(m.start_s, m.start_s + 2.0, tidy(m.percept.text), "User (typed)") for m in timeline]
    cues += [cue for cue in typed if cue[2]]
    lines = ["WEBVTT", ""]
    for start_s, end_s, text, voice in sorted(cues):
        start_ms = round(start_s * 1000)
        end_ms = max(round(end_s * 1000), start_ms + 1)
        payload = f"<v {voice}>{html.escape(text, quote=False)}"
        lines += [f"{_clock(start_ms)} --> {_clock(end_ms)}", payload, ""]
    return "\n".join(lines).encode("utf-8")


def _cues(words: list[Word]) -> list[tuple[float, float, str]]:
    """Words joined over silences up to 1.2 s, while a cue is short enough to be read."""
    cues: list[tuple[float, float, str]] = []
    for word in sorted(words, key=lambda word: (word.start_s, word.end_s)):
        text = tidy(word.text)
        if not text:
            continue
        ((start_s, end_s, _),) = ((u.start_s, u.end_s, u.label) for u in units_by_words([word]))
        if cues and start_s - cues[-1][1] <= UTTERANCE_S:
            first_s, last_s, said = cues[-1]
            if end_s - first_s <= LONGEST_S and len(said) + 1 + len(text) <= MOST_LETTERS:
                cues[-1] = (first_s, max(last_s, end_s), f"{said} {text}")
                continue
        cues.append((start_s, end_s, text))
    return cues


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(max(0, milliseconds), 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
