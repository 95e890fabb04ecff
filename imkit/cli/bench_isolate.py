"""``imkit bench isolate``: what a cell that holds the interpreter costs, with the model in the kernel and apart.

A session hears spoken questions by the clock while this thread calls a C function that does not let go of the GIL, as a
cell with a careless extension would. The act of tick k is due before tick k + 1 has ended: counted is what came later,
and what was never stepped.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imkit.session import Session
from imkit.stream import TICK_S, Act, ModelSpec, Moment, OpenConfig, Percept

from .bench import Row, conversation

HOLD_S = 5
HOLDS = 3
QUIET_S = 2.0
OPENED = 20


class Clocked:
    """A model by name that tells of every step when it began and ended, in seconds on the machine's clock."""

    def __init__(self, name: str) -> None:
        from .run import load_model

        self.name = name
        self.model: Any = load_model(name)

    @property
    def spec(self) -> ModelSpec:
        """The model's own."""
        spec: ModelSpec = self.model.spec
        return spec

    def open(self, config: OpenConfig) -> Any:
        """The model's own state."""
        return self.model.open(config)

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        """One step, timed."""
        begun_s = time.monotonic()
        act, state = self.model.step(state, percept)
        return replace(act, diagnostics={**act.diagnostics, "begun_s": begun_s, "done_s": time.monotonic()}), state

    def __reduce__(self) -> tuple[type[Clocked], tuple[str]]:
        return Clocked, (self.name,)


def hold(seconds: int) -> None:
    """Holds the interpreter in C for so long: functions of a ``PyDLL`` are called without letting go of it."""
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(1000 * seconds)
    else:
        ctypes.PyDLL(None).sleep(seconds)


def missed(moments: Sequence[Moment]) -> tuple[int, int]:
    """Of moments by the clock: how many acts came late, and how many ticks were never stepped."""
    told = [(moment.index, moment.act.diagnostics) for moment in moments]
    start_s = min(float(one["begun_s"]) - (index + 1) * TICK_S for index, one in told)
    late = sum(float(one["done_s"]) > start_s + (index + 2) * TICK_S for index, one in told)
    return late, told[-1][0] + 1 - told[0][0] - len(told)


def isolate(model: str, hold_s: int = HOLD_S, holds: int = HOLDS, opened: int = OPENED) -> Iterator[Row]:
    """Rows with the model in the kernel, then in a process apart, then what opening and closing leaves."""
    for apart in (False, True):
        where = "apart" if apart else "in the kernel"
        with Session(Clocked(model), source=conversation(), isolate=apart) as session:
            session.start()
            _until(session, round(QUIET_S / TICK_S))
            for _ in range(holds):
                hold(hold_s)
                _until(session, len(session.timeline) + round(QUIET_S / TICK_S))
            session.stop()
            late, never = missed(session.timeline.moments)
            ticks = session.timeline[-1].index + 1
            took = session.stats()["compute_ms_p50"]
        note = f"of {ticks}: {late} late, {never} never stepped; compute p50 {took:.0f} ms"
        name = f"{holds} x {hold_s} s of held GIL, {where}: missed"
        yield Row(name, float(late + never), 0 if apart else None, "", note)
    yield from _opened(model, opened)


def _opened(model: str, times: int) -> Iterator[Row]:
    seconds = []
    files, threads = _files(), threading.active_count()
    pids = []
    for _ in range(times):
        begun_s = time.monotonic()
        with Session(model, isolate=True) as session:
            seconds.append(time.monotonic() - begun_s)
            session.start()
            pids.append(session._place.pid)
    time.sleep(0.2)
    left = sum(map(_runs, pids))
    yield Row("Session(isolate=True), the fastest", min(seconds), 5.0, "s")
    note = f"processes {left}, threads {threading.active_count() - threads}, files {_files() - files}"
    yield Row(
        f"{times} open/close apart: left",
        float(left + threading.active_count() - threads + _files() - files),
        0,
        "",
        note,
    )


def _until(session: Session, ticks: int) -> None:
    end_s = time.monotonic() + 60
    while len(session.timeline) < ticks and time.monotonic() < end_s:
        time.sleep(0.05)


def _files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
