from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from fakes import FakeClock, FakeModel, loud_audio

from imkit.capture import OrderedSource
from imkit.session import Drive, Inbox, Loop, RealPacer, SourcePacer, VirtualPacer
from imkit.stream import Event, Moment, Percept, Provenance, Timeline


class Counted(OrderedSource):
    """Percepts 0, 1, 2 ... each with its own number as text."""

    def __init__(self, count: int) -> None:
        super().__init__("counted")
        self.count = count

    def _start(self) -> None:
        return None

    def _tick(self, index: int) -> Percept | None:
        frame = np.zeros((2, 2, 3), np.uint8)
        return Percept(index, text=f"t{self._position}", frames=(frame,)) if self._position < self.count else None


class Handed:
    """A clocked source that holds what a test hands it."""

    clocked = True
    provenance = Provenance.MICROPHONE
    ended = False

    def __init__(self) -> None:
        self.ready: deque[dict[str, Any]] = deque()

    def open(self) -> None: ...
    def close(self) -> None: ...

    def wait(self, timeout_s: float) -> bool:
        return bool(self.ready)

    def read(self, index: int) -> Percept | None:
        return Percept(index, **self.ready.popleft()) if self.ready else None


class Kept:
    """A sink that writes down what happens to it."""

    reports_played = True

    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []

    def put(self, moment: Moment) -> None:
        self.log.append(("put", moment.index))

    def flush(self, epoch: int) -> None:
        self.log.append(("flush", epoch))

    def close(self) -> None:
        self.log.append(("close", 0))


def real(source: Any, clock: FakeClock, **more: Any) -> Drive:
    source.open()
    return Drive(Loop(FakeModel()), source, RealPacer(clock, clock.sleep), Timeline(), clock=clock, **more)


def test_the_real_pacer_keeps_to_one_start() -> None:
    clock = FakeClock(100.0)
    pacer = RealPacer(clock, clock.sleep)
    ticks = []
    while len(ticks) < 5:
        if pacer.due(10.0):
            pacer.took(1)
            ticks.append(round(clock.now_s - 100.0, 6))
            clock.sleep(0.05)
    assert ticks == [0.2, 0.4, 0.6, 0.8, 1.0]
    clock.sleep(1.0)
    assert pacer.due(10.0) == 5


def test_the_real_pacer_waits_no_longer_than_it_is_told() -> None:
    clock = FakeClock()
    assert RealPacer(clock, clock.sleep).due(0.05) == 0
    assert clock.now_s == pytest.approx(0.05)


def test_a_tick_is_taken_when_it_has_ended() -> None:
    clock = FakeClock()
    drive = real(Counted(3), clock)
    taken: list[tuple[int, float]] = []
    while len(taken) < 3:
        moment = drive.step()
        if moment is not None:
            taken.append((moment.index, round(clock.now_s, 6)))
    assert taken == [(0, 0.2), (1, 0.4), (2, 0.6)]


def test_falling_behind_loses_sound_but_no_text_and_keeps_step_with_the_clock() -> None:
    clock = FakeClock()
    drive = real(Counted(100), clock)
    assert drive.step() is not None
    clock.sleep(4.0)  # 20 ticks
    moment = drive.step()
    assert moment is not None
    assert moment.index == 16
    assert moment.percept.text == "\n".join(f"t{k}" for k in range(1, 17))
    assert moment.gap
    assert moment.percept.events[0].payload == {"gap_ticks": 15}
    assert drive.counts["dropped_audio_ticks"] == 15
    assert drive.counts["dropped_frames"] == 15
    assert drive.counts["gaps"] == 1
    while drive.behind:
        moment = drive.step()
    assert moment is not None
    assert (moment.index + 1) * 0.2 == pytest.approx(clock.now_s)
    assert drive.counts["dropped_audio_ticks"] == 15


def test_five_ticks_behind_lose_nothing() -> None:
    clock = FakeClock()
    drive = real(Counted(100), clock)
    drive.step()
    clock.sleep(1.0)
    assert [m.index for m in (drive.step() for _ in range(5)) if m] == [1, 2, 3, 4, 5]
    assert drive.counts["dropped_audio_ticks"] == 0


