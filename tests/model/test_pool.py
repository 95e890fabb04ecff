"""Seats of a pool: rings keep what they hold, lie close together, and are not touched by others' calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.model.pool import Pool
from imkit.model.ring import Ring, fetched

from .small import small_config

CONFIG = small_config(window=2, pinned=1)


def pool(seats=4):
    return Pool(CONFIG, lambda shape: np.zeros(shape, np.float32), fetched, seats)


def ring(mark):
    one = Ring.empty(CONFIG)
    one.keys[:], one.values[:] = mark, -mark
    return one


def holds(one, mark):
    return bool((one.keys == mark).all() and (one.values == -mark).all())


def spans(rooms, rings):
    return [
        (seats[-1] - seats[0] + 1, len(seats)) for _, party in rooms if (seats := [rings[i].seat.number for i in party])
    ]


@given(st.lists(st.lists(st.booleans(), min_size=14, max_size=14), min_size=1, max_size=12), st.randoms())
@settings(max_examples=20, deadline=None)
def test_rings_keep_what_they_hold(calls, random):
    home, rings, made = pool(), [], 0
    for asked in calls:
        while len(rings) < len(asked):
            made += 1
            rings.append((made, ring(made)))
        chosen = [one for one, wanted in zip(rings, asked, strict=True) if wanted]
        left = [(one, one.keys) for _, one in rings if not any(one is other for _, other in chosen)]
        random.shuffle(chosen)
        rooms = home.seat([one for _, one in chosen])
        assert sorted(i for _, party in rooms for i in party) == list(range(len(chosen)))
        for room, party in rooms:
            numbers = [chosen[i][1].seat.number for i in party]
            assert numbers == sorted(set(numbers))
            for i, number in zip(party, numbers, strict=True):
                assert np.shares_memory(room.keys[:, number], chosen[i][1].keys)
        assert all(holds(one, mark) for mark, one in rings)
        assert all(one.keys is keys for one, keys in left)
        rings = [one for one in rings if random.random() < 0.8]


@given(st.sets(st.integers(0, 15), min_size=1))
@settings(max_examples=20, deadline=None)
def test_those_who_stay_come_to_lie_close_together(staying):
    home = pool()
    rings = [ring(k) for k in range(16)]
    home.seat(rings)
    rings = [rings[k] for k in sorted(staying)]
    moved = 0
    for _ in range(16):
        before = [one.keys for one in rings]
        rooms = home.seat(rings)
        changed = sum(one.keys is not keys for one, keys in zip(rings, before, strict=True))
        assert changed <= 1
        moved += changed
    assert changed == 0  # it comes to rest
    assert len(rooms) == -(-len(rings) // 4)
    assert all(span == count for span, count in spans(rooms, rings))
    assert moved <= len(rings)


@pytest.mark.parametrize("order", [1, -1])
def test_states_that_are_kept_but_not_stepped_are_moved_away_from(order):
    home = pool(8)
    rings = [ring(k) for k in range(7)]
    home.seat(rings)
    going = [rings[0], rings[6]][::order]
    for _ in range(4):
        rooms = home.seat(going)
    assert [span for span, _ in spans(rooms, going)] == [2]
    assert [one.seat.number for one in rings[1:6]] == [1, 2, 3, 4, 5]
    at = [one.keys for one in rings]
    for _ in range(4):
        home.seat(going)
    assert all(one.keys is keys for one, keys in zip(rings, at, strict=True))  # nobody moves back and forth
    assert all(holds(one, k) for k, one in enumerate(rings))


def test_memory_of_an_empty_room_is_given_back():
    home = pool(2)
    rings = [ring(k) for k in range(6)]
    home.seat(rings)
    assert len(home._rooms) == 3
    del rings[:5]
    home.seat(rings)
    assert len(home._rooms) == 1
    rings[0].own()
    assert len(home) == 0
    assert holds(rings[0], 5)
