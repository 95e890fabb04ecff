"""A timeline as one SVG: one clock, one lane a stream, a 200 ms grid. No script, no network, light and dark."""

from __future__ import annotations

import html
import re
from importlib.resources import files
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from imkit.stream import TICK_S, Timeline

from .lanes import DEADLINE_MS, PEAKS_PER_TICK, Lanes, Span, lanes_of, rows_of
from .pictures import pictures_of

_CHAR_PX = 6.7  # width of a letter at 12 px
_TOP = 26
_SIGHT_PX = 38
_LANES = (  # name, what is written beside it, height in px
    ("mic", "microphone", 46),
    ("heard", "heard", 58),
    ("sight", "camera", _SIGHT_PX),
    ("typed", "typed", 26),
    ("floor", "floor", 26),
    ("says", "says", 58),
    ("voice", "own voice", 46),
    ("acts", "calls, results", 44),
    ("compute", "compute, ms", 46),
)
_PAD = 7

_SIGNS = {"call": "▲ ", "result": "▼ ", "surface": "▣ ", "event": "● "}


def timeline_svg(timeline: Timeline, *, width: int = 1200, px_per_s: float | None = None) -> str:
    """The timeline as a standalone SVG document ``width`` px wide, or ``px_per_s`` px a second."""
    gutter = 104
    lanes = lanes_of(timeline)
    seconds = max(lanes.end_s - lanes.start_s, TICK_S)
    scale = px_per_s if px_per_s else (width - gutter - 12) / seconds
    every_s = max(1.0, (_SIGHT_PX - 8) * 4 / 3 / scale)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="imkit" width="{ceil(gutter + seconds * scale + 12)}" '
        f'height="{height_px()}" role="img" aria-label="Timeline of {seconds:.1f} seconds">'
        f'<style>{static("timeline.css")}</style><rect class="paper" width="100%" height="100%"/>'
        f'{names(gutter - 10)}<g transform="translate({gutter} 0)">'
        f"{tracks(lanes, scale, pictures_of(timeline, every_s))}</g></svg>"
    )


def static(name: str) -> str:
    """The text of a file beside this module, in ``static/``."""
    return files("imkit.views").joinpath("static", name).read_text(encoding="utf-8")


def height_px() -> int:
    """The height of every timeline."""
    return _TOP + sum(height for _, _, height in _LANES) + 8


def names(right_px: float) -> str:
    """The lane names, ending at ``right_px``."""
    return "".join(
        f'<text class="name" x="{right_px}" y="{top + height / 2 + 4:g}">{text}</text>'
        for (_, text, height), top in zip(_LANES, _tops().values(), strict=True)
    )


def tracks(lanes: Lanes, px_per_s: float, pictures: dict[float, str] | None = None) -> str:
    """Everything right of the lane names. ``pictures`` maps times to image addresses."""
    return _Tracks(lanes, px_per_s).drawn(pictures or {})


def _tops() -> dict[str, float]:
    tops, top = {}, float(_TOP)
    for name, _, height in _LANES:
        tops[name] = top
        top += height
    return tops


