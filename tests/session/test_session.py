from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeClock, FakeModel, FakeState, loud_audio

from imkit.background import Answer, Desk, Task
from imkit.capture import BrowserSource, OrderedSource, Silence
from imkit.session import Session, State
from imkit.stream import Act, Event, ModelError, Moment, Percept, Provenance, SessionError, SourceError
from imkit.surfaces import Surface
from imkit.tools import tool

PEOPLE = {"people": {"age": np.arange(40.0), "income": np.arange(40.0) ** 2, "city": ["Rome", "Oslo"] * 20}}
WAIT_S = 30.0  # how long a test waits for what must happen before it says that it never will


class Talk(OrderedSource):
    """Texts and loud sounds by tick, then silence, for ``count`` ticks."""

    def __init__(self, count: int, texts: dict[int, str] | None = None, loud: tuple[int, ...] = ()) -> None:
        super().__init__("talk")
        self.count, self.texts, self.loud = count, texts or {}, loud

    def _start(self) -> None:
        return None

    def _tick(self, index: int) -> Percept | None:
        at = self._position
        if at >= self.count:
            return None
        return Percept(index, loud_audio() if at in self.loud else Percept(index).audio, text=self.texts.get(at, ""))


class Watch:
    """A sink that lets a test wait for a moment it names."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.moments: list[Moment] = []
        self.flushed: list[int] = []
        self.closed = 0

    def put(self, moment: Moment) -> None:
        with self.changed:
            self.moments.append(moment)
            self.changed.notify_all()

    def flush(self, epoch: int) -> None:
        self.flushed.append(epoch)

    def close(self) -> None:
        self.closed += 1

    def until(self, seen: Callable[[list[Moment]], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: seen(self.moments), WAIT_S), "it never happened"


def log_of(session: Session) -> bytes:
    return "\n".join(json.dumps(m.to_json(), sort_keys=True) for m in session.timeline).encode()


def session(**more: Any) -> Session:
    return Session(more.pop("model", None) or FakeModel(), namespace=more.pop("namespace", PEOPLE), **more)


def imkit_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("imkit-loop", "imkit-work"))]


# --- virtual time


def test_a_run_hears_calls_shows_and_tells() -> None:
    with session() as s:
        shown: list[Surface] = []
        s.on_surface(shown.append)
        timeline = s.run(Talk(30, {2: "plot income against age"}))
        assert timeline is s.timeline
        assert len(timeline) == 30 + 20
        (call,) = timeline.calls()
        (event,) = timeline.events()
        assert (call.tick, call.name) == (2, "plot")
        assert timeline[7].percept.events == (event,)
        assert timeline.words()[0].text == "Here"
        assert [surface.id for surface in s.surfaces] == [call.id] == [surface.id for surface in shown]
        assert s.surfaces[0].spec["x_label"] == "age"
        nothing = dict.fromkeys(
            ("failed", "refused", "stale", "dropped_parts", "dropped_callbacks", "callback_errors"), 0
        )
        assert s.stats()["tasks"] == {"asked": 1, "done": 1, **nothing}
        assert s.state is State.IDLE


def test_the_same_source_and_seed_give_the_same_bytes() -> None:
    def play(seed: int) -> bytes:
        with session(seed=seed) as s:
            s.run(Talk(40, {1: "hello there", 6: "plot income", 8: "plot age", 20: "describe people"}, loud=(26,)))
            return log_of(s)

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_a_session_may_run_again_from_the_start() -> None:
    with session() as s:
        s.run(Talk(10, {1: "hello"}))
        first = log_of(s)
        s.run(Talk(10, {1: "hello"}))
        assert log_of(s) == first
        assert s.stats()["generated_s"] == 6.0


def test_two_sessions_share_one_model() -> None:
    model = FakeModel()
    with session(model=model) as one, session(model=model) as two:
        one.run(Talk(10, {0: "a b c"}))
        two.run(Talk(10, {0: "x"}))
        assert [w.text for w in one.timeline.words()] == ["a", "b", "c"]
        assert [w.text for w in two.timeline.words()] == ["x"]


def test_yielding_raises_the_epoch() -> None:
    sink = Watch()
    with session(sink=sink) as s:
        s.run(Talk(10, {0: "a b c d e f"}, loud=(3,)))
        assert [w.text for w in s.timeline.words()] == ["a", "b", "c"]
        assert (s.epoch, sink.flushed) == (1, [1])
    assert sink.closed == 1


def test_a_run_of_a_path_or_of_silence(tmp_path: Path) -> None:
    script = tmp_path / "hello.jsonl"
    script.write_text('{"t": 0.2, "text": "good morning"}\n')
    with session() as s:
        assert [w.text for w in s.run(script, seconds=2).words()] == ["good", "morning"]
        assert len(s.run(seconds=1.5, tail_s=0)) == 8
        assert len(s.run(Silence(float("inf")), seconds=1, tail_s=0.2)) == 6
        with pytest.raises(SessionError, match="seconds"):
            s.run()
        with pytest.raises(SourceError):
            s.run(tmp_path / "none.wav")
        with pytest.raises(SourceError, match="own clock"):
            s.run(BrowserSource())
        assert s.state is State.IDLE or s.reason


def test_text_said_before_a_run_is_sent_with_its_first_tick() -> None:
    with session() as s:
        s.say("hi")
        s.say("  ")
        s.post(Event("notebook", Provenance.NOTEBOOK, "cell 3 ran"))
        s.run(seconds=1)
        assert s.timeline[0].percept.text == "hi"
        assert s.timeline[0].percept.events[0].text == "cell 3 ran"


def test_a_model_that_fails_keeps_the_timeline() -> None:
    with session(model=FakeModel(fail_at=7)) as s:
        with pytest.raises(ModelError, match="told to fail"):
            s.run(Talk(20))
        assert len(s.timeline) == 7
        assert s.state is State.STOPPED
        assert "1.4 s" in s.reason
        assert "told to fail" in repr(s)


def test_own_tools_background_and_bad_arguments() -> None:
    @tool
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"rain in {city}"

    class Caller:
        def answer(self, task: Task, desk: Desk) -> Answer:
            return Answer(desk.tools["weather"](city="Oslo"))

    model = FakeModel()
    with session(model=model, tools=[weather], background=Caller()) as s:
        s.run(Talk(10, {0: "search it"}))
        assert s.timeline.events()[0].text == "rain in Oslo"
        assert model.opened[0].tools == ("weather",)  # the notebook's own are the background's
    with pytest.raises(SessionError, match=r"background is .gpt"):
        Session(FakeModel(), background="gpt")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="3 has no spec"):
        Session(3)  # type: ignore[arg-type]


# --- live


def test_live_a_typed_request_is_answered_and_shown() -> None:
    sink = Watch()
    with session(sink=sink) as s:
        s.start()
        s.say("plot income against age")
        sink.until(lambda moments: any(m.act.text.startswith("people") for m in moments))
        s.stop()
        assert s.state is State.STOPPED
        assert s.surfaces[0].title == "income against age in people"
        assert s.stats()["tasks"]["done"] == 1
    assert s.state is State.CLOSED


def test_stop_and_start_go_on_on_the_same_timeline_and_state() -> None:
    model, sink = FakeModel(), Watch()
    with session(model=model, sink=sink) as s:
        s.start()
        s.say("a b c d e f g h i j")
        sink.until(lambda moments: bool(moments) and moments[-1].act.text == "b")
        s.stop()
        before = len(s.timeline)
        epoch = s.epoch
        s.start()
        sink.until(lambda moments: moments[-1].act.text == "j")
        s.stop()
        assert [m.index for m in s.timeline] == list(range(len(s.timeline)))
        assert len(s.timeline) > before
        assert [w.text for w in s.timeline.words()] == list("abcdefghij")
        assert len(model.opened) == 1
        assert s.epoch > epoch


def test_a_live_model_that_fails_stops_with_a_reason_and_can_start_afresh() -> None:
    model, told, stopped = FakeModel(fail_at=3), [], threading.Event()
    with session(model=model) as s:
        s.on_state(lambda state, reason: (told.append((state, reason)), state is State.STOPPED and stopped.set()))
        s.start()
        assert stopped.wait(WAIT_S)
        assert len(s.timeline) == 3
        assert "told to fail" in s.reason
        assert told[-1] == (State.STOPPED, s.reason)
        model.fail_at, sink = None, Watch()
        s.sink = sink
        s.start()
        sink.until(lambda moments: len(moments) >= 2)
        assert [m.index for m in s.timeline][:5] == [0, 1, 2, 3, 4]
        assert s.reason == ""
        assert len(model.opened) == 2


def test_a_source_that_ends_or_fails_stops_with_a_reason() -> None:
    class Failing(Talk):
        def _tick(self, index: int) -> Percept | None:
            raise SourceError("talk", "broke in the middle")

    stopped = threading.Event()
    with session(source=Failing(3)) as s:
        s.on_state(lambda state, _: state is State.STOPPED and stopped.set())
        s.start()
        assert stopped.wait(WAIT_S)
        assert "broke in the middle" in s.reason


def test_a_clocked_source_is_waited_for() -> None:
    source, sink = BrowserSource(), Watch()
    with session(source=source, sink=sink) as s:
        s.start()
        assert s.state is State.WAITING
        for seq in range(3):
            source.put_audio(seq, np.zeros(3200, np.float32))
            sink.until(lambda moments, count=seq + 1: len(moments) >= count)  # type: ignore[misc]
        s.say("hello browser")  # runs the clock of a source that keeps its own
        sink.until(lambda moments: any(m.act.text == "browser" for m in moments))
        assert "audio_ticks" in s.stats()


def test_a_stall_is_seen_while_it_lasts() -> None:
    clock, inside, go_on = FakeClock(), threading.Event(), threading.Event()

    class Stuck(FakeModel):
        def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
            if percept.index == 1:
                inside.set()
                assert go_on.wait(WAIT_S)
            return super().step(state, percept)

    class Ready:
        clocked, provenance, ended = True, Provenance.MICROPHONE, False

        def open(self) -> None: ...
        def close(self) -> None: ...
        def wait(self, timeout_s: float) -> bool:
            return True

        def read(self, index: int) -> Percept:
            return Percept(index)

    states: list[State] = []
    recovered = threading.Event()
    with session(model=Stuck(), source=Ready(), clock=clock) as s:

        def note(state: State, reason: str) -> None:
            states.append(state)
            if state is State.LIVE and State.STALLED in states:
                recovered.set()

        s.on_state(note)
        s.start()
        assert inside.wait(WAIT_S)
        assert s.state is State.LIVE
        clock.sleep(5.0)
        assert s.state is State.STALLED
        go_on.set()
        assert recovered.wait(WAIT_S)
        assert s.stats()["stalls"] == 1
        s.stop()
    assert states == [State.WAITING, State.LIVE, State.STALLED, State.LIVE, State.STOPPED, State.CLOSED]


def test_the_loop_never_waits_for_delegated_work() -> None:
    let_go, sink = threading.Event(), Watch()

    class Slow:
        def answer(self, task: Task, desk: Desk) -> Answer:
            assert let_go.wait(WAIT_S)
            return Answer("finally")

    with session(background=Slow(), sink=sink) as s:
        s.start()
        s.say("search it")
        sink.until(lambda moments: any(m.act.calls for m in moments))
        s.say("still here")
        sink.until(lambda moments: any(m.act.text == "here" for m in moments))
        assert not any(m.percept.events for m in sink.moments)
        let_go.set()
        sink.until(lambda moments: any(m.act.text == "finally" for m in moments))


def test_nothing_is_left_behind() -> None:
    interval = sys.getswitchinterval()
    for _ in range(20):
        sink = Watch()
        with session(sink=sink) as s, session() as other:
            s.start()
            other.start()
            s.start()
            assert sys.getswitchinterval() == pytest.approx(0.0005)
            other.stop()
            assert sys.getswitchinterval() == pytest.approx(0.0005)
            s.stop()
            assert sys.getswitchinterval() == pytest.approx(interval)
        assert sink.closed == 1
    assert imkit_threads() == []


def test_starts_and_stops_with_work_leave_no_worker() -> None:
    sink = Watch()
    with session(sink=sink) as s:
        for number in range(3):
            s.start()
            s.say("list")
            sink.until(lambda moments, want=number + 1: sum(bool(m.percept.events) for m in moments) >= want)  # type: ignore[misc]
            s.stop()
            assert imkit_threads() == []


def test_a_closed_session_says_so() -> None:
    s = session()
    s.run(seconds=0.2, tail_s=0)
    s.close()
    s.close()
    for use in (s.start, lambda: s.say("x"), lambda: s.run(seconds=1), lambda: s.post(Event("ui", Provenance.UI))):
        with pytest.raises(SessionError, match="closed"):
            use()
    assert len(s.timeline) == 1


def test_a_start_that_races_with_close_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    s = session()
    s.start()
    stop = s.stop

    def stopped_and_started_again() -> None:
        stop()
        with pytest.raises(SessionError, match="closed"):
            s.start()  # as a page's click may, in another thread, between the stop and the end of close

    monkeypatch.setattr(s, "stop", stopped_and_started_again)
    s.close()
    assert s.state is State.CLOSED
    assert imkit_threads() == []


def test_run_and_live_exclude_each_other() -> None:
    with session() as s:
        s.start()
        with pytest.raises(SessionError, match="live"):
            s.run(seconds=1)


def test_parts_are_spoken_and_shown_before_the_end_and_the_package_is_whole() -> None:
    tasks: list[Task] = []

    class Streams:
        def answer(self, task: Task, desk: Desk) -> Answer:
            tasks.append(task)
            desk.tell("first")
            desk.show({"title": "a note", "kind": "text", "spec": {"text": "shown"}})
            return Answer("last", surface={"title": "the end", "kind": "text", "spec": {"text": "shown"}})

    with session(background=Streams(), namespace={"x": 1}) as s:
        s.run(Talk(20, {0: "list"}))
        assert [w.text for w in s.timeline.words()] == ["first", "last"]
        assert [surface.title for surface in s.surfaces] == ["a note", "the end"]
        assert [event.payload.get("part") for event in s.timeline.events()] == [1, 2, None]
        assert [(one.name, one.type) for one in tasks[0].notebook] == [("x", "int")]


def test_what_was_said_before_a_stop_is_in_the_package_after_it() -> None:
    tasks: list[Task] = []

    class Keeps:
        def answer(self, task: Task, desk: Desk) -> Answer:
            tasks.append(task)
            return Answer("ok")

    sink = Watch()
    with session(background=Keeps(), sink=sink) as s:
        for number in range(2):
            s.start()
            s.say("list")
            sink.until(lambda moments, want=number + 1: sum(bool(m.percept.events) for m in moments) >= want)  # type: ignore[misc]
            s.stop()
    assert [task.version for task in tasks] == [1, 2]
    assert [line.text for line in tasks[1].conversation if line.who == "typed"] == ["list", "list"]


def test_what_went_over_the_bounds_of_a_task_is_in_the_stats() -> None:
    class Much:
        def answer(self, task: Task, desk: Desk) -> Answer:
            for _ in range(70):
                desk.tell("more")
                desk.on_cancel(lambda: None)
            return Answer("done")

    with session(background=Much()) as s:
        s.run(Talk(20, {0: "plot it"}))
        tasks = s.stats()["tasks"]
    assert (tasks["done"], tasks["dropped_parts"], tasks["dropped_callbacks"]) == (1, 6, 6)


def test_a_callback_that_breaks_is_counted() -> None:
    with session() as s:
        s.on_surface(lambda surface: 1 / 0)
        s.run(Talk(10, {0: "list"}))
        assert s.stats()["callback_errors"] == 1
        assert len(s.surfaces) == 1


def test_a_session_may_be_closed_from_its_own_thread() -> None:
    s, closed = session(), threading.Event()

    class Closing(Watch):
        def put(self, moment: Moment) -> None:
            s.close()
            closed.set()

    s.sink = Closing()
    s.start()
    thread = s._thread
    assert thread is not None
    assert closed.wait(WAIT_S)
    thread.join(WAIT_S)
    assert s.state is State.CLOSED
    assert imkit_threads() == []


def test_a_task_is_told_only_what_the_person_heard() -> None:
    tasks: list[Task] = []

    class Keeps:
        def answer(self, task: Task, desk: Desk) -> Answer:
            tasks.append(task)
            return Answer("ok")

    class Deaf(Watch):
        reports_played = True

        def put(self, moment: Moment) -> None:
            if moment.index == 2:
                s.played(0, 6400)  # the first two ticks of sound, and no more

    with session(background=Keeps(), sink=Deaf()) as s:
        s.run(Talk(10, {0: "a b c d", 5: "list"}, loud=(3,)))
    assert [(line.who, line.text) for line in tasks[0].conversation] == [
        ("typed", "a b c d"),
        ("model", "a b"),
        ("user", "loud"),
        ("typed", "list"),
    ]


def test_epochs_of_live_sound_never_fall_back_after_a_run() -> None:
    with session(sink=Watch()) as s:
        for _ in range(3):
            s.start()
            s.stop()
        live = s.epoch
        s.run(Talk(3))
        assert s.epoch == 0
        sink = s.sink = Watch()
        s.start()
        sink.until(bool)
        s.stop()
        assert sink.moments[0].epoch > live
        assert s.timeline[0].index == 0
        assert len(s.timeline) == len(sink.moments)


class Server:
    """A source of tools that has to be closed."""

    closed = 0

    def tools(self):
        return ()

    def close(self):
        self.closed += 1


def test_servers_of_tools_are_closed_with_the_session():
    server = Server()
    with session(tools=[server]):
        assert server.closed == 0
    assert server.closed == 1
