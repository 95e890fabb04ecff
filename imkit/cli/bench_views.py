"""``imkit bench views``: what it costs to draw and to write an hour."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from imkit.stream import TICKS_PER_S, Call, Event, Moment, Timeline, Word

from .bench import Row, rank
from .run import demo_audio, load_model

HOUR_S = 3600.0
OPENS_S = 3.0
ZOOMS_S = (3600.0, 600.0, 120.0, 30.0, 10.0, 2.0)
REPORT_MB = 35.0


def views(model: str, seconds: float = HOUR_S) -> Iterator[Row]:
    """An hour made of the bundled scene over and over, with all its sound, drawn and written. Seconds of one core."""
    from imkit.session import Session
    from imkit.views import figure, latency_figure, report, turn_taking_figure

    with Session(load_model(model)) as session:
        timeline = repeated(session.run(demo_audio()), seconds)
    figure(timeline.between(0, 10), live=False)  # plotly itself is loaded before
    note = f"{len(timeline)} micro-turns with sound, CPU time"
    still, seconds_taken = _timed(lambda: figure(timeline, live=False))
    yield Row("timeline figure of an hour", seconds_taken, OPENS_S, "s", note)
    yield Row("timeline figure of an hour, size", len(still.to_json()) / 1e6, None, "MB")
    widget = figure(timeline, live=True)
    zooms = []
    for width_s in ZOOMS_S:
        for start_s in (0.0, 0.4 * seconds, max(0.0, seconds - width_s)):
            shown = (start_s, min(seconds, start_s + width_s))
            zooms.append(1000 * _timed(partial(widget.layout.xaxis.update, range=shown))[1])
    yield Row("redraw after a zoom, p50", rank(zooms, 0.5), None, "ms", f"n={len(zooms)}, CPU time")
    yield Row("redraw after a zoom, worst", max(zooms), 500, "ms", f"n={len(zooms)}, CPU time")
    yield Row("turn-taking figure of an hour", _timed(lambda: turn_taking_figure(timeline))[1], OPENS_S, "s")
    yield Row("latency figure of an hour", _timed(lambda: latency_figure(timeline))[1], OPENS_S, "s")
    with tempfile.TemporaryDirectory() as folder:
        path, seconds_taken = _timed(lambda: report(timeline, Path(folder) / "report.html"))
        yield Row("report of an hour written", seconds_taken, None, "s", "most of it is packing sound; CPU time")
        yield Row("report of an hour, size", path.stat().st_size / 1e6, REPORT_MB, "MB")


def repeated(timeline: Timeline, seconds: float) -> Timeline:
    """The moments of ``timeline`` over and over until ``seconds`` are full, each at its new time."""
    long = Timeline(timeline.output_rate, keep_media_s=seconds + 1)
    moments, first = timeline.moments, timeline[-1].index + 1
    for index in range(round(seconds * TICKS_PER_S)):
        round_number, place = divmod(index, first)
        long.append(_moved(moments[place], index, f"{round_number}"))
    return long


def _moved(moment: Moment, index: int, name: str) -> Moment:
    later_s = (index - moment.index) / TICKS_PER_S

    def moved(words: tuple[Word, ...]) -> tuple[Word, ...]:
        return tuple(replace(word, start_s=word.start_s + later_s, end_s=word.end_s + later_s) for word in words)

    def named(one: Any) -> Any:
        key = "id" if isinstance(one, Call) else "call_id"
        return replace(one, **{key: f"{getattr(one, key)}.{name}"}) if getattr(one, key) else one

    events: tuple[Event, ...] = tuple(named(event) for event in moment.percept.events)
    act = replace(moment.act, index=index, words=moved(moment.act.words), heard=moved(moment.act.heard))
    act = replace(act, calls=tuple(named(call) for call in moment.act.calls))
    return replace(moment, percept=replace(moment.percept, index=index, events=events), act=act)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What ``work`` gives, and the seconds of processor time that it took."""
    began_s = time.process_time()
    return work(), time.process_time() - began_s
