"""Every measure against a case worked out by hand: intervals in whole tenths of a second."""

import json
import math

import numpy as np
import pytest

from imkit.measures import (
    HUMAN,
    Interval,
    Talk,
    backchannels,
    by_window,
    gaps,
    interludes,
    interruptions,
    measure,
    overlaps,
    pauses,
    responses,
    states,
    talk_of,
    transfers,
    turns,
    units_by_energy,
    units_by_words,
    without_backchannels,
)
from imkit.stream import Act, ContractError, Floor, Moment, Percept, Timeline, Word


def units(*spans):
    return tuple(Interval(*span) for span in spans)


def talk(user=(), model=(), end_s=10.0, start_s=0.0):
    return Talk(units(*user), units(*model), start_s, end_s)


def spans(table):
    return [(one.start_s, one.end_s) for one in table]


# user  |--1.0--2.0|   |2.5--4.0|                       |7.0--8.0|
# model                    |3.5----5.0|  |5.5--6.0|
FOUR_KINDS = talk(user=[(1.0, 2.0), (2.5, 4.0), (7.0, 8.0)], model=[(3.5, 5.0), (5.5, 6.0)], end_s=9.0)


def test_states_cover_all_of_the_time():
    assert [(s.state, s.start_s, s.end_s) for s in states(FOUR_KINDS)] == [
        ("silence", 0.0, 1.0), ("user", 1.0, 2.0), ("silence", 2.0, 2.5), ("user", 2.5, 3.5), ("both", 3.5, 4.0),
        ("model", 4.0, 5.0), ("silence", 5.0, 5.5), ("model", 5.5, 6.0), ("silence", 6.0, 7.0), ("user", 7.0, 8.0),
        ("silence", 8.0, 9.0),
    ]  # fmt: skip


def test_pauses_gaps_and_overlaps_between():
    assert spans(pauses(FOUR_KINDS)) == [(2.0, 2.5), (5.0, 5.5)]
    assert [(one.before, one.after) for one in pauses(FOUR_KINDS)] == [("user", "user"), ("model", "model")]
    assert spans(gaps(FOUR_KINDS)) == [(6.0, 7.0)]
    assert [(one.before, one.after) for one in overlaps(FOUR_KINDS)] == [("user", "model")]
    assert spans(overlaps(FOUR_KINDS, "between")) == [(3.5, 4.0)]
    assert spans(overlaps(FOUR_KINDS, "within")) == []


def test_overlap_within_one_talkers_speech():
    said = talk(user=[(1.0, 5.0)], model=[(2.0, 2.5), (6.0, 7.0)])
    assert spans(overlaps(said, "within")) == spans(overlaps(said)) == [(2.0, 2.5)]
    assert [(one.kind, one.before, one.after) for one in interludes(said)] == [
        ("overlap_within", "user", "user"),
        ("gap", "user", "model"),
    ]


def test_floor_transfer_offset_is_a_gap_above_and_an_overlap_below_zero():
    assert [(t.before, t.after, t.at_s, t.offset_s) for t in transfers(FOUR_KINDS)] == [
        ("user", "model", 3.5, -0.5),
        ("model", "user", 7.0, 1.0),
    ]
    touching = talk(user=[(0.0, 1.0)], model=[(1.0, 2.0)])
    assert [t.offset_s for t in transfers(touching)] == [0.0]
    assert list(interludes(touching)) == []


def test_a_transfer_through_silence_and_overlap_at_once():
    together = talk(user=[(0.0, 1.0), (1.4, 2.0)], model=[(1.4, 3.0)])  # both start again at 1.4, the user stops at 2.0
    assert [(one.kind, one.start_s, one.end_s) for one in interludes(together)] == [
        ("gap", 1.0, 1.4),
        ("overlap_between", 1.4, 2.0),
    ]
    assert [t.offset_s for t in transfers(together)] == [-0.6]
    stopped = talk(user=[(0.0, 2.0)], model=[(1.5, 2.0), (2.6, 3.0)])  # both stop at 2.0, the model goes on at 2.6
    assert [(t.at_s, t.offset_s) for t in transfers(stopped)] == [(2.6, 0.6)]


