"""``imkit bench probe``: what it costs to look into the model while it runs, and to live through a timeline again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from imkit.probe import Capture, capture, change
from imkit.session import Session
from imkit.stream import TICKS_PER_S, Moment

from .bench import Row, conversation, rank, rss_mb

ONE_SITE = "floor.hook_out"
WARM_S = 2.0
LAST_S = 30.0
KEEP_MB = 128.0
BOUND_MB = 64.0
WAIT_S = 0.1


class _Bounded:
    """A sink that notes what a capture holds at every micro-turn, and the memory of the process at every minute."""

    def __init__(self, kept: Capture) -> None:
        self.kept = kept
        self.most = 0
        self.rss_mb: list[float] = []

    def put(self, moment: Moment) -> None:
        """Takes a moment."""
        self.most = max(self.most, self.kept.bytes)
        if moment.index % (60 * TICKS_PER_S) == 0:
            self.rss_mb.append(rss_mb())

    def flush(self, epoch: int) -> None:
        """Nothing is queued here."""

    def close(self) -> None:
        """Nothing is held here."""


def probe(model: str, seconds: float = 30.0, live_s: float = 30.0, minutes: float = 60.0) -> Iterator[Row]:
    """Costs of a micro-turn over so many seconds, then live, then the bound of memory over so many minutes."""
    from .run import load_model

    chair = load_model(model)
    yield from _tick(chair, "nobody looking", seconds, 40, 100)
    yield from _tick(chair, "in torch, one idle hook", seconds, None, None, looks=[("change", ONE_SITE)])
    yield from _tick(chair, "one site kept", seconds, None, None, looks=[("capture", ONE_SITE)])
    yield from _tick(chair, "all sites kept", seconds, 160, 200, looks=[("capture", None)])
    yield from _again(chair, seconds)
    yield from _live(chair, live_s)
    yield from _bounded(chair, minutes)


def _looking(session: Session, kind: str, names: Any) -> AbstractContextManager[Any]:
    if kind == "capture":
        return capture(session, names, LAST_S, max_mb=KEEP_MB)
    return change(session, [(names, _nothing)])


def _nothing(tensor: Any, hook: Any) -> None:
    """A hook that leaves everything as it is."""


def _tick(
    chair: Any, when: str, seconds: float, p50: float | None, p99: float | None, looks: Any = ()
) -> Iterator[Row]:
    with Session(chair, namespace={}, snapshots=False) as session, ExitStack() as stack:
        kept = [stack.enter_context(_looking(session, kind, names)) for kind, names in looks] or [nullcontext()]
        session.run(conversation(), seconds=WARM_S, tail_s=0)
        began_s = time.process_time()
        timeline = session.run(conversation(), seconds=seconds, tail_s=0)
        cpu_ms = 1000 * (time.process_time() - began_s) / len(timeline)
        taken = [moment.compute_ms for moment in timeline]
        size = f", {kept[0].stats()['mb']} MB of {LAST_S:.0f} s" if isinstance(kept[0], Capture) else ""
    note = f"n={len(taken)}, {cpu_ms:.0f} ms of CPU each{size}"
    yield Row(f"tick compute, {when}, p50", rank(taken, 0.5), p50, "ms", note)
    yield Row(f"tick compute, {when}, p99", rank(taken, 0.99), p99, "ms", note)


def _again(chair: Any, seconds: float) -> Iterator[Row]:
    """A timeline lived through again: one site, then all."""
    import torch

    with Session(chair, namespace={}) as session:
        timeline = session.run(conversation(), seconds=seconds, tail_s=0)
    for what, names in (("one site", ONE_SITE), ("all sites, half precision", None)):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        _, cache = timeline.run_with_cache(names, dtype=torch.float16)
        share = 60 / timeline.duration_s
        took_s = (time.perf_counter() - began_s) * share
        note = f"{(time.process_time() - began_cpu_s) * share:.1f} s of CPU, {cache.nbytes / 1e6 * share:.0f} MB"
        yield Row(f"run_with_cache of a minute, {what}", took_s, 60, "s", note)


def _live(chair: Any, seconds: float) -> Iterator[Row]:
    """By the clock, all sites kept, over silence."""
    with Session(chair, namespace={}) as session:
        session.start()
        _until(session, round(WARM_S * TICKS_PER_S))
        before = session.stats()
        with capture(session, last_s=LAST_S, max_mb=KEEP_MB) as kept:
            _until(session, len(session.timeline) + round(seconds * TICKS_PER_S))
        after = session.stats()
    ticks = after["ticks"] - before["ticks"]
    missed = after["missed_deadlines"] - before["missed_deadlines"]
    lost = after["dropped_audio_ticks"] - before["dropped_audio_ticks"]
    note = f"{missed} of {ticks} ticks; " + (f"kept {kept.stats()['held']}, {kept.dropped}" if kept.dropped else "held")
    yield Row("missed deadlines live, all sites kept", 100 * missed / max(1, ticks), 0.1, "%", note)
    yield Row("sound dropped live, all sites kept", float(lost), 0, "", f"ticks, in {seconds:.0f} s")


def _until(session: Session, ticks: int) -> None:
    while len(session.timeline) < ticks and session.state not in {"stopped", "closed"}:
        time.sleep(WAIT_S)


def _bounded(chair: Any, minutes: float) -> Iterator[Row]:
    """What is held at every micro-turn, and how the process grows once the timeline keeps its ten minutes of sound."""
    with Session(chair, namespace={}, snapshots=False) as session, capture(session, max_mb=BOUND_MB) as kept:
        sink = _Bounded(kept)
        session.sink = sink
        session.run(conversation(), seconds=60 * minutes, tail_s=0)
    note = f"over {minutes:g} simulated minutes, all sites, {kept.let_go} micro-turns let go"
    yield Row("most that a capture held", sink.most / 1e6, BOUND_MB, "MB", note)
    warm = min(11, len(sink.rss_mb) // 3)
    grown = sink.rss_mb[warm:]
    if len(grown) > 1:
        growth = max(0.0, (grown[-1] - grown[0]) / (len(grown) - 1) * 60)
        yield Row("memory growth with a capture", growth, 10, "MB/h", f"minutes {warm} to {len(sink.rss_mb) - 1}")
