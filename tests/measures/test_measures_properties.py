"""What must hold for any talk, and agreement with another implementation of Heldner & Edlund (2010)."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pympi import Elan

from imkit.measures import (
    Interval,
    Talk,
    backchannels,
    by_window,
    interludes,
    interruptions,
    measure,
    responses,
    states,
    transfers,
    turns,
)

WORDS = ("", "mm-hm", "so then we", "one two three four")


@st.composite
def one_side(draw, odd):
    """Units in milliseconds; edges of one talker never coincide with the other's."""
    edges = sorted(draw(st.sets(st.integers(0, 400), max_size=12)))
    edges = [20 * edge + 10 * odd for edge in edges[: len(edges) // 2 * 2]]
    return [(a, b, draw(st.sampled_from(WORDS))) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def talk(user, model, shift_ms=0):
    def units(side):
        return tuple(Interval((a + shift_ms) / 1000, (b + shift_ms) / 1000, text) for a, b, text in side)

    return Talk(units(user), units(model), shift_ms / 1000, (9000 + shift_ms) / 1000)


SIDES = (one_side(0), one_side(1))
OTHER = {"user": "model", "model": "user"}


@settings(max_examples=50, deadline=None)
@given(*SIDES)
def test_states_sum_to_the_duration_and_to_what_each_said(user, model):
    said = talk(user, model)
    found = states(said)
    assert sum(one.duration_s for one in found) == pytest.approx(said.duration_s)
    assert all(a.end_s == b.start_s and a.state != b.state for a, b in pairwise(found))
    for who, units in (("user", said.user), ("model", said.model)):
        spoken = sum(one.duration_s for one in found if one.state in (who, "both"))
        assert spoken == pytest.approx(sum(unit.duration_s for unit in units))


@settings(max_examples=50, deadline=None)
@given(*SIDES)
def test_swapping_the_talkers_mirrors_everything(user, model):
    said = talk(user, model)
    other = said.swapped()
    assert [(i.kind, OTHER[i.before], OTHER[i.after], i.start_s, i.end_s) for i in interludes(said)] == [
        (i.kind, i.before, i.after, i.start_s, i.end_s) for i in interludes(other)
    ]
    assert [(OTHER[t.before], t.at_s, t.offset_s) for t in transfers(said)] == [
        (t.before, t.at_s, t.offset_s) for t in transfers(other)
    ]
    assert [(OTHER[t.who], t.start_s, t.text) for t in turns(said)] == [
        (t.who, t.start_s, t.text) for t in turns(other)
    ]
    assert sorted((OTHER[i.by], i.start_s, i.stop_s or -1) for i in interruptions(said)) == sorted(
        (i.by, i.start_s, i.stop_s or -1) for i in interruptions(other)
    )
    assert [r.latency_s for r in responses(said, "user")] == [r.latency_s for r in responses(other, "model")]
    here, there = measure(said), measure(other)
    assert (here.user_alone_s, here.user_wpm, here.user_turns) == (
        there.model_alone_s,
        there.model_wpm,
        there.model_turns,
    )
    assert here.offset_p50_s == there.offset_p50_s


@settings(max_examples=50, deadline=None)
@given(*SIDES, st.integers(-5_000, 3_600_000))
def test_shifting_the_clock_changes_no_duration(user, model, shift_ms):
    here, there = talk(user, model), talk(user, model, shift_ms)
    assert [round(i.duration_s, 6) for i in interludes(here)] == [round(i.duration_s, 6) for i in interludes(there)]
    assert [t.offset_s for t in transfers(here)] == [t.offset_s for t in transfers(there)]
    assert [r.latency_s for r in responses(here)] == [r.latency_s for r in responses(there)]
    assert [i.stop_s for i in interruptions(here)] == [i.stop_s for i in interruptions(there)]
    assert [b.text for b in backchannels(here)] == [b.text for b in backchannels(there)]


@settings(max_examples=50, deadline=None)
@given(*SIDES, st.integers(1_000, 12_000))
def test_windows_together_are_the_whole(user, model, window_ms):
    said = talk(user, model)
    whole, parts = measure(said), by_window(said, window_ms / 1000)
    for name in ("user_alone_s", "model_alone_s", "both_s", "silence_s"):
        assert sum(getattr(part, name) for part in parts) == pytest.approx(getattr(whole, name), abs=1e-4)
    for name in ("pauses", "gaps", "overlaps_within", "transfers", "user_turns", "user_segments", "user_interruptions"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)


@settings(max_examples=40, deadline=None)
@given(*SIDES)
def test_gaps_pauses_and_overlaps_agree_with_pympi(user, model):
    """Its algorithm asks at every millisecond who speaks, edges included; so times agree to 2 ms."""
    if not user or not model:
        return
    eaf = Elan.Eaf()
    for name, side in (("user", user), ("model", model)):
        eaf.add_tier(name)
        for a, b, _ in side:
            eaf.add_annotation(name, a, b, "x")
    names = {"user": "1", "model": "2"}
    ours = [
        (_KIND[i.kind] + names[i.before] + (names[OTHER[i.before]] if i.kind != "pause" else ""), i.start_s, i.end_s)
        for i in interludes(talk(user, model))
    ]
    theirs = [
        (kind.split("_")[0], a / 1000, (b + 1) / 1000) for a, b, kind in eaf.get_gaps_and_overlaps("user", "model")
    ]
    assert [kind for kind, _, _ in ours] == [kind for kind, *_ in theirs]
    assert [(a, b) for _, a, b in ours] == [
        (pytest.approx(a, abs=0.0021), pytest.approx(b, abs=0.0021)) for _, a, b in theirs
    ]


_KIND = {"pause": "P", "gap": "G", "overlap_between": "O", "overlap_within": "W"}
