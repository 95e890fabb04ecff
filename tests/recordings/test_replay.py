import json
import threading

import numpy as np
import pytest
from fakes import FakeModel, loud_audio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import RATE, Scene, put, session_recorded, write

from imkit.cli import main
from imkit.recordings import Recorder, RecordingError, open_recording, replay
from imkit.session import Session
from imkit.stream import Event, Provenance


class Other(FakeModel):
    """Says one word otherwise, from a tick on."""

    def step(self, state, percept):
        act, state = super().step(state, percept)
        if percept.index >= 12 and act.words:
            word = type(act.words[0])("otherwise", act.words[0].start_s, act.words[0].end_s)
            act = type(act)(act.index, act.audio, act.floor, (word,), act.heard, act.calls, act.diagnostics)
        return act, state


def test_replay_is_byte_identical_100_of_100(tmp_path):
    same = 0
    for seed in range(100):
        folder = tmp_path / str(seed)
        session_recorded(folder, ticks=12, seed=seed)
        recording = open_recording(folder)
        result = replay(recording, FakeModel(RATE))
        lines = "".join(json.dumps(m.to_json(), sort_keys=True) + "\n" for m in result.timeline).encode()
        same += result.same and lines == (folder / "events.jsonl").read_bytes()
        recording.delete()
    assert same == 100


def test_results_of_delegated_work_come_from_the_recording(tmp_path):
    timeline = session_recorded(tmp_path / "r", ticks=40, seed=3)
    assert any(event.kind == "result" for event in timeline.events())
    model = FakeModel(RATE)
    assert replay(open_recording(tmp_path / "r"), model).same
    assert model.opened[0].seed == 3


def test_the_first_difference_is_named(tmp_path):
    session_recorded(tmp_path / "r", ticks=40)
    result = replay(open_recording(tmp_path / "r"), Other(RATE))
    assert not result.same
    assert result.difference.field == "words"
    assert result.difference.tick >= 12
    assert result.difference.replayed[0][0] == "otherwise"
    assert len(result.timeline) == 45
    assert result.compared < 45


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "level": st.floats(-1, 1, width=32),
                "text": st.text(max_size=8),
                "payload": st.dictionaries(
                    st.text(max_size=3),
                    st.recursive(
                        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
                        lambda inner: st.lists(inner, max_size=2) | st.tuples(inner, inner),
                        max_leaves=4,
                    ),
                    max_size=2,
                ),
                "side": st.integers(1, 40),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_comes_in_replays_to_the_byte(tmp_path_factory, ticks):
    class Odd(Scene):
        def _tick(self, index):
            if self._position >= len(ticks):
                return None
            one = ticks[self._position]
            frame = np.full((one["side"], 41 - one["side"], 3), one["side"], np.uint8)
            event = Event("result", Provenance.TOOL, one["text"], payload=one["payload"])
            percept = super()._tick(index)
            audio = percept.audio * np.float32(one["level"])
            return type(percept)(index, audio, (frame,), one["text"], one["text"][::-1], (event,))

    folder = tmp_path_factory.mktemp("odd") / "r"
    with Recorder(folder, output_rate=RATE) as recorder, Session(FakeModel(RATE)) as session:
        session.tap = recorder
        session.run(Odd(len(ticks)), tail_s=1)
        assert session.stats()["tap_errors"] == 0
    recording = open_recording(folder)
    assert replay(recording, FakeModel(RATE)).same
    assert [m.percept.text for m in recording][: len(ticks)] == [one["text"] for one in ticks]


def played_live(folder, starts, before=0):
    """A live session of the fake model, stopped and started; the recording begins before the start of that number."""
    recorder = Recorder(folder, output_rate=RATE, model="fake")
    with recorder, Session(FakeModel(RATE), source=Scene(10**6)) as session:
        for number in range(starts):
            if number == before:
                session.tap = recorder
            done = threading.Event()
            session.sink = Until(len(session.timeline) + 4, done)
            session.start()
            session.say("one two three four")
            assert done.wait(60)
            session.stop()
        return session.timeline


class Until:
    """A sink that says when so many moments came."""

    def __init__(self, moments, done):
        self.left, self.done = moments, done

    def put(self, moment):
        if moment.index + 1 >= self.left:
            self.done.set()

    def flush(self, epoch):
        pass

    def close(self):
        pass


def test_a_live_session_that_was_stopped_and_started_replays(tmp_path):
    timeline = played_live(tmp_path / "r", 3)
    recording = open_recording(tmp_path / "r")
    assert [m.index for m in recording] == [m.index for m in timeline]
    assert len({m.epoch for m in recording}) >= 3
    result = replay(recording, FakeModel(RATE))
    assert result.same, str(result)


