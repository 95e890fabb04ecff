import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from imkit.recordings import Recorder, RecordingError, chunks, record
from imkit.stream import Act, Call, Event, Floor, Moment, Percept, Provenance, Timeline, Word

RATE = 24_000


def moment(index, compute_ms=3.0, gap=False):
    """Sound of level index/100 on both sides, a word every fifth tick."""
    said = (Word(f"said{index}", (index + 1) / 5, (index + 2) / 5),) if index % 5 == 0 else ()
    heard = (Word(f"héard{index}", index / 5, (index + 1) / 5),) if index % 5 == 1 else ()
    calls = (Call("delegate", f"c{index}", "plot", {"request": "plot it"}, index),) if index == 7 else ()
    events = (Event("system", Provenance.MICROPHONE, "gap", payload={"gap_ticks": 2}),) if gap else ()
    percept = Percept(index, np.full(3200, index / 100, np.float32), text="hi" if index == 3 else "", events=events)
    act = Act(index, np.full(RATE // 5, -index / 100, np.float32), Floor.SPEAK, said, heard, calls)
    return Moment(percept, act, compute_ms=compute_ms)


def write(folder, moments, **options):
    with Recorder(folder, output_rate=RATE, model="fake", seed=4, **options) as recorder:
        for each in moments:
            recorder.put(each)
    return folder


def test_every_file_says_what_happened(tmp_path):
    folder = write(tmp_path / "new" / "run", [moment(index) for index in range(10)], facts={"sources": ["a.wav"]})
    head = json.loads((folder / "session.json").read_text())
    assert (head["format"], head["version"], head["complete"]) == ("imkit-recording", 1, True)
    assert (head["model"], head["seed"], head["output_rate"], head["input_rate"]) == ("fake", 4, RATE, 16_000)
    assert head["duration_s"] == 2.0
    assert head["sources"] == ["a.wav"]
    assert head["counts"] == {
        "moments": 10, "frames": 0, "texts": 1, "calls": 1, "events": 0, "yields": 0, "gaps": 0, "words": 2, "heard": 2,
    }  # fmt: skip
    assert head["machine"]["compute_ms"] == {"p50": 3.0, "p99": 3.0, "max": 3.0}
    words = json.loads((folder / "words.json").read_text())
    assert words == {
        "text": "said0 said5",
        "chunks": [{"text": "said0", "timestamp": [0.2, 0.4]}, {"text": "said5", "timestamp": [1.2, 1.4]}],
    }
    assert json.loads((folder / "heard.json").read_text())["text"] == "héard1 héard6"
    lines = (folder / "events.jsonl").read_text().splitlines()
    assert lines == [json.dumps(moment(index).to_json(), sort_keys=True) for index in range(10)]
    assert sorted(path.name for path in folder.iterdir()) == [
        "events.jsonl", "heard.json", "model.wav", "session.json", "user.wav", "words.json",
    ]  # fmt: skip


def test_both_sounds_share_one_clock_and_one_length(tmp_path):
    folder = write(tmp_path, [moment(index) for index in range(10)])
    user, user_rate = soundfile.read(folder / "user.wav")
    model, model_rate = soundfile.read(folder / "model.wav")
    assert (user_rate, model_rate) == (16_000, RATE)
    assert len(user) / user_rate == len(model) / model_rate == 2.0
    np.testing.assert_allclose(user[::3200], [index / 100 for index in range(10)], atol=1e-4)
    np.testing.assert_allclose(model[:: RATE // 5], [0, *(-index / 100 for index in range(9))], atol=1e-4)


def test_lost_ticks_are_silence(tmp_path):
    folder = write(tmp_path, [moment(5), moment(6), moment(9, gap=True), moment(10)])
    head = json.loads((folder / "session.json").read_text())
    assert (head["start_s"], head["duration_s"]) == (1.0, 1.2)
    assert (head["counts"]["moments"], head["counts"]["gaps"]) == (4, 1)
    levels = soundfile.read(folder / "model.wav")[0][:: RATE // 5]
    np.testing.assert_allclose(levels, [0, -0.05, -0.06, 0, 0, -0.09], atol=1e-4)


def test_the_same_moments_give_the_same_bytes_however_long_they_took(tmp_path):
    one = write(tmp_path / "one", [moment(index, compute_ms=index) for index in range(20)])
    two = write(tmp_path / "two", [moment(index, compute_ms=99) for index in range(20)])
    for name in ("events.jsonl", "user.wav", "model.wav", "words.json", "heard.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_folder_with_something_in_it_is_not_written_over(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RecordingError, match=r"is not empty \(holds notes\.txt\)"):
        write(tmp_path, [])
    write(tmp_path, [moment(0)], force=True)
    write(tmp_path, [moment(0), moment(1)], force=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2


def test_a_file_in_the_place_of_the_folder(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(RecordingError, match="cannot be written"):
        write(path, [])


def test_nothing_can_be_put_after_the_end(tmp_path):
    recorder = Recorder(tmp_path, output_rate=RATE)
    recorder.close()
    recorder.close()
    with pytest.raises(RecordingError, match="is closed"):
        recorder.put(moment(0))
    assert json.loads((tmp_path / "session.json").read_text())["duration_s"] == 0


def test_a_timeline_can_be_recorded_afterwards(tmp_path):
    timeline = Timeline(RATE)
    for index in range(12):
        timeline.append(moment(index))
    folder = record(timeline, tmp_path, model="fake")
    assert len(soundfile.read(folder / "user.wav")[0]) == 12 * 3200
    direct = write(tmp_path / "direct", [moment(index) for index in range(12)])
    assert (folder / "events.jsonl").read_bytes() == (direct / "events.jsonl").read_bytes()


def test_a_killed_recording_loads_and_loses_at_most_a_second(tmp_path):
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from test_recorder import *\n"
        "recorder = Recorder(sys.argv[2], output_rate=RATE)\n"
        "for index in range(23): recorder.put(moment(index))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    folder = tmp_path / "run"
    command = [sys.executable, "-c", program, os.path.dirname(__file__), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGKILL)
    assert json.loads((folder / "session.json").read_text())["complete"] is False
    for name, rate in (("user.wav", 16_000), ("model.wav", RATE)):
        samples, _ = soundfile.read(folder / name)
        assert 23 / 5 - 1 <= len(samples) / rate <= 23 / 5
    lines = (folder / "events.jsonl").read_text().split("\n")
    assert len([json.loads(line) for line in lines[:-1]]) >= 18


def test_times_are_rounded_to_milliseconds():
    assert chunks([Word("a", 1 / 3, 2 / 3)])["chunks"][0]["timestamp"] == [0.333, 0.667]
