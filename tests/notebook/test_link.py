"""The link: the wire protocol from the kernel's side, without Jupyter and without a socket."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fakes_browser import StandIn

from imkit.notebook.codec import Frame, Kind, decode, encode, json_frame, pcm16
from imkit.notebook.link import Link
from imkit.notebook.live import LiveSession
from imkit.notebook.roads import CommRoad
from imkit.stream import INPUT_SAMPLES, TICK_S

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures" / "frames.json").read_text("utf-8"))


class Page:
    """A page as the kernel sees it: frames out, frames in. The comm, or a socket of one view."""

    def __init__(self):
        self.view = None
        self.open = True
        self.frames = []
        self.news = threading.Condition()

    def send(self, data):
        with self.news:
            self.frames.append(decode(data, upward=False))
            self.news.notify_all()
        return True

    def wait_for(self, wanted, timeout_s=10.0):
        end_s = time.monotonic() + timeout_s
        with self.news:
            while True:
                for frame in self.frames:
                    if wanted(frame):
                        return frame
                left_s = end_s - time.monotonic()
                assert left_s > 0, [f.kind.name for f in self.frames]
                self.news.wait(left_s)

    def control(self, kind, **fields):
        def wanted(frame):
            if frame.kind is not Kind.CONTROL_DOWN:
                return False
            message = frame.json()
            return message["type"] == kind and all(message.get(name) == value for name, value in fields.items())

        return self.wait_for(wanted).json()

    def count(self, kind):
        return sum(frame.kind is kind for frame in list(self.frames))


class Kernel:
    def __init__(self, **options):
        self.session = LiveSession(StandIn(), namespace={})
        self.comm = Page()
        self.link = Link(self.session, CommRoad(self.comm.send), name="abc", demo=lambda: b"\1\0" * 8, **options)
        self.session._outlets.page = self.link
        self.session.on_surface(self.link.surface)
        self.session.on_state(lambda *_: self.link.state_changed())

    def say(self, message, road=None):
        self.link.receive(encode(json_frame(Kind.CONTROL_UP, message)), road)

    def hello(self, view="v1", road=None):
        self.say({"type": "hello", "view": view, "page_session": "p", "lane": "comm", "user_agent": "test"}, road)
        return self.comm.control("welcome", view=view) if road is None else None

    def audio(self, seq, level, road=None):
        wave = level * np.sin(np.arange(INPUT_SAMPLES) * 0.3).astype(np.float32)
        self.link.receive(encode(Frame(Kind.AUDIO, pcm16(wave), seq=seq, time_s=seq * TICK_S)), road)

    def talk(self, levels, road=None, start=0):
        """Ticks of sound, each taken before the next comes, as if in real time."""
        for seq, level in enumerate(levels, start):
            taken = len(self.session.timeline)
            self.audio(seq, level, road)
            end_s = time.monotonic() + 10
            while len(self.session.timeline) == taken:
                assert time.monotonic() < end_s, self.session
                time.sleep(0.002)

    def close(self):
        self.session.close()
        self.link.close()


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.close()


def live(kernel, view="v1", road=None):
    kernel.say({"type": "lease", "take": True, "view": view}, road)
    kernel.say({"type": "start", "view": view, "constraints": {}, "output_latency_s": 0.03}, road)
    page = road or kernel.comm
    page.control("state", state="waiting")


def test_hello_is_answered_with_all_a_page_needs(kernel):
    welcome = kernel.hello()
    assert welcome["session"] == "abc"
    assert welcome["output_rate"] == 16_000
    assert welcome["model"] == "stand-in"
    assert welcome["state"] == "idle"
    assert welcome["socket"] is None
    assert welcome["keep_s"] == 30
    assert welcome["history"] == welcome["transcript"] == []
    assert kernel.comm.control("lease")["holder"] is None


def test_speech_in_gives_words_sound_and_moments_out(kernel):
    kernel.hello()
    live(kernel)
    kernel.talk([0, 0.3, 0.3, 0.3, 0, 0, 0, 0])
    speech = kernel.comm.wait_for(lambda f: f.kind is Kind.SPEECH)
    assert speech.seq == 4
    assert len(speech.payload) == 2 * 3200
    assert np.abs(speech.pcm()).max() == pytest.approx(0.3, abs=0.01)
    moment = kernel.comm.wait_for(lambda f: f.kind is Kind.MOMENT and f.json()["words"]).json()
    assert moment["i"] == moment["ack"] == 4
    assert moment["words"] == [["seven", 1.0, 1.5]]
    assert moment["heard"][0][0] == "sounds"
    assert moment["floor"] == "speak"
    kernel.comm.wait_for(lambda f: f.kind is Kind.MOMENT and f.seq == 7)
    assert kernel.comm.count(Kind.SPEECH) == 3
    assert [f.seq for f in kernel.comm.frames if f.kind is Kind.MOMENT] == list(range(8))
    assert kernel.session.stats()["sent_s"] == pytest.approx(0.6)


def test_what_was_played_reaches_the_ledger(kernel):
    kernel.hello()
    live(kernel)
    kernel.talk([0.3, 0.3, 0, 0, 0])
    speech = kernel.comm.wait_for(lambda f: f.kind is Kind.SPEECH)
    kernel.say({"type": "played", "epoch": speech.epoch, "samples": 5000})
    kernel.say({"type": "played", "epoch": "x", "samples": None})
    assert kernel.session.ledger.counts(speech.epoch).played == 5000
    assert kernel.link.counts["malformed_played"] == 1


def test_talking_over_it_flushes_by_epoch(kernel):
    kernel.hello()
    live(kernel)
    epoch = kernel.session.epoch
    kernel.talk([0.3, 0.3, 0, 0.3, 0.3, 0.3])
    assert kernel.comm.control("flush", epoch=epoch + 1)


def test_typing_starts_the_session_and_a_chart_appears():
    shown = []
    kernel = Kernel(show=shown.append)
    try:
        kernel.hello()
        kernel.link.receive(encode(json_frame(Kind.TEXT, {"text": "plot something"})))
        moment = kernel.comm.wait_for(lambda f: f.kind is Kind.MOMENT and f.json()["typed"]).json()
        assert moment["typed"] == "plot something"
        assert moment["calls"] == [{"kind": "delegate", "name": "plot", "id": "plot-1"}]
        assert kernel.comm.wait_for(lambda f: f.kind is Kind.MOMENT and f.json()["events"])
        welcome = kernel.hello("v2")
        assert welcome["transcript"][0] == {
            "who": "user", "typed": True, "text": "plot something",
            "start_s": moment["i"] * TICK_S, "end_s": pytest.approx((moment["i"] + 1) * TICK_S),
        }  # fmt: skip
        assert welcome["history"][0]["i"] == 0
    finally:
        kernel.close()


def test_a_surface_is_shown_and_announced():
    from imkit.surfaces import Surface

    shown = []
    kernel = Kernel(show=shown.append)
    try:
        kernel.hello()
        kernel.link.surface(Surface("s1", "Hello", "text", {"text": "hi"}))
        assert kernel.comm.control("surface", id="s1")["title"] == "Hello"
        assert shown[0].id == "s1"
    finally:
        kernel.close()


def test_every_malformed_vector_is_counted_and_nothing_ends(kernel):
    kernel.hello()
    for vector in VECTORS["errors"]:
        kernel.link.receive(bytes.fromhex(vector["hex"]))
    kernel.link.receive(encode(Frame(Kind.SPEECH, b"\0\0")))
    assert kernel.link.counts["malformed"] == len(VECTORS["errors"]) + 1
    kernel.say({"type": "ping", "n": 7, "t": 1.5})
    assert kernel.comm.control("pong", n=7)["t"] == 1.5


@pytest.mark.parametrize(
    "message",
    [
        {"type": "hello"},
        {"type": "hello", "view": 3},
        {"type": "start", "view": []},
        {"type": "ui", "surface": "none", "component": "x", "value": 1},
        {"type": "permissions", "microphone": ["x"]},
        {"type": "fault", "where": "x" * 10_000},
        {"type": "no such thing"},
    ],
)
def test_odd_control_messages_do_no_harm(kernel, message):
    kernel.hello()
    kernel.say(message)
    kernel.say({"type": "ping", "n": 1})
    assert kernel.comm.control("pong", n=1)
    kernel.hello("later")
    assert kernel.link.counts["errors"] == 0


def test_the_demo_voice_is_sent_to_who_asked(kernel):
    kernel.hello()
    kernel.say({"type": "demo", "view": "v1"})
    frame = kernel.comm.wait_for(lambda f: f.kind is Kind.DEMO)
    assert frame.payload == b"\1\0" * 8
    assert frame.seq == 16_000


def test_one_view_holds_the_lease_and_only_its_sound_counts(kernel):
    kernel.hello("v1")
    kernel.hello("v2")
    first, second = Page(), Page()
    kernel.hello("v1", first)
    kernel.hello("v2", second)
    live(kernel, "v1", first)
    kernel.talk([0.3, 0.3, 0], first)
    assert second.control("lease", holder="v1")["yours"] is False
    kernel.audio(3, 0.3, second)
    assert kernel.link.counts["foreign_media"] == 1
    assert first.wait_for(lambda f: f.kind is Kind.SPEECH)
    assert second.wait_for(lambda f: f.kind is Kind.MOMENT)
    assert second.count(Kind.SPEECH) == 0
    live(kernel, "v2", second)
    assert first.control("lease", holder="v2")["yours"] is False
    kernel.audio(4, 0.3, first)
    assert kernel.link.counts["foreign_media"] == 2


def test_on_a_socket_nothing_but_the_heartbeat_goes_over_the_comm(kernel):
    kernel.hello()
    port = Page()
    kernel.hello("v1", port)
    port.control("lease")
    before = kernel.comm.count(Kind.MOMENT)
    live(kernel, "v1", port)
    kernel.talk([0.3, 0.3, 0, 0], port)
    port.wait_for(lambda f: f.kind is Kind.MOMENT and f.seq == 3)
    assert port.count(Kind.SPEECH) >= 1
    assert kernel.comm.count(Kind.MOMENT) == before
    assert kernel.comm.count(Kind.SPEECH) == 0
    assert kernel.link.stats()["lane"] == "socket"
    port.open = False
    kernel.link.left(port)
    kernel.hello()  # the page comes back over the comm
    kernel.talk([0.3, 0.3, 0], start=4)
    kernel.comm.wait_for(lambda f: f.kind is Kind.SPEECH)
    assert kernel.link.stats()["lane"] == "comm"


def test_a_page_that_comes_back_finds_the_timeline(kernel):
    kernel.hello()
    live(kernel)
    kernel.talk([0.3, 0.3, 0, 0, 0, 0])
    again = kernel.hello("reloaded")
    assert [moment["i"] for moment in again["history"]] == list(range(6))
    assert {line["who"] for line in again["transcript"]} == {"user", "model"}
    live(kernel, "reloaded")
    kernel.talk([0.3, 0.3, 0])
    assert len(kernel.session.timeline) == 9
    assert kernel.session.timeline[-1].index == 8


def test_closing_says_so_and_leaves_no_thread():
    before = set(threading.enumerate())
    for _ in range(20):
        kernel = Kernel()
        kernel.hello()
        live(kernel)
        kernel.close()
        assert kernel.comm.control("state", state="closed")
        kernel.link.close()
    left = set(threading.enumerate()) - before
    assert not left


def test_start_and_stop_twenty_times_on_one_link(kernel):
    kernel.hello()
    live(kernel)
    kernel.talk([0.3, 0.3])
    threads = threading.active_count()
    for _ in range(20):
        kernel.say({"type": "stop", "view": "v1"})
        kernel.comm.frames.clear()
        live(kernel)
    kernel.talk([0.3, 0.3, 0])
    assert threading.active_count() == threads
    assert kernel.session.timeline[-1].index == 4


def test_sound_from_before_the_session_was_ready_is_counted_and_told(kernel, monkeypatch):
    ready, real = threading.Event(), kernel.session.start
    monkeypatch.setattr(kernel.session, "start", lambda: ready.wait(10) and real())
    kernel.hello()
    kernel.say({"type": "lease", "take": True, "view": "v1"})
    kernel.comm.control("lease", holder="v1")
    kernel.say({"type": "start", "view": "v1"})
    for seq in range(4):
        kernel.audio(seq, 0.3)
    assert kernel.session.source.counts["audio_ticks"] == 4
    ready.set()
    kernel.comm.wait_for(lambda f: f.kind is Kind.MOMENT)
    first, stats = kernel.session.timeline[-1], kernel.session.stats()
    assert (first.gap, first.index) == (True, 3)
    assert first.percept.events[0].payload == {"gap_ticks": 3}
    assert (stats["dropped_audio_ticks"], stats["gaps"], stats["ticks"]) == (3, 1, 1)


def test_a_page_forgotten_while_silent_is_heard_again_when_it_says_that_it_captures(kernel):
    kernel.hello("v1")
    kernel.say({"type": "start", "view": "v1"})
    kernel.comm.control("lease", holder="v1")
    assert kernel.link.lease.capturing
    kernel.link.lease.expire(time.monotonic() + 1e6)
    assert kernel.link.lease.views == {}
    for view, page in (("v1", "p"), ("v2", "q")):
        kernel.comm.frames.clear()
        hello = {"type": "hello", "view": view, "page_session": page, "lane": "comm", "capturing": True}
        kernel.say(hello)
        kernel.comm.control("welcome", view=view)
        kernel.comm.control("lease", holder="v1")  # nobody's lease is taken by a mere claim
        assert kernel.link.lease.capturing


def test_a_page_shares_the_notebook_and_the_notebook_tells_the_page(kernel, shell):
    session = kernel.session
    session._display = type("Shown", (), {"link": kernel.link, "close": lambda self: None})()
    assert kernel.hello()["notebook"] is False
    kernel.say({"type": "share_notebook", "on": True, "view": "v1"})
    kernel.comm.control("sharing", notebook=True)
    assert session.notebook
    shell.run_cell("1 / 0", store_history=True)
    assert "ZeroDivisionError" in session.tools.call("last_error", {})["text"]
    kernel.say({"type": "share_notebook", "on": False, "view": "v1"})
    kernel.comm.control("sharing", notebook=False)
    assert (session.notebook, len(session.cell_log)) == (False, 0)
    kernel.comm.frames.clear()
    session.notebook = True
    kernel.comm.control("sharing", notebook=True)
    assert kernel.hello("v2")["notebook"] is True


def test_a_page_that_looks_on_may_end_sharing_but_not_begin_it(kernel, shell):
    kernel.hello("v1")
    kernel.hello("v2")
    kernel.say({"type": "lease", "take": True, "view": "v1"})
    kernel.say({"type": "share_notebook", "on": True, "view": "v2"})
    kernel.comm.control("sharing", notebook=False)
    kernel.comm.frames.clear()
    kernel.say({"type": "share_notebook", "on": True, "view": "v1"})
    kernel.comm.control("sharing", notebook=True)
    kernel.say({"type": "share_notebook", "on": False, "view": "v2"})
    kernel.comm.control("sharing", notebook=False)
    assert not kernel.session.notebook


@pytest.mark.parametrize("on", [1, "yes", None, [True]])
def test_sharing_begins_for_nothing_but_a_true(kernel, shell, on):
    kernel.hello()
    kernel.say({"type": "share_notebook", "on": on, "view": "v1"})
    kernel.comm.control("sharing", notebook=False)
    assert not kernel.session.notebook


def test_where_no_notebook_is_the_page_is_told_why(kernel):
    kernel.hello()
    kernel.say({"type": "share_notebook", "on": True, "view": "v1"})
    assert "no IPython runs here" in kernel.comm.control("error")["message"]
    assert kernel.comm.control("sharing")["notebook"] is False
