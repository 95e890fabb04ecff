"""Generated, sent, played: drawn apart by a live timeline, by its recording, cut off or not, and by a fork of it."""

import json
import shutil
import zlib

import numpy as np
import pytest
from fakes import FakeModel, loud_audio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import RATE, Scene
from test_hostile import JSON, copied, resealed

import imkit
from imkit.capture import Silence
from imkit.recordings import Consent, Recorder, RecordingError, open_recording, record, replay
from imkit.session import Drive, Loop, Session, VirtualPacer
from imkit.stream import Event, Percept, Provenance, Timeline
from imkit.views.unheard import Unheard, unheard

TICK = RATE // 5
REPLY = "one two three four five six seven eight nine ten"


class Talk(Silence):
    """Silence in which one typed request stands, and a loud sound that the model yields to."""

    def read(self, index):
        percept = super().read(index)
        if percept is None or index not in (1, 7):
            return percept
        return Percept(index, text=REPLY) if index == 1 else Percept(index, loud_audio())


class Page:
    """A page that plays what was sent ``late`` ticks later, and takes no sound of ticks in ``deaf``."""

    reports_played = True

    def __init__(self, ledger, late=2, deaf=()):
        self.ledger, self.late, self.deaf, self.heard = ledger, late, set(deaf), []

    def put(self, moment):
        if moment.own_db < -119 or moment.index in self.deaf:
            return False
        self.heard.append(moment.epoch)
        played = self.heard[: len(self.heard) - self.late]
        self.ledger.played(moment.epoch, TICK * played.count(moment.epoch))
        return True

    def flush(self, epoch):
        self.heard.clear()


def talked(folder, *, deaf=(), ticks=12):
    """The timeline of such a talk, recorded; the recorder is left open."""
    loop = Loop(FakeModel(RATE))
    timeline = Timeline(RATE)
    timeline.fates = loop.ledger.fates
    recorder = Recorder(folder, output_rate=RATE, model="fake", consent=Consent("a test"), fates=lambda: timeline.fates)
    page = Page(loop.ledger, deaf=deaf)
    drive = Drive(loop, Talk(ticks / 5), VirtualPacer(), timeline, sink=page, tap=lambda: recorder, tail_s=0.0)
    while not drive.ended:
        drive.step()
    return timeline, recorder


def rounded(parts):
    return [(round(part.start_s, 2), round(part.end_s, 2), part.sent) for part in parts]


def of(timeline):
    return rounded(unheard(timeline, timeline.fates))


# Six ticks of the reply were said when the model yielded; the page had played four, less the one that it never took.
HOLLOW = [(1.2, 1.6, True)]


def test_a_yielded_reply_is_hollow_live_and_opened_again(tmp_path):
    timeline, recorder = talked(tmp_path / "r")
    assert [m.index for m in timeline if m.yielded] == [7]
    assert of(timeline) == HOLLOW
    drawn = timeline.figure(lanes=["own voice"], live=False).data[3].x
    assert (np.nanmin(drawn), np.nanmax(drawn)) == pytest.approx((1.2, 1.6), abs=0.03)
    recorder.close()
    again = open_recording(tmp_path / "r").timeline()
    assert of(again) == HOLLOW
    assert of(again[1.0:2.0]) == HOLLOW
    np.testing.assert_array_equal(again.figure(lanes=["own voice"], live=False).data[3].x, drawn)


def test_sound_that_was_never_sent_is_told_apart(tmp_path):
    timeline, recorder = talked(tmp_path / "r", deaf=[3])
    recorder.close()
    assert of(timeline) == of(open_recording(tmp_path / "r").timeline()) == [(0.8, 1.0, False), *HOLLOW]


def test_a_recording_that_was_killed_says_it_too(tmp_path):
    _, recorder = talked(tmp_path / "r", ticks=14)
    shutil.copytree(tmp_path / "r", tmp_path / "killed")
    with open(tmp_path / "killed" / "tail.bin", "r+b") as file:
        file.truncate((tmp_path / "killed" / "tail.bin").stat().st_size - 100)  # a cut record of tick 13
    again = open_recording(tmp_path / "killed")
    assert len(again) == 13
    assert of(again.timeline()) == HOLLOW
    recorder.close()


def test_of_the_last_second_before_a_kill_nobody_said_what_was_played(tmp_path):
    timeline, recorder = talked(tmp_path / "r", deaf=[3], ticks=6)
    shutil.copytree(tmp_path / "r", tmp_path / "killed")
    assert of(timeline) == [(0.8, 1.0, False), (1.0, 1.4, True)]
    assert of(open_recording(tmp_path / "killed").timeline()) == [(0.8, 1.0, False)]
    recorder.close()
    assert of(open_recording(tmp_path / "r").timeline()) == of(timeline)


def test_what_is_reported_after_the_last_tick_is_written_when_it_closes(tmp_path):
    timeline, recorder = talked(tmp_path / "r", ticks=6)
    timeline.fates.play(0, 100 * TICK)
    recorder.close()
    assert of(open_recording(tmp_path / "r").timeline()) == of(timeline) == []


def test_forgetting_leaves_no_word_of_what_was_played_in_it(tmp_path):
    _, recorder = talked(tmp_path / "r", ticks=6)
    recorder.close()
    recording = open_recording(tmp_path / "r")
    recording.forget(0.8)
    assert "played" not in (tmp_path / "r" / "journal.jsonl").read_text()
    assert "played" not in (tmp_path / "r" / "machine.jsonl").read_text()
    assert of(recording.timeline()) == []


def test_what_was_forgotten_in_the_middle_is_said_again(tmp_path):
    _, recorder = talked(tmp_path / "r", ticks=9)
    recorder.forget(0.6)  # with the line that said how much of the reply's start was played by then
    recorder.close()
    assert of(open_recording(tmp_path / "r").timeline()) == [(1.2, 1.4, True)]


