from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imkit.stream import Act, Ledger, Word

RATE = 16_000


def act(index: int, *words: Word) -> Act:
    return Act(index, np.zeros(RATE // 5, np.float32), words=words)


def say(ledger: Ledger, index: int, *, send: bool = True) -> Word:
    word = Word(f"w{index}", (index + 1) / 5, (index + 2) / 5)
    one = act(index, word)
    ledger.generated(one)
    if send:
        ledger.sent(one, ledger.epoch)
    return word


steps = st.lists(
    st.one_of(
        st.just(("say", 0, 0)),
        st.just(("keep", 0, 0)),
        st.just(("interrupt", 0, 0)),
        st.tuples(st.just("played"), st.integers(-1, 4), st.integers(-10, 50_000)),
    ),
    max_size=60,
)


@given(steps)
def test_played_never_passes_sent_never_passes_generated(script: list[tuple[str, int, int]]) -> None:
    ledger = Ledger(RATE)
    generated = 0
    played_before: dict[int, int] = {}
    for index, (what, epoch, samples) in enumerate(script):
        if what in ("say", "keep"):
            say(ledger, index, send=what == "say")
            generated += RATE // 5
        elif what == "interrupt":
            before = ledger.epoch
            assert ledger.interrupt() == before + 1 == ledger.epoch
        else:
            ledger.played(epoch, samples)
        for number in range(ledger.epoch + 1):
            counts = ledger.counts(number)
            assert 0 <= counts.played <= counts.sent <= counts.generated
            assert counts.played >= played_before.get(number, 0)
            played_before[number] = counts.played
        total = ledger.counts()
        assert total.generated == generated
        assert total.played == sum(played_before.values())


@given(count=st.integers(1, 20), played=st.integers(0, 20 * RATE // 5))
def test_only_words_played_to_their_end_were_heard(count: int, played: int) -> None:
    ledger = Ledger(RATE)
    words = [say(ledger, index) for index in range(count)]
    ledger.played(0, played)
    assert ledger.heard_words() == words[: min(count, played // (RATE // 5))]


def test_an_interruption_cuts_what_was_said() -> None:
    ledger = Ledger(RATE)
    first, second = say(ledger, 0), say(ledger, 1)
    ledger.played(0, 4000)
    assert ledger.unheard_samples() == 2400
    ledger.interrupt()
    third = say(ledger, 2)
    ledger.played(1, 3200)
    assert ledger.heard_words() == [first, third]
    ledger.played(0, 6400)  # a late report of what the browser had played before it heard of the flush
    assert ledger.heard_words() == [first, second, third]
    assert ledger.heard_words(1) == [third]


def test_stale_sound_is_not_sent() -> None:
    ledger = Ledger(RATE)
    one = act(0, Word("late", 0.2, 0.4))
    ledger.generated(one)
    ledger.interrupt()
    ledger.sent(one, 0)
    assert ledger.counts(0).sent == 0
    assert ledger.heard_words() == []


def test_silence_left_out_by_the_sink_does_not_move_the_words() -> None:
    ledger = Ledger(RATE)
    say(ledger, 0, send=False)
    word = say(ledger, 1)
    ledger.played(0, 3200)
    assert ledger.heard_words() == [word]


def test_a_word_that_ends_in_a_later_act_is_heard_there() -> None:
    ledger = Ledger(RATE)
    long = Word("extraordinary", 0.3, 0.7)
    for one in (act(0, long), act(1), act(2)):
        ledger.generated(one)
        ledger.sent(one, 0)
    ledger.played(0, 3200 * 2)
    assert ledger.heard_words() == []
    ledger.played(0, 3200 * 3)
    assert ledger.heard_words() == [long]


def test_reports_that_cannot_be_are_counted() -> None:
    ledger = Ledger(RATE)
    say(ledger, 0)
    ledger.played(9, 10)
    ledger.played(0, -1)
    ledger.played(0, 10**9)
    assert ledger.refused_reports == 3
    assert ledger.counts(0).played == 3200


def test_old_epochs_are_forgotten_but_not_their_samples() -> None:
    ledger = Ledger(RATE)
    for index in range(300):
        say(ledger, index)
        ledger.played(ledger.epoch, 3200)
        ledger.interrupt()
    assert ledger.counts(0).generated == 0
    assert ledger.counts().played == 300 * 3200
    assert len(ledger.heard_words()) == 255