def test_backchannels_are_short_and_inside_the_others_speech():
    said = talk(
        user=[(0.0, 3.0, "so i went"), (3.8, 6.0, "to the shop"), (8.0, 9.0, "thanks")],
        model=[
            (1.0, 1.4, "mm-hm"),
            (3.1, 3.5, "right"),
            (4.0, 5.0, "yes"),
            (5.0 + 0.1, 5.5, "i see that"),
            (6.5, 7.0, "ok"),
        ],
    )
    found = backchannels(said)
    # 4.0 to 5.0 is a second long; "i see that" has three words; "ok" comes after the user's speech, 2.0 s before more
    assert [(one.by, one.start_s, one.text) for one in found] == [("model", 1.0, "mm-hm"), ("model", 3.1, "right")]
    assert [one.text for one in backchannels(said, only={"Mm-hm", "yeah"})] == ["mm-hm"]
    assert list(backchannels(said, "user")) == []
    assert [unit.start_s for unit in without_backchannels(said).model] == [4.0, 5.1, 6.5]


def test_a_short_answer_is_no_backchannel():
    asked = talk(user=[(0.0, 2.0, "two plus two"), (3.2, 5.0, "three plus three")], model=[(2.3, 2.8, "four")])
    assert list(backchannels(asked)) == []
    assert [r.latency_s for r in responses(asked)] == [0.3, None]


def test_turns_go_on_over_pauses_and_backchannels():
    said = talk(
        user=[(0.0, 2.0, "one"), (2.8, 4.0, "two"), (8.0, 9.0, "five")],
        model=[(2.2, 2.6, "mm"), (5.0, 6.0, "three"), (6.5, 7.5, "four")],
    )
    assert [(t.who, t.start_s, t.end_s, t.units, t.text) for t in turns(said)] == [
        ("user", 0.0, 4.0, 2, "one two"),
        ("model", 5.0, 7.5, 2, "three four"),
        ("user", 8.0, 9.0, 1, "five"),
    ]


def test_what_never_sounds_alone_is_no_turn():
    said = talk(user=[(0.0, 6.0)], model=[(2.0, 4.0)])
    assert [(t.who, t.start_s) for t in turns(said)] == [("user", 0.0)]


def test_response_latency_is_signed_and_knows_what_was_not_answered():
    said = talk(
        user=[(0.0, 1.0), (1.5, 2.0), (4.0, 5.0), (7.0, 8.0), (9.0, 9.8)],
        model=[(2.4, 3.0), (4.8, 6.0)],
        end_s=12.0,
    )
    # 0 to 2.0 is one segment over a silence of 0.5 s; the answer at 4.8 begins 0.2 s before the end at 5.0
    assert [(r.start_s, r.end_s, r.latency_s) for r in responses(said)] == [
        (0.0, 2.0, 0.4),
        (4.0, 5.0, -0.2),
        (7.0, 8.0, None),
        (9.0, 9.8, None),
    ]
    assert [(r.to, r.latency_s) for r in responses(said, "model")] == [("model", 1.0), ("model", 1.0)]
    talked_under = talk(
        user=[(0.0, 4.0)], model=[(1.0, 2.5), (4.3, 5.0)]
    )  # what ended before the user did is no answer
    assert [r.latency_s for r in responses(talked_under)] == [0.3]
    whole = measure(said)
    assert (whole.user_segments, whole.answered, whole.latency_p50_s) == (4, 0.5, 0.1)


def test_interruptions_won_lost_and_ends_overlapped():
    won = talk(user=[(2.0, 4.0)], model=[(0.0, 2.6)])
    assert [(i.by, i.start_s, i.successful, i.stop_s) for i in interruptions(won)] == [("user", 2.0, True, 0.6)]
    lost = talk(user=[(2.0, 4.0)], model=[(0.0, 6.0)])
    assert [(i.successful, i.stop_s) for i in interruptions(lost)] == [(False, None)]
    too_late = talk(user=[(2.0, 6.0)], model=[(0.0, 4.5)])
    assert [(i.successful, i.stop_s) for i in interruptions(too_late)] == [(False, None)]
    assert [i.successful for i in interruptions(too_late, yield_s=3.0)] == [True]
    end_overlapped = talk(user=[(2.0, 4.0)], model=[(0.0, 2.1)])
    assert list(interruptions(end_overlapped)) == []


