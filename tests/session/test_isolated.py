"""A session whose model lives in a child process: the same conversation, whatever the kernel does meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeModel
from fakes_apart import Dies, Said, Stuck, Timed, hold, running, until

from imkit.background import Answer, Desk, Task
from imkit.session import Session, Snapshots, State
from imkit.stream import Event, ModelError, Moment, Percept, Provenance, SessionError, SourceError
from imkit.tools import tool

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
PEOPLE = {"people": {"age": [20.0, 30.0, 40.0], "income": [1.0, 2.0, 4.0], "city": ["Rome", "Oslo", "Rome"]}}


def log_of(session: Session) -> bytes:
    return "\n".join(json.dumps(m.to_json(), sort_keys=True) for m in session.timeline).encode()


def pid_of(session: Session) -> int:
    return int(session._place.host.process.pid)


def waits(session: Session, ticks: int) -> bool:
    return until(lambda: len(session.timeline) >= ticks or session.state is State.STOPPED)


class Sink:
    """Takes every second moment's sound, and says that half of it was played."""

    reports_played = True

    def __init__(self) -> None:
        self.session: Any = None
        self.flushed: list[int] = []

    def put(self, moment: Moment) -> bool:
        if moment.index % 2:
            self.session.played(moment.epoch, 1600)
        return moment.index % 2 == 0

    def flush(self, epoch: int) -> None:
        self.flushed.append(epoch)

    def close(self) -> None:
        """Nothing is held."""


def told(isolate: bool) -> dict[str, Any]:
    texts = {1: "hello there friend", 6: "plot income", 8: "plot age", 20: "describe people"}
    sink = Sink()
    with Session(FakeModel(24_000), namespace=PEOPLE, isolate=isolate, seed=3, sink=sink) as session:
        sink.session = session
        session.say("typed before")
        session.ask("how is income spread")
        session.on_surface(lambda one: session.say(f"saw {one.title}"))
        timeline = session.run(Said(30, texts, loud=(3, 26)), work_s=0.6)
        first = log_of(session)
        tasks = [(one.request, one.outcome, one.asked_s, one.ended_s) for one in session.tasks]
        session.run(Said(5, {1: "again"}), tail_s=1)
        stats = session.stats()
        return {
            "first": first,
            "second": log_of(session),
            "media": [(m.percept.audio.tobytes(), m.act.audio.tobytes(), len(m.percept.frames)) for m in timeline],
            "fates": [timeline.fates.of(m.index) for m in timeline],
            "shown": [surface.to_json() for surface in session.surfaces],
            "flushed": sink.flushed,
            "tasks": tasks,
            "stats": {name: stats[name] for name in stats if name not in ("compute_ms_p50", "compute_ms_p99")},
            "diagnostics": [m.act.diagnostics for m in timeline],
        }


def test_a_script_gives_the_same_bytes_here_and_apart() -> None:
    here, apart = told(False), told(True)
    assert here.pop("stats") | {"snapshots": 0} == apart.pop("stats") | {"dropped_audio_ticks": 0}
    assert here["first"].count(b"\n") > 40
    assert len(here["tasks"]) == 4
    for name, value in here.items():
        assert apart[name] == value, name


def test_a_cell_that_holds_the_interpreter_costs_no_micro_turn() -> None:
    stepped, dropped = {}, {}
    for isolate in (False, True):
        with Session(Timed(), isolate=isolate) as session:
            session.start()
            assert waits(session, 3)
            begins_s = time.monotonic()
            hold(2)
            ends_s = time.monotonic()
            newest = len(session.timeline)
            assert waits(session, newest + 8)
            times = [moment.act.diagnostics["at_s"] for moment in session.timeline]
            stepped[isolate] = sum(begins_s + 0.01 < at_s < ends_s - 0.01 for at_s in times)
            dropped[isolate] = session.stats()["dropped_audio_ticks"]
            assert (session.timeline[0].act.diagnostics["pid"] == os.getpid()) is not isolate
    assert stepped[False] == 0
    assert dropped[False] >= 4  # of ten, all but the five that are caught up with
    assert stepped[True] >= 4
    assert dropped[True] < dropped[False]


def test_live_it_goes_on_where_it_stopped_and_tells_when_its_process_is_killed() -> None:
    states: list[tuple[State, str]] = []
    with Session(Timed(), namespace=PEOPLE, isolate=True) as session:
        session.on_state(lambda state, reason: states.append((state, reason)))
        session.start()
        session.say("hello you")
        session.post(Event("notebook", Provenance.NOTEBOOK, "a cell ran"))
        assert until(lambda: len(session.timeline.words()) == 2)
        assert [event.text for event in session.timeline.events()] == ["a cell ran"]
        session.stop()
        newest = session.timeline[-1].index
        assert session.state is State.STOPPED
        session.start()
        assert waits(session, newest + 3)
        assert [moment.index for moment in session.timeline][newest : newest + 3] == [newest, newest + 1, newest + 2]
        pid = pid_of(session)
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: session.state is State.STOPPED)
        assert "was killed by SIGKILL" in session.reason
        assert (State.STOPPED, session.reason) in states
        kept = len(session.timeline)
        session.start()  # a new process, a fresh state of the model, the same timeline
        assert waits(session, kept + 2)
        assert pid_of(session) != pid
        assert session.timeline.origin.opened == (0, kept)
        assert "killed" not in session.reason
    assert session.state is State.CLOSED
    assert not running(pid_of_closed := session._place._host.process.pid), pid_of_closed  # type: ignore[attr-defined]


