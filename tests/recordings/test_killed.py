"""kill -9 at random moments: every recording loads and lost at most a second."""

import os
import random
import subprocess
import sys
import time

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
    print(index, time.monotonic(), flush=True)
    index += 1
    if sys.argv[4] == "queued":
        time.sleep(0.02)
    if index % 97 == 0:
        recorder.forget(1)
"""
HERE = os.path.dirname(__file__)


def killed(folder, rng, how):
    """When each tick was put by a process that was killed at a random moment, and when that was."""
    command = [sys.executable, "-c", PROGRAM, HERE, os.path.dirname(HERE), str(folder), how]
    wanted = rng.randrange(1, 400)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        told = []
        while len(told) <= wanted:
            told.append(child.stdout.readline())
        for _ in range(rng.randrange(0, 2000)):
            pass  # a little later: not at the same place of the loop every time
        child.kill()
        killed_s = time.monotonic()
        told += child.stdout.read().split("\n")[:-1]
    return [float(line.split()[1]) for line in told], killed_s


def check(folder, put_s, killed_s=None):
    """At most five ticks are missing; of a queue at ten times the pace, such as were put within the last second."""
    last = len(put_s) - 1
    recording = open_recording(folder)
    recording.verify()
    assert recording.facts["complete"] is False
    assert recording.facts["stopped"] == "it was not closed"
    indices = [m.index for m in recording]
    forgotten = {tick for at in range(97, last + 3, 97) for tick in range(at - 5, at)}
    missing = [tick for tick in range(last + 1) if tick not in forgotten and tick not in set(indices)]
    assert killed_s is not None or len(missing) <= 5, missing
    assert not missing or killed_s is None or killed_s - put_s[missing[0]] <= 1.0
    assert missing == list(range(last + 1))[last + 1 - len(missing) :]
    for moment in recording.timeline():
        assert moment.percept.audio[0] == (moment.index % 900) / 1024
    return len(missing)


@pytest.mark.parametrize("number", range(5))
def test_a_killed_recording_loads_and_loses_at_most_a_second(tmp_path, number):
    put_s, _ = killed(tmp_path / "r", random.Random(number), "at once")
    assert check(tmp_path / "r", put_s) <= 5


@pytest.mark.slow
def test_50_of_50_killed_recordings_load(tmp_path):
    lost = []
    for number in range(50):
        folder = tmp_path / str(number)
        put_s, killed_s = killed(folder, random.Random(100 + number), "queued" if number % 2 else "at once")
        lost.append(check(folder, put_s, killed_s if number % 2 else None))
    print(f"\n50 of 50 load; ticks lost: at once {sorted(lost[::2])}, queued, 50 a second: {sorted(lost[1::2])}")
