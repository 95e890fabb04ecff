"""The loop never waits for delegated work: on a clock that only the loop can move, sleepers change no count."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

import pytest
from fakes import FakeClock, FakeModel, FakeState

from imkit.background import Answer, Desk, Task
from imkit.capture import Silence
from imkit.session import Delegation, Drive, Loop, RealPacer
from imkit.stream import Act, Call, Percept, Timeline
from imkit.tools import Toolbox, tool

WAIT_S = 30.0
TICKS = 50


class Asks(FakeModel):
    """Hands over four tools and four tasks at tick 3, and asks for 60 more at tick 20."""

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        act, state = super().step(state, percept)
        calls: list[Call] = []
        if percept.index == 3:
            calls += [Call("tool", f"tool {number}", "nap") for number in range(4)]
            calls += [Call("delegate", f"task {number}", f"topic {number}") for number in range(4)]
        if percept.index == 20:
            calls += [Call("delegate", f"more {number}", f"more {number}") for number in range(60)]
        return replace(act, calls=tuple(calls)), state


def drive(model: FakeModel, executor: Executor | None, wake: threading.Event) -> tuple[Counter[str], Timeline, int]:
    """What was counted in ten seconds on a fake clock; the sleepers wake after that."""
    clock, loop_thread = FakeClock(), threading.current_thread()

    @tool
    def nap() -> str:
        """Sleeps for three seconds: of the loop's own time when it is the loop that waits."""
        if threading.current_thread() is loop_thread:
            clock.sleep(3.0)
        else:
            assert wake.wait(WAIT_S)
        return "awake"

    class Sleeper:
        def answer(self, task: Task, desk: Desk) -> Answer:
            return Answer(nap.run({}))

    delegation = Delegation(Sleeper(), Toolbox([nap]), executor)
    timeline = Timeline(model.spec.output_rate)
    loop = Loop(model, delegation=delegation, clock=clock)
    drive = Drive(loop, Silence(TICKS / 5), RealPacer(clock, clock.sleep), timeline, clock=clock, tail_s=0)
    while not drive.ended:
        drive.step()
    under_way = len(delegation.under_way)
    wake.set()
    assert delegation.close(WAIT_S)
    return drive.counts, timeline, under_way


@pytest.fixture
def idle() -> Counter[str]:
    return drive(FakeModel(), None, threading.Event())[0]


def test_eight_sleepers_change_no_count(idle: Counter[str]) -> None:
    with ThreadPoolExecutor(16) as pool:
        counts, timeline, under_way = drive(Asks(), pool, threading.Event())
    assert under_way == 8  # they slept all the while
    assert counts == idle
    assert [moment.index for moment in timeline] == list(range(TICKS))
    assert not any(moment.late for moment in timeline)
    assert len(timeline.events()) == 60  # all refused in words, at once


def test_the_counts_would_show_a_loop_that_waits(idle: Counter[str]) -> None:
    counts, timeline, _ = drive(Asks(), None, threading.Event())
    assert counts["dropped_audio_ticks"] > idle["dropped_audio_ticks"] == 0
    assert counts["stalls"] > 0
    assert len(timeline) < TICKS
