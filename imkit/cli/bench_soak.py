"""``imkit bench soak``: a long day, hour by hour. Nothing may grow, nothing may slow down, no sound may be lost.

In virtual time the model thinks as fast as it can and everything else is as in a live session: a page without a
browser sends sound, pictures and requests over the wire, the session runs its loop, what it says goes back. ``--real``
is the same by the wall clock. Times of the processor are those of the loop's thread: unlike times by the clock they
mean the same on a machine that does something else besides.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from imkit.capture import BrowserSource
from imkit.session import Session
from imkit.session.snapshots import size_of
from imkit.stream import TICK_S, TICKS_PER_S, Moment
from imkit.views.lanes import DEADLINE_MS

from .bench import AUDIBLE, Row, rank, rss_mb
from .soak_page import PEOPLE, PageInRealTime, PageInVirtualTime, SoakPage, VirtualClock

HOUR_TICKS = 3600 * TICKS_PER_S
MINUTE_TICKS = 60 * TICKS_PER_S
WARM_MINUTES = 11  # a timeline keeps ten minutes of sound; of more than two hours the first is for getting warm
ANSWER_TICKS = 15
TOLD_TICKS = 10 * MINUTE_TICKS


@dataclass
class Hour:
    """What one hour, or the part of one that was lived, came to. Sizes are those at its end."""

    hour: int
    ticks: int = 0
    rss_mb: float = 0.0
    state_bytes: int = 0
    kv_bytes: int = 0
    threads: int = 0
    files: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_p50_ms: float = 0.0
    cpu_p99_ms: float = 0.0
    late: int = 0
    cpu_late: int = 0
    asked: int = 0
    answered: int = 0
    queues: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    source_ppm: float | None = None
    ahead_ms: float | None = None
    clock_error_ms: float | None = None
    wall_s: float = 0.0

    def __str__(self) -> str:
        def ms(value: float | None) -> str:
            return "-" if value is None else f"{value:.1f}"

        answers = f"{self.answered}/{self.asked}" if self.asked else "-"
        return (
            f"{self.hour:>4} {self.ticks:>6} {self.rss_mb:>8.1f} {self.kv_bytes / 1e6:>7.2f} {self.threads:>7} "
            f"{self.files:>5} {max(self.queues.values(), default=0):>5} {self.p50_ms:>7.1f} {self.p99_ms:>7.1f} "
            f"{self.cpu_p50_ms:>7.1f} {self.cpu_p99_ms:>7.1f} {self.late:>5} {ms(self.ahead_ms):>8} "
            f"{ms(self.clock_error_ms):>7} {answers:>9}"
        )


HEADING = (
    f"{'hour':>4} {'ticks':>6} {'rss MB':>8} {'kv MB':>7} {'threads':>7} {'files':>5} {'queue':>5} {'p50 ms':>7} "
    f"{'p99 ms':>7} {'cpu p50':>7} {'cpu p99':>7} {'late':>5} {'ahead ms':>8} {'off ms':>7} {'answered':>9}"
)


class Chair:
    """A model in the chair whose newest state can be looked at, and whose time on the processor is taken."""

    def __init__(self, model: Any) -> None:
        self.model, self.spec = model, model.spec
        self.state: Any = None
        self.cpu_ms = 0.0

    def open(self, config: Any) -> Any:
        """A fresh state of the model."""
        self.state = self.model.open(config)
        return self.state

    def step(self, state: Any, percept: Any) -> Any:
        """One tick."""
        began_s = time.thread_time()
        act, self.state = self.model.step(state, percept)
        self.cpu_ms = 1000 * (time.thread_time() - began_s)
        return act, self.state


class Gauge:
    """The session's sink: hands everything to the page's link and writes down how things stand."""

    reports_played = True

    def __init__(self, session: Session, chair: Chair, page: SoakPage, began_s: float, hours: float) -> None:
        self.session, self.chair, self.page = session, chair, page
        self.hours: list[Hour] = []
        self.rss_mb: list[float] = []
        self._all_ticks = round(hours * HOUR_TICKS)
        self._page_began_s = began_s
        self._compute_ms: list[float] = []
        self._cpu_ms: list[float] = []
        self._most: Counter[str] = Counter()
        self._answered: set[int] = set()
        self._open: dict[int, int] = {}
        self._hour = Hour(1)
        self._began_s = self._hour_began_s = time.perf_counter()

    def put(self, moment: Moment) -> bool | None:
        """Takes a moment."""
        took = self.page.link.put(moment)
        hour, index = self._hour, moment.index
        hour.ticks += 1
        hour.late += moment.late
        hour.cpu_late += self.chair.cpu_ms > DEADLINE_MS
        self._compute_ms.append(moment.compute_ms)
        self._cpu_ms.append(self.chair.cpu_ms)
        for name, length in self._queues().items():
            self._most[name] = max(self._most[name], length)
        self._listen(moment)
        done = index + 1
        if index % MINUTE_TICKS == 0:
            self.rss_mb.append(rss_mb())
        if done % TOLD_TICKS == 0 and done < self._all_ticks:
            left_s = (time.perf_counter() - self._began_s) / done * (self._all_ticks - done)
            print(f"{done / HOUR_TICKS:.1f} h lived, about {left_s / 60:.0f} min left", file=sys.stderr, flush=True)
        if done % HOUR_TICKS == 0:
            self.end_hour()
        return took

    def flush(self, epoch: int) -> None:
        """Passed on."""
        self.page.link.flush(epoch)

    def close(self) -> None:
        """The link is closed by who made it."""

    def end_hour(self) -> None:
        """Measures what stands at the end of an hour and prints it."""
        hour, state = self._hour, self.chair.state
        if not hour.ticks:
            return
        ring = getattr(state, "ring", None)
        hour.rss_mb = rss_mb()
        hour.state_bytes = size_of(state) or 0
        hour.kv_bytes = 0 if ring is None else int(ring.keys.nbytes + ring.values.nbytes)
        hour.threads, hour.files = threading.active_count(), open_files()
        hour.p50_ms, hour.p99_ms = rank(self._compute_ms, 0.5), rank(self._compute_ms, 0.99)
        hour.cpu_p50_ms, hour.cpu_p99_ms = rank(self._cpu_ms, 0.5), rank(self._cpu_ms, 0.99)
        hour.queues, hour.kept = dict(self._most), self._kept()
        self._against_the_clock(hour)
        hour.wall_s = time.perf_counter() - self._hour_began_s
        self.hours.append(hour)
        print(hour, flush=True)
        self._hour, self._hour_began_s = Hour(hour.hour + 1), time.perf_counter()
        self._compute_ms, self._cpu_ms, self._most = [], [], Counter()

    def _listen(self, moment: Moment) -> None:
        """A question counts as answered when the model sounds within three seconds of its end."""
        ended = self.page.question_before(moment.index)
        if ended is not None:
            self._open[ended] = moment.index + ANSWER_TICKS
            self._hour.asked += 1
        if not self._open:
            return
        if np.abs(moment.act.audio).max(initial=0.0) > AUDIBLE:
            self._hour.answered += len(self._open)
            self._open.clear()
        self._open = {number: until for number, until in self._open.items() if moment.index < until}

    def _queues(self) -> dict[str, int]:
        session, source, link = self.session, self.page.source, self.page.link
        inbox, work = session._inbox, session._delegated
        return {
            "inbox": len(inbox.texts) + len(inbox.events),
            "source": len(source._ticks) + len(source._frames) + len(source._texts) + len(source._events),
            "outbox": len(link.outbox),
            "work": 0 if work is None else len(work.under_way) + len(work._ready),
        }

    def _kept(self) -> dict[str, int]:
        timeline, ledger = self.session.timeline, self.session.ledger
        snapshots = timeline.origin.snapshots
        return {
            "moments": len(timeline),
            **{f"{name} let go": count for name, count in timeline.let_go.items()},
            "snapshots": len(snapshots),
            "snapshot bytes": snapshots.size_bytes,
            "epochs": len(ledger._counts),
            "words": len(ledger._words),
            "runs of fates": len(ledger.fates._runs),
            "surfaces": len(self.session.surfaces),
            "tasks": len(self.session.tasks),
            "history": len(self.page.link._history),
        }

    def _against_the_clock(self, hour: Hour) -> None:
        """How far the page's count is from the kernel's clock, and how wrong we are about that."""
        clock, last = self.page.source.sound_clock, self.page.source.last_seq
        placed_s = clock.time_s((last + 1) * TICK_S)
        if placed_s is None:
            return
        hour.source_ppm, hour.ahead_ms = clock.ppm, 1000 * clock.ahead_s
        hour.clock_error_ms = 1000 * (placed_s - self._page_began_s - self.page.captured_s(last))


def soak(
    model: str, hours: float = 8.0, ppm: float = 100.0, *, real: bool = False, save: Path | None = None
) -> Iterator[Row]:
    """Prints a line an hour, then gives the rows. ``save`` is a JSON file for everything that was measured."""
    from .run import load_model

    chair = Chair(load_model(model))
    clock = VirtualClock()
    source = BrowserSource() if real else BrowserSource(clock)
    session = Session(chair, background="analyst", source=source, namespace=PEOPLE)
    page = SoakPage(session, time.monotonic if real else clock, ppm)
    gauge = Gauge(session, chair, page, source._clock() if real else clock.now_s, hours)
    session.sink = gauge
    print(HEADING, flush=True)
    try:
        if real:
            _live(session, page, hours)
        else:
            session.run(PageInVirtualTime(page, clock), seconds=3600 * hours, tail_s=0)
        gauge.end_hour()
    finally:
        session.close()
        page.link.close()
    yield from _rows(gauge, page)
    if save is not None:
        facts = {"model": model, "hours": hours, "ppm": ppm, "real": real, "rss_mb_by_minute": gauge.rss_mb}
        facts["counts"] = {"page": dict(source.counts), "speech_frames": page.speech_frames, "twice": page.twice}
        facts["by_hour"] = list(map(asdict, gauge.hours))
        save.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _live(session: Session, page: SoakPage, hours: float) -> None:
    done = threading.Event()
    sender = PageInRealTime(page, done)
    page.hello()
    page.start()
    sender.start()
    try:
        time.sleep(3600 * hours)
    finally:
        done.set()
        sender.join()
        session.stop()


def _rows(gauge: Gauge, page: SoakPage) -> Iterator[Row]:
    hours, counts = gauge.hours, page.source.counts
    first, last = hours[0], hours[-1]
    ticks = sum(hour.ticks for hour in hours)
    yield Row(
        "tick compute of the processor, last hour, p50", last.cpu_p50_ms, 40, "ms", f"hour 1: {first.cpu_p50_ms:.1f}"
    )
    yield Row(
        "tick compute of the processor, last hour, p99", last.cpu_p99_ms, 100, "ms", f"hour 1: {first.cpu_p99_ms:.1f}"
    )
    late = sum(hour.late for hour in hours)
    yield Row("missed deadlines, by the clock", 100 * late / ticks, 0.1, "%", f"{late} of {ticks}")
    warm = 60 if len(gauge.rss_mb) > 120 else min(WARM_MINUTES, len(gauge.rss_mb) // 3)
    kept = gauge.rss_mb[warm:]
    if len(kept) > 1:
        grown = (kept[-1] - kept[0]) / (len(kept) - 1) * 60
        yield Row("memory growth in the kernel", grown, 10, "MB/h", f"minutes {warm} to {len(gauge.rss_mb) - 1}")
    yield Row("KV bytes gained since hour 1", float(last.kv_bytes - first.kv_bytes), 0, "", f"{last.kv_bytes} bytes")
    yield Row("threads gained since hour 1", float(last.threads - first.threads), 0, "")
    yield Row("open files gained since hour 1", float(last.files - first.files), 0, "")
    lost = page.source.lost_ticks + counts["late_audio_ticks"]
    yield Row("ticks of sound lost or told twice", float(lost + page.twice), 0, "", f"{counts['audio_ticks']} ticks")
    if last.clock_error_ms is not None and last.ahead_ms is not None:
        told = f"the page counts {last.source_ppm:.1f} ppm fast and is {last.ahead_ms:.0f} ms ahead"
        yield Row("sound against the kernel's clock, error", abs(last.clock_error_ms), 20, "ms", told)


def open_files() -> int:
    """How many files, pipes and sockets this process holds open; 0 where the system does not tell."""
    gc.collect()
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # the listing itself is one
    except OSError:
        return 0
