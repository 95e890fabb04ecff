"""What if: edits change the future only, and a fork with none is its parent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import FakeModel, FakeState, loud_audio
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.background import Answer, Desk, Task
from imkit.capture import OrderedSource
from imkit.probe import Fork, ForkError, fork
from imkit.session import Session, Snapshots
from imkit.stream import Act, Event, ModelError, OpenConfig, Percept, Provenance, Timeline

FRAME = np.full((4, 4, 3), 9, np.uint8)


class Echoes:
    """A background that says what it was asked."""

    def answer(self, task: Task, desk: Desk) -> Answer:
        desk.progress(f"looking at {task.topic}")
        return Answer(f"done {task.topic}")


class Talk(OrderedSource):
    """Texts, loud sounds, pictures and events by tick."""

    def __init__(self, count: int, texts: dict[int, str], loud: set[int], events: dict[int, Event]) -> None:
        super().__init__("talk")
        self.count, self.texts, self.loud, self.events = count, texts, loud, events

    def _start(self) -> None:
        return None

    def _tick(self, index: int) -> Percept | None:
        if index >= self.count:
            return None
        return Percept(
            index,
            loud_audio(size=3200) if index in self.loud else Percept(index).audio,
            (FRAME,) if index % 3 == 0 else (),
            self.texts.get(index, ""),
            "dra" if index % 4 == 1 else "",
            (self.events[index],) if index in self.events else (),
        )


class Counting(FakeModel):
    """Counts its steps."""

    steps = 0

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        self.steps += 1
        return super().step(state, percept)


INTERRUPT = Event("system", Provenance.UI, "stop", payload={"interrupt": True})
CELL = Event("notebook", Provenance.NOTEBOOK, "cell 3 ran")


def conversation(count: int = 30, *, model: Any = None, seed: int = 3, **more: Any) -> Timeline:
    talk = Talk(
        count,
        {2: "one two three four five", 8: "plot it", 12: "six seven eight", 20: "describe it", 26: "list them"},
        {5, 14},
        {10: CELL, 17: INTERRUPT},
    )
    with Session(model or FakeModel(), Echoes(), source=None, seed=seed, namespace={}, **more) as session:
        return session.run(talk, tail_s=1.0)


def log(timeline: Timeline) -> list[str]:
    return [json.dumps(moment.to_json(), sort_keys=True) for moment in timeline]


def quiet(_: str) -> None:
    return None


# --- nothing changed


@pytest.mark.parametrize("snapshots", [True, False, Snapshots(every_s=0.4), Snapshots(every_s=1.0, max_bytes=500)])
def test_a_fork_with_no_edit_is_its_parent_at_every_tick(snapshots: Any) -> None:
    parent = conversation(snapshots=snapshots)
    for tick in range(len(parent) + 1):
        branch = fork(parent, tick / 5).run(progress=quiet)
        assert log(branch) == log(parent)
        assert all(a is b for a, b in zip(branch.moments[:tick], parent.moments, strict=False))
        info = branch.origin.fork
        assert (info.withheld, info.diverged_s, info.at_s) == ((), None, tick / 5)


def test_a_fork_of_a_fork_is_its_parent_too() -> None:
    parent = conversation()
    child = fork(parent, 2.4).with_text("list the four winds", 3.0).run()
    assert log(child) != log(parent)
    for tick in (0, 5, 12, 15, 16, 22, 30):
        assert log(fork(child, tick / 5).run()) == log(child)


def test_the_seed_goes_on() -> None:
    one, other = conversation(seed=1), conversation(seed=2)
    assert log(one) != log(other)
    assert log(fork(other, 2.4).run()) == log(other)


TIMES = st.integers(0, 34).map(lambda tick: tick / 5)


@st.composite
def edits(draw: st.DrawFn, at: int, times: int) -> list[tuple[str, tuple[Any, ...]]]:
    made: list[tuple[str, tuple[Any, ...]]] = []
    for _ in range(draw(st.integers(0, times))):
        start = draw(st.floats(at / 5, at / 5 + 4))
        end = start + draw(st.floats(0.4, 2))
        stream = st.sampled_from(["microphone", "camera", "typed", "events", "notebook", "background"])
        made.append(
            draw(
                st.sampled_from(
                    [
                        ("with_text", ("describe them now", start)),
                        ("with_audio", (loud_audio(size=4000), start)),
                        ("with_event", (CELL, start)),
                        ("without", (draw(stream), at / 5, end)),
                        ("shift", (draw(stream), draw(st.sampled_from([-0.4, 0.4, 1.0])), start, end)),
                        ("without_pause", (start, end)),
                        ("with_pause", (start, draw(st.floats(0.2, 2)))),
                    ]
                )
            )
        )
    return made


def edited(one: Fork, changes: list[tuple[str, tuple[Any, ...]]]) -> Fork:
    for name, given_ in changes:
        try:
            one = getattr(one, name)(*given_)
        except ForkError:
            continue  # it would have reached before the fork, or past the end
    return one


PARENT = conversation()


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(0, 30))
def test_edits_never_change_the_past_and_runs_are_the_same_every_time(data: st.DataObject, at: int) -> None:
    before = log(PARENT)
    changed = edited(fork(PARENT, at / 5), data.draw(edits(at, 4)))
    branch = changed.run()
    assert log(branch) == log(changed.run())
    assert log(branch)[:at] == before[:at]
    assert all(a is b for a, b in zip(branch.moments[:at], PARENT.moments, strict=False))
    assert log(PARENT) == before
    assert len(branch) == max(len(PARENT), changed.future.end)
    again = data.draw(st.integers(0, len(branch)))
    assert log(fork(branch, again / 5).run()) == log(branch)
    assert log(fork(PARENT, at / 5).run()) == before


# --- what is changed


def said(timeline: Timeline) -> list[tuple[int, str]]:
    return [(moment.index, moment.act.text) for moment in timeline if moment.act.words]


def test_text_comes_when_it_is_typed() -> None:
    branch = fork(PARENT, 3.0).with_text("hello", 4.81).run()
    assert branch[24].percept.text == "hello"
    assert (24, "hello") in said(branch)
    assert log(branch)[:24] == log(PARENT)[:24]


def test_sound_is_changed_to_the_sample() -> None:
    sound = np.linspace(0.9, 0.1, 5000, dtype=np.float32)
    branch = fork(PARENT, 2.6).with_audio(sound, 2.85).run()
    assert np.abs(PARENT[14].percept.audio).max() > 0.4  # loud enough to be clipped when more is mixed in
    heard, before = branch.user_audio(), PARENT.user_audio()
    np.testing.assert_array_equal(heard[45_600:50_600], sound)
    np.testing.assert_array_equal(np.delete(heard, np.s_[45_600:50_600]), np.delete(before, np.s_[45_600:50_600]))
    mixed = fork(PARENT, 2.6).with_audio(sound, 2.85, mix=True).run().user_audio()
    np.testing.assert_array_equal(mixed[45_600:50_600], np.clip(before[45_600:50_600] + sound, -1, 1))
    assert np.abs(mixed).max() == 1.0


def test_sound_of_another_rate_and_from_a_file(tmp_path: Any) -> None:
    import soundfile

    tone = np.sin(np.arange(8000) * 0.1).astype(np.float32) * 0.5
    soundfile.write(tmp_path / "tone.wav", tone, 8_000, subtype="FLOAT")
    from_file = fork(PARENT, 0).with_audio(tmp_path / "tone.wav")
    from_array = fork(PARENT, 0).with_audio(tone, rate_hz=8_000)
    np.testing.assert_array_equal(from_file.run().user_audio(), from_array.run().user_audio())
    assert "tone.wav" in repr(from_file)
    changed = np.flatnonzero(from_array.run().user_audio() != PARENT.user_audio())
    assert 15_000 < changed.max() <= 16_000


def test_a_silent_microphone_does_not_interrupt() -> None:
    assert [m.index for m in PARENT if m.yielded] == [5, 14]
    branch = fork(PARENT, 2.0).without("microphone", 2.8, 3.0).run()
    assert [m.index for m in branch if m.yielded] == [5]
    assert len(branch.words()) > len(PARENT.words())
    early = fork(PARENT, 0.6).shift("microphone", -0.2, 1.0, 1.2).run()
    assert [m.index for m in early if m.yielded] == [4, 14]
    assert early[5].level_db == -120.0


def test_streams_are_left_out_of_their_time_only() -> None:
    blind = fork(PARENT, 1.0).without("camera", 2.0, 3.0).run()
    assert [m.index for m in blind if m.frame_count] == [i for i in range(0, 30, 3) if not 10 <= i < 15]
    mute = fork(PARENT, 1.0).without("typed", 4.0).run()
    assert [m.percept.text for m in mute if m.percept.text] == [
        m.percept.text for m in PARENT if m.percept.text and m.index < 20
    ]
    assert not any(m.percept.draft for m in mute if m.index >= 20)
    calm = fork(PARENT, 1.0).without(lambda event: event.kind == "system").run()
    assert CELL in calm.events()
    assert INTERRUPT not in calm.events()
    assert calm[20].epoch == PARENT[20].epoch - 1


def test_pictures_and_texts_move_by_whole_ticks() -> None:
    later = fork(PARENT, 1.0).shift("camera", 0.2, 2.0, 3.0).run()
    assert [m.index for m in later if m.frame_count][4:6] == [13, 15]
    sooner = fork(PARENT, 1.0).shift("typed", -1.0, 4.0, 4.2).run()
    assert sooner[15].percept.text == "describe it"
    assert not sooner[20].percept.text


def test_a_pause_that_never_was() -> None:
    branch = fork(PARENT, 2.0).without_pause(2.35, 3.25).run()  # inwards: ticks 12 to 15
    assert branch[12].percept.text == "six seven eight"  # typed inside it: nothing is lost but time
    assert [m.percept.text for m in branch if m.percept.text][-2:] == ["describe it", "list them"]
    assert (branch[16].percept.text, branch[22].percept.text) == ("describe it", "list them")
    np.testing.assert_array_equal(branch[13].percept.audio, PARENT[17].percept.audio)
    assert INTERRUPT in branch[13].percept.events
    assert len(branch) == len(PARENT)  # silence at the end


def test_a_pause_more() -> None:
    branch = fork(PARENT, 2.0).with_pause(2.4, 1.0).run()
    assert branch[17].percept.text == "six seven eight"
    assert all(branch[index].level_db == -120.0 for index in range(12, 17))
    assert len(branch) == len(PARENT) + 5
    back = fork(PARENT, 2.0).with_pause(2.4, 1.0).without_pause(2.4, 3.4).run()
    assert log(back) == log(PARENT)


def test_edits_see_the_clock_that_earlier_edits_left() -> None:
    branch = fork(PARENT, 2.0).without_pause(2.4, 3.4).with_text("hello", 3.0).run()
    assert branch[15].percept.text == "describe it\nhello"


def test_a_fork_may_go_on_past_the_end() -> None:
    branch = fork(PARENT, 6.0).run(seconds=4.0)
    assert branch.end_s == 10.0
    assert fork(PARENT, PARENT.end_s).with_text("hello", 9.0).run().end_s == 9.2
    assert fork(PARENT, 2.0).run(seconds=1.0).end_s == 3.0


# --- snapshots


def test_a_fork_runs_from_the_nearest_snapshot() -> None:
    model = Counting()
    parent = conversation(60, model=model, snapshots=Snapshots(every_s=2.0))
    model.steps = 0
    branch = fork(parent, 7.0).run(seconds=1.0)
    assert (model.steps, branch.origin.fork.relived) == (10, 5)  # 6.0 to 7.0 s, and one second of future
    model.steps = 0
    assert fork(parent, 7.0).with_text("hello", 7.0).run(seconds=1.0).origin.fork.relived == 0
    assert model.steps == 5  # the first fork left its state there
    later = fork(branch, 7.6).run(seconds=0.2)
    assert later.origin.fork.relived == 3


def test_without_snapshots_it_runs_from_the_start_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    parent = conversation(150, snapshots=False)
    told: list[str] = []
    branch = fork(parent, 25.0).run(seconds=0.2, progress=told.append)
    assert branch.origin.fork.relived == 125
    assert told == ["Living through 25.0 s of the past first, from the start; no snapshot is nearer."]
    fork(parent, 25.0).run(seconds=0.2)
    assert capsys.readouterr().out.strip() == told[0]


def test_a_timeline_of_unknown_origin_needs_a_model_and_remembers_it() -> None:
    parent = conversation()
    parent.origin = None
    with pytest.raises(ForkError, match="say which"):
        fork(parent, 3.0).run()
    model = Counting()
    branch = fork(parent, 3.0).run(model)
    assert branch.origin.fork.diverged_s == 0.4  # it was made with another seed
    assert model.steps == len(parent)
    assert fork(parent, 3.0).run().origin.fork.relived == 0


def test_another_model_lives_through_the_past_first() -> None:
    class Shouting(FakeModel):
        def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
            act, state = super().step(state, percept)
            return replace(act, words=tuple(replace(word, text=word.text.upper()) for word in act.words)), state

    branch = fork(PARENT, 3.0).run(Shouting())
    assert log(branch)[:15] == log(PARENT)[:15]
    assert [text for tick, text in said(branch) if tick >= 15] == [t.upper() for i, t in said(PARENT) if i >= 15]
    assert branch.origin.fork.relived == 15
    with pytest.raises(ForkError, match="one rate"):
        fork(PARENT, 3.0).run(FakeModel(8_000))


def test_states_are_really_copied() -> None:
    class InPlace(FakeModel):
        def open(self, config: OpenConfig) -> Any:
            return {"ring": np.zeros(4), "at": 0}

        def step(self, state: Any, percept: Percept) -> Any:
            state["ring"][state["at"] % 4] += percept.index + len(percept.text)
            state["at"] += 1
            act, _ = super().step(
                FakeState(rng=np.random.default_rng(0)), replace(percept, text=str(state["ring"].sum()))
            )
            return act, state

    parent = conversation(model=InPlace(), snapshots=Snapshots(every_s=1.0))
    for _ in range(2):
        fork(parent, 2.4).with_text("much", 2.4).run()
        for at_s in (2.4, 2.2, 2.0):
            assert log(fork(parent, at_s).run()) == log(parent)


# --- what a session does besides


def test_a_session_that_was_stopped_and_failed_between() -> None:
    class Watch:
        def put(self, moment: Any) -> None:
            if moment.index in (6, 14):
                done.set()

        def flush(self, epoch: int) -> None:
            return None

        def close(self) -> None:
            return None

    import threading

    done = threading.Event()
    model = FakeModel()
    talk = Talk(16, {1: "one two three four five six", 8: "seven eight"}, set(), {})
    with Session(model, Echoes(), sink=Watch(), namespace={}, snapshots=Snapshots(every_s=0.4)) as session:
        session.source = _Paced(talk, 7)
        session.start()
        assert done.wait(20)
        session.stop()
        session._loop = None  # as after a failure: what follows starts from a fresh state
        done.clear()
        session.source = _Paced(talk, 15)
        session.start()
        assert done.wait(20)
        session.stop()
        parent = session.timeline
    assert parent.origin.opened == (0, 7)
    epochs = [moment.epoch for moment in parent]
    assert epochs[6] < epochs[7]
    for tick in range(len(parent) + 1):
        assert log(fork(parent, tick / 5).run()) == log(parent)


class _Paced:
    """A talk that is its own clock and always has the next tick ready, up to one."""

    clocked = True
    provenance = Provenance.FILE

    def __init__(self, talk: Talk, count: int) -> None:
        self.talk, self.count, self.at = talk, count, max(0, count - 8) if count > 8 else 0
        self.ended = False

    def open(self) -> None:
        return None

    def wait(self, timeout_s: float) -> bool:
        self.ended = self.at >= self.count
        return not self.ended

    def read(self, index: int) -> Percept | None:
        if self.at >= self.count:
            return None
        self.at += 1
        return self.talk._tick(index)

    def close(self) -> None:
        return None


def test_lost_ticks_stay_lost() -> None:
    parent = Timeline(16_000)
    with Session(FakeModel(), Echoes(), namespace={}) as session:
        whole = session.run(Talk(20, {2: "one two three four five"}, set(), {}), tail_s=0)
    from imkit.session import Loop

    loop = Loop(FakeModel(), OpenConfig())
    gap = Event("system", Provenance.MICROPHONE, "lost", payload={"gap_ticks": 4})
    for moment in whole:
        if not 4 <= moment.index < 8:
            percept = replace(moment.percept, events=(gap,)) if moment.index == 8 else moment.percept
            parent.append(loop.tick(percept))
    for tick in (0, 3, 4, 6, 8, 12):
        assert log(fork(parent, tick / 5).run(FakeModel())) == log(parent)
    assert fork(parent, 0.4).with_text("hello", 1.0).run()[5].percept.text == "hello"


# --- what is refused


def test_requests_that_make_no_sense_are_refused_in_words() -> None:
    one = fork(PARENT, 3.0)
    for bad, match in [
        (lambda: fork(Timeline(), 0), "empty"),
        (lambda: fork(PARENT, 99), "expected 0.0 to 7.0 s"),
        (lambda: fork(PARENT, float("nan")), "expected seconds"),
        (lambda: one.with_text("x", 2.9), "before the fork"),
        (lambda: one.with_text(" ", 3.1), "not empty"),
        (lambda: one.with_text("x", 9999), "at most an hour"),
        (lambda: one.with_audio(loud_audio(), 2.0), "before the fork"),
        (lambda: one.with_event("x", 3.0), "imkit.Event"),
        (lambda: one.without("nose"), "is no stream"),
        (lambda: one.without("camera", 5.0, 4.0), "before end_s"),
        (lambda: one.shift("microphone", -1.0, 3.2, 3.4), "before the fork"),
        (lambda: one.shift("typed", 0.05, 3.2, 3.4), "whole micro-turns"),
        (lambda: one.without_pause(3.3, 3.5), "no whole micro-turn"),
        (lambda: one.with_pause(3.3, 0.0), "0.2 s"),
        (lambda: one.run(seconds=0), "more than 0 s"),
        (lambda: one.run(tools=[len]), "background"),
    ]:
        with pytest.raises(ForkError, match=match):
            bad()
    assert one.edits == ()


def test_what_was_let_go_of_cannot_be_lived_through_again() -> None:
    def made(**keep: float) -> Timeline:
        timeline = Timeline(16_000, **keep)
        timeline.origin = whole.origin
        for moment in whole:
            timeline.append(moment)
        return timeline

    whole = conversation(snapshots=False)
    with pytest.raises(ForkError, match=r"sound before 4\.0 s"):
        fork(made(keep_media_s=3.0), 3.0)
    with pytest.raises(ForkError, match=r"only from 4\.0 s on"):
        fork(made(keep_media_s=3.0), 5.0).run()
    old = fork(made(keep_frames_s=3.0), 0.0)
    with pytest.raises(ForkError, match=r"without.*camera"):
        old.run()
    assert [m.frame_count for m in old.without("camera").run()] == [0] * len(whole)
    with pytest.raises(ForkError, match=r"only from 2\.0 s on"):
        fork(whole[2.0:], 3.0).run()


def test_a_model_that_fails_says_where() -> None:
    with pytest.raises(ModelError, match=r"failed in the fork, at 4\.0 s: RuntimeError"):
        fork(PARENT, 3.0).run(FakeModel(fail_at=20))


def test_a_fork_can_be_read() -> None:
    changed = fork(PARENT, 3.0).with_text("hello", 4.0).without("camera", 4.0, 5.0).shift("microphone", 0.5, 3, 4)
    assert repr(changed) == (
        "Fork(at 3.0 s of 7.0 s, typed 'hello' at 4.0 s, without camera 4.0 to 5.0 s, "
        "microphone 3.0 to 4.0 s moved by +0.5 s)"
    )
    assert repr(changed.run().origin.fork).startswith("Branch(at 3.0 s: typed 'hello' at 4.0 s, ")