def test_a_page_costs_no_line_and_a_session_without_one_no_byte(tmp_path):
    _, recorder = talked(tmp_path / "r")
    recorder.close()
    lines = [json.loads(line) for line in (tmp_path / "r" / "machine.jsonl").read_bytes().splitlines()]
    assert len(lines) == 12
    assert [one["sent"] for one in lines if "sent" in one] == [number * TICK for number in range(6)]
    assert [one["played"] for one in lines if "played" in one] == [[[0, number * TICK]] for number in range(1, 5)]
    folder = tmp_path / "none"
    with Session(FakeModel(RATE)) as session:
        session.tap = recorder = Recorder(folder, output_rate=RATE, fates=lambda: session.timeline.fates)
        session.run(Scene(20))
        recorder.close()
        assert of(session.timeline) == []
    assert b"sent" not in (folder / "machine.jsonl").read_bytes()
    assert open_recording(folder).timeline().fates is None


def test_a_timeline_that_is_saved_keeps_it(tmp_path):
    timeline, recorder = talked(tmp_path / "r", deaf=[3])
    recorder.close()
    assert of(open_recording(record(timeline, tmp_path / "saved")).timeline()) == of(timeline)


def test_what_was_played_is_no_part_of_the_event_log(tmp_path):
    events = []
    for name, deaf in (("a", []), ("b", [3, 4])):
        _, recorder = talked(tmp_path / name, deaf=deaf)
        recorder.close()
        events.append((tmp_path / name / "events.jsonl").read_bytes())
    assert events[0] == events[1]


def test_a_session_that_is_played_to_a_page_replays_to_the_byte(tmp_path):
    class Unheard:
        reports_played = True

        def put(self, moment):
            return moment.index % 2 == 0

        def flush(self, epoch):
            pass

        def close(self):
            pass

    with imkit.Session(FakeModel(RATE), sink=Unheard(), source=Scene(1), namespace={}) as session:
        session.post(Event("system", Provenance.TYPED, payload={"interrupt": True}))
        session.run(Scene(30), record=tmp_path / "r")
        hollow = of(session.timeline)
    recording = open_recording(tmp_path / "r")
    assert len({sent for _, _, sent in hollow}) == 2
    assert of(recording.timeline()) == hollow
    assert replay(recording, FakeModel(RATE)).same


def test_a_fork_keeps_it_up_to_where_it_begins(tmp_path):
    _, recorder = talked(tmp_path / "r", deaf=[3])
    recorder.close()
    parent = open_recording(tmp_path / "r").timeline()
    fork = parent.fork(1.2).run(model=FakeModel(RATE), seconds=1.0)
    assert of(fork) == [(0.8, 1.0, False), (1.2, 1.4, True)]
    assert of(parent) == [(0.8, 1.0, False), *HOLLOW]


# --- lines from anywhere


def changed(folder, tick, **more):
    """One line of ``machine.jsonl`` with other values, its checksums right."""
    path = folder / "machine.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[tick] = (json.dumps(json.loads(lines[tick]) | more) + "\n").encode()
    content = b"".join(lines)
    path.write_bytes(content)
    crc = [len(content), zlib.crc32(content)]
    resealed(folder, lambda kind, old: {**old, "machine": crc} if kind == "segment" else old)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "r"
    _, recorder = talked(folder)
    recorder.close()
    return folder


WRONG = [-1, 2**51, True, 1.5, "3", [3], {}]
WRONG_PLAYED = [
    None,
    3,
    {},
    "x",
    [3],
    [[0]],
    [[0, 1, 2]],
    [[0, -1]],
    [[-1, 0]],
    [[0, 2**51]],
    [[True, 1]],
    [[0, 1]] * 9,
]


@pytest.mark.parametrize(
    "more", [*({"sent": value} for value in WRONG), *({"played": value} for value in WRONG_PLAYED)]
)
def test_lines_that_no_recorder_writes_are_refused(whole, tmp_path, more):
    folder = copied(whole, tmp_path)
    changed(folder, 3, **more)
    with pytest.raises(RecordingError, match="line 4"):
        open_recording(folder)


@pytest.mark.parametrize("value", WRONG_PLAYED)
def test_an_end_that_no_recorder_writes_is_refused(whole, tmp_path, value):
    folder = copied(whole, tmp_path)
    resealed(folder, lambda kind, old: {**old, "played": value} if kind == "closed" else old)
    with pytest.raises(RecordingError, match=r"journal\.jsonl"):
        open_recording(folder)


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ({"played": [[99, 10**6]]}, HOLLOW),  # an epoch that is in no tick
        ({"played": [[0, 0]]}, HOLLOW),  # less than was told before
        ({"played": [[0, 2**50]]}, []),  # more than was sent
        ({"sent": 2**50}, [(0.8, 1.0, True), *HOLLOW]),  # a place where nothing was played
        ({"sent": None}, [(0.8, 1.0, False), *HOLLOW]),
    ],
)
def test_lines_that_contradict_others_are_harmless(whole, tmp_path, more, parts):
    folder = copied(whole, tmp_path)
    changed(folder, 3, **more)
    assert of(open_recording(folder).timeline()) == parts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["sent", "played"]), JSON, st.integers(0, 11))
def test_a_line_that_was_made_up_is_refused_or_drawn(whole, tmp_path, key, value, tick):
    folder = copied(whole, tmp_path)
    changed(folder, tick, **{key: value})
    try:
        timeline = open_recording(folder).timeline()
    except RecordingError:
        return
    assert all(isinstance(part, Unheard) for part in unheard(timeline, timeline.fates))
