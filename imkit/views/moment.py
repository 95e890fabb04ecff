"""One micro-turn as a card: what came in, what went on inside as far as the model tells, what was decided."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.measures.spectrum import MEL_BINS
from imkit.stream import INPUT_RATE, TICK_S, Event, Floor, Moment, Timeline, Word, tick_of
from imkit.stream.logged import SILENCE_DB

from .card import Block, Card, Image, Plot, Text
from .lanes import DEADLINE_MS
from .palette import Theme, theme_of
from .pictures import jpeg_address
from .sound import mel

_A_ROW = 12


def moment_figure(timeline: Timeline, at_s: float, theme: str = "light", *, width: int = 960) -> Any:
    """The micro-turn that ``at_s`` lies in, as a plotly ``Figure``: percept, inside, act.

    What is inside comes from ``act.diagnostics``: "tokens" is how many went in, names that begin with "p_" are
    probabilities, everything else is shown as it is. Raises ValueError where no micro-turn was kept.
    """
    index = tick_of(at_s)
    try:
        moment: Moment = timeline[index]
    except IndexError:
        raise ValueError(
            f"moment_figure(at_s={at_s:g}): no micro-turn {index} is kept; this timeline runs from "
            f"{timeline.start_s:.1f} to {timeline.end_s:.1f} s"
        ) from None
    colours = theme_of(theme)
    start_s = moment.start_s
    columns = {
        f"Percept {index}, {start_s:.1f} to {start_s + TICK_S:.1f} s": _percept(timeline, moment, colours),
        "Inside": _inside(moment, colours),
        f"Act, heard {moment.act.starts_s:.1f} to {moment.act.ends_s:.1f} s": _act(timeline, moment, colours),
    }
    return Card(columns, colours, width).figure()


def _percept(timeline: Timeline, moment: Moment, theme: Theme) -> list[Block]:
    percept = moment.percept
    blocks: list[Block] = []
    if moment.has_media:
        blocks.append(_wave(f"sound{_loud(moment.level_db)}, 200 ms", percept.audio, INPUT_RATE, theme.you, theme))
        _, levels = mel(timeline, moment.start_s, moment.start_s + TICK_S, 20)
        low, middle, high = theme.sound
        blocks.append(
            Plot(
                f"mel, {MEL_BINS} bands, 60 Hz to 7.6 kHz",
                64,
                [
                    {
                        "type": "heatmap",
                        "z": levels,
                        "zmin": 0,
                        "zmax": 255,
                        "colorscale": [[0, low], [0.55, middle], [1, high]],
                        "showscale": False,
                        "hoverinfo": "skip",
                    }
                ],
            )
        )
    else:
        blocks.append(Text("sound", f"{moment.level_db:.0f} dB; its samples were let go"))
    pictures = [Image(jpeg_address(f, 180), f.shape[1] / f.shape[0]) for f in percept.frames]
    if moment.frame_count and not pictures:
        blocks.append(Text("pictures", f"{moment.frame_count}, let go"))
    elif not pictures:
        blocks.append(Text("pictures", "none"))
    blocks += pictures
    blocks.append(Text("typed", percept.text or "nothing", theme.you if percept.text else ""))
    if percept.draft:
        blocks.append(Text("draft", percept.draft, theme.soft))
    blocks += [Text(f"event: {event.kind} from {event.provenance}", _told(event)) for event in percept.events]
    return blocks


def _inside(moment: Moment, theme: Theme) -> list[Block]:
    told = dict(moment.act.diagnostics)
    blocks: list[Block] = []
    tokens = told.pop("tokens", None)
    if isinstance(tokens, int) and 0 < tokens <= 20 * _A_ROW:
        rows = -(-tokens // _A_ROW)
        at = np.arange(tokens)
        squares = {"symbol": "square", "size": 15, "color": theme.cost, "line": {"width": 0}}
        trace = {"type": "scatter", "mode": "markers", "x": at % _A_ROW, "y": -(at // _A_ROW), "marker": squares}
        axes = {"range": [-0.6, _A_ROW - 0.4]}, {"range": [-rows + 0.5, 0.5]}
        blocks.append(Plot(f"tokens in: {tokens}", 22 * rows, [trace | {"hoverinfo": "skip"}], *axes))
    elif tokens is not None:
        blocks.append(Text("tokens in", str(tokens)))
    for name in [name for name, value in told.items() if name.startswith("p_") and _share(value)]:
        value = float(told.pop(name))
        blocks.append(_gauge(f"{name} {value:.2f}", value, 1.0, theme.me, theme))
    ms = moment.compute_ms
    took = f"took {ms:.1f} ms of {DEADLINE_MS:.0f}"
    blocks.append(_gauge(took, ms, DEADLINE_MS, theme.late if moment.late else theme.cost, theme))
    blocks.append(Text("epoch", str(moment.epoch)))
    blocks.extend(Text(str(name), str(value)) for name, value in told.items())
    return blocks


def _act(timeline: Timeline, moment: Moment, theme: Theme) -> list[Block]:
    act = moment.act
    states = list(Floor)
    fill = {"listen": theme.cost, "backchannel": theme.nod, "speak": theme.me}
    chips = {
        "type": "bar",
        "orientation": "h",
        "base": [number + 0.03 for number in range(3)],
        "x": [0.94] * 3,
        "y": [0] * 3,
        "width": 0.9,
        "marker": {
            "color": [fill[str(state)] if state is act.floor else theme.band for state in states],
            "line": {"width": 1, "color": theme.line},
        },
        "hoverinfo": "skip",
    }
    inks = [_on(act.floor, theme) if state is act.floor else theme.soft for state in states]
    names = {
        "type": "scatter",
        "mode": "text",
        "x": [0.5, 1.5, 2.5],
        "y": [0] * 3,
        "text": [str(state) for state in states],
        "textfont": {"color": inks, "size": 11},
        "hoverinfo": "skip",
    }
    blocks: list[Block] = [
        Plot("floor", 26, [chips, names], {"range": [0, 3]}, {"range": [-0.5, 0.5]}),
        Text("says", _spoken(act.words) or "nothing", theme.me if act.words else ""),
    ]
    if moment.has_media:
        blocks.append(
            _wave(f"own sound{_loud(moment.own_db)}, 200 ms", act.audio, timeline.output_rate, theme.me, theme)
        )
    else:
        blocks.append(Text("own sound", f"{moment.own_db:.0f} dB; the samples were let go"))
    blocks.append(Text("has heard", _spoken(act.heard) or "nothing new", theme.you if act.heard else ""))
    for call in act.calls:
        asked = ", ".join(f"{key}={value!r}" for key, value in call.arguments.items())
        blocks.append(Text(f"call: {call.kind}", f"{call.name}({asked})", theme.act))
    if not act.calls:
        blocks.append(Text("calls", "none"))
    if moment.yielded:
        blocks.append(Text("yielded", "it stopped its own speech here", theme.both))
    return blocks


def _wave(name: str, audio: NDArray[np.float32], rate_hz: int, colour: str, theme: Theme) -> Plot:
    top = max(0.02, float(np.abs(audio).max(initial=0.0)) * 1.08)
    line = {"type": "scatter", "mode": "lines", "line": {"color": colour, "width": 1}, "hoverinfo": "skip"}
    ms = np.arange(len(audio)) * 1000 / rate_hz
    marks = {"range": [0, 1000 * TICK_S], "showticklabels": True, "showgrid": True}
    marks |= {"gridcolor": theme.line, "tickvals": [0, 50, 100, 150], "ticklabelposition": "outside right"}
    return Plot(name, 64, [{**line, "x": ms.round(2), "y": audio}], marks, {"range": [-top, top]})


def _gauge(name: str, value: float, most: float, colour: str, theme: Theme) -> Plot:
    bar = {"type": "bar", "orientation": "h", "y": [0], "width": 0.8, "hoverinfo": "skip"}
    full = {**bar, "x": [most], "marker": {"color": theme.line, "line": {"width": 0}}}
    filled = {**bar, "x": [min(value, most)], "marker": {"color": colour, "line": {"width": 0}}}
    return Plot(name, 12, [full, filled], {"range": [0, most]}, {"range": [-0.5, 0.5]})


def _spoken(words: tuple[Word, ...]) -> str:
    return ", ".join(f"{word.text} ({word.start_s:.2f} to {word.end_s:.2f} s)" for word in words)


def _told(event: Event) -> str:
    surface = event.payload.get("surface")
    title = f" [surface: {surface.get('title')}]" if isinstance(surface, dict) else ""
    return f"{event.text or event.kind}{title}"


def _on(floor: Floor, theme: Theme) -> str:
    """The colour of words on that floor's own."""
    return theme.ink if floor is Floor.LISTEN else theme.paper


def _loud(level_db: float) -> str:
    return f", {level_db:.0f} dB".replace("-", "−") if level_db > SILENCE_DB else ", silent"


def _share(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1
