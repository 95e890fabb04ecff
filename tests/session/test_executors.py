"""Heavy work of a background model on whatever executor there is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeModel

from imkit.background import Answer, Cancelled, Desk, Task
from imkit.session import Delegation, Session
from imkit.stream import Call, Event, SessionError
from imkit.tools import Toolbox

WAIT_S = 60.0
KINDS = ["threads", "processes", "dask", "ipyparallel"]


class Gate:
    """A named pipe: in any process, opening it to read waits while it is shut here. No clock decides anything."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.held = os.open(path, os.O_RDWR)

    @contextmanager
    def shut(self) -> Iterator[None]:
        os.close(self.held)
        try:
            yield
        finally:
            self.held = os.open(self.path, os.O_RDWR)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("gate") / "pipe")
    yield gate
    os.close(gate.held)


@pytest.fixture(scope="module", params=KINDS)
def heavy(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "threads":
        with ThreadPoolExecutor(2) as threads:
            yield threads
    elif request.param == "processes":
        with ProcessPoolExecutor(1, get_context("forkserver")) as processes:
            yield processes
    elif request.param == "dask":
        from dask.distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client.get_executor()
    else:
        import ipyparallel

        with ipyparallel.Cluster(n=1, log_level=40) as engines:
            yield engines.load_balanced_view().executor


class Heavy:
    """Has something computed elsewhere. ``wait_at`` is a gate where work that is not named waits."""

    def __init__(self, wait_at: Gate | None = None) -> None:
        self.gate = wait_at
        self.began, self.ended = threading.Event(), threading.Event()
        self.cancelled = False

    def answer(self, task: Task, desk: Desk) -> Answer:
        self.began.set()
        try:
            if task.topic == "sum":
                return Answer(str(desk.run(sum, range(1000))))
            if task.topic == "crash":
                desk.run(int, "no number")
            if task.topic == "exit":
                desk.run(os._exit, 1)
            assert self.gate is not None
            desk.run(os.open, str(self.gate.path), os.O_RDONLY)
        except Cancelled:
            self.cancelled = True
            raise
        finally:
            self.ended.set()
        return Answer("never heard")


def ask(delegation: Delegation, topic: str) -> Event:
    delegation.submit(Call("delegate", topic, topic))
    events: tuple[Event, ...] = ()
    until_s = time.monotonic() + WAIT_S
    while not events:
        assert time.monotonic() < until_s, "it never came"
        events = delegation.drain(1)
        time.sleep(0.002)
    return events[0]


def test_a_result_an_error_and_a_cancel(heavy: Executor, gate: Gate) -> None:
    with ThreadPoolExecutor(16) as pool:
        delegation = Delegation(Heavy(), Toolbox(), pool, heavy=heavy)
        assert ask(delegation, "sum").text == "499500"
        failed = ask(delegation, "crash")
        assert failed.payload["ok"] is False
        assert "no number" in failed.text
        assert not heavy_is_shut(heavy)

        waiting = Heavy(gate)
        delegation.background = waiting
        with gate.shut():
            delegation.submit(Call("delegate", "sleep", "sleep"))
            assert waiting.began.wait(WAIT_S)
            delegation.submit(Call("cancel", "x", "sleep", {}, 1))
            assert waiting.ended.wait(WAIT_S)
        assert waiting.cancelled
        assert delegation.drain(9) == ()
        assert delegation.close(WAIT_S)
        assert delegation.counts["stale"] == 1


def heavy_is_shut(heavy: Executor) -> bool:
    try:
        return heavy.submit(len, "abc").result(WAIT_S) != 3
    except RuntimeError:
        return True


def test_a_session_has_heavy_work_done_and_leaves_the_executor_to_its_owner(heavy: Executor) -> None:
    class Sums:
        def answer(self, task: Task, desk: Desk) -> Answer:
            return Answer(str(desk.run(sum, range(10))))

    with Session(FakeModel(), background=Sums(), executor=heavy, namespace={}) as session:
        session.say("search it")
        assert [event.text for event in session.run(seconds=1).events()] == ["45"]
    assert not heavy_is_shut(heavy)


def test_a_worker_process_that_dies_is_told() -> None:
    with ThreadPoolExecutor(1) as pool, ProcessPoolExecutor(1, get_context("forkserver")) as heavy:
        delegation = Delegation(Heavy(), Toolbox(), pool, heavy=heavy)
        assert "BrokenProcessPool" in ask(delegation, "exit").text
        assert "BrokenProcessPool" in ask(delegation, "sum").text
        assert delegation.counts["failed"] == 2


def test_an_executor_that_was_shut_down_is_told() -> None:
    heavy = ThreadPoolExecutor(1)
    heavy.shutdown()
    with ThreadPoolExecutor(1) as pool:
        assert "after shutdown" in ask(Delegation(Heavy(), Toolbox(), pool, heavy=heavy), "sum").text


def test_without_an_executor_it_runs_in_place() -> None:
    threads: list[str] = []

    class Here:
        def answer(self, task: Task, desk: Desk) -> Answer:
            desk.run(lambda: threads.append(threading.current_thread().name))
            return Answer("done")

    with ThreadPoolExecutor(1, "planner") as pool:
        ask(Delegation(Here(), Toolbox(), pool), "x")
    assert threads == ["planner_0"]


@pytest.mark.parametrize("wrong", ["dask", 4, print])
def test_what_is_no_executor_is_said(wrong: Any) -> None:
    with pytest.raises(SessionError, match="get_executor"):
        Session(FakeModel(), executor=wrong, namespace={})
