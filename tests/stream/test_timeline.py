from __future__ import annotations

import json
import sys
from itertools import pairwise

import numpy as np
import pytest
from fakes import loud_audio
from hypothesis import given
from hypothesis import strategies as st

from imkit.stream import Act, Call, ContractError, Event, Floor, Moment, Percept, Provenance, Timeline, Word, level_db


def moment(index: int, *, rate: int = 16_000, **act: object) -> Moment:
    audio = np.full(rate // 5, (index % 7) / 10, np.float32)
    percept = Percept(index, np.full(3200, (index % 5) / 10, np.float32))
    return Moment(percept, Act(index, audio, **act))  # type: ignore[arg-type]


def timeline(count: int, first: int = 0, **bounds: float) -> Timeline:
    made = Timeline(**bounds)
    for index in range(first, first + count):
        made.append(moment(index))
    return made


times = st.floats(-1, 12, allow_nan=False)


@given(count=st.integers(0, 50), first=st.integers(0, 10), cuts=st.lists(times, max_size=5))
def test_neighbouring_slices_hold_every_moment_once(count: int, first: int, cuts: list[float]) -> None:
    whole = timeline(count, first)
    edges = [None, *sorted(cuts), None]
    parts = [whole[a:b] for a, b in pairwise(edges)]
    assert [m.index for part in parts for m in part] == [m.index for m in whole]


@given(start=times, end=times)
def test_a_slice_holds_the_ticks_that_start_in_it(start: float, end: float) -> None:
    part = timeline(40)[start:end]
    assert all(start - 1e-6 <= m.start_s < end + 1e-6 for m in part)
    assert len(part) == sum(start - 1e-9 / 5 <= k / 5 and k / 5 < end - 1e-9 / 5 for k in range(40))


@given(tick=st.integers(0, 10_000))
def test_slicing_at_a_ticks_own_time_starts_with_that_tick(tick: int) -> None:
    made = timeline(3, first=tick)
    assert [m.index for m in made[tick * 0.2 :]] == [tick, tick + 1, tick + 2]
    assert [m.index for m in made[: (tick + 1) * 0.2]] == [tick]


def test_integers_name_ticks_and_negative_ones_count_back() -> None:
    made = timeline(5, first=10)
    assert made[12].index == 12
    assert made[-1].index == 14
    with pytest.raises(IndexError, match="tick 3"):
        made[3]
    with pytest.raises(ContractError, match="step"):
        made[0:1:2]


def test_time_only_rises_and_may_leap() -> None:
    made = timeline(2)
    with pytest.raises(ContractError, match="only rises"):
        made.append(moment(1))
    made.append(moment(5))
    assert made.duration_s == pytest.approx(1.2)
    assert len(made) == 3
    user = made.user_audio().reshape(-1, 3200)
    assert user.shape[0] == 6
    assert not user[2:5].any()


def test_an_act_must_answer_its_percept_with_one_tick_of_sound() -> None:
    with pytest.raises(ContractError, match="does not answer"):
        Moment(Percept(1), Act(2, np.zeros(3200, np.float32)))
    with pytest.raises(ContractError, match="expected 4800"):
        Timeline(24_000).append(moment(0))


def test_the_models_sound_lies_one_tick_after_what_it_answers() -> None:
    made = timeline(7)
    heard = made.model_audio().reshape(-1, 3200)
    assert len(heard) == 8
    assert not heard[0].any()
    for index in range(7):
        assert np.array_equal(heard[index + 1], made[index].act.audio)
    part = made[0.6:1.0].model_audio().reshape(-1, 3200)
    assert np.array_equal(part[1], made[3].act.audio)
    assert Timeline(24_000).model_audio().shape == (0,)


def test_old_media_is_let_go_first_and_words_stay() -> None:
    made = Timeline(keep_frames_s=0.4, keep_media_s=1.0, keep_s=2.0)
    frame = np.zeros((4, 4, 3), np.uint8)
    logs = []
    for index in range(15):
        percept = Percept(index, loud_audio(), (frame,))
        word = Word(f"w{index}", index / 5, index / 5 + 0.2)
        one = Moment(percept, Act(index, loud_audio(), Floor.SPEAK, (word,)))
        logs.append(one.to_json())
        made.append(one)
    assert [m.index for m in made] == list(range(5, 15))
    assert [m.has_media for m in made] == [False] * 5 + [True] * 5
    assert [len(m.percept.frames) for m in made] == [0] * 8 + [1] * 2
    assert [w.text for w in made.words()] == [f"w{i}" for i in range(5, 15)]
    assert made.let_go == {"frames": 13, "sound": 10, "moments": 5}
    assert [m.to_json() for m in made] == logs[5:]
    assert not made.model_audio()[:3200].any()
    assert made.lanes()["frames"] == [1] * 10


def test_levels() -> None:
    assert level_db(np.zeros(10, np.float32)) == -120.0
    assert level_db(np.ones(10, np.float32)) == 0.0
    assert level_db(np.full(10, 0.1, np.float32)) == -20.0
    assert level_db(np.zeros(0, np.float32)) == -120.0


def full_moment() -> Moment:
    event = Event("result", Provenance.BACKGROUND, "done", "c1", {"n": np.int64(3), "x": np.nan, "o": object()})
    percept = Percept(2, text="hello <b>", draft="he", events=(event,))
    act = Act(
        2,
        np.zeros(3200, np.float32),
        Floor.SPEAK,
        words=(Word("yes", 0.6, 0.8),),
        heard=(Word("hi", 0.3, 0.5),),
        calls=(Call("delegate", "c2", "plot", {"request": "plot"}, 2),),
        diagnostics={"yielded": True, "wall_ms": 12.0},
    )
    return Moment(percept, act, 3, compute_ms=12.5, late=True)


def test_the_event_log_is_plain_and_free_of_the_machine() -> None:
    value = full_moment().to_json()
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    assert json.loads(text) == value
    assert value["events"][0]["payload"] == {"n": 3, "x": None, "o": {"type": "object"}}
    assert value["yielded"] is True
    assert "12." not in text
    assert "wall" not in text
    assert "late" not in value


def test_the_event_log_tells_sounds_apart() -> None:
    assert moment(1).to_json()["media"] != moment(2).to_json()["media"]
    assert moment(1).to_json() == moment(1).to_json()


def test_what_is_shown_is_escaped() -> None:
    made = Timeline()
    made.append(full_moment())
    assert "<b>" not in made._repr_html_()
    assert "hello &lt;b&gt;" in made._repr_html_()
    assert repr(Timeline()) == "Timeline(empty)"
    assert "1 moments" in repr(made)


def test_views_of_what_happened() -> None:
    made = Timeline()
    made.append(full_moment())
    assert [w.text for w in made.words()] == ["yes"]
    assert [w.text for w in made.heard()] == ["hi"]
    assert [c.id for c in made.calls()] == ["c2"]
    assert [e.text for e in made.events()] == ["done"]
    assert [(line.who, line.text) for line in made.transcript()] == [
        ("user", "hi"),
        ("typed", "hello <b>"),
        ("model", "yes"),
    ]
    lanes = made.lanes()
    assert {len(lane) for lane in lanes.values()} == {1}
    assert lanes["events"] == ["done"]


def test_utterances_end_where_a_pause_is_long() -> None:
    made = Timeline()
    for index, at_s in enumerate((0.1, 0.5, 3.0)):
        made.append(moment(index, heard=(Word(f"w{index}", at_s, at_s + 0.2),)))
    assert [line.text for line in made.transcript()] == ["w0 w1", "w2"]


def test_a_table_of_the_timeline(monkeypatch: pytest.MonkeyPatch) -> None:
    made = timeline(4)
    table = made.to_pandas()
    assert list(table.index) == [0, 1, 2, 3]
    assert table["time_s"].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        made.to_pandas()
