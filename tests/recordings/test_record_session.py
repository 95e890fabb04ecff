"""Recording by ``session.record`` and ``Session.run(record=...)``, in a session that shows itself."""

import threading
import warnings

import numpy as np
import pytest
from fakes import FakeModel
from making import RATE, Scene

from imkit.notebook import LiveSession
from imkit.recordings import RecordingError, open_recording, replay
from imkit.stream import SessionError


class Until:
    """A sink that says when a tick came."""

    def __init__(self):
        self.tick, self.done = 0, threading.Event()

    def wait(self, tick):
        self.tick = tick
        self.done.clear()
        assert self.done.wait(60)

    def put(self, moment):
        if moment.index >= self.tick:
            self.done.set()

    def flush(self, epoch):
        pass

    def close(self):
        pass


@pytest.fixture
def until():
    return Until()


@pytest.fixture
def session(until):
    with LiveSession(FakeModel(RATE), source=Scene(10**6), sink=until, seed=7) as session:
        yield session


def test_nothing_is_recorded_unless_it_is_said(session, until, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session.start()
    until.wait(3)
    assert session.recording is None
    assert session.stats()["recording"] == ""
    assert list(tmp_path.iterdir()) == []


def test_a_live_recording_shows_ends_and_replays(session, until, tmp_path):
    recorder = session.record(tmp_path / "r", acts=True)
    assert session.stats()["recording"] == "recording sound, pictures, text, events, model"
    session.start()
    session.say("one two three")
    until.wait(6)
    assert session.recording is recorder
    assert session.stop_recording() == tmp_path / "r"
    assert session.stats()["recording"] == ""
    until.wait(session.timeline[-1].index + 2)
    session.stop()
    recording = open_recording(tmp_path / "r")
    assert recording.consent["how"] == "session.record()"
    assert recording.facts["seed"] == 7
    assert 6 <= recording.timeline()[-1].index < session.timeline[-1].index
    result = replay(recording, FakeModel(RATE))
    assert result.same, str(result)
    assert session.stop_recording() is None


def test_the_last_seconds_are_forgotten_while_it_goes_on(session, until, tmp_path):
    recorder = session.record(tmp_path / "r")
    session.start()
    session.say("secret words here")
    until.wait(6)
    assert recorder.forget(last_s=60) >= 7
    files = [path for path in (tmp_path / "r").rglob("*") if path.is_file()]
    assert not any(b"secret" in path.read_bytes() for path in files)
    session.say("later words")
    until.wait(session.timeline[-1].index + 3)
    session.close()
    recording = open_recording(tmp_path / "r")
    assert recording.facts["complete"]
    assert any("later words" in m.percept.text for m in recording)
    assert recording.facts["forgotten_s"] >= 1.4


def test_one_recording_at_a_time(session, tmp_path):
    session.record(tmp_path / "r")
    with pytest.raises(SessionError, match="stop_recording"):
        session.record(tmp_path / "s")
    session.stop_recording()
    with pytest.raises(RecordingError, match="is not empty"):
        session.record(tmp_path / "r")
    assert session.recording is None
    session.close()
    with pytest.raises(SessionError, match="closed"):
        session.record(tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_what_was_deleted_can_be_followed_by_another(session, until, tmp_path):
    session.start()
    session.record(tmp_path / "r").delete()
    until.wait(session.timeline.moments[-1].index + 2 if len(session.timeline) else 2)
    assert session.stats()["recording"] == ""
    assert session.stats()["tap_errors"] == 0
    assert not (tmp_path / "r").exists()
    session.record(tmp_path / "s")
    assert session.stats()["recording"].startswith("recording sound")


def test_closing_ends_the_recording_and_its_thread(session, until, tmp_path):
    before = threading.active_count()
    session.record(tmp_path / "r")
    session.start()
    until.wait(2)
    session.close()
    assert open_recording(tmp_path / "r").facts["complete"]
    assert threading.active_count() <= before


def test_a_run_is_recorded_and_ends_a_live_recording(session, tmp_path):
    live = session.record(tmp_path / "live")
    timeline = session.run(Scene(20, seed=2), record=tmp_path / "r")
    assert (live.state, session.recording, session.tap) == ("closed", None, None)
    recording = open_recording(tmp_path / "r")
    assert len(recording) == len(timeline) == 40
    assert recording.timeline().user_audio().tobytes() == timeline.user_audio().tobytes()
    assert replay(recording, FakeModel(RATE)).same
    assert len(session.run(Scene(3), tail_s=0)) == 3
    assert len(open_recording(tmp_path / "r")) == 40


def test_a_run_that_fails_leaves_what_was_recorded(tmp_path):
    with LiveSession(FakeModel(RATE, fail_at=5)) as session, pytest.raises(Exception, match="told to fail"):
        session.run(Scene(20), record=tmp_path / "r")
    facts = open_recording(tmp_path / "r").facts
    assert facts["counts"]["moments"] == 5
    assert "told to fail" in facts["stopped"]


def test_a_full_disk_never_stops_a_session(session, tmp_path, monkeypatch):
    from imkit.recordings import Recorder

    def full(self, *given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recorder, "_write", full)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert len(session.run(Scene(5), tail_s=0, record=tmp_path / "r")) == 5
    assert "5 moments were not written" in str(told[0].message)
    recorder = session.record(tmp_path / "s")
    recorder._done(lambda: recorder.recorder.put(session.timeline[4]))
    assert session.stats()["recording"] == "recording failing: No space left on device; 1 moments were not written"
    assert session.stats()["tap_errors"] == 0


def test_a_recorder_that_breaks_costs_the_recording_and_nothing_else(session, until):
    class Broken:
        def opened(self, index, config, epoch):
            raise RuntimeError

        def admit(self, percept):
            raise RuntimeError

        def put(self, moment):
            raise RuntimeError

    session.tap = Broken()
    timeline = session.run(Scene(5), tail_s=0)
    assert len(timeline) == 5
    assert np.isfinite(timeline.user_audio()).all()
    assert session.stats()["tap_errors"] == 10
