from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from imkit.background import Answer, Desk, Task
from imkit.session import Delegation
from imkit.stream import Act, Call, Event, Percept, Word
from imkit.tools import Tier, Toolbox, tool

CHART = {
    "title": "t",
    "kind": "chart",
    "spec": {"mark": "bar", "x": ["a"], "x_label": "x", "y_label": "y", "series": [{"name": "s", "y": [1]}]},
}


class Scripted:
    """A background model that does what the request says."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def answer(self, task: Task, desk: Desk) -> Answer:
        self.tasks.append(task)
        if task.request == "crash":
            raise KeyError("no such thing")
        if task.request == "stop":
            desk.check()
        if task.request == "steps":
            for number in range(20):
                desk.progress(f"step {number}")
        surface = (
            CHART if task.request == "chart" else {"title": "t", "kind": "html"} if task.request == "bad" else None
        )
        return Answer(f"done {task.request}", surface=surface)


class HeldExecutor(Executor):
    """Runs nothing until told to, so that a test decides the order of things."""

    def __init__(self) -> None:
        self.work: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.work.append((future, lambda: fn(*args, **kwargs)))
        return future

    def run_next(self) -> None:
        future, work = self.work.pop(0)
        if future.set_running_or_notify_cancel():
            future.set_result(work())


def delegate(id: str, tick: int = 0, name: str = "plot", request: str = "", expires: int | None = None) -> Call:
    return Call("delegate", id, name, {"request": request or id}, tick, 0, expires)


def texts(events: tuple[Event, ...]) -> list[str]:
    return [event.text for event in events]


@pytest.fixture
def inline() -> Delegation:
    return Delegation(Scripted(), Toolbox(), None)


@pytest.fixture
def held() -> tuple[Delegation, HeldExecutor]:
    executor = HeldExecutor()
    return Delegation(Scripted(), Toolbox(), executor), executor


def test_inline_results_arrive_five_ticks_after_the_call(inline: Delegation) -> None:
    inline.submit(delegate("a", tick=7, request="chart"))
    assert [inline.drain(tick) for tick in range(8, 12)] == [()] * 4
    (event,) = inline.drain(12)
    assert (event.kind, event.call_id, event.text) == ("result", "a", "done chart")
    assert event.payload["ok"] is True
    assert event.payload["topic"] == "plot"
    assert event.payload["surface"] == {"id": "a", **CHART}
    assert inline.drain(13) == ()
    assert inline.under_way == ()


def test_a_newer_request_on_the_topic_supersedes_the_older(inline: Delegation) -> None:
    inline.submit(delegate("a", tick=0))
    inline.submit(delegate("b", tick=2))
    inline.submit(delegate("c", tick=2, name="list"))
    assert inline.drain(5) == ()
    assert texts(inline.drain(7)) == ["done b", "done c"]
    assert inline.counts["stale"] == 1
    assert [task.version for task in inline.background.tasks] == [1, 2, 1]  # type: ignore[attr-defined]


def test_a_superseded_result_that_comes_late_is_dropped_and_counted(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, executor = held
    delegation.submit(delegate("a"))
    delegation.submit(delegate("b", tick=1))
    assert delegation.under_way == ("b",)
    executor.run_next()
    assert delegation.drain(3) == ()
    assert delegation.counts["stale"] == 1
    executor.run_next()
    assert texts(delegation.drain(4)) == ["done b"]


def test_a_crash_is_an_event(inline: Delegation) -> None:
    inline.submit(delegate("a", request="crash"))
    (event,) = inline.drain(5)
    assert event.payload["ok"] is False
    assert "KeyError" in event.text
    assert inline.counts["failed"] == 1


def test_a_surface_outside_the_catalog_is_an_event_not_a_surface(inline: Delegation) -> None:
    inline.submit(delegate("a", request="bad"))
    (event,) = inline.drain(5)
    assert event.payload["ok"] is False
    assert event.payload["surface"] is None


def test_eight_at_once_and_then_a_refusal(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, executor = held
    for number in range(10):
        delegation.submit(delegate(f"c{number}", name=f"topic{number}"))
    assert len(delegation.under_way) == len(executor.work) == 8
    assert all("busy" in text for text in texts(delegation.drain(1)))
    assert delegation.counts["refused"] == 2
    executor.run_next()
    assert texts(delegation.drain(2)) == ["done c0"]
    delegation.submit(delegate("again", tick=2, name="new"))
    assert len(delegation.under_way) == 8


def test_cancelled_work_that_still_runs_keeps_its_place(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, _ = held
    for number in range(30):
        delegation.submit(delegate(f"c{number}"))  # each supersedes the one before
    assert len(held[1].work) == 8


def test_what_expires_is_told_and_its_result_is_stale(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, executor = held
    delegation.submit(delegate("a", expires=3, request="stop"))
    assert delegation.drain(3) == ()
    (event,) = delegation.drain(4)
    assert "too long" in event.text
    assert event.payload["ok"] is False
    executor.run_next()
    assert delegation.drain(5) == ()
    assert delegation.counts["stale"] == 1
    assert delegation.under_way == ()


def test_cancel_sets_the_flag(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, executor = held
    delegation.submit(delegate("a", request="stop"))
    delegation.submit(Call("cancel", "x", "plot", {"id": "a"}, 1))
    assert delegation.under_way == ()
    executor.run_next()
    assert delegation.drain(9) == ()
    assert delegation.counts["stale"] == 1


def test_the_same_id_twice_is_refused(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, _ = held
    delegation.submit(delegate("a"))
    delegation.submit(delegate("a", name="list"))
    assert "already under way" in texts(delegation.drain(1))[0]


def test_progress_is_bounded(inline: Delegation) -> None:
    inline.submit(delegate("a", request="steps"))
    events = inline.drain(5)
    assert [event.kind for event in events] == ["progress"] * 8 + ["result"]


def test_the_package_is_the_whole_conversation(inline: Delegation) -> None:
    silence = Act(0, Percept(0).audio)
    inline.note(Percept(0, text="plot maxTemp_2"), silence)
    heard = (Word("please", 0.2, 0.4), Word("do", 0.4, 0.5))
    inline.note(Percept(1), Act(1, silence.audio, words=(Word("never heard", 0.4, 0.6),), heard=heard))
    inline.submit(delegate("a", tick=1, request="plot"), [Word("sure", 0.4, 0.6)])
    (task,) = inline.background.tasks  # type: ignore[attr-defined]
    assert task.typed == "plot maxTemp_2"
    assert [(line.who, line.text) for line in task.conversation] == [
        ("typed", "plot maxTemp_2"),
        ("user", "please do"),
        ("model", "sure"),
    ]


def test_what_was_typed_long_ago_is_not_the_request(inline: Delegation) -> None:
    inline.note(Percept(0, text="plot age"), Act(0, Percept(0).audio))
    inline.submit(delegate("a", tick=50))
    assert inline.background.tasks[0].typed == ""  # type: ignore[attr-defined]


@tool(tier=Tier.PURE)
def double(number: int) -> int:
    """Doubles a number."""
    return 2 * number


@tool(tier=Tier.EFFECT)
def delete(name: str) -> str:
    """Deletes something."""
    raise AssertionError("an effect tool ran")


def call_tool(called: str, /, **arguments: Any) -> Event:
    delegation = Delegation(Scripted(), Toolbox([double, delete]), None)
    delegation.submit(Call("tool", "t", called, arguments))
    events = delegation.drain(1) + delegation.drain(5)
    assert len(events) == 1
    return events[0]


def test_tools_run_by_their_tier() -> None:
    assert call_tool("double", number=4).text == "8"
    assert call_tool("double", number=4).provenance == "tool"
    assert "does not fit" in call_tool("double", number="4").text
    assert "no tool named" in call_tool("nothing").text
    refused = call_tool("delete", name="x")
    assert refused.payload["ok"] is False
    assert "permission" in refused.text


def test_a_background_model_cannot_run_an_effect_either() -> None:
    class Eager:
        def answer(self, task: Task, desk: Desk) -> Answer:
            return Answer(str(desk.tools["delete"](name="x")))

    delegation = Delegation(Eager(), Toolbox([delete]), None)
    delegation.submit(delegate("a"))
    (event,) = delegation.drain(5)
    assert "permission" in event.text
    assert delegation.counts["refused"] == 1


def test_a_surface_call_is_checked() -> None:
    delegation = Delegation(Scripted(), Toolbox(), None)
    delegation.submit(Call("surface", "s", "show", CHART))
    assert delegation.drain(5)[0].payload["surface"]["id"] == "s"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_submit_does_not_wait_and_close_stops_the_work(pool: ThreadPoolExecutor) -> None:
    begun, ended = threading.Event(), threading.Event()

    class Endless:
        def answer(self, task: Task, desk: Desk) -> Answer:
            begun.set()
            while not desk.cancelled():
                ended.wait(0.001)
            ended.set()
            return Answer("never heard")

    delegation = Delegation(Endless(), Toolbox(), pool)
    delegation.submit(delegate("a"))
    assert delegation.under_way == ("a",)
    assert begun.wait(10)
    assert delegation.close(10)
    assert ended.is_set()
    assert delegation.drain(100) == ()


def test_work_sees_the_context_of_the_caller(pool: ThreadPoolExecutor) -> None:
    place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")

    class Where:
        def answer(self, task: Task, desk: Desk) -> Answer:
            return Answer(place.get())

    delegation = Delegation(Where(), Toolbox(), pool)
    token = place.set("here")
    delegation.submit(delegate("a"))
    place.reset(token)
    pool.shutdown()
    assert texts(delegation.drain(1)) == ["here"]


def test_an_executor_that_is_gone_is_an_event() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    delegation = Delegation(Scripted(), Toolbox(), executor)
    delegation.submit(delegate("a"))
    assert "could not start" in texts(delegation.drain(1))[0]
