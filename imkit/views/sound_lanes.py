"""Lanes of what is heard and seen: waveforms, a spectrogram, who sounds when, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import TICK_S, Timeline

from .lanes import Span
from .letters import merged, text_px
from .palette import Theme, faint
from .pictures import jpeg_address
from .sound import Envelope, mel
from .stack import Lane, View
from .turns import Stretch, Turns, shares
from .unheard import Unheard

SHARES_FROM_S_PER_PX = 0.5
_SHARE_PX = 6


def bars(
    spans: Sequence[Span], y: Any, height: float, colour: str, least_s: float = 0.0, *, apart: str = "", **more: Any
) -> dict[str, Any]:
    """Spans as horizontal bars, with what they say on demand; ``apart`` is the colour of a line between them."""
    return {
        "type": "bar",
        "orientation": "h",
        "base": [span.start_s for span in spans],
        "x": [max(least_s, span.end_s - span.start_s) for span in spans],
        "y": y if isinstance(y, list) else [y] * len(spans),
        "width": height,
        "marker": {
            "color": colour,
            "line": {"width": 1.5 if apart else 0, "color": apart or colour},
            **more.pop("marker", {}),
        },
        "customdata": [[_said(span.text), f"{span.start_s:.2f}", f"{span.end_s:.2f}"] for span in spans],
        "hovertemplate": "%{customdata[0]}  %{customdata[1]} to %{customdata[2]} s<extra></extra>",
        **more,
    }


@dataclass
class Wave(Lane):
    """A waveform: pale where only its level is kept, hollow where nobody heard it, hatched where it was lost."""

    sound: Envelope
    lost: Sequence[Span] = ()
    unplayed: Sequence[Unheard] = ()

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """Sound, level, generated only, sent only, what is lost."""
        around = view.around
        times, low, high = self.sound.seen(around.start_s, around.end_s, around.columns)
        loudest = max(0.02, float(self.sound.peaks.max(initial=0.0)))
        low, high = np.minimum(low / loudest, -0.012), np.maximum(high / loudest, 0.012)
        rate = 1 / max(1e-9, self._part_s)
        places = ((times - self.sound.start_s) * rate).astype(int).clip(0, max(0, len(self.sound.level) - 1))
        level = self.sound.level[places] if len(times) else np.zeros(0, bool)
        kept = {sent: np.zeros(len(times), bool) for sent in (True, False)}
        for part in self.unplayed:
            kept[part.sent] |= (times >= part.start_s) & (times < part.end_s)
        heard = ~(kept[True] | kept[False])
        missing = merged(self.lost, view.s_per_px)
        return [
            _outline(times, low, high, heard & ~level, {"color": self.colour, "width": 0.6}, self.colour),
            _outline(times, low, high, heard & level, {"color": self.colour, "width": 0.6}, faint(self.colour, 0.3)),
            _outline(times, low, high, kept[False], {"color": theme.late, "width": 1}, faint(theme.late, 0.06)),
            _outline(times, low, high, kept[True], {"color": theme.soft, "width": 1}, faint(theme.soft, 0.25)),
            bars(
                missing,
                0,
                2,
                theme.paper,
                view.s_per_px,
                marker={"pattern": {"shape": "/", "fgcolor": theme.late, "size": 6, "solidity": 0.35}},
            ),
        ]

    @property
    def _part_s(self) -> float:
        return TICK_S / 10


@dataclass
class Mel(Lane):
    """A mel spectrogram, 60 Hz to 7.6 kHz, -90 to -20 dB."""

    timeline: Timeline

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """One heat map."""
        times, levels = mel(self.timeline, view.start_s, view.end_s, min(900, int(view.width_px)))
        if not len(times):
            times, levels = np.array([view.start_s]), np.zeros((len(levels), 1), np.uint8)
        step = float(times[1] - times[0]) if len(times) > 1 else TICK_S
        low, middle, high = theme.sound
        return [
            {
                "type": "heatmap",
                "x0": float(times[0]),
                "dx": step,
                "z": levels,
                "zmin": 0,
                "zmax": 255,
                "colorscale": [[0, low], [0.55, middle], [1, high]],
                "showscale": False,
                "hoverinfo": "skip",
            }
        ]


@dataclass
class WhoSounds(Lane):
    """User above, model below, both at once through both, silences between turns by their length.

    Where a pixel is longer than half a second, it shows the shares of time instead: model, both, user, from below.
    """

    turns: Turns

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """Four kinds of stretches, the lengths of silences, three shares."""
        around, s_per_px = view.around, view.s_per_px
        apart = s_per_px < SHARES_FROM_S_PER_PX

        def inside(stretches: list[Stretch], text: str) -> list[Span]:
            return [Span(text, a, b) for a, b in stretches if apart and b > around.start_s and a < around.end_s]

        user, model, both, gaps = (
            inside(*one)
            for one in zip(self.turns, ("you sound", "the model sounds", "both at once", "silence"), strict=True)
        )
        told = [
            Span(f"{gap.end_s - gap.start_s:.1f}", gap.start_s, gap.end_s)
            for gap in gaps
            if (gap.end_s - gap.start_s) / s_per_px > text_px("00.0") + 4
        ]
        told = [s for s in told if s.start_s > view.start_s and s.end_s < view.end_s]
        return [
            bars(user, 0.72, 0.34, theme.you, s_per_px / 2),
            bars(model, 0.28, 0.34, theme.me, s_per_px / 2),
            bars(both, 0.5, 0.94, theme.both, s_per_px),
            bars(gaps, 0.5, 0.08, theme.ink, s_per_px),
            {
                "type": "scatter",
                "mode": "text",
                "x": [(s.start_s + s.end_s) / 2 for s in told],
                "y": [0.8] * len(told),
                "text": [s.text for s in told],
                "textfont": {"color": theme.ink, "size": 11},
                "hoverinfo": "skip",
            },
            *self._shares(around, theme, not apart),
        ]

    def _shares(self, view: View, theme: Theme, shown: bool) -> list[dict[str, Any]]:
        step_s = _SHARE_PX * view.s_per_px
        start_s = max(0.0, view.start_s) // step_s * step_s
        columns = int(np.ceil((view.end_s - start_s) / step_s)) if shown else 0
        user, model, both, _ = (shares(one, start_s, step_s, columns) for one in self.turns)
        parts = (("model", model - both, theme.me), ("both at once", both, theme.both), ("you", user - both, theme.you))
        base: NDArray[np.float64] = np.zeros(columns)
        traces = []
        for name, share, colour in parts:
            share = share.clip(min=0)
            traces.append(
                {
                    "type": "bar",
                    "x": start_s + (np.arange(columns) + 0.5) * step_s,
                    "y": share,
                    "base": base,
                    "width": step_s,
                    "marker": {"color": colour, "line": {"width": 0}},
                    "customdata": share * 100,
                    "hovertemplate": f"{name} %{{customdata:.0f}} % of {step_s:.1f} s<extra></extra>",
                }
            )
            base = base + share
        return traces


@dataclass
class Pictures(Lane):
    """As many small pictures as have room, over a line where there were any."""

    timeline: Timeline
    frames: Sequence[float]
    _made: dict[int, tuple[str, float]] = field(default_factory=dict)

    def drawn(self, view: View, theme: Theme) -> list[dict[str, Any]]:
        """When there were pictures."""
        spans = merged([Span("picture", at, at + TICK_S) for at in self.frames], max(1e-6, view.s_per_px))
        return [bars(spans, -0.9, 0.14, theme.you, view.s_per_px)]

    def pictures(self, view: View) -> list[dict[str, Any]]:
        """The newest picture of each stretch that is as wide as a picture."""
        tall_px = 0.84 * self.height_px
        placed: list[dict[str, Any]] = []
        free_s = view.start_s
        for moment in self.timeline.between(view.start_s, view.end_s):
            if not moment.frame_count or moment.start_s < free_s:
                continue
            if moment.index not in self._made:
                held = moment.percept.frames  # of a recording, decoded here
                if not held:
                    continue
                frame = held[-1]
                self._made[moment.index] = jpeg_address(frame, 64), frame.shape[1] / frame.shape[0]
            address, ratio = self._made[moment.index]
            width_s = ratio * tall_px * view.s_per_px
            if moment.start_s + width_s > view.end_s:
                break
            place = {"x": moment.start_s, "y": 1, "xanchor": "left", "yanchor": "top"}
            placed.append({"source": address, "sizex": width_s, "sizey": 1.68, "sizing": "stretch", **place})
            free_s = moment.start_s + width_s + 3 * view.s_per_px
        return placed


def _outline(
    times: NDArray[Any],
    low: NDArray[Any],
    high: NDArray[Any],
    shown: NDArray[np.bool_],
    line: dict[str, Any],
    fill: str,
) -> dict[str, Any]:
    """Closed outlines of the runs that are shown."""
    x, y, pen_up = [np.zeros(0)], [np.zeros(0)], np.array([np.nan])
    for begin, end in np.flatnonzero(np.diff(np.r_[0, shown.astype(np.int8), 0])).reshape(-1, 2).tolist():
        at = times[begin:end]
        x += [at, at[::-1], pen_up]
        y += [high[begin:end], low[begin:end][::-1], pen_up]
    outline = {"x": np.concatenate(x).round(3), "y": np.concatenate(y).round(3)}
    return {
        "type": "scatter",
        **outline,
        "mode": "lines",
        "fill": "toself",
        "fillcolor": fill,
        "line": line,
        "hoverinfo": "skip",
    }


def _said(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
