import errno
import json
import os
import sys

import numpy as np
import pytest
import soundfile
from making import RATE, bytes_of, moment, put, session_recorded, write

from imkit.recordings import (
    Consent,
    QueuedRecorder,
    Recorder,
    RecordingError,
    open_recording,
    record,
    write_plain,
)
from imkit.recordings import files as files_of
from imkit.stream import Timeline


def test_consent_is_the_first_thing_written(tmp_path, monkeypatch):
    written = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(bytes(data)) or real(fd, data))
    recorder = Recorder(tmp_path / "r", output_rate=RATE, frames=False, consent=Consent("clicked", "ada"))
    first = json.loads(written[0])["consent"]
    assert (first["how"], first["who"]) == ("clicked", "ada")
    assert first["when"].endswith("+00:00")
    assert first["streams"] == ["sound", "text", "events", "model"]
    recorder.close()
    assert open_recording(tmp_path / "r").consent == first


def test_every_file_says_what_happened(tmp_path):
    folder = write(tmp_path / "new" / "run", range(160), facts={"sources": ["a.wav"]})
    assert sorted(bytes_of(folder)) == [
        "events.jsonl",
        *(f"frames/{tick:08d}-0.jpg" for tick in range(0, 160, 4)),
        "journal.jsonl", "machine.jsonl",
        "model/00000000.flac", "model/00000000.levels", "model/00000150.flac", "model/00000150.levels",
        "session.json", "tail.bin",
        "user/00000000.flac", "user/00000000.levels", "user/00000150.flac", "user/00000150.levels",
    ]  # fmt: skip
    head = json.loads((folder / "session.json").read_text())
    assert (head["format"], head["version"], head["model"], head["seed"]) == ("imkit-recording", 3, "fake", 4)
    user, rate = soundfile.read(folder / "user" / "00000150.flac", dtype="int16")
    assert rate == 16_000
    assert user[::3200].tolist() == [32 * tick for tick in range(150, 160)]
    assert soundfile.info(folder / "model" / "00000000.flac").samplerate == RATE
    facts = open_recording(folder).facts
    assert (facts["sources"], facts["duration_s"], facts["complete"]) == (["a.wav"], 32.0, True)
    assert facts["counts"] == {
        "moments": 160, "frames": 40, "texts": 1, "calls": 1, "events": 0, "yields": 0, "gaps": 0, "words": 32,
        "heard": 32, "late": 0, "lost": 0, "frames_lost": 0, "rounded": 0,
    }  # fmt: skip
    assert facts["bytes"] == sum(map(len, bytes_of(folder).values()))


def test_what_is_read_back_is_what_the_model_had(tmp_path):
    timeline = session_recorded(tmp_path / "r", ticks=170)
    back = open_recording(tmp_path / "r").timeline()
    assert [json.dumps(one.to_json(), sort_keys=True) for one in back] == (
        tmp_path / "r" / "events.jsonl"
    ).read_text().splitlines()
    assert len(back) == len(timeline)
    for then, now in zip(timeline, back, strict=True):
        assert now.percept.audio.tobytes() == then.percept.audio.tobytes() or not then.has_media
        assert len(now.percept.frames) == then.frame_count
        assert (now.percept.text, now.act.text, now.epoch) == (then.percept.text, then.act.text, then.epoch)
        assert (now.compute_ms, now.late, now.fingerprint) == (then.compute_ms, then.late, then.fingerprint)
        for one, other in zip(now.percept.frames, then.percept.frames, strict=False):
            assert one.tobytes() == other.tobytes()
        np.testing.assert_allclose(now.act.audio, then.act.audio, atol=1 / 32768)


def test_a_session_hears_the_same_with_and_without_a_recording_of_16_bit_sound(tmp_path):
    percept = moment(5).percept
    with Recorder(tmp_path, output_rate=RATE) as recorder:
        assert recorder.admit(percept).audio.tobytes() == percept.audio.tobytes()
        finer = type(percept)(6, percept.audio + np.float32(1e-6))
        assert np.abs(recorder.admit(finer).audio - finer.audio).max() <= 0.5 / 32768 + 1e-9
        edge = type(percept)(7, np.array([1.0, -1.0, -0.0, 2.0] * 800, np.float32))
        assert recorder.admit(edge).audio[:4].tolist() == [32767 / 32768, -1.0, 0.0, 32767 / 32768]


