"""Models and sources for a process apart, which imports this module; and what a test asks of processes."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fakes import FakeModel, FakeState, loud_audio

from imkit.capture import OrderedSource
from imkit.stream import Act, Percept


class Timed(FakeModel):
    """Tells of each step when it was, in seconds on the machine's clock, and in which process."""

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        act, state = super().step(state, percept)
        self.seen.clear()
        return replace(act, diagnostics={**act.diagnostics, "at_s": time.monotonic(), "pid": os.getpid()}), state


class Dies(Timed):
    """Kills its own process at a tick, as a lack of memory would."""

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        if percept.index == 7:
            sys.stderr.write("the last words\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(state, percept)


class Stuck(Timed):
    """Does not come back from a tick, and holds the interpreter of its process meanwhile."""

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        if percept.index == 2:
            hold(60)
        return super().step(state, percept)


class Said(OrderedSource):
    """Texts and loud sounds by tick, and a picture in each tenth, for ``count`` ticks."""

    def __init__(self, count: int, texts: dict[int, str] | None = None, loud: tuple[int, ...] = ()) -> None:
        super().__init__("said")
        self.count, self.texts, self.loud = count, texts or {}, loud

    def _start(self) -> None:
        return None

    def _tick(self, index: int) -> Percept | None:
        at = self._position
        if at >= self.count:
            return None
        frames = (np.full((4, 6, 3), at, np.uint8),) if at % 10 == 0 else ()
        audio = loud_audio() if at in self.loud else Percept(index).audio
        return Percept(index, audio, frames, text=self.texts.get(at, ""))


def hold(seconds: int) -> None:
    """Holds the interpreter in C: ``PyDLL`` calls do not let go of it."""
    ctypes.PyDLL(None).sleep(seconds)


def running(pid: int) -> bool:
    """Whether a process is there and not only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(wanted: Any, timeout_s: float = 30.0) -> bool:
    """Whether ``wanted()`` becomes true."""
    end_s = time.monotonic() + timeout_s
    while not wanted():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True
