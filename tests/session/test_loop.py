from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import FakeClock, FakeModel, FakeState, loud_audio

from imkit.session import Loop
from imkit.stream import Act, Event, ModelError, OpenConfig, Percept, Provenance


def test_one_percept_in_one_moment_out() -> None:
    loop = Loop(FakeModel(24_000), OpenConfig(seed=3, tools=("a",)))
    moments = [loop.tick(Percept(k, text="one two" if k == 2 else "")) for k in range(6)]
    assert [m.index for m in moments] == list(range(6))
    assert [m.act.text for m in moments] == ["", "", "one", "two", "", ""]
    assert loop.ledger.counts().generated == 6 * 4800
    assert loop.model.opened == [OpenConfig(seed=3, tools=("a",))]  # type: ignore[attr-defined]


def test_compute_time_comes_from_the_clock_that_is_given() -> None:
    clock = FakeClock()

    class Slow(FakeModel):
        def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
            clock.sleep(0.3 if percept.index else 0.1)
            return super().step(state, percept)

    loop = Loop(Slow(), clock=clock)
    assert [(m.compute_ms, m.late) for m in (loop.tick(Percept(0)), loop.tick(Percept(1)))] == [
        (100.0, False),
        (300.0, True),
    ]
    assert Loop(FakeModel()).tick(Percept(0)).compute_ms == 0.0


def test_a_yield_raises_the_epoch_of_the_very_act() -> None:
    loop = Loop(FakeModel())
    first = loop.tick(Percept(0, text="a b c d"))
    cut = loop.tick(Percept(1, audio=loud_audio()))
    after = loop.tick(Percept(2))
    assert (first.epoch, cut.epoch, after.epoch) == (0, 1, 1)
    assert cut.yielded
    assert not after.act.words


def test_an_interrupt_event_raises_the_epoch() -> None:
    loop = Loop(FakeModel())
    event = Event("system", Provenance.UI, payload={"interrupt": True})
    assert loop.tick(Percept(0, events=(event,))).epoch == 1


def test_calls_are_stamped_with_tick_and_epoch() -> None:
    loop = Loop(FakeModel())
    loop.ledger.interrupt()
    for k in range(3):
        loop.tick(Percept(k))
    call = loop.tick(Percept(3, text="plot it")).act.calls[0]
    assert (call.tick, call.epoch) == (3, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": 5}, "answered percept 0 with act 5"),
        ({"audio": np.zeros(3199, np.float32)}, r"expected float32 \(3200,\)"),
        ({"audio": np.zeros(3200)}, "float64"),
        ({"audio": np.full(3200, np.nan, np.float32)}, "NaN"),
    ],
)
def test_an_act_that_breaks_the_contract_is_an_error(change: dict[str, Any], message: str) -> None:
    class Wrong(FakeModel):
        def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
            act, state = super().step(state, percept)
            return replace(act, **change), state

    with pytest.raises(ModelError, match=message):
        Loop(Wrong()).tick(Percept(0))