def test_a_try_in_two_pieces_is_one_interruption():
    # the model stops 1.8 s after the first onset, in the second piece, and the user is heard next
    said = talk(user=[(2.0, 2.4, "wait"), (2.8, 4.0, "stop it please")], model=[(0.0, 3.1)])
    pieces = talk(user=[(2.0, 3.0, "wait"), (3.3, 5.0, "stop it please")], model=[(0.0, 3.8)])
    assert [(i.start_s, i.stop_s) for i in interruptions(pieces)] == [(2.0, 1.8)]
    assert [(i.start_s, i.stop_s) for i in interruptions(said)] == [
        (2.8, 0.3)
    ]  # a lone "wait" looks like a backchannel


def test_the_model_barges_in():
    said = talk(user=[(0.0, 3.0), (5.0, 6.0)], model=[(2.0, 4.5)])
    assert [(i.by, i.successful, i.stop_s) for i in interruptions(said, "model")] == [("model", True, 1.0)]
    assert list(interruptions(said, "user")) == []


def test_one_row_of_figures():
    said = talk(
        user=[(1.0, 3.0, "what is two plus two"), (6.0, 7.0, "thank you")],
        model=[(3.5, 5.5, "it is four"), (6.8, 8.0, "you are welcome")],
        end_s=10.0,
    )
    row = measure(said)
    assert (row.user_alone_s, row.model_alone_s, row.both_s, row.silence_s) == (2.8, 3.0, 0.2, 4.0)
    assert row.talk_ratio == pytest.approx(3.2 / 6.2, abs=1e-6)
    assert (row.user_wpm, row.model_wpm) == (140.0, pytest.approx(6 / 3.2 * 60))
    assert (row.user_turns, row.model_turns, row.pauses, row.gaps) == (2, 2, 0, 2)
    assert (row.gap_p50_s, row.overlaps_between, row.overlap_p50_s) == (0.5, 1, 0.2)
    assert (row.transfers, row.offset_p50_s, row.overlapped) == (3, 0.5, pytest.approx(1 / 3, abs=1e-6))
    assert (row.answered, row.latency_p50_s) == (1.0, pytest.approx(0.15))
    assert row.to_pandas()["gaps"].tolist() == [2]


def test_windows_cut_time_and_count_starts():
    said = talk(user=[(1.0, 3.0, "a b c d"), (6.0, 7.0, "e f")], model=[(3.5, 5.5)], end_s=9.0)
    first, second, third = by_window(said, 4.0)
    assert [(w.start_s, w.end_s) for w in (first, second, third)] == [(0.0, 4.0), (4.0, 8.0), (8.0, 9.0)]
    assert [(w.user_alone_s, w.model_alone_s, w.silence_s) for w in (first, second, third)] == [
        (2.0, 0.5, 1.5), (1.0, 1.5, 1.5), (0.0, 0.0, 1.0),
    ]  # fmt: skip
    assert (first.gaps, second.gaps, third.gaps) == (1, 1, 0)
    assert (first.latency_p50_s, second.latency_p50_s, third.answered) == (0.5, None, None)
    assert (first.user_wpm, second.user_wpm, third.user_wpm) == (120.0, 120.0, None)
    (half,) = by_window(talk(user=[(1.0, 3.0, "a b c d")], start_s=0.0, end_s=3.0), 5.0)
    assert half.end_s == 3.0
    assert [w.start_s for w in by_window(said, 4.0, 3.0)] == [0.0, 3.0, 6.0]
    with pytest.raises(ContractError, match="above 0"):
        by_window(said, 0.0)


def test_nothing_said_has_no_figures_and_empty_tables_keep_their_columns():
    row = measure(talk(end_s=2.0))
    assert (row.silence_s, row.talk_ratio, row.user_wpm, row.offset_p50_s, row.answered) == (
        2.0,
        None,
        None,
        None,
        None,
    )
    assert list(gaps(talk()).to_pandas().columns) == ["kind", "before", "after", "start_s", "end_s"]
    assert json.loads(json.dumps(by_window(talk(), 5.0).to_json()))[0]["gaps"] == 0
    assert measure(Talk((), (), 0.0, 0.0)).silence_s == 0.0


