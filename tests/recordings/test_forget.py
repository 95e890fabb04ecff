import os
import shutil

import pytest
from making import RATE, bytes_of, moment, put, session_recorded, write

from imkit.recordings import QueuedRecorder, Recorder, RecordingError, forget, open_recording
from imkit.recordings.layout import remove
from imkit.stream import Act, Moment, Percept


def secret(index, mark):
    """A moment whose text, words and sound can be looked for."""
    import numpy as np

    pcm = np.random.default_rng(index).integers(-9000, 9000, 3200).astype(np.int16)
    percept = Percept(index, pcm.astype(np.float32) / np.float32(32768), text=f"{mark}{index}")
    return Moment(percept, Act(index, np.zeros(RATE // 5, np.float32)))


@pytest.mark.parametrize(("ticks", "forgotten"), [(60, 10), (160, 5), (160, 40), (310, 200), (30, 30), (8, 20)])
def test_what_is_forgotten_is_in_no_file(tmp_path, ticks, forgotten):
    cut = max(0, ticks - forgotten)
    one = write(tmp_path / "one", range(ticks))
    before = bytes_of(one)
    assert open_recording(one).forget(forgotten / 5) == ticks - cut
    recording = open_recording(one)
    recording.verify()
    assert [m.index for m in recording] == list(range(cut))
    assert recording.facts["forgotten_s"] == (ticks - cut) / 5
    held = b"".join(bytes_of(one).values())
    for index in range(cut, ticks):
        gone = moment(index)
        assert f'"i": {index},'.encode() not in held
        assert f"{gone.fingerprint:08x}".encode() not in held
        assert not any(f"{index:08d}" in name for name in bytes_of(one) if name.startswith("frames"))
    for index in range(cut):
        assert recording.timeline()[index].percept.audio.tobytes() == moment(index).percept.audio.tobytes()
    kept = {name: content for name, content in bytes_of(one).items() if before.get(name) == content}
    assert all(name in kept for name in before if name.endswith(".jpg") and int(name[7:15]) < cut)


def test_a_secret_leaves_no_trace_while_live(tmp_path):
    with QueuedRecorder(Recorder(tmp_path / "r", output_rate=RATE)) as recorder:
        for index in range(40):
            recorder.put(secret(index, "open"))
        recorder._done(lambda: None)
        for index in range(40, 60):
            recorder.put(secret(index, "secret"))
        sound = recorder._done(lambda: recorder.recorder._ticks[50].user.tobytes())
        assert sound in b"".join(bytes_of(tmp_path / "r").values())
        assert recorder.forget(last_s=4) == 20
        held = b"".join(bytes_of(tmp_path / "r").values())
        assert b"secret" not in held
        assert sound not in held
        assert sound[:64] not in held
        for index in range(60, 75):
            recorder.put(secret(index, "later"))
    recording = open_recording(tmp_path / "r")
    recording.verify()
    assert [m.index for m in recording] == [*range(40), *range(60, 75)]
    assert recording.facts["forgotten_s"] == 4.0
    assert recording.timeline()[70].percept.audio.tobytes() == secret(70, "").percept.audio.tobytes()


def test_forgetting_over_segments_while_live_goes_on_in_the_same_files(tmp_path):
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    put(recorder, range(320))
    assert recorder.forget(40) == 200
    put(recorder, range(320, 500))
    assert recorder.forget(1) == 5
    put(recorder, range(500, 510))
    recorder.close()
    recording = open_recording(tmp_path / "r")
    recording.verify()
    assert [m.index for m in recording] == [*range(120), *range(320, 495), *range(500, 510)]


def test_what_was_made_of_a_recording_is_forgotten_with_it(tmp_path):
    folder = write(tmp_path / "r", range(20))
    (folder / "user.wav").write_text("sound")
    (folder / "timeline.html").write_text("words")
    (folder / "notes.txt").write_text("mine")
    open_recording(folder).forget(1)
    assert not (folder / "user.wav").exists()
    assert not (folder / "timeline.html").exists()
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.fixture(scope="module")
def of_two_segments(tmp_path_factory):
    return write(tmp_path_factory.mktemp("two") / "r", range(154))


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 6, 9, 14])
def test_a_crash_while_forgetting_gives_nothing_back(tmp_path, monkeypatch, of_two_segments, steps):
    folder = shutil.copytree(of_two_segments, tmp_path / "r")
    left = [steps]

    class Killed(BaseException):
        pass

    def counted(real):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("ftruncate", "fsync"):
            patch.setattr(forget.os, name, counted(getattr(os, name)))
        patch.setattr(forget, "replace_file", counted(forget.replace_file))
        patch.setattr(type(folder), "unlink", counted(type(folder).unlink))
        try:
            open_recording(folder).forget(10.8)
            crashed = False
        except Killed:
            crashed = True
    recording = open_recording(folder)
    recording.verify()
    shown = [m.index for m in recording]
    journal = (folder / "journal.jsonl").read_text()
    if "forgetting" in journal or not crashed:
        assert shown in ([], list(range(100)))  # the half minute that was being cut may go as a whole
    forget.forget_from(folder, 100, RATE)  # and once more, to the end
    after = open_recording(folder)
    after.verify()
    assert [m.index for m in after] in ([], list(range(100)))
    assert b'"i": 100,' not in b"".join(bytes_of(folder).values())


def test_deleting_leaves_what_is_not_ours(tmp_path):
    folder = write(tmp_path / "r", range(20))
    (folder / "frames" / "cat.jpg").write_text("mine")
    (folder / "user.wav").write_text("sound")
    open_recording(folder).delete()
    assert list(bytes_of(folder)) == ["frames/cat.jpg"]
    whole = write(tmp_path / "s", range(200))
    open_recording(whole).delete()
    assert not whole.exists()


def test_deleting_follows_no_link(tmp_path):
    outside = write(tmp_path / "outside", range(5))
    before = bytes_of(outside)
    folder = write(tmp_path / "r", range(5))
    for name in ("events.jsonl", "user/00000000.flac"):
        (folder / name).unlink()
        (folder / name).symlink_to(outside / name)
    for path in (folder / "frames").iterdir():
        path.unlink()
    (folder / "frames").rmdir()
    (folder / "frames").symlink_to(outside / "frames")
    remove(folder)
    assert not folder.exists()
    assert bytes_of(outside) == before


def test_deleting_while_live_stops_it(tmp_path):
    recorder = QueuedRecorder(Recorder(tmp_path / "r", output_rate=RATE))
    put(recorder, range(30))
    recorder.delete()
    assert not (tmp_path / "r").exists()
    assert recorder.state == "deleted"
    assert recorder.told == ""
    recorder.put(moment(30))
    recorder.close()
    assert not (tmp_path / "r").exists()


def test_a_recording_that_cannot_be_forgotten_says_so(tmp_path, monkeypatch):
    session_recorded(tmp_path / "r", ticks=10)
    recording = open_recording(tmp_path / "r")

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(forget, "replace_file", refuse)
    with pytest.raises(RecordingError, match="could not be forgotten: Read-only file system"):
        recording.forget(1)
