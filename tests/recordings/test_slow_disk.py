"""A disk that is slow or hangs: the tick never waits, what waits is at most a second, and what it cost can be seen."""

import shutil
import threading

import pytest
from fakes import FakeClock
from making import RATE, put

from imkit.recordings import QueuedRecorder, Recorder, open_recording
from imkit.recordings.queued import MAX_WAITING

PATIENCE_S = 20


class SlowFile:
    """A file of a recorder whose next ``append`` waits for ``go``."""

    def __init__(self, recorder):
        self.go, self.stands = threading.Event(), threading.Event()
        self._file = recorder._files["tail.bin"]
        recorder._files["tail.bin"] = self

    def append(self, content):
        if not self.go.is_set():
            self.stands.set()
            assert self.go.wait(PATIENCE_S)
        self._file.append(content)

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.fixture
def slow(tmp_path):
    """A queued recorder with tick 0 in its hand and a disk that stands still."""
    clock = FakeClock()
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    file = SlowFile(recorder)
    queued = QueuedRecorder(recorder, clock)
    put(queued, [0])
    assert file.stands.wait(PATIENCE_S)
    yield queued, file, clock
    file.go.set()
    queued.close()


def live(queued, clock, ticks):
    """Hands over each tick when its time comes."""
    for tick in ticks:
        clock.now_s = tick / 5
        put(queued, [tick])


def well_again(queued, file):
    """The disk goes on, and what waits is written."""
    file.go.set()
    queued._done(lambda: None)


def test_a_disk_that_hangs_costs_what_is_older_than_a_second_and_never_time(slow):
    queued, file, clock = slow
    live(queued, clock, range(1, 16))  # three seconds; on one thread with the disk, this would never return
    assert queued.state == "failing: the disk is too slow; 10 moments were not written"
    assert queued.told == f"recording {queued.state}"
    well_again(queued, file)
    live(queued, clock, range(16, 18))
    queued.close()
    recording = open_recording(queued.folder)
    recording.verify()
    assert [m.index for m in recording] == [*range(6), *range(16, 18)]  # five waited, as the second was not over
    assert recording.facts["counts"]["lost"] == queued.counts["lost"] == 10
    assert not recording.facts["complete"]


def test_the_hole_is_drawn(slow):
    from imkit.views.lanes import lanes_of

    queued, file, clock = slow
    live(queued, clock, range(1, 11))
    well_again(queued, file)
    live(queued, clock, [11])
    queued.close()
    (hole,) = lanes_of(open_recording(queued.folder).timeline()).lost
    assert (hole.text, hole.start_s, hole.end_s) == ("1.0 s lost", 1.2, 2.2)


def test_a_kill_while_the_disk_hangs_loses_the_last_second(slow, tmp_path):
    queued, file, clock = slow
    well_again(queued, file)
    for tick in range(1, 20):
        live(queued, clock, [tick])
        queued._done(lambda: None)
    file.go.clear()
    file.stands.clear()
    live(queued, clock, [20])
    assert file.stands.wait(PATIENCE_S)
    live(queued, clock, range(21, 25))
    shutil.copytree(queued.folder, tmp_path / "killed")  # what a kill would leave
    newest = [m.index for m in open_recording(tmp_path / "killed")][-1]
    assert 24 - newest <= 5


def test_pictures_are_let_go_before_sound(slow):
    queued, file, clock = slow
    live(queued, clock, range(1, 6))  # pictures of ticks 0 and 4
    clock.now_s = 1.6
    well_again(queued, file)
    live(queued, clock, range(8, 10))  # and of 8, when the disk is well again
    queued.close()
    recording = open_recording(queued.folder)
    recording.verify()
    assert [m.index for m in recording] == [0, 1, 2, 3, 4, 5, 8, 9]
    assert [m.index for m in recording if m.percept.frames] == [0, 8]
    assert recording.facts["counts"]["frames_lost"] == queued.counts["frames_lost"] == 1
    assert recording.facts["counts"]["lost"] == 0


def test_no_more_than_fifty_wait_however_fast_they_come(slow):
    queued, _, _ = slow
    put(queued, range(1, 80))
    assert len(queued._waiting) == MAX_WAITING
    assert queued._missed == (50, 30)


def test_what_was_lost_last_is_told_when_it_closes(slow):
    queued, file, clock = slow
    live(queued, clock, range(1, 9))
    file.go.set()
    queued.close()
    assert open_recording(queued.folder).facts["counts"]["lost"] == 3


def test_what_is_asked_for_is_done_after_what_waits(slow):
    queued, file, clock = slow
    live(queued, clock, range(1, 5))
    threading.Timer(0.05, file.go.set).start()
    assert queued.forget(0.4) == 2
    queued.close()
    assert [m.index for m in open_recording(queued.folder)] == [0, 1, 2]
