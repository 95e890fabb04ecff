from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from imkit.background import Answer, Desk, Task
from imkit.session import Delegation
from imkit.stream import Act, Call, Event, Moment, Percept, Word
from imkit.surfaces import Board, SurfaceError
from imkit.tools import Progress, Tier, Toolbox, tool

WAIT_S = 30.0  # how long a test waits for what must happen before it says that it never will

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
        if task.request == "exit":
            raise SystemExit(3)
        if task.request == "nothing":
            return None  # type: ignore[return-value]
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


def delegate(
    id: str, tick: int = 0, name: str = "plot", request: str = "", expires: int | None = None, **more: Any
) -> Call:
    return Call("delegate", id, name, {"request": request or id, **more}, tick, 0, expires)


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


@pytest.mark.parametrize(("request_", "words"), [("exit", "SystemExit: 3"), ("nothing", "returned NoneType")])
def test_an_exit_and_a_wrong_answer_are_events_too(inline: Delegation, request_: str, words: str) -> None:
    inline.submit(delegate("a", request=request_))
    (event,) = inline.drain(5)
    assert words in event.text
    assert event.payload == {"topic": "plot", "version": 1, "ok": False, "surface": None}


def test_the_person_at_the_keyboard_may_still_interrupt_a_run() -> None:
    class Interrupted:
        def answer(self, task: Task, desk: Desk) -> Answer:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Delegation(Interrupted(), Toolbox(), None).submit(delegate("a"))


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