def test_words_become_units_at_silences_longer_than_200_ms():
    words = [Word("one", 1.0, 1.3), Word("two", 1.5, 1.8), Word("three", 2.01, 2.3), Word("inside", 2.1, 2.2)]
    assert [(u.start_s, u.end_s, u.label) for u in units_by_words(words)] == [
        (1.0, 1.8, "one two"),
        (2.01, 2.3, "three inside"),
    ]
    assert [u.label for u in units_by_words(reversed(words), pause_s=0.3)] == ["one two three inside"]
    assert [(u.start_s, u.end_s) for u in units_by_words([Word("x", 1.0, 1.0), Word(" ", 2.0, 3.0)])] == [(1.0, 1.01)]
    with pytest.raises(ContractError, match="a start before its end"):
        units_by_words([Word("x", 2.0, 1.0)])
    with pytest.raises(ContractError, match="nan"):
        units_by_words([Word("x", math.nan, 1.0)])


def test_units_by_energy_drop_clicks_bridge_short_silence_and_take_their_words():
    rate = 8_000
    sound = np.zeros(4 * rate, np.float32)
    for begin_s, end_s in ((0.5, 1.0), (1.2, 1.5), (1.71, 2.0), (3.0, 3.05)):
        sound[round(begin_s * rate) : round(end_s * rate)] = 0.1
    words = [Word("late", 1.75, 2.0), Word("early", 0.4, 0.9), Word("nowhere", 3.0, 3.1)]
    found = units_by_energy(
        sound, rate, start_s=10.0, words=[Word(w.text, w.start_s + 10, w.end_s + 10) for w in words]
    )
    assert [(u.start_s, u.end_s, u.label) for u in found] == [
        (10.5, 11.5, "early"),
        (pytest.approx(11.71), 12.0, "late"),
    ]
    assert units_by_energy(np.zeros(rate, np.float32), rate) == ()


def timeline_with_sound():
    timeline = Timeline(16_000)
    loud = (0.2 * np.sin(np.arange(3200) * 0.3)).astype(np.float32)
    for index in range(5, 30):
        user, model = 10 <= index < 15, 16 <= index < 20
        act = Act(
            index,
            loud * model,
            Floor.SPEAK if model else Floor.LISTEN,
            (Word("four", 3.4, 4.2),) if index == 16 else (),
            (Word("two", 2.0, 2.5), Word("plus", 2.5, 3.0)) if index == 12 else (),
        )
        timeline.append(Moment(Percept(index, loud * user), act))
    return timeline


def test_a_timeline_by_sound_and_by_words():
    timeline = timeline_with_sound()
    by_sound, by_words = talk_of(timeline), talk_of(timeline, "words")
    assert (by_sound.start_s, by_sound.end_s) == (1.0, 6.2)
    assert [(u.start_s, u.end_s, u.label) for u in by_sound.user] == [(2.0, 3.0, "two plus")]
    assert [(u.start_s, u.end_s, u.label) for u in by_sound.model] == [(3.4, 4.2, "four")]  # act 16 is heard from 3.4 s
    assert by_sound == by_words
    assert [r.latency_s for r in responses(by_sound)] == [0.4]


def test_sound_that_was_let_go_is_not_taken_for_silence():
    timeline = Timeline(16_000, keep_media_s=1.0)
    for moment in timeline_with_sound():
        timeline.append(moment)
    with pytest.raises(ContractError, match="20 of 25 moments have let go of their sound"):
        talk_of(timeline)
    assert [u.label for u in talk_of(timeline, "words").model] == ["four"]
    with pytest.raises(ContractError, match="expected 'energy' or 'words'"):
        talk_of(timeline, "ear")
    assert talk_of(Timeline()).duration_s == 0.0


@pytest.mark.parametrize(
    "user", [[(1.0, 1.0)], [(2.0, 3.0), (1.0, 1.5)], [(1.0, 3.0), (2.0, 4.0)], [(9.0, 11.0)], [(math.nan, 1.0)]]
)
def test_units_that_cannot_be_are_refused(user):
    with pytest.raises(ContractError, match="units_by_words"):
        talk(user=user)
    with pytest.raises(ContractError, match="expected seconds"):
        talk(end_s=math.inf)


def test_human_values_have_sources():
    assert all(one.source and math.isfinite(one.value_s) for one in HUMAN)
    assert len(HUMAN.to_pandas()) == len(HUMAN)
