"""Everything that goes wrong on an ordinary day, in one table: what holds each fault, here or where its test lives.

For each: the session is in one of its few named states and says so in words, it is live again within two seconds or
ends with a reason, no sound is sent twice, and what was lost is marked in the timeline.
"""

from __future__ import annotations

import ast
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeClock, FakeModel, FakeState
from faults import Rig, Scheduled

from imkit.background import Answer
from imkit.capture import Silence
from imkit.notebook.printed import PRINTED, Tail
from imkit.session import Session, State
from imkit.session.delegation import Delegation
from imkit.stream import TICK_S, Act, Percept, SessionError

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
BACK_S = 2.0
WAIT_S = 30.0

HELD_BY = {
    "socket cut for 0.1, 1, 5, 30 s": [
        "session/test_faults.py::test_a_cut_is_a_gap_and_over_in_two_seconds",
        "notebook/test_link.py::test_a_page_that_comes_back_finds_the_timeline",
        "adapters/test_realtime_line.py::test_a_server_that_was_gone_is_back_within_two_seconds_and_every_lost_tick_is_counted",
        "widget/test/lanes.test.ts::a socket found closing is left, and no frame is lost in it",
    ],
    "server restart": [
        "session/test_faults.py::test_a_server_that_restarts_finds_the_session_as_it_was",
        "serve/test_both_ends.py::test_a_server_that_dies_and_comes_back_is_spoken_with_again",
        "browser/test_pages_browser.py::test_reload_keeps_the_timeline_and_the_transcript",
    ],
    "laptop sleep": [
        "session/test_faults.py::test_a_laptop_that_slept_is_a_gap",
        "capture/test_source_clock.py::test_a_page_that_slept_is_a_gap",
        "serve/test_server.py::test_the_wall_clock_never_drifts_and_tells_what_was_slept_through",
        "widget/test/relay.test.ts::without sound a timer keeps the clock, forgives a sleep, and ends with the run",
    ],
    "device unplugged": [
        "session/test_faults.py::test_a_device_that_is_gone_ends_it_with_a_reason",
        "session/test_session.py::test_a_source_that_ends_or_fails_stops_with_a_reason",
    ],
    "permission withdrawn": [
        "session/test_faults.py::test_a_page_that_may_not_listen_any_more_can_still_be_written_to",
        "browser/test_pages_browser.py::test_refused_devices_are_said_in_words_and_typing_works",
        "browser/test_pages_browser.py::test_mute_ends_the_tracks",
    ],
    "disk full while recording": [
        "recordings/test_record_session.py::test_a_full_disk_never_stops_a_session",
        "recordings/test_recorder.py::test_a_full_disk_is_counted_and_shown_and_costs_only_what_did_not_fit",
        "recordings/test_recorder.py::test_a_real_limit_of_the_system_is_survived",
        "recordings/test_slow_disk.py::test_a_disk_that_hangs_costs_what_is_older_than_a_second_and_never_time",
    ],
    "model step raises": [
        "session/test_faults.py::test_a_model_that_raises_ends_it_with_a_reason",
        "session/test_session.py::test_a_live_model_that_fails_stops_with_a_reason_and_can_start_afresh",
    ],
    "model step hangs": [
        "session/test_faults.py::test_a_model_that_hangs_for_a_while_is_caught_up_with",
        "session/test_faults.py::test_a_model_that_never_comes_back_can_be_left",
        "session/test_session.py::test_a_stall_is_seen_while_it_lasts",
    ],
    "background worker killed": [
        "session/test_executors.py::test_a_worker_process_that_dies_is_told",
        "session/test_delegation.py::test_work_that_its_executor_drops_or_breaks_over_is_an_event",
    ],
    "background worker hangs": [
        "session/test_faults.py::test_work_that_hangs_does_not_hold_up_the_end",
        "session/test_delegation.py::test_what_expires_is_told_and_its_result_is_stale",
        "session/test_never_waits.py::test_eight_sleepers_change_no_count",
    ],
    "5 MB/s printed": [
        "session/test_faults.py::test_a_flood_of_prints_is_read_along_within_bounds",
        "browser/test_talk_browser.py::test_a_busy_cell_does_not_hold_the_conversation_up",
    ],
    "a cell holds the GIL": [
        "session/test_faults.py::test_a_cell_that_holds_the_interpreter_is_noticed_and_caught_up_with",
        "browser/test_talk_browser.py::test_a_call_that_holds_the_interpreter_is_noticed_and_caught_up_with",
    ],
    "two sessions at once": [
        "session/test_faults.py::test_of_two_sessions_one_fails_and_the_other_goes_on",
        "session/test_session.py::test_nothing_is_left_behind",
    ],
    "two tabs": [
        "notebook/test_link.py::test_one_view_holds_the_lease_and_only_its_sound_counts",
        "notebook/test_approval_link.py::test_only_the_holder_may_answer_whatever_a_message_says",
        "browser/test_pages_browser.py::test_two_tabs_share_one_lease",
    ],
    "kernel killed while recording": [
        "recordings/test_killed.py::test_a_killed_recording_loads_and_loses_at_most_a_second",
    ],
}  # fmt: skip


