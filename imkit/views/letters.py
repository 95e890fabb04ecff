"""How much room words need, and which of them are shown where not all can be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from .lanes import Span

SIZE_PX = 11
PAUSE_S = 1.2
_ASTRAY_PX = 120
_CROWDED = 0.6
_ELLIPSIS_PX = 17
_NARROW, _WIDE = frozenset("ijlrtfI.,;:!|'()[]· "), frozenset("mwMWGOQD@%→…▲▼▣●✓✗")


def text_px(text: str, size_px: float = SIZE_PX) -> float:
    """The width of ``text`` in a wide sans serif face, so that what it is really set in is not wider."""
    return sum(map(_ems, text)) * size_px


def fitted(
    spans: Sequence[Span], start_s: float, end_s: float, s_per_px: float, rows: int, pad_px: float = 6
) -> list[tuple[int, Span]]:
    """(row, span) of the spans whose words can stand at their start without touching others or the edges.

    Words that find no room are left out, the later ones first.
    """
    free_s = [-1e18] * rows
    shown: list[tuple[int, Span]] = []
    for span in spans:
        width_s = (text_px(span.text) + pad_px) * s_per_px
        if span.start_s < start_s or span.start_s + width_s > end_s:
            continue
        row = next((number for number, at in enumerate(free_s) if at <= span.start_s), None)
        if row is not None:
            free_s[row] = span.start_s + width_s
            shown.append((row, span))
    return shown


def told(words: Sequence[Span], start_s: float, end_s: float, s_per_px: float, rows: int) -> list[tuple[int, Span]]:
    """(row, span) that tell the words as well as there is room, in their order, and none is dropped in silence.

    Each where it begins or behind the one before it (``gathered``); else most of them, with an ellipsis where others
    are left out; else the phrases they begin, cut. Nothing where not even those have room.
    """
    words = [word for word in words if start_s <= word.start_s < end_s]
    shown = gathered(words, start_s, end_s, s_per_px, rows)
    if shown is None:
        shown = _some(words, start_s, end_s, s_per_px, rows) or _begun(words, start_s, end_s, s_per_px, rows)
    return shown


def _some(words: Sequence[Span], start_s: float, end_s: float, s_per_px: float, rows: int) -> list[tuple[int, Span]]:
    """Most words at their times, with an ellipsis where others are left out; nothing where too few have room."""
    found = fitted(words, start_s, end_s, s_per_px, rows, _ELLIPSIS_PX)
    if len(found) < _CROWDED * len(words):
        return []
    placed = {id(span): row for row, span in found}
    shown: list[tuple[int, Span]] = []
    for word in words:
        if id(word) in placed:
            shown.append((placed[id(word)], word))
        elif shown:
            row, before = shown.pop()
            shown.append((row, Span(f"{before.text.rstrip('…')}…", before.start_s, before.end_s)))
    return shown


def _begun(words: Sequence[Span], start_s: float, end_s: float, s_per_px: float, rows: int) -> list[tuple[int, Span]]:
    """Phrases cut to the room up to the one after the next; nothing where hardly any has room."""
    whole = phrases(words, 1e9)
    texts = []
    for number, span in enumerate(whole):
        after = number + rows
        until_s = whole[after].start_s if after < len(whole) else end_s
        text = cut(span.text, (until_s - span.start_s) / s_per_px - 8)
        texts.append(Span(text, span.start_s, span.end_s))
    shown = fitted([span for span in texts if len(span.text) > 3], start_s, end_s, s_per_px, rows)
    return shown if len(shown) >= 0.4 * len(whole) else []


def gathered(
    words: Sequence[Span], start_s: float, end_s: float, s_per_px: float, rows: int, pad_px: float = 6
) -> list[tuple[int, Span]] | None:
    """(row, span) that hold every word: one that finds no room of its own stands behind the word before it.

    Up to a pause words stay in one row then, so that they read on. None where a word would be far from its time.
    """
    free_s = [-1e18] * rows
    shown: list[tuple[int, Span]] = []
    for run in _runs([word for word in words if word.start_s >= start_s], PAUSE_S):
        one = [row for row in range(rows) if free_s[row] <= run[0].start_s][:1]
        for among, astray_px in ((range(rows), 0.0), (one, _ASTRAY_PX), (range(rows), _ASTRAY_PX / 2)):
            placed = _placed(run, free_s, among, astray_px * s_per_px, pad_px * s_per_px, s_per_px)
            if placed is not None:
                break
        else:
            return None
        free_s, found = placed
        shown += found
    whole = [
        (row, Span(cut(span.text, (end_s - span.start_s) / s_per_px - pad_px), span.start_s, span.end_s))
        for row, span in shown
    ]
    return [(row, span) for row, span in whole if span.text.strip("…")]


def _placed(
    run: Sequence[Span], free_s: Sequence[float], among: Sequence[int], astray_s: float, pad_s: float, s_per_px: float
) -> tuple[list[float], list[tuple[int, Span]]] | None:
    """From when on each row is free after these words, and where they stand; None where one would be too far off."""
    free_s, placed = list(free_s), list[tuple[int, Span]]()
    for word in run:
        row = next((row for row in among if free_s[row] <= word.start_s), None)
        if row is None:
            if not placed or free_s[placed[-1][0]] - word.start_s > astray_s:
                return None
            row, before = placed.pop()
            word = Span(f"{before.text} {word.text}", before.start_s, word.end_s)
        free_s[row] = word.start_s + text_px(word.text) * s_per_px + pad_s
        placed.append((row, word))
    return free_s, placed


def phrases(words: Sequence[Span], room_px: float, pause_s: float = PAUSE_S) -> list[Span]:
    """Words joined up to a pause, cut to ``room_px``."""
    return [
        Span(cut(" ".join(word.text for word in run), room_px), run[0].start_s, run[-1].end_s)
        for run in _runs(words, pause_s)
    ]


def _runs(words: Sequence[Span], pause_s: float) -> list[list[Span]]:
    runs: list[list[Span]] = []
    for word in words:
        if runs and word.start_s - runs[-1][-1].end_s <= pause_s:
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def cut(text: str, room_px: float) -> str:
    """``text``, shortened with an ellipsis if it is wider than ``room_px``."""
    room = room_px / SIZE_PX
    wide, kept = 0.0, 0
    for number, letter in enumerate(text):
        wide += _ems(letter)
        if wide <= room - _ems("…"):
            kept = number + 1
        if wide > room:
            return f"{text[:kept].rstrip()}…" if kept else ""
    return text


@lru_cache(4096)
def _ems(letter: str) -> float:
    if letter in _NARROW:
        return 0.42
    return 1.0 if letter in _WIDE or ord(letter) > 0x2E00 else 0.74 if letter.isupper() else 0.63


def merged(spans: Sequence[Span], least_s: float) -> list[Span]:
    """Ordered spans, those joined whose distance is too small to be seen."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.text == joined[-1].text and span.start_s - joined[-1].end_s < least_s:
            joined[-1] = Span(span.text, joined[-1].start_s, max(joined[-1].end_s, span.end_s))
        else:
            joined.append(span)
    return joined