def test_a_held_up_loop_is_noticed() -> None:
    clock = FakeClock()
    drive = real(Counted(100), clock)
    drive.step()
    assert drive.stalled_s == 0.0
    clock.sleep(3.0)
    drive.step()
    assert drive.stalled_s == pytest.approx(3.0, abs=0.25)
    drive.step()
    assert drive.stalled_s == 0.0
    assert drive.counts["stalls"] == 1


def test_a_source_that_lost_sound_moves_the_clock_on() -> None:
    source = Handed()
    drive = Drive(Loop(FakeModel()), source, SourcePacer(source), Timeline())
    assert drive.step() is None
    gap = Event("system", Provenance.MICROPHONE, payload={"gap_ticks": 7})
    source.ready.extend([{}, {"events": (gap,)}, {}])
    moments = [drive.step() for _ in range(3)]
    assert [m.index for m in moments if m] == [0, 8, 9]
    assert [m.gap for m in moments if m] == [False, True, False]


def test_after_the_source_comes_the_tail_and_then_the_end() -> None:
    source = Counted(3)
    source.open()
    drive = Drive(Loop(FakeModel()), source, VirtualPacer(), Timeline(), tail_s=0.5)
    while not drive.ended:
        drive.step()
    assert len(drive.timeline) == 6
    assert drive.step() is None
    assert [m.percept.text for m in drive.timeline] == ["t0", "t1", "t2", "", "", ""]


@pytest.mark.parametrize(("limit_s", "ticks"), [(0.0, 0), (0.2, 1), (0.3, 2), (0.6, 3), (99.0, 10)])
def test_a_limit_cuts_the_source(limit_s: float, ticks: int) -> None:
    source = Counted(10)
    source.open()
    drive = Drive(Loop(FakeModel()), source, VirtualPacer(), Timeline(), limit_s=limit_s, tail_s=0)
    while not drive.ended:
        drive.step()
    assert len(drive.timeline) == ticks


def test_the_sink_is_flushed_before_the_sound_of_the_new_epoch() -> None:
    source, sink = Handed(), Kept()
    drive = Drive(Loop(FakeModel()), source, SourcePacer(source), Timeline(), sink=sink)
    source.ready.extend([{"text": "a b c d"}, {}, {"audio": loud_audio()}, {}])
    for _ in range(4):
        drive.step()
    assert sink.log == [("put", 0), ("put", 1), ("flush", 1), ("put", 2), ("put", 3)]
    ledger = drive.loop.ledger
    assert (ledger.counts(0).sent, ledger.counts(0).played) == (6400, 0)
    ledger.played(0, 3200)
    assert [word.text for word in ledger.heard_words()] == ["a"]


def test_without_reports_what_was_sent_was_heard() -> None:
    source = Handed()
    drive = Drive(Loop(FakeModel()), source, SourcePacer(source), Timeline())
    source.ready.append({"text": "a"})
    drive.step()
    assert [word.text for word in drive.loop.ledger.heard_words()] == ["a"]


def test_a_sink_that_breaks_costs_its_sound_only() -> None:
    class Broken(Kept):
        def put(self, moment: Moment) -> None:
            raise OSError("gone")

    source = Handed()
    drive = Drive(Loop(FakeModel()), source, SourcePacer(source), Timeline(), sink=Broken())
    source.ready.extend([{"text": "a"}, {}])
    assert drive.step() is not None
    assert drive.step() is not None
    assert drive.counts["sink_errors"] == 2
    assert drive.loop.ledger.counts().sent == 0


def test_the_inbox_is_bounded_and_drops_the_oldest() -> None:
    inbox = Inbox()
    for number in range(70):
        inbox.put_text(f"t{number}")
        inbox.put_event(Event("ui", Provenance.UI, f"e{number}"))
    percept = inbox.into(Percept(0, text="own"))
    assert percept.text.split("\n")[:2] == ["own", "t6"]
    assert percept.events[0].text == "e6"
    assert inbox.counts == {"dropped_texts": 6, "dropped_events": 6}
    assert inbox.into(Percept(1)).text == ""
