"""Looking into a session while it runs: bounded, gone when it should be, and sound comes first."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fakes import FakeClock, FakeModel
from looking import Guest, hooks_on, percepts, small_nano, weights_sum
from recordings_of import Given

import imkit
from imkit.capture import Silence
from imkit.model.nano import Nano
from imkit.probe import Hook, ProbeError, UnknownSite, capture, change
from imkit.probe.live import Capture, Change, Looker
from imkit.session import Drive, Loop, RealPacer, Session
from imkit.stream import Act, Percept, Timeline

WAIT_S = 60


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Nano:
    return small_nano(tmp_path_factory.mktemp("small"), graph=True)


def floors(timeline: Timeline) -> list[str]:
    return [str(moment.act.floor) for moment in timeline]


# --- what is kept


def test_the_last_seconds_are_kept_and_no_more(nano: Nano) -> None:
    with Session(nano, namespace={}) as session, capture(session, ("resid_post", 1), last_s=1.0) as kept:
        session.run(seconds=3.0, tail_s=0)
        cache = kept.cache()
        assert cache.index.tolist() == [10, 11, 12, 13, 14]
        assert cache["resid_post", 1].dtype == torch.float16
        assert kept.let_go == 10
        assert kept.bytes == cache.nbytes
        session.run(seconds=0.6, tail_s=0)  # begins anew, so what was held is of another time
        assert kept.cache().index.tolist() == [0, 1, 2]
        assert cache.index.tolist() == [10, 11, 12, 13, 14]
    assert not kept.on
    assert kept.cache().index.tolist() == [0, 1, 2]


def test_megabytes_bound_it_at_every_moment(nano: Nano) -> None:
    most: list[int] = []
    with Session(nano, namespace={}) as session, capture(session, last_s=3600, max_mb=0.6) as kept:
        session.sink = SimpleNamespace(put=lambda moment: most.append(kept.bytes), flush=int, close=lambda: None)
        session.run(seconds=6.0, tail_s=0)
    assert 0 < max(most) <= 600_000
    assert kept.stats()["let_go"] == 30 - kept.stats()["held"] > 0


def test_a_bound_that_not_one_micro_turn_fits_in_is_told(nano: Nano) -> None:
    with Session(nano, namespace={}) as session, capture(session, max_mb=0.01) as kept:
        timeline = session.run(seconds=1.0, tail_s=0)
        assert not kept.on
        assert "one micro-turn takes 0.1 MB, max_mb is 0.01" in kept.dropped
        assert kept.dropped in repr(kept)
        assert session.stats()["probe"]["dropped"] == [f"capture: {kept.dropped}"]
    assert len(timeline) == 5


def test_an_instant_keeps_the_newest_micro_turn(nano: Nano) -> None:
    with Session(nano, namespace={}) as session, capture(session, "floor.hook_out", last_s=0.05) as kept:
        session.run(seconds=1.0, tail_s=0)
        assert kept.cache().index.tolist() == [4]


def test_two_captures_and_a_change_see_the_same_stream(nano: Nano) -> None:
    double = lambda tensor, hook: tensor * 2  # noqa: E731
    with Session(nano, namespace={}) as session:
        with change(session, [("embed.hook_out", double)]), capture(session, None, dtype=torch.float32) as all_of_it:
            with capture(session, "blocks.0.hook_in", dtype=torch.float32) as one:
                session.run(Given(percepts(4)), tail_s=0)
            session.run(Given(percepts(4)), tail_s=0)
        cache = all_of_it.cache()
        assert torch.equal(one.cache()["resid_pre", 0], cache["resid_pre", 0])
        assert torch.equal(cache["embed.hook_out"], cache["resid_pre", 0])
        assert len(one.cache().positions) == len(cache.positions)


def test_a_capture_in_the_middle_goes_on_from_the_state_and_gives_it_back(nano: Nano) -> None:
    with Session(nano, namespace={}) as plain:
        wanted = plain.run(Given(percepts(20)), tail_s=0)
    with Session(nano, namespace={}) as session:
        seen: dict[int, Capture] = {}

        def put(moment: Any) -> None:
            if moment.index == 7:
                seen[0] = capture(session, ("pattern", 0))
            if moment.index == 11:
                seen[0].stop()

        session.sink = SimpleNamespace(put=put, flush=int, close=lambda: None)
        timeline = session.run(Given(percepts(20)), tail_s=0)
    assert floors(timeline) == floors(wanted)
    assert [m.act.text for m in timeline] == [m.act.text for m in wanted]
    assert [m.index for m in timeline if m.act.diagnostics.get("eager")] == [8, 9, 10, 11]
    cache = seen[0].cache()
    assert cache.index.tolist() == [8, 9, 10, 11]
    assert 2 <= cache.key_positions.index.min() < 8  # from before it began, in reach all the same
    assert torch.allclose(cache["pattern", 0].float().nansum(-1), torch.ones(1), atol=5e-3)


def test_a_guest_with_a_module_of_its_own() -> None:
    guest, before = Guest(), weights_sum(Guest())
    with Session(guest, namespace={}) as session, Session(guest, namespace={}) as other:
        with capture(session, ["ears.hook_out", "cell.hook_in"]) as kept:
            session.run(Given(percepts(3)), tail_s=0)
            other.run(Given(percepts(5)), tail_s=0)
            assert kept.cache().index.tolist() == [0, 1, 2]
        zero = lambda tensor, hook: torch.zeros_like(tensor)  # noqa: E731
        with change(session, [("cell.inner.hook_out", zero)]):
            changed = session.run(Given(percepts(3)), tail_s=0).model_audio()
            assert not np.array_equal(changed, other.run(Given(percepts(3)), tail_s=0).model_audio())
        np.testing.assert_array_equal(
            session.run(Given(percepts(3)), tail_s=0).model_audio(), other.timeline.model_audio()
        )
    assert hooks_on(guest.module) == 0
    assert weights_sum(guest) == before


# --- what is on, and what it costs, is told


def test_the_model_itself_is_back_when_nobody_looks(nano: Nano) -> None:
    with Session(nano, namespace={}) as session:
        assert session.stats()["probe"] == {}
        first = capture(session, ["embed.hook_out", "floor.hook_out"])
        second = change(session, [("floor.hook_out", lambda tensor, hook: None)], "look")
        assert session.stats()["probe"]["told"] == "keeping activations of 2 sites, model changed: look"
        first.stop()
        first.stop()
        assert session.stand_in is not None
        assert session.stats()["probe"]["told"] == "model changed: look"
        second.remove()
        second.remove()
        assert session.stand_in is None
        assert session.stats()["probe"]["told"] == ""
        assert hooks_on(session.looker.inside.module) == 0
        timeline = session.run(seconds=0.4, tail_s=0)
        assert not any("eager" in moment.act.diagnostics for moment in timeline)


def test_numbers_of_a_capture(nano: Nano) -> None:
    clock = FakeClock()
    with Session(nano, namespace={}) as session:
        session.run(seconds=1.0, tail_s=0)
        session.looker = Looker(session, clock)
        with capture(session, ["embed.hook_out", "floor.hook_out"]) as kept:
            put = lambda tensor, hook: clock.sleep(0.03)  # noqa: E731
            with change(session, [("floor.hook_out", put)]):
                session.run(seconds=1.0, tail_s=0)
            told = session.stats()["probe"]
            json.dumps(session.stats())
            (one,) = told["captures"]
            assert one == kept.stats()
            assert (one["sites"], one["held"], one["tick_ms"], one["dropped"]) == (2, 5, 30.0, "")
            assert one["tick_ms_before"] > 0
            assert one["mb"] == round(kept.bytes / 1e6, 1)
        assert session.stats()["probe"]["captures"] == []
        assert "2 sites, ended, 5 held" in repr(kept)


def test_acts_say_what_was_on_them(nano: Nano) -> None:
    look = lambda tensor, hook: None  # noqa: E731
    with imkit.Session(nano, namespace={}) as session:
        with session.hooks([("floor.hook_out", look)], "steer"), session.hooks([("embed.hook_out", look)], "y" * 200):
            timeline = session.run(seconds=0.4, tail_s=0)
        assert [m.act.diagnostics["hooks"] for m in timeline] == [["steer", "y" * 80]] * 2
        with session.capture("floor.hook_out"):
            told = [m.act.diagnostics for m in session.run(seconds=0.4, tail_s=0)]
        assert all(one["eager"] is True and "hooks" not in one for one in told)
        assert session.stats()["probe"]["told"] == ""


# --- hooks that fail


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda tensor, hook: tensor[:, 1:], "gave float32 (1, 0, 3), expected float32 (1, 1, 3)"),
        (lambda tensor, hook: tensor.nothing, "failed at 0.4 s: AttributeError"),
        (lambda tensor, hook: tensor * float("nan"), "gave NaN"),
    ],
)
def test_a_hook_that_fails_is_taken_off_counted_and_told(nano: Nano, function: Any, told: str) -> None:
    def later(tensor: torch.Tensor, hook: Hook) -> Any:
        return function(tensor, hook) if hook.index >= 2 else None

    with Session(nano, namespace={}) as session:
        wanted = floors(session.run(seconds=1.0, tail_s=0))
        done = change(session, [("embed.hook_out", lambda tensor, hook: None), ("floor.hook_out", later)], "bad")
        with capture(session, "floor.hook_out") as kept:
            timeline = session.run(seconds=1.0, tail_s=0)
            assert kept.on
        assert floors(timeline) == wanted
        assert "floor.hook_out" in done.dropped
        assert told in done.dropped
        assert not done.on
        assert told in repr(done)
        stats = session.stats()["probe"]
        assert stats["failed_hooks"] == 1
        assert stats["dropped"] == [f"bad: {done.dropped}"]
        assert ["hooks" in m.act.diagnostics for m in timeline] == [True, True, True, False, False]
        assert hooks_on(session.looker.inside.module) == 0


def test_a_capture_that_cannot_keep_ends_and_says_so(nano: Nano, monkeypatch: pytest.MonkeyPatch) -> None:
    with Session(nano, namespace={}) as session, capture(session, "floor.hook_out") as kept:

        def full(*_: Any) -> None:
            raise MemoryError("no more")

        monkeypatch.setattr(kept._seeing, "_seen", full)
        assert len(session.run(seconds=1.0, tail_s=0)) == 5
        assert not kept.on
        assert kept.dropped == "what was seen at 0.0 s could not be kept: no more"


# --- sound comes first


class Slow:
    """A session, as far as a looker knows it, that runs live by a clock which only the model moves."""

    def __init__(self, *costs_s: float) -> None:
        self.clock, self.costs = FakeClock(), list(costs_s)
        self.model, self.timeline = Guest(), Timeline(16_000)
        self.stand_in = self.looker = None
        self.isolated = False
        self.live, self.state = True, "live"
        step = self.model.step

        def stepped(state: Any, percept: Percept) -> tuple[Act, Any]:
            looked_into = hooks_on(self.model.module) and self.costs
            self.clock.sleep(self.costs.pop(0) if looked_into else 0.03)
            return step(state, percept)

        self.model.step = stepped  # type: ignore[method-assign]
        self.looker = Looker(self, self.clock)  # type: ignore[arg-type]
        loop, pacer = Loop(self.model, stand_in=lambda: self.stand_in), RealPacer(self.clock, self.clock.sleep)
        self.drive = Drive(loop, Silence(1e9), pacer, self.timeline, clock=self.clock)

    def run(self, ticks: int) -> Drive:
        while len(self.timeline) < ticks:
            self.drive.step()
        return self.drive


def test_two_slow_micro_turns_end_a_capture_and_no_sound_is_lost() -> None:
    session = Slow(*[0.25] * 30)
    kept = capture(session)  # type: ignore[arg-type]
    drive = session.run(20)
    assert drive.counts["dropped_audio_ticks"] == 0
    assert kept.dropped == "dropped, so that sound goes on: a micro-turn took 250 and 250 ms of 200"
    assert session.stand_in is None
    assert hooks_on(session.model.module) == 0
    assert kept.cache().index.tolist() == [0, 1]
    assert [moment.index for moment in session.timeline] == list(range(20))


def test_one_very_slow_micro_turn_ends_captures_and_changes() -> None:
    """As next to a cell that computes in Python: a second such micro-turn would cost sound."""
    session = Slow(*[1.15] * 30)
    done = change(session, [("ears.hook_out", lambda tensor, hook: None)])  # type: ignore[arg-type]
    kept = capture(session)  # type: ignore[arg-type]
    drive = session.run(30)
    assert drive.counts["dropped_audio_ticks"] == 0
    assert kept.dropped == done.dropped == "dropped, so that sound goes on: a micro-turn took 1150 ms of 200"
    assert len(session.costs) == 29


def test_captures_go_before_changes() -> None:
    session = Slow(*[0.25] * 30)
    done = change(session, [("ears.hook_out", lambda tensor, hook: None)])  # type: ignore[arg-type]
    kept = capture(session)  # type: ignore[arg-type]
    session.run(2)
    assert kept.dropped
    assert done.on
    drive = session.run(6)
    assert done.dropped
    assert drive.counts["dropped_audio_ticks"] == 0
    assert [one.split(":")[0] for one in session.looker.stats()["dropped"]] == ["capture", "hooks"]


@pytest.mark.parametrize("costs", [(0.25, 0.05) * 8, (0.15,) * 16])
def test_one_slow_micro_turn_or_many_that_are_in_time_end_nothing(costs: tuple[float, ...]) -> None:
    session = Slow(*costs)
    kept = capture(session)  # type: ignore[arg-type]
    drive = session.run(16)
    assert kept.on
    assert drive.counts["dropped_audio_ticks"] == 0
    assert len(kept.cache().seen) == 16


def test_in_virtual_time_nothing_is_too_slow() -> None:
    session = Slow(*[5.0] * 8)
    session.live = False
    kept = capture(session)  # type: ignore[arg-type]
    session.run(2)
    assert kept.on


def test_what_is_put_on_within_a_micro_turn_is_on_from_the_next_one_whole() -> None:
    held, freed, four = threading.Event(), threading.Event(), threading.Event()
    guest, passed = Guest(), []

    def hold(module: Any, given: Any, out: Any) -> None:
        held.set()
        assert freed.wait(WAIT_S)

    def note(tensor: torch.Tensor, hook: Hook) -> None:
        passed.append((hook.index, hook.name))
        if hook.index >= passed[0][0] + 3 and hook.name == "out.hook_out":
            four.set()

    with Session(guest, namespace={}) as session:
        session.looker = Looker(session, lambda: 0.0)  # so that a busy machine drops nothing
        session.start()
        kept = capture(session, None)
        raw = guest.module.cell.register_forward_hook(hold)
        assert held.wait(WAIT_S)
        threading.Timer(0.1, freed.set).start()
        done = change(session, [(["ears.hook_out", "out.hook_out"], note)])  # waits for the one that is held up
        raw.remove()
        assert four.wait(WAIT_S)
        done.remove()
        kept.stop()
        session.stop()
    assert [name for _, name in passed] == ["ears.hook_out", "out.hook_out"] * (len(passed) // 2)
    cache = kept.cache()
    assert all(set(one.at) == set(kept.names) for one in cache.seen)
    assert set(np.diff(cache.index)) == {1}
    told = {moment.index for moment in session.timeline if "hooks" in moment.act.diagnostics}
    assert told == {index for index, _ in passed}
    assert hooks_on(guest.module) == 0


# --- what cannot be


@pytest.mark.parametrize(
    ("named", "error", "why"),
    [
        ({"last_s": 0}, ProbeError, "last_s=0: expected seconds, an hour at most, more than 0"),
        ({"last_s": 1e9}, ProbeError, "last_s"),
        ({"last_s": "30"}, ProbeError, "last_s='30'"),
        ({"max_mb": 0}, ProbeError, "max_mb"),
        ({"max_mb": float("inf")}, ProbeError, "max_mb"),
        ({"max_mb": float("nan")}, ProbeError, "max_mb"),
        ({"dtype": "half"}, ProbeError, "expected one of floating numbers"),
        ({"names_filter": "floor"}, UnknownSite, "floor.hook_out"),
    ],
)
def test_wrong_words_put_nothing_on(nano: Nano, named: dict[str, Any], error: type[Exception], why: str) -> None:
    with Session(nano, namespace={}) as session:
        with pytest.raises(error, match=why):
            capture(session, **named)
        assert session.stand_in is None
        with pytest.raises(ProbeError):
            change(session, [("floor.hook_out", print), ("nowhere", print)])
        with pytest.raises(ProbeError, match="fwd_hooks is empty"):
            change(session, [])
        assert session.stand_in is None
        assert hooks_on(session.looker.inside.module) == 0


def test_a_model_that_is_closed_to_looks() -> None:
    with Session(FakeModel(), namespace={}) as session:
        with pytest.raises(ProbeError, match="fake cannot be looked into"):
            capture(session)
        assert session.stand_in is None
        assert session.stats()["probe"] == {}


def test_a_closed_session_has_nothing_on(nano: Nano) -> None:
    with Session(nano, namespace={}) as session:
        kept = capture(session, "floor.hook_out")
        done = change(session, [("floor.hook_out", lambda tensor, hook: None)])
    assert isinstance(done, Change)
    assert not kept.on
    assert not done.on


def test_nothing_is_written_by_looking(nano: Nano, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Session(nano, namespace={}) as session, capture(session):
        session.run(seconds=0.4, tail_s=0)
    assert list(tmp_path.iterdir()) == []