def test_lost_ticks_are_holes_and_silence_in_the_sound(tmp_path):
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    put(recorder, [5, 6, 9, 400, 401])
    recorder.close()
    recording = open_recording(tmp_path / "r")
    timeline = recording.timeline()
    assert [one.index for one in timeline] == [5, 6, 9, 400, 401]
    assert (recording.facts["start_s"], recording.facts["duration_s"]) == (1.0, 79.4)
    levels = timeline.between(0, 3).model_audio()[:: RATE // 5] * -1024
    np.testing.assert_allclose(levels, [0, 5, 6, 0, 0, 9], atol=1e-4)
    assert sorted(path.name for path in (tmp_path / "r" / "user").glob("*.flac")) == ["00000005.flac", "00000400.flac"]


def test_plain_files_share_one_clock_and_one_length(tmp_path):
    recording = open_recording(write(tmp_path / "r", [3, 4, 7, 8]))
    write_plain(recording, tmp_path / "r")
    user, user_rate = soundfile.read(tmp_path / "r" / "user.wav")
    model, model_rate = soundfile.read(tmp_path / "r" / "model.wav")
    assert len(user) / user_rate == len(model) / model_rate == pytest.approx(1.2)
    np.testing.assert_allclose(user[::3200] * 1024, [3, 4, 0, 0, 7, 8])
    np.testing.assert_allclose(model[:: RATE // 5] * -1024, [0, 3, 4, 0, 0, 7])
    assert json.loads((tmp_path / "r" / "words.json").read_text()) == {"text": "", "chunks": []}
    write_plain(open_recording(write(tmp_path / "s", range(6))), tmp_path / "s")
    assert json.loads((tmp_path / "s" / "words.json").read_text()) == {
        "text": "said0 said5",
        "chunks": [{"text": "said0", "timestamp": [0.2, 0.4]}, {"text": "said5", "timestamp": [1.2, 1.4]}],
    }
    assert json.loads((tmp_path / "s" / "heard.json").read_text())["text"] == "héard1"


def test_acts_are_kept_when_asked_for(tmp_path):
    assert open_recording(write(tmp_path / "a", [0], acts=True)).timeline()[0].act.diagnostics == {"p": 0.5}
    assert open_recording(write(tmp_path / "b", [0])).timeline()[0].act.diagnostics == {}


def test_a_folder_with_something_in_it_is_not_written_over(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RecordingError, match=r"is not empty \(holds notes\.txt\)"):
        write(tmp_path, [])
    write(tmp_path, range(200), force=True)
    write(tmp_path, range(2), force=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(bytes_of(tmp_path)) == [
        "events.jsonl", "frames/00000000-0.jpg", "journal.jsonl", "machine.jsonl", "model/00000000.flac",
        "model/00000000.levels", "notes.txt", "session.json", "tail.bin", "user/00000000.flac", "user/00000000.levels",
    ]  # fmt: skip


def test_forcing_follows_no_link(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "r"
    outside.mkdir()
    folder.mkdir()
    (outside / "00000000.flac").write_text("mine")
    (folder / "user").symlink_to(outside)
    (folder / "events.jsonl").symlink_to(outside / "00000000.flac")
    write(folder, range(3), force=True)
    assert (outside / "00000000.flac").read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == ["00000000.flac"]
    assert len(open_recording(folder)) == 3


def test_a_file_in_the_place_of_the_folder(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(RecordingError, match="cannot be written"):
        write(path, [])


def test_nothing_can_be_put_after_the_end_or_out_of_order(tmp_path):
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    recorder.put(moment(3))
    with pytest.raises(RecordingError, match="tick 3 is not newer than tick 3"):
        recorder.put(moment(3))
    recorder.close()
    recorder.close()
    with pytest.raises(RecordingError, match="is closed"):
        recorder.put(moment(4))
    assert len(open_recording(tmp_path / "r")) == 1


def test_an_empty_recording_opens(tmp_path):
    recording = open_recording(write(tmp_path / "r", []))
    assert (len(recording), recording.facts["duration_s"], recording.facts["complete"]) == (0, 0.0, True)
    assert recording.timeline().user_audio().size == 0
    assert "0.0 s" in repr(recording)


def test_a_timeline_can_be_recorded_afterwards_and_says_what_was_rounded(tmp_path):
    timeline = Timeline(RATE)
    for index in range(12):
        timeline.append(moment(index))
    folder = record(timeline, tmp_path / "r", model="fake")
    facts = open_recording(folder).facts
    assert facts["counts"]["rounded"] == 3  # its pictures were not JPEGs when the model saw them
    direct = (tmp_path / "r" / "events.jsonl").read_text().splitlines()
    assert direct == [json.dumps(one.to_json(), sort_keys=True) for one in timeline]


def test_memory_stays_bounded(tmp_path):
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    for index in range(1, 700, 2):
        recorder.admit(moment(index).percept)
        if index % 3:
            recorder.put(moment(index))
        assert len(recorder._ticks) <= 150
        assert len(recorder._admitted) <= 256
    recorder.close()


# --- a disk that takes nothing


@pytest.fixture
def full(monkeypatch):
    """A disk that can be filled: after ``full.room`` bytes it takes no more."""

    class Disk:
        room = None

    real = os.write

    def write_some(descriptor, data):
        if Disk.room is not None:
            if Disk.room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = bytes(data)[: Disk.room]
            Disk.room -= len(data)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write_some)
    return Disk


@pytest.mark.parametrize("room", [0, 40, 500, 11_000, 17_000])
def test_a_full_disk_is_counted_and_shown_and_costs_only_what_did_not_fit(tmp_path, full, room):
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    put(recorder, range(10))
    full.room = room
    put(recorder, range(10, 15))
    assert recorder.state.startswith("failing: No space left on device")
    lost = recorder.counts["lost"]
    assert 4 <= lost <= 5
    during = open_recording(tmp_path / "r")
    assert len(during) == 15 - lost
    full.room = None
    put(recorder, range(15, 20))
    assert recorder.state == "recording"
    recorder.close()
    recording = open_recording(tmp_path / "r")
    recording.verify()
    assert [one.index for one in recording] == [*range(15 - lost), *range(15, 20)]
    facts = recording.facts
    assert (facts["counts"]["lost"], facts["complete"]) == (lost, False)


def test_a_disk_that_is_full_when_a_segment_is_due_loses_no_older_tick(tmp_path, full):
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    put(recorder, range(150))
    full.room = 100
    put(recorder, range(150, 160))
    assert recorder.counts["lost"] == 10
    full.room = None
    put(recorder, range(160, 165))
    recorder.close()
    recording = open_recording(tmp_path / "r")
    recording.verify()
    assert [one.index for one in recording] == [*range(150), *range(160, 165)]


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_real_limit_of_the_system_is_survived(tmp_path):
    import resource
    import signal

    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        put(recorder, range(20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert recorder.counts["lost"] > 5
    put(recorder, range(20, 25))
    recorder.close()
    recording = open_recording(tmp_path / "r")
    recording.verify()
    assert len(recording) == 25 - recorder.counts["lost"]


# --- a recorder that never waits


def test_a_queued_recorder_writes_everything_in_order(tmp_path):
    with QueuedRecorder(Recorder(tmp_path / "r", output_rate=RATE)) as recorder:
        for start in range(0, 200, 20):
            put(recorder, range(start, start + 20))
            recorder._done(lambda: None)
        assert recorder.told == "recording sound, pictures, text, events, model"
    recording = open_recording(tmp_path / "r")
    assert [one.index for one in recording] == list(range(200))
    assert recording.facts["complete"]


def test_the_writer_ends_with_the_recorder(tmp_path):
    recorder = QueuedRecorder(Recorder(tmp_path / "r", output_rate=RATE))
    recorder.close()
    recorder.close()
    assert not recorder._thread.is_alive()
    assert recorder.state == "closed"


def test_flac_is_refused_unless_it_is_as_long_as_said():
    content = files_of.flac_of(np.arange(3200, dtype=np.int16), 16_000)
    assert files_of.pcm_of_flac(content, 16_000, 3200).tolist() == list(range(3200))
    for rate, samples in ((16_000, 3201), (24_000, 3200)):
        with pytest.raises(ValueError, match="expected"):
            files_of.pcm_of_flac(content, rate, samples)


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_all_of_a_recording_is_for_its_owner_only(tmp_path):
    umask = os.umask(0o022)
    try:
        folder = write(tmp_path / "new" / "r", range(320))
        write_plain(open_recording(folder), folder)
        open_recording(folder).forget(4)  # cuts the last segment: the tail and the journal are written anew
        write_plain(open_recording(folder), folder)
    finally:
        os.umask(umask)
    paths = [folder, *folder.rglob("*")]
    assert {path.parent.name for path in paths} >= {"r", "user", "model", "frames"}
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in paths}
    assert modes == {(True, 0o700), (False, 0o600)}