class _Tracks:
    def __init__(self, lanes: Lanes, px_per_s: float) -> None:
        self.lanes = lanes
        self.scale = px_per_s
        self.seconds = max(lanes.end_s - lanes.start_s, TICK_S)
        self.top = _tops()
        self.height = {name: height for name, _, height in _LANES}

    def drawn(self, pictures: dict[float, str]) -> str:
        lanes = self.lanes
        mic, voice = lanes.mic.peaks, lanes.voice.peaks
        loudest = max(0.05, float(mic.max(initial=0.0)), float(voice.max(initial=0.0)))
        parts = [self.ground()]
        parts += [
            self.at(hole.start_s, f'<rect class="gap" {self.box("mic", hole.end_s - hole.start_s)}/>')
            for hole in lanes.lost
        ]
        parts.append(self.wave("mic", mic / loudest))
        parts.append(self.wave("voice", voice / loudest))
        parts.append(self.pills("heard", "you", lanes.heard))
        parts.append(self.pills("typed", "you", lanes.typed, rows=1))
        parts.append(self.pills("says", "me", lanes.words))
        for kind in ("speak", "backchannel"):
            parts.append(self.runs(kind, [span for span in lanes.floor if span.text == kind]))
        parts.append(self.sight(pictures))
        parts.append(self.marks())
        parts.append(self.compute())
        return "".join(parts)

    def x(self, time_s: float) -> float:
        return round((time_s - self.lanes.start_s) * self.scale, 2)

    def at(self, time_s: float, content: str, classes: str = "") -> str:
        """Content at a time."""
        return f'<g class="at {classes}" transform="translate({self.x(time_s):g} 0)">{content}</g>'

    def box(self, lane: str, width_s: float, inset: float = 0) -> str:
        """The attributes of a rectangle."""
        return (
            f'y="{self.top[lane] + inset:g}" height="{self.height[lane] - 2 * inset:g}" '
            f'width="{max(1.0, width_s * self.scale):.2f}"'
        )

    def stretched(self, path: str, classes: str) -> str:
        """A path drawn in seconds."""
        return f'<path class="stretch {classes}" transform="scale({self.scale:g} 1)" d="{path}"/>'

    def ground(self) -> str:
        bands = "".join(
            f'<rect class="band" y="{self.top[name]:g}" height="{height}" width="{self.seconds * self.scale:.1f}" />'
            for number, (name, _, height) in enumerate(_LANES)
            if number % 2 == 0
        )
        start_s, bottom = self.lanes.start_s, height_px() - 8
        grid = ['<g class="grid">']
        ticks = [
            (k * TICK_S - start_s)
            for k in range(ceil(start_s / TICK_S - 1e-6), floor(self.lanes.end_s / TICK_S + 1e-6) + 1)
        ]
        fine = "".join(f"M{t:.1f} {_TOP}V{bottom}" for t in ticks)
        if self.scale * TICK_S >= 3:
            grid.append(self.stretched(fine, "tick"))
        step = next((s for s in (1, 2, 5, 10, 30, 60, 300, 600) if s * self.scale >= 38), 3600)
        times = range(ceil(start_s / step) * step, floor(self.lanes.end_s) + 1, step)
        coarse = "".join(f"M{t - start_s:.1f} {_TOP - 4}V{bottom}" for t in times)
        grid.append(self.stretched(coarse, "second"))
        grid += [self.at(t, f'<text class="time" x="2" y="{_TOP - 8}">{_clock(t)}</text>', "stamp") for t in times]
        return bands + "".join(grid) + "</g>"

    def wave(self, lane: str, peaks: NDArray[np.float32]) -> str:
        """A mirrored outline; silent stretches are a hair line."""
        if not len(peaks):
            return ""
        middle, reach = self.top[lane] + self.height[lane] / 2, self.height[lane] / 2 - 4
        step_s = TICK_S / PEAKS_PER_TICK
        tall = np.maximum(peaks, 0.012) * reach
        # a point is needed only where the height changes
        keep = (
            np.flatnonzero(np.r_[True, (np.diff(tall[:-1]) != 0) | (np.diff(tall[1:]) != 0), True])
            if len(tall) > 2
            else range(len(tall))
        )
        upper = [f"{(i + 0.5) * step_s:.2f} {middle - tall[i]:.1f}" for i in keep]
        lower = [f"{(i + 0.5) * step_s:.2f} {middle + tall[i]:.1f}" for i in reversed(keep)]
        return self.stretched(f"M{'L'.join(upper + lower)}Z", lane)

    def pills(self, lane: str, classes: str, spans: list[Span], rows: int = 3) -> str:
        widths_s = [(len(span.text) * _CHAR_PX + 8) / self.scale for span in spans]
        each = (self.height[lane] - 2 * 3) / rows
        drawn = []
        for span, row in zip(spans, rows_of(spans, widths_s, rows), strict=True):
            y, length_s = self.top[lane] + 3 + row * each, max(TICK_S / 2, span.end_s - span.start_s)
            title = f"{span.text}  {span.start_s:.2f} to {span.end_s:.2f} s"
            drawn.append(
                self.at(
                    span.start_s,
                    f"<title>{escape(title)}</title>"
                    f'<rect y="{y + 1:g}" height="{each - 2:g}" rx="4" width="{length_s * self.scale:.2f}" '
                    "/>"
                    f'<text x="4" y="{y + each / 2 + 4:g}">{escape(span.text)}</text>',
                    classes,
                )
            )
        return "".join(drawn)

    def runs(self, kind: str, spans: list[Span]) -> str:
        drawn = []
        for span in spans:
            length_s = span.end_s - span.start_s
            label = (
                f'<text x="5" y="{self.top["floor"] + 16.5:g}">{kind}</text>'
                if length_s * self.scale > 6 * len(kind) + 8
                else ""
            )
            title = f"<title>{kind} {span.start_s:.1f} to {span.end_s:.1f} s</title>"
            drawn.append(self.at(span.start_s, f'{title}<rect {self.box("floor", length_s, 5)} rx="3"/>{label}', kind))
        return "".join(drawn)

    def sight(self, pictures: dict[float, str]) -> str:
        y, height = self.top["sight"], self.height["sight"]
        dots = "".join(
            f"M{t - self.lanes.start_s:.1f} {y + height - 6}h{TICK_S * 0.8:.2f}v3h-{TICK_S * 0.8:.2f}z"
            for t in self.lanes.frames
        )
        shown = [
            self.at(
                t, f'<image href="{address}" y="{y + 1}" height="{height - 8}" width="{(height - 8) * 4 / 3:.1f}"/>'
            )
            for t, address in pictures.items()
        ]
        return self.stretched(dots, "sight") + "".join(shown)

    def marks(self) -> str:
        spans = [Span(_SIGNS[m.kind] + _short(m.text), m.time_s, m.time_s) for m in self.lanes.marks]
        widths_s = [(len(span.text) * _CHAR_PX + 12) / self.scale for span in spans]
        each = (self.height["acts"] - 2 * 3) / 2
        drawn = []
        for mark, span, row in zip(self.lanes.marks, spans, rows_of(spans, widths_s, 2), strict=True):
            y, width = self.top["acts"] + 3 + row * each, len(span.text) * _CHAR_PX + 8
            drawn.append(
                self.at(
                    mark.time_s,
                    f"<title>{escape(f'{mark.time_s:.1f} s  {mark.detail}')}</title>"
                    f'<rect y="{y + 1:g}" height="{each - 2:g}" rx="4" width="{width:.1f}"/>'
                    f'<text x="4" y="{y + each / 2 + 4:g}">{escape(span.text)}</text>',
                    "event" if mark.kind == "event" else "act",
                )
            )
        return "".join(drawn)

    def compute(self) -> str:
        bottom, reach = self.top["compute"] + self.height["compute"], self.height["compute"] - 6
        full_ms = 1.15 * DEADLINE_MS
        in_time: list[str] = []
        late: list[str] = []
        for tick, ms in self.lanes.compute_ms:
            tall = min(1.0, ms / full_ms) * reach
            bar = f"M{tick * TICK_S - self.lanes.start_s + 0.02:.2f} {bottom}v-{max(0.8, tall):.1f}h.16V{bottom}z"
            (late if ms > DEADLINE_MS else in_time).append(bar)
        y = bottom - DEADLINE_MS / full_ms * reach
        line = f'<line class="deadline" x2="{self.seconds * self.scale:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = f'<text class="time" x="4" y="{y + 12:.1f}">deadline {DEADLINE_MS:g} ms</text>'
        return self.stretched("".join(in_time), "cost") + self.stretched("".join(late), "late") + line + label


_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(text: str) -> str:
    """``text`` as XML text, without the characters that XML cannot hold."""
    return html.escape(_NOT_IN_XML.sub("", text))


def _short(text: str, limit: int = 30) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _clock(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60}:{seconds % 60:02d}"
