"""Many streams in one call give what each gives alone, whoever comes and goes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.cli.bench import conversation
from imkit.model.nano import load_nano
from imkit.session.snapshots import size_of
from imkit.stream import ModelError, OpenConfig, Percept

from .small import small_config, write_small
from .test_nano import percepts

SLOTS = (("plot", "column", ("one", "two")), ("plot", "row", ("three",)))


@pytest.fixture(scope="module", params=["levels", "stem, slots", "torch"])
def model(tmp_path_factory, request):
    path = tmp_path_factory.mktemp("small")
    stem = {"mel_hop": 200, "stem_width": 24, "slots": SLOTS, "context_words": 2} if "stem" in request.param else {}
    write_small(path, small_config(**stem), graph=True)
    model = load_nano(path, "eager" if request.param == "torch" else "onnx")
    model.step_many([], [])
    return model


def told(act):
    """What an act decides and says; ``p_speak`` is a number of the network and agrees to rounding only."""
    known = {name: value for name, value in act.diagnostics.items() if name != "p_speak"}
    return act.index, act.audio.tobytes(), act.floor, act.words, act.heard, act.calls, known


def same_cache(one, other):
    return all(
        np.allclose(getattr(one.ring, name), getattr(other.ring, name), atol=2e-4) for name in ("keys", "values")
    ) and all(
        np.array_equal(getattr(one.ring, name), getattr(other.ring, name)) for name in ("bias", "position", "stream")
    )


class Stream:
    """A stream that is stepped with others, beside its twin that is stepped alone."""

    def __init__(self, model, seed):
        self.state, self.twin = model.open(OpenConfig()), model.open(OpenConfig())
        self.percepts = list(percepts(40, seed))

    def next(self):
        return self.percepts[self.state.tick]


WAYS = ("together", "alone", "idle", "forked", "pickled", "ended")


@given(st.lists(st.lists(st.sampled_from(WAYS), min_size=4, max_size=4), min_size=10, max_size=20), st.integers(0, 9))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_streams_come_and_go(model, plan, seed):
    streams = [Stream(model, seed + k) for k in range(4)]
    for k, ways in enumerate(plan):
        for i, way in enumerate(ways):
            if way == "ended" or streams[i].state.tick == 40:
                streams[i] = Stream(model, seed + 5 * k + i)
            elif way == "forked":
                streams[i].state = copy.deepcopy(streams[i].state)
            elif way == "pickled":
                streams[i].state = pickle.loads(pickle.dumps(streams[i].state))
        together = [one for one, way in zip(streams, ways, strict=True) if way not in ("alone", "idle")]
        wanted = [model.step(one.twin, one.next())[0] for one in together]
        acts, states = model.step_many([one.state for one in together], [one.next() for one in together])
        assert [told(act) for act in acts] == [told(act) for act in wanted]
        assert all(state is one.state for state, one in zip(states, together, strict=True))
        for one, way in zip(streams, ways, strict=True):
            if way == "alone":
                percept = one.next()
                assert told(model.step(one.state, percept)[0]) == told(model.step(one.twin, percept)[0])
    assert all(same_cache(one.state, one.twin) for one in streams)


def test_every_length_of_a_micro_turn_goes_into_one_call(model):
    streams = [Stream(model, 50 + k) for k in range(6)]
    seen = set()
    for k in range(40):
        due = [one for i, one in enumerate(streams) if k >= 2 * i]  # so that frames and words fall on different ticks
        wanted = [model.step(one.twin, one.next())[0] for one in due]
        acts, _ = model.step_many([one.state for one in due], [one.next() for one in due])
        assert [told(act) for act in acts] == [told(act) for act in wanted]
        seen.add(frozenset(act.diagnostics["tokens"] for act in acts))
    assert max(map(len, seen)) >= 3
    assert {5, 14} <= set().union(*seen)


def test_real_sound_gives_the_same_decisions_with_the_shipped_weights():
    model = load_nano()
    ticks = conversation().ticks
    starts = (0, 17, 31)
    alone, together = ([model.open(OpenConfig()) for _ in starts] for _ in range(2))
    said, off = 0, 0.0
    for k in range(30):
        frame = np.full((90, 120, 3), 2 * k, np.uint8)
        given = [Percept(k, ticks[(at + k) % len(ticks)], (frame,) if (at + k) % 5 == 0 else ()) for at in starts]
        wanted = [model.step(state, percept)[0] for state, percept in zip(alone, given, strict=True)]
        acts, _ = model.step_many(together, given)
        assert [told(act) for act in acts] == [told(act) for act in wanted]
        said += sum(len(act.words) + len(act.heard) for act in acts)
        off = max(
            off, *(abs(a.diagnostics["p_speak"] - w.diagnostics["p_speak"]) for a, w in zip(acts, wanted, strict=True))
        )
    assert said > 10
    assert off < 1e-3
    assert all(same_cache(one, other) for one, other in zip(together, alone, strict=True))


def test_no_cache_is_copied_from_tick_to_tick(model):
    states = [model.open(OpenConfig()) for _ in range(3)]
    incoming = list(percepts(6))
    model.step_many(states, [incoming[0]] * 3)
    held = [state.ring.keys for state in states]
    for percept in incoming[1:]:
        model.step_many(states, [percept] * 3)
    assert all(state.ring.keys is keys for state, keys in zip(states, held, strict=True))


def test_a_kept_state_stays_as_it_was(model):
    states = [model.open(OpenConfig()) for _ in range(4)]
    incoming = list(percepts(30))
    for percept in incoming[:5]:
        model.step_many(states, [percept] * 4)
    kept = states.pop(1)
    before = copy.deepcopy(kept)
    for percept in incoming[5:20]:
        model.step_many(states, [percept] * 3)
    assert same_cache(kept, before)
    first, _ = model.step_many([kept, *states], [incoming[5], *[incoming[20]] * 3])
    assert told(first[0]) == told(model.step(before, incoming[5])[0])


def test_a_copy_of_a_state_that_sits_in_a_pool_is_plain(model):
    state, alone = model.open(OpenConfig()), model.open(OpenConfig())
    model.step_many([state], [Percept(0)])
    model.step(alone, Percept(0))
    assert state.ring.seat is not None
    assert size_of(state) == size_of(alone)
    fork = copy.deepcopy(state)
    assert fork.ring.seat is None
    model.step(fork, Percept(1))
    assert isinstance(fork.ring.keys, np.ndarray)
    assert fork.ring.keys.flags.c_contiguous
    assert np.array_equal(fork.ring.keys[:, :5], np.asarray(state.ring.keys[:, :5]))


def test_seats_are_free_when_their_states_are_gone(model):
    pool = model._batch.pool
    before = len(pool)
    states = [model.open(OpenConfig()) for _ in range(20)]
    model.step_many(states, [Percept(0)] * 20)
    assert len(pool) == before + 20
    model.step(states[0], Percept(1))
    assert len(pool) == before + 19
    del states[:15]
    assert len(pool) == before + 5
    del states
    assert len(pool) == before


def test_what_cannot_be_stepped_together_is_told_and_loses_nothing(model, tmp_path):
    one, two = model.open(OpenConfig()), model.open(OpenConfig())
    typed = Percept(0, text="one two three")
    with pytest.raises(ModelError, match="2 states and 1 percepts"):
        model.step_many([one, two], [typed])
    with pytest.raises(ModelError, match="twice"):
        model.step_many([one, one], [typed, typed])
    other = load_nano(_other(tmp_path), "eager").open(OpenConfig())
    with pytest.raises(ModelError, match=r"state 1 holds a cache of \(2, 30, 3, 16\)"):
        model.step_many([one, other], [typed, typed])
    assert (one.tick, one.ring.seat, list(one.unread)) == (0, None, [])
    with pytest.raises(ModelError, match="cannot use it here"):
        load_nano(_other(tmp_path), "eager", device="nonsense").step_many([], [])


def _other(path):
    write_small(path, small_config(window=24))
    return path