@pytest.mark.parametrize("fault", HELD_BY)
def test_every_fault_is_held_by_tests_that_are_there(fault: str) -> None:
    for where in HELD_BY[fault]:
        path, _, name = where.partition("::")
        file = ROOT / path if path.startswith("widget/") else TESTS / path
        text = file.read_text("utf-8")
        if file.suffix == ".ts":
            assert f'it("{name}"' in text, where
        else:
            assert name in {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}, where


def said_once(rig: Rig) -> bool:
    return len(rig.sounds) == len(set(rig.sounds)) and rig.sounds == sorted(rig.sounds)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


# --- the way between page and kernel


class Talks(FakeModel):
    """Says something in every tick."""

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        return super().step(state, replace(percept, text=percept.text or "la"))


def in_time(rig: Rig) -> bool:
    """Whether the newest tick is the one that has just ended, by the clock."""
    when_s, tick = rig.ticks[-1]
    return tick + 1 == round(when_s / TICK_S)


@pytest.mark.parametrize(("cut_s", "lost"), [(0.1, 0), (1.0, 5), (5.0, 25), (30.0, 150)])
def test_a_cut_is_a_gap_and_over_in_two_seconds(monkeypatch: pytest.MonkeyPatch, cut_s: float, lost: int) -> None:
    rig = Rig(monkeypatch, Talks())
    rig.at(3.05, lambda: setattr(rig, "cut", True))
    rig.at(3.05 + cut_s, rig.come_back)
    rig.run(8.0 + cut_s)
    assert rig.live_again_s(3.05 + cut_s) <= BACK_S
    assert rig.was(State.WAITING, 3.05, 3.05 + cut_s) == (cut_s > 2.0)
    assert [payload for _, payload in rig.gaps] == ([{"gap_ticks": lost}] if lost else [])
    assert in_time(rig)
    assert said_once(rig)
    assert [tick for _, tick in rig.sounds][-20:] == [tick for _, tick in rig.ticks][-20:]
    assert (rig.session.state, rig.session.reason) == (State.STOPPED, "")


def test_who_writes_through_a_cut_is_answered_and_the_time_is_not_counted_twice(rig: Rig) -> None:
    rig.at(2.9, lambda: rig.type("good morning"))
    rig.at(3.05, lambda: setattr(rig, "cut", True))
    rig.at(8.05, rig.come_back)
    rig.run(10.0)
    assert not rig.was(State.WAITING, 3.05, 10.0)
    assert [payload for _, payload in rig.gaps] == [{"gap_ticks": 1}]  # a mark; the rest of it was lived
    assert rig.ticks[-1][1] == round(rig.ticks[-1][0] / TICK_S)
    assert "morning" in [word.text for word in rig.session.timeline.words()]


