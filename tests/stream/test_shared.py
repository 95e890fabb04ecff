"""Moments of long ago share the names of what their acts told."""

import pickle
import sys

import numpy as np
import pytest

from imkit.stream import Act, Moment, Percept
from imkit.stream.shared import Shared

TOLD = {"tokens": 12, "p_speak": 0.25}


def test_it_is_the_mapping_that_it_was_made_of():
    shared = Shared.of(TOLD)
    assert shared == TOLD == dict(shared)
    assert list(shared.items()) == list(TOLD.items())
    assert shared.get("yielded") is None
    assert {**shared, "more": 1} == {**TOLD, "more": 1}
    assert pickle.loads(pickle.dumps(shared)) == TOLD
    with pytest.raises(KeyError, match="yielded"):
        shared["yielded"]


def test_names_and_emptiness_are_shared_and_it_is_smaller():
    one, other = Shared.of(TOLD), Shared.of(dict(TOLD))
    assert one._names is other._names
    assert Shared.of({}) is Shared.of({})
    assert Shared.of(one) is one
    assert sys.getsizeof(one) + sys.getsizeof(one._values) < 0.7 * sys.getsizeof(TOLD)


def test_a_moment_of_long_ago_tells_the_same():
    act = Act(3, np.zeros(3200, np.float32), diagnostics=TOLD)
    old = Moment(Percept(3), act).without_media()
    assert old.act.diagnostics == TOLD
    assert type(old.act.diagnostics) is Shared