def test_work_that_was_let_go_and_still_runs_keeps_its_thread(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, executor = held
    for number in range(30):
        delegation.submit(delegate(f"c{number}"))  # each supersedes the one before
    assert len(executor.work) == 16
    assert delegation.under_way == ("c15",)
    assert delegation.counts["refused"] == 14


def test_what_is_more_urgent_takes_the_place_of_the_least_urgent(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, executor = held
    for number, priority in enumerate([3, 1, 0, 2, 0, 1, 3, 3]):
        delegation.submit(delegate(f"c{number}", name=f"t{number}", priority=priority))
    delegation.submit(delegate("same", name="same"))  # no more urgent than the least of them
    delegation.submit(delegate("urgent", name="urgent", priority=1))
    assert delegation.under_way == ("c0", "c1", "c2", "c3", "c5", "c6", "c7", "urgent")  # of two, the newer goes
    busy, let_go = delegation.drain(1)
    assert ("busy" in busy.text, busy.call_id) == (True, "same")
    assert ("more urgent" in let_go.text, let_go.call_id, let_go.payload["ok"]) == (True, "c4", False)
    while executor.work:
        executor.run_next()
    assert "done c4" not in texts(delegation.drain(2))
    assert delegation.counts["stale"] == 1


def test_a_result_that_waits_for_its_tick_is_not_let_go(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, executor = held
    for number in range(8):
        delegation.submit(delegate(f"c{number}", name=f"t{number}"))
        executor.run_next()
    delegation.submit(delegate("urgent", name="urgent", priority=9))
    assert [text for text in texts(delegation.drain(1)) if text.startswith("done")] == [f"done c{n}" for n in range(8)]


@pytest.mark.parametrize(("given", "taken"), [(4, 4), (99, 9), (-99, -9), (True, 0), ("9", 0), (2.0, 0), (None, 0)])
def test_a_priority_is_a_small_whole_number(inline: Delegation, given: object, taken: int) -> None:
    inline.submit(delegate("a", priority=given))
    assert inline.background.tasks[0].priority == taken  # type: ignore[attr-defined]


def test_versions_never_fall_though_old_topics_are_forgotten(inline: Delegation) -> None:
    def ask(topic: str, tick: int) -> int:
        inline.submit(delegate("a", tick=tick, name=topic))
        (event,) = inline.drain(tick + 5)
        return int(event.payload["version"])

    assert [ask("plot", tick) for tick in range(3)] == [1, 2, 3]
    for tick in range(300):
        ask(f"topic {tick}", tick)
    assert ask("plot", 400) > 3
    assert len(inline._versions) == 256


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


class Streaming:
    """Tells and shows on the way."""

    def answer(self, task: Task, desk: Desk) -> Answer:
        desk.progress("I look")
        desk.tell("The first half.")
        desk.show(CHART)
        with pytest.raises(SurfaceError):
            desk.show({"title": "t", "kind": "html"})
        desk.tell("The second half.")
        for number in range(int(task.request)):
            desk.tell(f"and {number}")
        return Answer("")


def test_parts_come_in_order_before_the_end() -> None:
    delegation = Delegation(Streaming(), Toolbox(), None)
    delegation.submit(Call("delegate", "a", "plot", {"request": "0"}, 3, 7))
    events = delegation.drain(8)
    assert [(e.kind, e.text, e.payload.get("part")) for e in events] == [
        ("progress", "I look", None),
        ("result", "The first half.", 1),
        ("progress", "t", 2),
        ("result", "The second half.", 3),
        ("result", "", None),
    ]
    for event in events:
        assert (event.epoch, event.call_id) == (7, "a")
        assert (event.payload["topic"], event.payload["version"]) == ("plot", 1)
    percept = Percept(8, events=events)
    (shown,) = Board().notice(Moment(percept, Act(8, percept.audio), 0))
    assert (shown.id, shown.title) == ("a.2", "t")


def test_parts_are_bounded_and_counted() -> None:
    delegation = Delegation(Streaming(), Toolbox(), None)
    delegation.submit(delegate("a", request="70"))
    assert len([event for event in delegation.drain(5) if "part" in event.payload]) == 64
    assert delegation.counts["dropped_parts"] == 3 + 70 - 64


def test_nothing_is_told_after_the_end() -> None:
    desks: list[Desk] = []

    class Late:
        def answer(self, task: Task, desk: Desk) -> Answer:
            desks.append(desk)
            return Answer("end")

    delegation = Delegation(Late(), Toolbox(), None)
    delegation.submit(delegate("a"))
    desks[0].tell("one more thing")
    assert texts(delegation.drain(5)) == ["end"]
    assert delegation.counts["stale"] == 1


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
    assert delegation.under_way == ()


def test_work_that_its_executor_drops_or_breaks_over_is_an_event(held: tuple[Delegation, HeldExecutor]) -> None:
    delegation, executor = held
    delegation.submit(delegate("a", name="one"))
    delegation.submit(delegate("b", name="two"))
    executor.work.pop(0)[0].cancel()
    executor.work.pop(0)[0].set_exception(BrokenExecutor("a worker died"))
    dropped, broken = delegation.drain(1)
    assert "dropped before it began" in dropped.text
    assert "BrokenExecutor: a worker died" in broken.text
    assert delegation.counts["failed"] == 2
    assert delegation.under_way == ()


class Stream:
    """A background model that is held by a stream, in task "a", until somebody closes it."""

    def __init__(self, *callbacks: Callable[[], object]) -> None:
        self.began, self.closed, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.callbacks = callbacks
        self.desk: Desk | None = None

    def answer(self, task: Task, desk: Desk) -> Answer:
        if task.id != "a":
            return Answer("done")
        self.desk = desk
        for callback in self.callbacks:
            desk.on_cancel(callback)
        desk.on_cancel(self.closed.set)
        self.began.set()
        assert self.closed.wait(WAIT_S)
        try:
            desk.check()
        finally:
            self.ended.set()
        return Answer("never heard")


@pytest.mark.parametrize("how", ["cancel", "supersede", "expire", "close", "let go"])
def test_on_cancel_is_called_whyever_the_work_is_let_go(how: str) -> None:
    calls: list[str] = []
    delegation: Delegation

    def look() -> None:
        calls.append(threading.current_thread().name)
        assert delegation.under_way is not None  # takes the lock: it is not held here

    stream = Stream(look, lambda: 1 / 0)
    with ThreadPoolExecutor(16) as pool:
        delegation = Delegation(stream, Toolbox([double]), pool)
        delegation.submit(delegate("a", expires=3))
        assert stream.began.wait(WAIT_S)
        if how == "cancel":
            delegation.submit(Call("cancel", "x", "plot", {}, 1))
        elif how == "supersede":
            delegation.submit(delegate("b", tick=1))
        elif how == "expire":
            assert delegation.drain(4)
        elif how == "let go":
            for number in range(8):
                delegation.submit(delegate(f"c{number}", name=f"t{number}", priority=1))
        assert delegation.close(WAIT_S)
        assert stream.ended.is_set()
        assert len(calls) == 1
        assert threading.current_thread().name not in calls
        assert delegation.counts["callback_errors"] == 1
        assert "never heard" not in texts(delegation.drain(100))
        assert stream.desk is not None
        stream.desk.on_cancel(lambda: calls.append("at once"))
        assert calls[-1] == "at once"


def test_a_callback_is_not_called_when_it_was_taken_back_or_the_work_is_done(inline: Delegation) -> None:
    calls: list[str] = []

    class Finishing:
        def answer(self, task: Task, desk: Desk) -> Answer:
            take_back = desk.on_cancel(lambda: calls.append("taken back"))
            take_back()
            take_back()
            for _ in range(70):
                desk.on_cancel(lambda: calls.append("after the end"))
            return Answer("done")

    delegation = Delegation(Finishing(), Toolbox(), None)
    delegation.submit(delegate("a"))
    delegation.submit(Call("cancel", "x", "plot", {}, 1))
    assert delegation.close()
    assert calls == []
    assert delegation.counts["dropped_callbacks"] == 70 - 64


def test_a_callback_that_hangs_holds_up_nobody() -> None:
    let_go = threading.Event()
    stream = Stream(lambda: let_go.wait(WAIT_S))
    with ThreadPoolExecutor(16) as pool:
        delegation = Delegation(stream, Toolbox(), pool)
        delegation.submit(delegate("a"))
        assert stream.began.wait(WAIT_S)
        delegation.submit(Call("cancel", "x", "plot", {}, 1))  # would wait here
        assert delegation.drain(2) == ()
        assert not delegation.close(0.01)
        let_go.set()
        assert delegation.close(WAIT_S)


def test_a_tool_hears_that_it_is_cancelled_and_says_how_far_it_is() -> None:
    began = threading.Event()

    @tool(tier=Tier.PURE)
    def slow(progress: Progress) -> str:
        """Takes until nobody wants it."""
        progress("I begin")
        began.set()
        while True:
            progress.check()
            time.sleep(0.001)

    with ThreadPoolExecutor(1) as pool:
        delegation = Delegation(Scripted(), Toolbox([slow]), pool)
        delegation.submit(Call("tool", "t", "slow", {}))
        assert began.wait(WAIT_S)
        assert texts(delegation.drain(1)) == ["I begin"]
        delegation.submit(Call("cancel", "x", "", {"id": "t"}, 1))
        assert delegation.close(WAIT_S)
    assert delegation.counts["stale"] == 1


def test_a_delegation_goes_on_from_an_older_one(inline: Delegation) -> None:
    inline.note(Percept(0, text="plot age"), Act(0, Percept(0).audio))
    inline.submit(delegate("a", tick=1))
    newer = Delegation(Scripted(), Toolbox(), None, older=inline)
    newer.submit(delegate("b", tick=9))
    (task,) = newer.background.tasks  # type: ignore[attr-defined]
    assert (task.version, task.typed) == (2, "plot age")