def test_a_model_that_dies_in_a_run_ends_it_and_keeps_what_there_was() -> None:
    with Session(Dies(), isolate=True) as session:
        with pytest.raises(ModelError, match=r"killed by SIGKILL.*the last words"):
            session.run(seconds=5)
        assert len(session.timeline) == 7
        assert session.state is State.STOPPED
    with Session(FakeModel(fail_at=4), isolate=True) as session:
        with pytest.raises(
            ModelError, match=r"The model fake failed at 0.8 s: RuntimeError: the fake model was told to"
        ):
            session.run(seconds=5)
        with pytest.raises(SourceError, match="no such file"):
            session.run("nothing.wav")
        assert len(session.run(seconds=0.4, tail_s=0)) == 2


def test_a_callback_may_close_it() -> None:
    session = Session(FakeModel(), namespace=PEOPLE, isolate=True)
    session.on_surface(lambda _: session.close())
    session.say("plot income")
    session.start()
    thread = session._thread
    assert thread is not None
    thread.join(30)
    assert not thread.is_alive()
    assert session.state is State.CLOSED


def test_one_that_does_not_come_back_is_killed_within_two_seconds() -> None:
    session = Session(Stuck(), isolate=True)
    session.start()
    assert waits(session, 2)
    assert until(lambda: session.state is State.STALLED)
    pid = pid_of(session)
    begins_s = time.monotonic()
    session.close()
    assert not running(pid)
    assert time.monotonic() - begins_s < 8  # 1.5 s where nothing else runs
    assert "did not stop when told to" in session.reason
    assert session.state is State.CLOSED


class Desktop:
    """A background model that calls every tool that it is asked for by name."""

    def answer(self, task: Task, desk: Desk) -> Answer:
        return Answer(str(desk.tools[task.request.split()[-1]]()))


class Person:
    """Is there, and says yes to everything."""

    present = True

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, name: str, arguments: str, why: Any, cancelled: Any) -> None:
        self.asked.append(name)


def test_tools_run_in_the_kernel_and_effects_ask_first() -> None:
    ran: list[tuple[str, int]] = []

    @tool
    def look() -> str:
        """Looks."""
        ran.append(("look", os.getpid()))
        return "seen"

    @tool(tier="effect")
    def wipe() -> str:
        """Wipes."""
        ran.append(("wipe", os.getpid()))
        return "wiped"

    with Session(FakeModel(), background=Desktop(), tools=[look, wipe], namespace={}, isolate=True) as session:
        timeline = session.run(Said(20, {1: "plot look", 6: "list wipe"}))
        assert ran == [("look", os.getpid())]
        assert "nobody is there to give permission" in timeline.events()[-1].text
        session.tools.asks = person = Person()
        timeline = session.run(Said(20, {1: "plot look", 6: "list wipe"}))
        assert person.asked == ["wipe"]
        assert [event.text for event in timeline.events()] == ["seen", "wiped"]
        assert ran[-1] == ("wipe", os.getpid())


def test_what_cannot_be_apart_says_so() -> None:
    with pytest.raises(SessionError, match=r'the model Unpicklable cannot be sent.*pass its name.*"nano"'):
        Session(Unpicklable(), isolate=True)
    with pytest.raises(SessionError, match="leave out clock="):
        Session(FakeModel(), isolate=True, clock=time.time)
    with pytest.raises(SessionError, match="no snapshots"):
        Session(FakeModel(), isolate=True, snapshots=Snapshots())
    with pytest.raises(ModelError, match="no-such-model"):
        Session("no-such-model", isolate=True)
    with Session(FakeModel(), isolate=True) as session:
        with pytest.raises(SessionError, match="cannot be stepped"):
            session.model.open(session._config())
        session.tap = Tap()
        with pytest.raises(ModelError, match=r"session\.tap is in the kernel"):
            session.run(seconds=1)


class Tap:
    """Lets everything through."""

    def opened(self, index: int, config: Any, epoch: int) -> None:
        """Not heeded."""

    def admit(self, percept: Percept) -> Percept:
        return percept

    def put(self, moment: Moment) -> None:
        """Not kept."""


class Unpicklable(FakeModel):
    """Holds what no other process can be given."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def test_nothing_is_left_and_no_secret_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    monkeypatch.setenv("IMKIT_BACKGROUND_KEY", "secret")
    before, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        with Session(FakeModel(), isolate=True) as session:
            session.start()
            pid = pid_of(session)
            held = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"PATH=" in held
            assert b"secret" not in held
            session._place.host.process.send_signal(signal.SIGINT)  # type: ignore[attr-defined]
            assert waits(session, 1)  # an interrupted cell does not end it
        assert not running(pid)
    assert until(lambda: threading.active_count() <= before)
    assert len(os.listdir("/proc/self/fd")) == files


KERNEL = """
import sys, time
from fakes_apart import Timed
from imkit.session import Session
session = Session(Timed(), isolate=True).start()
print(session._place.host.process.pid, flush=True)
time.sleep(60)
"""


def test_it_goes_with_its_kernel() -> None:
    path = os.pathsep.join(one for one in sys.path if one)
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert kernel.stdout is not None
    pid = int(kernel.stdout.readline())
    assert running(pid)
    kernel.kill()
    kernel.wait()
    kernel.stdout.close()
    assert until(lambda: not running(pid))
