from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imkit.stream import Floor, plain

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(object)
trees = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner))


@given(trees)
def test_anything_becomes_json_and_stays_the_same(value: Any) -> None:
    once = plain(value)
    json.dumps(once, allow_nan=False, sort_keys=True)
    assert plain(once) == once


def test_numpy_and_enums() -> None:
    value = {"a": np.float32(0.5), "b": np.arange(3), "c": Floor.SPEAK, "d": np.bool_(True), "e": {"y", "x"}}
    assert plain(value) == {"a": 0.5, "b": [0, 1, 2], "c": "speak", "d": True, "e": ["x", "y"]}


def test_what_is_nested_too_deep_is_cut() -> None:
    value: Any = []
    value.append(value)
    assert "list" in json.dumps(plain(value))