def test_a_server_that_restarts_finds_the_session_as_it_was(rig: Rig) -> None:
    rig.at(3.05, lambda: setattr(rig, "cut", True))
    rig.at(11.05, lambda: rig.come_back(page="another"))
    rig.run(15.0)
    assert rig.live_again_s(11.05) <= BACK_S
    assert rig.gaps[0][1]["gap_ticks"] == 40
    assert rig.link.lease.holder == "v"  # lost while nobody was there, and taken again
    assert rig.link.counts["unsent_control_down"] > 0


@pytest.mark.parametrize(("asleep_s", "told"), [(30.0, 150), (600.0, 300)])
def test_a_laptop_that_slept_is_a_gap(rig: Rig, asleep_s: float, told: int) -> None:
    rig.at(3.05, lambda: setattr(rig, "asleep", True))
    rig.at(3.05 + asleep_s, lambda: setattr(rig, "asleep", False))
    rig.at(3.05 + asleep_s, rig.come_back)
    rig.run(8.0 + asleep_s)
    assert rig.live_again_s(3.05 + asleep_s) <= BACK_S
    assert rig.was(State.WAITING, 5.0, asleep_s)
    ((_, payload),) = rig.gaps
    assert payload == {"gap_ticks": told, "paused_s": pytest.approx(asleep_s, abs=TICK_S)}
    assert len(rig.session.timeline) < 60


# --- what is heard with


class Unplugged(Scheduled):
    """Its device goes after three seconds, and says so in one way or another."""

    how = "read"

    def _gone(self, how: str) -> None:
        if self.how == how and self._rig.now_s > 3.0:
            raise OSError(19, "No such device")

    def wait(self, timeout_s: float) -> bool:
        self._gone("wait")
        if self.how == "end" and self._rig.now_s > 3.0:
            self._closed = True
        return super().wait(timeout_s)

    def read(self, index: int) -> object:
        self._gone("read")
        return super().read(index)

    def close(self) -> None:
        super().close()
        self._gone("close")


