"""States kept along the way: bounded, thinned out towards long ago, really copied, never in the way."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from fakes import FakeClock, FakeModel

from imkit.session import Loop, Origin, Session, Snapshots
from imkit.session.snapshots import MAX_OBJECTS, size_of
from imkit.stream import Act, ContractError, Counts, Ledger, Moment, Percept, Word


def filled(hours: float, state_bytes: int, max_bytes: int) -> Snapshots:
    kept, ledger = Snapshots(5.0, max_bytes), Ledger(16_000)
    for index in range(round(hours * 18_000)):
        if kept.due(index):
            assert kept.take(index, bytes(state_bytes), ledger)
    return kept


@pytest.mark.parametrize("hours", [0.1, 1.0, 8.0])
def test_what_is_kept_is_bounded_dense_near_now_and_sparse_long_ago(hours: float) -> None:
    kept = filled(hours, 1000, 20_000)
    times = [one.index for one in kept]
    assert len(kept) == 20
    assert kept.size_bytes == sum(one.size_bytes for one in kept) <= 20_000
    now = times[-1]
    assert now >= hours * 18_000 - 26
    gaps = np.diff([0, *times])
    ages = now - np.array([0, *times[:-1]])
    wide = gaps > 25
    assert (gaps[wide] / ages[wide]).max() < 0.6  # of what is so long ago, no more is to be lived through again
    assert list(gaps[-3:]) == [25, 25, 25]
    assert gaps[0] > 4 * gaps[-1] or hours < 1


def test_the_nearest_before_is_found_and_a_branch_shares_the_past_only() -> None:
    kept = filled(0.05, 10, 10_000)
    assert kept.before(24) is None
    assert [kept.before(index).index for index in (25, 49, 50, 10_000)] == [25, 25, 50, 875]  # type: ignore[union-attr]
    part = kept.until(120)
    assert [one.index for one in part] == [25, 50, 75, 100]
    assert (part.size_bytes, len(kept)) == (40, 35)
    assert part.before(110) is kept.before(110)
    assert [part.due(index) for index in (144, 145)] == [False, True]
    assert part.take(77, b"x", Ledger(16_000))
    assert part.take(77, b"xy", Ledger(16_000))
    assert [one.index for one in part] == [25, 50, 75, 77, 100]
    assert part.size_bytes == 42


def test_state_and_ledger_are_copies() -> None:
    kept, ledger, state = Snapshots(), Ledger(16_000), {"ring": np.zeros(8), "deep": [np.zeros(2)]}
    silence = np.zeros(3200, np.float32)
    ledger.generated(Act(0, silence))
    kept.take(1, state, ledger)
    state["ring"][:] = 1
    state["deep"][0][:] = 1
    ledger.sent(Act(0, silence, words=(Word("hello", 0.2, 0.4),)), 0)
    ledger.played(0, 3200)
    ledger.interrupt()
    one = kept.before(1)
    assert one is not None
    assert not one.state["ring"].any()
    assert not one.state["deep"][0].any()
    assert (one.ledger.epoch, one.ledger.counts(), one.ledger.heard_words()) == (0, Counts(3200, 0, 0), [])
    assert one.size_bytes == size_of(state) == 8 * 8 + 16 + len("ring") + len("deep")


def test_states_that_are_too_large_or_cannot_be_copied_or_are_slow_are_not_kept() -> None:
    large = Snapshots(max_bytes=1000)
    assert not large.take(5, np.zeros(600, np.uint8), Ledger(16_000))
    assert "half of" in large.reason
    assert not large.due(10_000)
    many = Snapshots()
    assert not many.take(5, [[] for _ in range(MAX_OBJECTS)], Ledger(16_000))
    assert "objects" in many.reason
    locked = Snapshots()
    assert not locked.take(5, [threading.Lock()], Ledger(16_000))
    assert "cannot be copied" in locked.reason
    clock = FakeClock()

    class Slow:
        def __deepcopy__(self, memo: Any) -> Slow:
            clock.sleep(0.06)
            return self

    slow = Snapshots(clock=clock)
    assert [slow.take(index, Slow(), Ledger(16_000)) for index in (5, 10, 15, 20)] == [True, True, True, False]
    assert "60 ms" in slow.reason
    assert len(slow) == 3
    for bad in ({"every_s": 0.0}, {"every_s": float("nan")}, {"max_bytes": 0}):
        with pytest.raises(ContractError, match="expected"):
            Snapshots(**bad)


def test_a_session_keeps_states_unless_told_not_to() -> None:
    with Session(FakeModel(), namespace={}) as session:
        timeline = session.run(seconds=11)
        assert isinstance(timeline.origin, Origin)
        assert [one.index for one in timeline.origin.snapshots] == [25, 50, 75]
        assert session.stats()["snapshots"] == 3
        assert timeline[1.0:].origin is timeline.origin
        assert session.run(seconds=1, tail_s=0).origin is not timeline.origin
    with Session(FakeModel(), namespace={}, snapshots=False) as session:
        assert session.run(seconds=11).origin.snapshots is None
        assert session.stats()["snapshots"] == 0
    with Session(FakeModel(), namespace={}, snapshots=Snapshots(every_s=1.0)) as session:
        assert len(session.run(seconds=2.1, tail_s=0).origin.snapshots) == 2


def test_a_moment_that_is_late_is_not_made_later() -> None:
    with Session(FakeModel(), namespace={}) as session:
        origin, loop = session.timeline.origin, Loop(session.model)
        act = Act(30, np.zeros(3200, np.float32))
        origin.keep(Moment(Percept(30), act, late=True), loop, behind=False)
        origin.keep(Moment(Percept(30), act), loop, behind=True)
        assert len(origin.snapshots) == 0
        origin.keep(Moment(Percept(30), act), loop, behind=False)
        assert [one.index for one in origin.snapshots] == [31]
