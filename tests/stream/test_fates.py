from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imkit.stream import Act, Fate, Fates, Ledger, Timeline

RATE = 16_000
TICK = RATE // 5

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["sent", "kept", "lost"]), st.just(0), st.just(0)),
        st.tuples(st.just("interrupt"), st.just(0), st.just(0)),
        st.tuples(st.just("played"), st.integers(-1, 4), st.integers(-10, 12 * TICK)),
    ),
    max_size=60,
)


@given(steps)
def test_every_act_s_fate_is_what_counting_it_alone_gives(script: list[tuple[str, int, int]]) -> None:
    ledger = Ledger(RATE)
    index, epochs, sent = 0, {}, {}
    for what, epoch, samples in script:
        if what == "interrupt":
            ledger.interrupt()
        elif what == "played":
            ledger.played(epoch, samples)
        else:
            index += 1 + (what == "lost")
            act = Act(index, np.zeros(TICK, np.float32))
            epochs[index], sent[index] = ledger.epoch, what == "sent"
            ledger.generated(act)
            if what == "sent":
                ledger.sent(act, ledger.epoch)
    for tick, epoch in epochs.items():
        before = sum(sent[other] for other in epochs if other < tick and epochs[other] == epoch)
        played = min(max(0, ledger.counts(epoch).played - before * TICK), TICK) if sent[tick] else 0
        assert ledger.fates.of(tick) == Fate(sent[tick], played)
    assert all(ledger.fates.of(tick) is None for tick in range(-1, index + 3) if tick not in epochs)


def test_runs_are_bounded_and_the_oldest_are_forgotten() -> None:
    fates = Fates(TICK, max_runs=10)
    for tick in range(100):
        fates.note(tick, tick, 0)
        fates.play(tick, TICK)
    assert fates.of(89) is None
    assert [fates.of(tick) for tick in range(90, 100)] == [Fate(True, TICK)] * 10
    assert len(fates._played) <= 11


def test_a_long_reply_is_one_run() -> None:
    fates = Fates(TICK)
    for tick in range(1000):
        fates.note(tick, 0, tick * TICK)
    assert len(fates._runs) == 1
    fates.play(0, 500 * TICK + 7)
    assert [fates.of(tick) for tick in (0, 499, 500, 501)] == [(True, TICK), (True, TICK), (True, 7), (True, 0)]


def test_a_clock_that_begins_anew_leaves_nothing_of_the_one_before() -> None:
    fates = Fates(TICK)
    for tick in (3, 4, 5, 0):
        fates.note(tick, 0, None)
    assert [fates.of(tick) for tick in range(6)] == [Fate(False, 0), *[None] * 5]


def test_what_comes_after_the_cut_is_not_known() -> None:
    fates = Fates(TICK)
    for tick in range(6):
        fates.note(tick, 0, None if tick == 1 else max(0, tick - 1) * TICK)
    part = fates.until(4)
    assert [part.of(tick) for tick in range(6)] == [*map(fates.of, range(4)), None, None]
    assert fates.of(5) is not None


def test_slices_of_a_timeline_know_it_too() -> None:
    timeline = Timeline(RATE)
    assert timeline.fates is None
    timeline.fates = Fates(TICK)
    assert timeline[1.0:2.0].fates is timeline.fates