def test_the_middle_of_a_session_cannot_be_run_again_and_says_so(tmp_path):
    played_live(tmp_path / "r", 2, before=1)
    result = replay(open_recording(tmp_path / "r"), FakeModel(RATE))
    assert not result.same
    assert list(result.skipped) == ["it began in the middle of a session"]
    assert "could not be run again" in str(result)


def test_what_follows_a_hole_is_not_run_and_is_counted(tmp_path):
    recorder = Recorder(tmp_path / "r", output_rate=RATE, model="fake")
    with recorder, Session(FakeModel(RATE)) as session:
        session.tap = recorder
        session.run(Scene(30), tail_s=0)
        recorder.forget(2)
        put(recorder, range(30, 34))
    result = replay(open_recording(tmp_path / "r"), FakeModel(RATE))
    assert (result.compared, result.difference) == (20, None)
    assert result.skipped == {"what was before it was forgotten": 4}


def test_pictures_that_were_not_kept_are_missed(tmp_path):
    session_recorded(tmp_path / "r", ticks=10, frames=False)
    recording = open_recording(tmp_path / "r")
    assert recording.timeline()[0].percept.frames == ()
    assert recording.timeline()[0].frame_count == 1
    assert recording.consent["streams"] == ["sound", "text", "events", "model"]
    assert replay(recording, FakeModel(RATE)).skipped == {"its pictures were not recorded": 15}


def test_another_output_rate_is_refused(tmp_path):
    session_recorded(tmp_path / "r", ticks=5)
    with pytest.raises(RecordingError, match="was recorded with fake at 24000 Hz, fake speaks at 16000 Hz"):
        replay(open_recording(tmp_path / "r"), FakeModel(16_000))


def test_live_keeps_to_the_clock(tmp_path):
    import time

    session_recorded(tmp_path / "r", ticks=2)
    seen = []
    began_s = time.monotonic()
    assert replay(open_recording(tmp_path / "r"), FakeModel(RATE), live=True, heed=seen.append).same
    assert len(seen) == 7
    assert time.monotonic() - began_s >= 1.3


# --- on the command line


class At24(FakeModel):
    def __init__(self):
        super().__init__(RATE)


class OtherAt24(Other):
    def __init__(self):
        super().__init__(RATE)


def test_check_exits_with_0_or_names_tick_and_field(tmp_path, capsys):
    session_recorded(tmp_path / "r", ticks=30)
    here = ["--model", "test_replay:At24"]
    assert main(["replay", str(tmp_path / "r"), "--check", *here]) == 0
    assert "35 micro-turns, the same to the byte" in capsys.readouterr().out
    assert main(["replay", str(tmp_path / "r"), "--check", "--model", "test_replay:OtherAt24"]) == 1
    assert ", words: recorded [[" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "r"), *here]) == 0
    assert "model  one two three" in capsys.readouterr().out


def test_a_recording_cannot_name_what_is_imported(tmp_path, capsys):
    write(tmp_path / "r", range(3))
    header = tmp_path / "r" / "session.json"
    header.write_text(header.read_text().replace('"fake"', '"os:system"'))
    assert main(["replay", str(tmp_path / "r"), "--check"]) == 2
    assert "say how to load it with --model" in capsys.readouterr().err


def test_record_writes_a_recording_and_nothing_beside_it(tmp_path, capsys):
    script = tmp_path / "t.jsonl"
    script.write_text('{"t": 0.2, "text": "hello you"}\n')
    out = str(tmp_path / "out")
    assert main(["record", "--text", str(script), "--out", out, "--model", "test_replay:At24", "--acts"]) == 0
    assert not (tmp_path / "out" / "user.wav").exists()
    assert not (tmp_path / "out" / "timeline.html").exists()
    assert open_recording(out).consent["how"] == "imkit record"
    assert main(["replay", out, "--check", "--model", "test_replay:At24"]) == 0


def test_loud_sound_makes_the_fake_model_yield_and_epochs_rise(tmp_path):
    class Loud(Scene):
        def _tick(self, index):
            percept = super()._tick(index)
            return percept and type(percept)(
                index, loud_audio() if index % 4 == 3 else percept.audio * 0, (), "a b c d"
            )

    with Recorder(tmp_path / "r", output_rate=RATE) as recorder, Session(FakeModel(RATE)) as session:
        session.tap = recorder
        session.run(Loud(20))
    recording = open_recording(tmp_path / "r")
    assert recording.facts["counts"]["yields"] >= 4
    assert replay(recording, FakeModel(RATE)).same
