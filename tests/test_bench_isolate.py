from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from imkit.cli.bench import benchmarks
from imkit.cli.bench_isolate import Clocked, missed
from imkit.stream import Act, Moment, OpenConfig, Percept


def stepped(index: int, begun_s: float, took_s: float = 0.01) -> Moment:
    told = {"begun_s": begun_s, "done_s": begun_s + took_s}
    return Moment(Percept(index), Act(index, np.zeros(3200, np.float32), diagnostics=told))


def test_late_acts_and_ticks_that_were_never_stepped_are_counted() -> None:
    in_time = [stepped(index, 100 + (index + 1) * 0.2) for index in range(10)]
    assert missed(in_time) == (0, 0)
    held = [*in_time[:3], stepped(7, 102.0), stepped(8, 102.01), stepped(9, 102.02)]
    assert missed(held) == (2, 4)  # tick 9 is answered at once, though a whole hold came before
    assert missed([*in_time[:9], stepped(9, 102.0, 0.25)]) == (1, 0)


def test_the_timed_model_is_the_model() -> None:
    model = pickle.loads(pickle.dumps(Clocked("imkit.cli.bench_recordings:Parrot")))
    state = model.open(OpenConfig())
    act, _ = model.step(state, Percept(0))
    assert act.diagnostics["begun_s"] <= act.diagnostics["done_s"]
    assert act.index == 0


def test_it_is_one_of_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("imkit.cli.bench_isolate.isolate", lambda model: asked.append(model) or [])
    assert benchmarks("m", 7.0)["isolate"]() == []
    assert asked == ["m"]