@pytest.mark.parametrize("how", ["read", "wait", "end", "close"])
def test_a_device_that_is_gone_ends_it_with_a_reason(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    rig = Rig(monkeypatch, source=type("Source", (Unplugged,), {"how": how}))
    rig.run(6.0)
    assert rig.session.state is State.STOPPED
    error = "OSError: [Errno 19] No such device"
    failed = f"The source failed: Source: {error}; start() tries it again."
    expected = {"end": "The source has ended.", "close": f"The source did not close: {error}"}
    reason = rig.session.reason
    assert reason == expected.get(how, failed)
    assert rig.told[-1] == {"type": "state", "state": "stopped", "reason": reason}
    assert len(rig.session.timeline) >= 15
    rig.source.how = "well"
    rig.session.start()
    assert (rig.session.state, rig.session.reason) == (State.WAITING, "")


def test_a_page_that_may_not_listen_any_more_can_still_be_written_to(rig: Rig) -> None:
    rig.at(3.05, lambda: setattr(rig, "asleep", True))
    rig.at(3.05, lambda: rig.say({"type": "permissions", "microphone": "denied", "camera": "denied"}))
    rig.at(8.0, lambda: rig.type("hello there"))
    rig.run(11.0)
    assert rig.was(State.WAITING, 5.0, 8.0)
    assert rig.live_again_s(8.0) <= BACK_S
    assert [word.text for word in rig.session.timeline.words()] == ["hello", "there"]
    assert rig.link.lease.views == {} or "permissions" in rig.link.lease.views["v"].facts


# --- who thinks


class Troubled(FakeModel):
    """Does ``trouble()`` in tick 15."""

    trouble = staticmethod(lambda: None)

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        if percept.index == 15:
            self.trouble()
        return super().step(state, percept)


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), SystemExit(3), MemoryError("no room")])
def test_a_model_that_raises_ends_it_with_a_reason(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    model = Troubled()
    rig = Rig(monkeypatch, model)

    def trouble() -> None:
        raise error

    model.trouble = trouble
    rig.run(6.0)
    assert rig.session.state is State.STOPPED
    assert rig.session.reason == f"The model fake failed at 3.0 s: {type(error).__name__}: {error}"
    assert [m.index for m in rig.session.timeline] == list(range(15))


@pytest.mark.parametrize(("hang_s", "lost"), [(0.5, 0), (5.1, 20)])
def test_a_model_that_hangs_for_a_while_is_caught_up_with(
    monkeypatch: pytest.MonkeyPatch, hang_s: float, lost: int
) -> None:
    model = Troubled()
    rig = Rig(monkeypatch, model)
    model.trouble = lambda: rig.pass_time(hang_s)
    rig.run(15.0)
    over_s = 3.2 + hang_s
    assert rig.was(State.STALLED, 3.2, over_s) == (hang_s > 2.0)
    assert rig.live_again_s(over_s) <= BACK_S
    assert sum(payload["gap_ticks"] for _, payload in rig.gaps) == lost
    assert in_time(rig)


def test_a_model_that_never_comes_back_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imkit.session.session.JOIN_S", 0.05)
    inside, let_go, clock = threading.Event(), threading.Event(), FakeClock()

    class Stuck(FakeModel):
        def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
            inside.set()
            assert let_go.wait(WAIT_S)
            return super().step(state, percept)

    session = Session(Stuck(), source=Silence(60.0), namespace={}, clock=clock)
    session.start()
    clock.sleep(0.3)
    assert inside.wait(WAIT_S)
    clock.sleep(5.0)
    assert session.state is State.STALLED
    session.stop()
    assert "did not come back within" in session.reason
    with pytest.raises(SessionError, match="did not come back"):
        session.start()  # it must not look as if it ran
    thread = session._thread
    session.close()
    assert session.state is State.CLOSED
    assert "did not come back" in session.reason
    let_go.set()
    assert thread is not None
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_work_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    close = Delegation.close
    monkeypatch.setattr(Delegation, "close", lambda self: close(self, grace_s=0.05))  # two seconds else
    began, let_go = threading.Event(), threading.Event()

    class Hangs:
        def answer(self, task: object, desk: object) -> Answer:
            began.set()
            assert let_go.wait(WAIT_S)
            return Answer("too late")

    session = Session(FakeModel(), background=Hangs(), source=Silence(60.0), namespace={})  # type: ignore[arg-type]
    session.start()
    session.say("search it")
    assert began.wait(WAIT_S)
    session.stop()
    assert (session.state, session.reason) == (State.STOPPED, "Delegated work did not stop when told to.")
    session.close()
    let_go.set()


# --- what else the notebook does


def test_a_cell_that_holds_the_interpreter_is_noticed_and_caught_up_with(rig: Rig) -> None:
    rig.at(3.05, lambda: rig.clock.sleep(5.0))  # nothing else happens meanwhile: not even the page is heard
    rig.run(12.0)
    assert rig.was(State.STALLED, 3.0, 8.3)
    assert rig.live_again_s(8.05) <= BACK_S
    assert sum(payload["gap_ticks"] for _, payload in rig.gaps) == 20
    assert rig.source.counts["pauses"] == 0
    assert in_time(rig)


def test_a_flood_of_prints_is_read_along_within_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    tail, line = Tail(2_000), "x" * 99 + "\n"
    PRINTED.join(tail)
    try:
        for _ in range(50_000):
            print(line, end="")
    finally:
        PRINTED.leave(tail)
    assert len(capsys.readouterr().out) == 5_000_000
    assert tail.text() == line * 20
    assert sum(map(len, tail._parts)) <= 2_000 + len(line)


def test_of_two_sessions_one_fails_and_the_other_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel()
    one, other = Rig(monkeypatch, Troubled()), Rig(monkeypatch, model)
    one.session.model.trouble = lambda: one.source.put_text(1 / 0)  # type: ignore[attr-defined]
    one.at(2.0, lambda: other.run(6.0))  # lived through while the first one runs
    one.run(6.0)
    assert "ZeroDivisionError" in one.session.reason
    assert (other.session.state, other.session.reason) == (State.STOPPED, "")
    assert (len(one.session.timeline), len(other.session.timeline)) == (15, 30)
