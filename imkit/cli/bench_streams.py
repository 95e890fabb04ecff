"""``imkit bench streams``: how many sessions one core carries, and how long a micro-turn of all of them takes.

Every stream hears the same spoken questions from another place on, and lives in virtual time: one tick after the other
as fast as it goes. Times are of one process that computes on one thread. For numbers that mean something give it a core
of its own: ``taskset -c 1 imkit bench streams`` on a machine that does nothing else.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from imkit.stream import TICK_S, Act, ModelError, OpenConfig, Percept
from imkit.views.charts import axis, line, look, note
from imkit.views.lanes import DEADLINE_MS
from imkit.views.palette import theme_of

from .bench import Row, conversation, rank

SECONDS = 12.0
WARM_TICKS = 3
MOST = 256
SINGLY = 8  # streams that are also stepped one by one, to compare

Steps = Callable[[list[Any], list[Percept]], Any]


class Counted(Protocol):
    """Something measured with so many streams."""

    @property
    def streams(self) -> int:
        """How many."""
        ...


T = TypeVar("T", bound=Counted)


@dataclass(frozen=True)
class Measured:
    """Ticks of so many streams. ``factor`` is the time they took over the time they lasted; below 1 is real time."""

    streams: int
    p50_ms: float
    p99_ms: float
    factor: float
    cpu_factor: float
    ticks: int


def real_time(one: Measured) -> bool:
    """Whether ticks take less time than they last."""
    return one.factor < 1


def in_time(one: Measured) -> bool:
    """Whether 99 of 100 ticks end before the next begins."""
    return one.p99_ms <= DEADLINE_MS


def streams(
    model: str, seconds: float = SECONDS, most: int = MOST, table: Path | None = None, picture: Path | None = None
) -> Iterator[Row]:
    """Rows for 1, 2, 4, 8 ... streams until real time is lost, then the most that keep it.

    ``table`` is a JSON file for the numbers, ``picture`` an HTML file for a figure of them.
    """
    from .run import load_model

    chair = load_model(model)
    if not hasattr(chair, "step_many"):
        raise ModelError(f"{model} steps one stream at a time; imkit bench streams needs a model with step_many")
    ready_s = time.perf_counter()
    chair.step_many([], [])
    yield Row("streams: getting ready", time.perf_counter() - ready_s, None, "s", "once a process")
    alone = measure(chair, SINGLY, seconds, one_by_one(chair))
    yield _row(alone, "one by one, ")
    kept: list[Measured] = []
    count = 1
    while count <= most:
        kept.append(measure(chair, count, seconds, chair.step_many))
        yield _row(kept[-1])
        if not real_time(kept[-1]):
            break
        count *= 2
    for what, keeps in (("in real time", real_time), ("with p99 in time", in_time)):
        for one in closer(partial(measure, chair, seconds=seconds, step=chair.step_many), kept, keeps):
            kept.append(one)
            yield _row(one)
        able = [one.streams for one in kept if keeps(one)]
        over = any(not keeps(one) for one in kept)
        note = "" if over else "at least; no more were tried"
        yield Row(f"sessions on one core, {what}", float(max(able, default=0)), None, "", note)
    kept.sort(key=lambda one: one.streams)
    if table is not None:
        told = {"model": model, "seconds": seconds, "together": list(map(asdict, kept)), "one_by_one": asdict(alone)}
        table.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if picture is not None:
        streams_figure(kept, alone).write_html(picture, include_plotlyjs=True)


def one_by_one(chair: Any) -> Steps:
    """Streams stepped one after the other, as without ``step_many``."""

    def step(states: list[Any], percepts: list[Percept]) -> list[Act]:
        return [chair.step(state, percept)[0] for state, percept in zip(states, percepts, strict=True)]

    return step


def measure(chair: Any, count: int, seconds: float, step: Steps) -> Measured:
    """So many streams over so many seconds of sound each."""
    sounds = conversation().ticks
    states = [chair.open(OpenConfig()) for _ in range(count)]
    taken: list[float] = []
    cpu_s = 0.0
    for index in range(WARM_TICKS + max(1, round(seconds / TICK_S))):
        given = [Percept(index, sounds[(index + 7 * k) % len(sounds)]) for k in range(count)]
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        step(states, given)
        if index >= WARM_TICKS:
            taken.append(1000 * (time.perf_counter() - began_s))
            cpu_s += time.process_time() - began_cpu_s
    mean_ms = sum(taken) / len(taken)
    return Measured(
        count,
        round(rank(taken, 0.5), 2),
        round(rank(taken, 0.99), 2),
        round(mean_ms / DEADLINE_MS, 4),
        round(cpu_s / len(taken) / TICK_S, 4),
        len(taken),
    )


def closer(tried: Callable[[int], T], kept: Sequence[T], keeps: Callable[[T], bool]) -> Iterator[T]:
    """Tries numbers between the most streams that keep up and the fewest that do not, to an eighth."""
    low = max((one.streams for one in kept if keeps(one)), default=0)
    high = min((one.streams for one in kept if not keeps(one) and one.streams > low), default=0)
    while high - low > max(1, low // 8):
        middle = (low + high) // 2
        one = tried(middle)
        yield one
        low, high = (middle, high) if keeps(one) else (low, middle)


def _row(one: Measured, how: str = "") -> Row:
    told = f"p99 {one.p99_ms:.0f} ms, real-time factor {one.factor:.2f} ({one.cpu_factor:.2f} of CPU), n={one.ticks}"
    return Row(f"streams: {how}tick of {one.streams}, p50", one.p50_ms, DEADLINE_MS, "ms", told)


def streams_figure(together: Sequence[Measured], alone: Measured, theme: str = "light", *, width: int = 720) -> Any:
    """A plotly ``Figure``: how long a tick of so many streams takes, p50 to p99, beside its deadline."""
    import plotly.graph_objects as go

    colours = theme_of(theme)
    counts = [one.streams for one in together]
    medians, slowest = [one.p50_ms for one in together], [one.p99_ms for one in together]
    each = [one.p50_ms / one.streams for one in together]
    hover = "%{x} streams: %{y:.1f} ms<extra></extra>"
    plain = {"type": "scatter", "x": counts, "hovertemplate": hover}
    data = [
        {**plain, "mode": "lines", "y": slowest, "line": {"color": colours.cost, "width": 1.2, "dash": "dash"}},
        {
            **plain,
            "mode": "lines+markers",
            "y": medians,
            "line": {"color": colours.me, "width": 2},
            "marker": {"color": colours.me, "size": 7},
        },
        {
            **plain,
            "x": [alone.streams],
            "y": [alone.p50_ms],
            "mode": "markers",
            "marker": {"color": colours.you, "size": 9, "symbol": "diamond"},
        },
        {
            **plain,
            "mode": "lines+markers",
            "y": each,
            "line": {"color": colours.you, "width": 1.5},
            "marker": {"color": colours.you, "size": 5},
        },
    ]
    end = max(counts)

    def beside(text: str, colour: str, ms: float) -> dict[str, Any]:
        """A name at the right end of a line; places on a logarithmic axis are told as powers."""
        return note(text, colour, xref="paper", x=1.01, xanchor="left", y=_power(ms))

    limit = line(colours, colours.late, xref="x domain", x0=0, x1=1, yref="y", y0=DEADLINE_MS, y1=DEADLINE_MS)
    shown = [2**k for k in range(end.bit_length())]
    layout = look(colours, width, 400) | {
        "margin": {"l": 64, "r": 92, "t": 34, "b": 48},
        "xaxis": axis(colours, "streams stepped together", type="log", tickvals=shown, ticktext=list(map(str, shown))),
        "yaxis": axis(colours, "ms a tick", type="log", tickvals=[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
        "shapes": [limit],
        "annotations": [
            note(
                "<b>One core: compute of a micro-turn of all streams</b>",
                colours.ink,
                xref="paper",
                yref="paper",
                x=0,
                y=1.02,
                xanchor="left",
                yanchor="bottom",
            ),
            note("the next tick", colours.late, x=0, y=_power(DEADLINE_MS), xanchor="left", yanchor="bottom"),
            beside("all, p99", colours.soft, max(slowest[-1], medians[-1] * 1.25)),
            beside("all, p50", colours.me, medians[-1]),
            beside("each, p50", colours.you, each[-1]),
            note(
                f"{alone.streams} one by one",
                colours.you,
                x=_power(alone.streams),
                y=_power(alone.p50_ms),
                xanchor="right",
                yanchor="bottom",
            ),
        ],
    }
    return go.Figure({"data": data, "layout": layout})


def _power(value: float) -> float:
    return math.log10(value)
