"""The browser's inbox: its clock, its bounds, what it drops first, and writing without a microphone."""

import io
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imkit.capture import ClockedSource
from imkit.capture.browser import (
    KEEP_EVENTS,
    KEEP_FRAMES,
    KEEP_TEXTS,
    KEEP_TICKS,
    QUIET_S,
    WRITING_S,
    BrowserSource,
    MediaStreamSource,
)
from imkit.stream import INPUT_SAMPLES, TICK_S, ContractError, Event, Provenance, SourceError


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def source(clock):
    source = BrowserSource(clock)
    source.open()
    return source


def tick(value=0.0):
    return np.full(INPUT_SAMPLES, value, np.float32)


def jpeg(red, width=32, height=24):
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        picture = np.zeros((height, width, 3), np.uint8)
        picture[..., 0] = red
        for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
            container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return buffer.getvalue()


def test_it_is_a_clocked_source(source):
    assert isinstance(source, ClockedSource)
    assert source.clocked
    assert not source.wait(0)
    assert source.read(0) is None
    source.put_audio(0, tick(0.5))
    assert source.wait(0)
    percept = source.read(7)
    assert percept.index == 7
    assert percept.audio[0] == 0.5
    assert source.last_seq == 0
    assert source.read(8) is None
    assert not source.ended
    source.close()
    assert source.ended


def test_too_many_ticks_lose_the_oldest_and_the_next_percept_says_so(source):
    for seq in range(KEEP_TICKS + 3):
        source.put_audio(seq, tick(seq / 100))
    assert source.counts["dropped_audio_ticks"] == source.lost_ticks == 3
    percept = source.read(0)
    assert percept.audio[0] == np.float32(0.03)
    assert percept.events[0].payload == {"gap_ticks": 3}
    assert source.read(1).events == ()


def test_ticks_that_never_came_are_a_gap_and_late_ones_are_dropped(source):
    source.put_audio(0, tick())
    source.put_audio(4, tick(0.4))
    source.put_audio(2, tick(0.2))
    source.put_audio(4, tick(0.9))
    assert source.counts["missing_audio_ticks"] == 3
    assert source.counts["late_audio_ticks"] == 2
    source.put_audio(5, tick(0.5), gap=True)
    events = [event.payload for _ in range(3) for event in source.read(_).events]
    assert events == [{"gap_ticks": 4}]


def test_a_new_start_counts_from_zero_without_a_gap(source):
    for seq in (0, 1, 2):
        source.put_audio(seq, tick(0.1))
    source.put_audio(0, tick(0.7))
    percept = source.read(0)
    assert percept.audio[0] == np.float32(0.7)
    assert percept.events == ()


def test_sound_before_open_is_not_a_loss(clock):
    source = BrowserSource(clock)
    for seq in range(9):
        source.put_audio(seq, tick(seq / 10))
    assert source.lost_ticks == 0
    assert not source.wait(0)
    source.open()
    percept = source.read(0)
    assert percept.audio[0] == np.float32(0.8)
    assert percept.events == ()
    assert source.counts["unheard_audio_ticks"] == 8


def test_sound_between_start_and_open_is_a_loss_that_the_first_percept_tells(clock):
    source = BrowserSource(clock)
    source.expect()
    for seq in range(2, 6):  # two were lost on the way
        source.put_audio(seq, tick(seq / 10))
    source.open()
    percept = source.read(0)
    assert percept.audio[0] == np.float32(0.5)
    assert [event.payload for event in percept.events] == [{"gap_ticks": 5}]
    assert (source.counts["dropped_audio_ticks"], source.counts["missing_audio_ticks"]) == (3, 2)
    assert (source.counts["unheard_audio_ticks"], source.lost_ticks) == (0, 5)
    source.put_audio(6, tick())
    assert source.read(1).events == ()
    source.close()
    source.open()  # nobody pressed Start
    source.put_audio(7, tick())
    assert source.read(2).events == ()


def test_a_capture_that_begins_while_the_session_before_it_closes_is_not_late(source):
    for seq in range(40):
        source.put_audio(seq, tick())
        source.read(seq)
    source.silence()
    source.close()
    source.expect()
    for seq in range(1, 4):  # the first was lost on the way
        source.put_audio(seq, tick(seq / 10))
    source.open()
    percept = source.read(40)
    assert percept.audio[0] == np.float32(0.3)
    assert percept.events[0].payload == {"gap_ticks": 3}
    assert source.counts["late_audio_ticks"] == 0


@given(st.lists(st.sampled_from(["next", "skip", "again", "read", "open", "close", "silence", "expect"]), max_size=60))
def test_every_tick_that_arrived_is_read_dropped_or_unheard(steps):
    source, seq, read, gaps, waiting = BrowserSource(Clock()), 0, 0, 0, 0
    for step in steps:
        if step in ("next", "skip", "again"):
            seq = 0 if step == "again" else seq + (2 if step == "skip" else 1)
            source.put_audio(seq, tick())
        elif step == "read":
            percept = source.read(read)
            read += percept is not None
            gaps += sum(event.payload["gap_ticks"] for event in percept.events) if percept else 0
        else:
            getattr(source, step)()
        counts, waiting = source.counts, len(source._ticks)
        dropped, unheard = counts["dropped_audio_ticks"], counts["unheard_audio_ticks"]
        assert counts["audio_ticks"] == read + dropped + unheard + waiting
        assert min(dropped, unheard) >= 0
    assert gaps <= source.lost_ticks


