"""kill -9 at random moments: every recording loads and lost at most a second."""

import os
import random
import subprocess
import sys

import pytest

from imkit.recordings import open_recording

PROGRAM = """
import sys, time
sys.path[:0] = sys.argv[1:3]
from making import *
from imkit.recordings import QueuedRecorder
recorder = Recorder(sys.argv[3], output_rate=RATE, model="fake", consent=Consent("a test"))
if sys.argv[4] == "queued":
    recorder = QueuedRecorder(recorder)
index = 0
while True:
    put(recorder, [index])
    print(index, flush=True)
    index += 1
    if sys.argv[4] == "queued":
        time.sleep(0.02)
    if index % 97 == 0:
        recorder.forget(1)
"""
HERE = os.path.dirname(__file__)


def killed(folder, rng, how):
    """Ticks that were put when the process was killed, at a random moment of its writing."""
    command = [sys.executable, "-c", PROGRAM, HERE, os.path.dirname(HERE), str(folder), how]
    wanted = rng.randrange(1, 400)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        last = -1
        while last < wanted:
            last = int(child.stdout.readline())
        for _ in range(rng.randrange(0, 2000)):
            pass  # a little later: not at the same place of the loop every time
        child.kill()
        rest = child.stdout.read().split("\n")
    return max([last, *(int(number) for number in rest[:-1])])


def check(folder, last):
    recording = open_recording(folder)
    recording.verify()
    assert recording.facts["complete"] is False
    assert recording.facts["stopped"] == "it was not closed"
    indices = [m.index for m in recording]
    forgotten = {tick for at in range(97, last + 3, 97) for tick in range(at - 5, at)}
    missing = [tick for tick in range(last + 1) if tick not in forgotten and tick not in set(indices)]
    assert len(missing) <= 5, missing  # a second
    assert not missing or missing[0] >= last - 5
    for moment in recording.timeline():
        assert moment.percept.audio[0] == (moment.index % 900) / 1024
    return len(missing)


@pytest.mark.parametrize("number", range(5))
def test_a_killed_recording_loads_and_loses_at_most_a_second(tmp_path, number):
    check(tmp_path / "r", killed(tmp_path / "r", random.Random(number), "at once"))


@pytest.mark.slow
def test_50_of_50_killed_recordings_load(tmp_path):
    lost = []
    for number in range(50):
        folder = tmp_path / str(number)
        lost.append(check(folder, killed(folder, random.Random(100 + number), "queued" if number % 2 else "at once")))
    print(f"\nkilled 50 of 50: all load; ticks of 0.2 s lost: {sorted(lost)}")