def test_frames_go_with_their_tick_newest_two_first(source):
    source.put_audio(0, tick())
    for at_s, red in ((0.05, 90), (0.1, 170), (0.2, 250), (0.35, 40)):
        source.put_frame(jpeg(red), at_s)
    source.put_audio(1, tick())
    first, second = source.read(0), source.read(1)
    assert [frame.shape for frame in first.frames] == [(24, 32, 3)] * 2
    assert first.frames[0][0, 0, 0] == pytest.approx(170, abs=6)
    assert first.frames[1][0, 0, 0] == pytest.approx(250, abs=6)
    assert second.frames[0][0, 0, 0] == pytest.approx(40, abs=6)
    assert source.counts["dropped_frames"] == 1


def test_frames_are_bounded_and_bad_ones_counted(source):
    source.put_audio(0, tick())
    for number in range(KEEP_FRAMES + 6):
        source.put_frame(b"\xff\xd8 no picture", number * 0.001)
    assert source.read(0).frames == ()
    assert source.counts["bad_frames"] == 2
    assert source.counts["dropped_frames"] == KEEP_FRAMES + 6 - 2


def test_large_pictures_are_made_small(source):
    source.put_audio(0, tick())
    source.put_frame(jpeg(200, 640, 480), 0.1)
    assert source.read(0).frames[0].shape == (240, 320, 3)


def test_texts_drafts_and_events_ride_with_the_next_tick(source):
    event = Event("ui", Provenance.UI, "clicked")
    source.put_draft("hel")
    source.put_event(event)
    source.put_audio(0, tick())
    percept = source.read(0)
    assert (percept.draft, percept.text, percept.events) == ("hel", "", (event,))
    source.put_text("hello")
    source.put_text("you")
    source.put_audio(1, tick())
    percept = source.read(1)
    assert (percept.draft, percept.text, percept.events) == ("", "hello\nyou", ())


def test_texts_and_events_are_bounded(source):
    for number in range(KEEP_TEXTS + 2):
        source.put_text(str(number))
    for _ in range(KEEP_EVENTS + 3):
        source.put_event(Event("ui", Provenance.UI))
    assert source.counts["dropped_texts"] == 2
    assert source.counts["dropped_events"] == 3
    assert len(source.take_texts()) == KEEP_TEXTS


def test_writing_runs_a_clock_while_nothing_is_captured(source, clock):
    source.put_text("hello")
    assert source.read(0).text == "hello"
    assert source.read(1) is None
    clock.now_s += TICK_S + 1e-6
    percept = source.read(1)
    assert not percept.audio.any()
    assert source.read(2) is None
    clock.now_s += WRITING_S
    assert not source.wait(0)


def test_a_captured_tick_takes_the_clock_back(source, clock):
    source.put_text("hello")
    source.read(0)
    source.put_audio(0, tick(0.2))
    assert source.read(1).audio[0] == np.float32(0.2)
    clock.now_s += QUIET_S - 0.01
    assert source.read(2) is None
    clock.now_s += 0.02
    assert source.read(2) is not None


def test_after_a_long_pause_writing_does_not_make_up_for_it(source, clock):
    source.put_text("hello")
    source.read(0)
    clock.now_s += 30.0
    made = 0
    while source.read(made + 1) is not None:
        made += 1
    assert made <= KEEP_TICKS + 1


def test_close_wakes_who_waits():
    source = BrowserSource()
    source.open()
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(source.wait(30)))
    waiter.start()
    source.close()
    waiter.join(10)
    assert woken == [False]


def test_sound_of_the_wrong_length_is_refused(source):
    with pytest.raises(ContractError, match="expected \\(3200,\\)"):
        source.put_audio(0, np.zeros(100, np.float32))


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_whatever_comes_nothing_grows_and_reading_stays_in_order(arrivals):
    source = BrowserSource(Clock())
    source.open()
    last, restarted = -1, False
    for seq, read in arrivals:
        source.put_audio(seq, tick(seq / 100))
        restarted = restarted or seq == 0
        assert len(source._ticks) <= KEEP_TICKS
        if read and source.read(0) is not None:
            assert source.last_seq > last or restarted
            last, restarted = source.last_seq, False


def test_only_a_media_stream_widget_is_taken():
    class MediaStream:
        model_id = "x"

    class CameraStream(MediaStream):
        pass

    camera = CameraStream()
    assert MediaStreamSource(camera).widget is camera
    with pytest.raises(SourceError, match="no MediaStream widget of ipywebrtc"):
        MediaStreamSource("talk.mp4")
