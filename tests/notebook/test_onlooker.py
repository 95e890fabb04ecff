"""A view that only looks on: it is told everything, and nothing that it says goes anywhere."""

import threading

import ipywidgets
import numpy as np
import pytest
from fakes import FakeClock, FakeModel
from fakes_browser import StandIn

import imkit
from imkit.capture import OrderedSource
from imkit.capture.silence import Silence
from imkit.notebook.codec import Frame, Kind, decode, encode, json_frame, pcm16
from imkit.notebook.live import LiveSession
from imkit.notebook.onlooker import LiveView
from imkit.stream import Percept, SessionError


class Page:
    """A browser's end of a live view, by the comm."""

    def __init__(self, view, name="page"):
        self.view, self.name, self.frames = view, name, []
        self._came = threading.Condition()
        view.panel.send = lambda _, buffers: self._take(buffers[0])

    def _take(self, data):
        with self._came:
            self.frames.append(decode(data, upward=False))
            self._came.notify_all()

    def says(self, **message):
        self.view.receive(encode(json_frame(Kind.CONTROL_UP, {"view": self.name, **message})))

    def told(self, kind):
        """The messages of a type so far, or moments."""
        messages = [frame.json() for frame in self.frames if frame.kind in (Kind.MOMENT, Kind.CONTROL_DOWN)]
        if kind == "moment":
            return [message for message in messages if "i" in message]
        return [message for message in messages if message.get("type") == kind]

    def waits(self, kind, number=1):
        with self._came:
            assert self._came.wait_for(lambda: len(self.told(kind)) >= number, 20), kind
        return self.told(kind)


@pytest.fixture
def session():
    session = LiveSession(FakeModel(), source=Silence(60.0), namespace={})
    yield session
    session.close()


def test_it_is_a_widget_that_shows_the_strip(session):
    view = session.live_view()
    assert isinstance(view, LiveView)
    assert imkit.live_view(session) is view is session.live_view()
    assert view.panel.show == "strip"
    assert "application/vnd.jupyter.widget-view+json" in view._repr_mimebundle_()[0]
    assert session._display is None  # the session's own widget is not needed for it


def test_a_live_session_from_a_file_is_told_as_it_runs(session):
    page = Page(session.live_view())
    page.says(type="hello")
    (welcome,) = page.waits("welcome")
    assert (welcome["view"], welcome["model"], welcome["state"], welcome["history"]) == ("page", "fake", "idle", [])
    session.say("one two three")
    session.start()
    assert page.waits("moment", 3)[0]["typed"] == "one two three"
    assert page.told("state")[0]["state"] == "live"
    session.stop()
    last = page.waits("welcome", 2)[-1]
    assert (last["state"], last["anew"]) == ("stopped", True)
    assert [moment["i"] for moment in last["history"]] == [moment.index for moment in session.timeline]


def test_who_comes_late_sees_the_last_half_minute(session):
    session.run(seconds=40.0, tail_s=0)
    page = Page(session.live_view())
    page.says(type="hello")
    (welcome,) = page.waits("welcome")
    assert [moment["i"] for moment in welcome["history"]] == list(range(50, 200))


def test_it_shows_what_plays_in_virtual_time_while_no_page_plays_it(session):
    session._repr_mimebundle_()
    page = Page(session.live_view())
    page.says(type="hello")
    page.waits("welcome")
    session.run(seconds=3.0, tail_s=0)
    last = page.waits("welcome", 3)[-1]  # when it began, on a timeline of its own, and when it was over
    assert [moment["i"] for moment in last["history"]] == list(range(15))
    assert {moment["i"] for moment in page.told("moment")} >= {5, 14}
    assert len(session._display.link._history) == 0
    assert session.ledger.counts().played == session.ledger.counts().sent


def test_it_takes_no_lease_and_nothing_that_it_says_is_heeded():
    session = LiveSession(StandIn(), namespace={})
    session._repr_mimebundle_()
    link = session._display.link
    view = session.live_view()
    page = Page(view)
    page.says(type="hello", capturing=True)
    page.waits("welcome")
    for message in ({"type": "lease", "take": True}, {"type": "start"}, {"type": "stop"}, {"type": "share_notebook"},
                    {"type": "played", "epoch": 0, "samples": 9}, {"type": "ui"}, {"type": "approval"}):  # fmt: skip
        page.says(**message)
    view.receive(encode(Frame(Kind.TEXT, b'{"text": "plot it"}')))
    view.receive(encode(Frame(Kind.AUDIO, pcm16(np.ones(3200, np.float32)))))
    view.receive(b"nonsense")
    assert (view.counts["ignored"], view.counts["malformed"]) == (9, 1)
    assert (view._pages.holder, link.lease.holder, link.lease.views) == (None, None, {})
    assert str(session.state) == "idle"
    assert not session._inbox.texts
    assert not session.source.take_texts()
    page.says(type="ping", n=4, t=1.5)
    assert page.waits("pong")[0]["n"] == 4
    session.close()


def test_what_was_sent_is_still_said_by_a_sink_of_your_own():
    class Played:
        reports_played = True

        def put(self, moment):
            return False

        def flush(self, epoch):
            pass

        def close(self):
            pass

    session = LiveSession(FakeModel(), sink=Played(), source=Silence(60.0), namespace={})
    session.live_view()
    session.say("one two three")
    session.run(seconds=1.0, tail_s=0)
    assert session.ledger.counts().sent == 0
    session.close()


def test_nothing_is_sent_where_nobody_looks(session):
    clock = FakeClock()
    view = session._live_view = session._outlets.view = LiveView(session, clock)
    page = Page(view)
    session.run(seconds=1.0, tail_s=0)
    page.says(type="hello")
    page.waits("welcome")
    assert not page.told("moment")
    clock.now_s = 100.0  # a page that goes says nothing
    for moment in session.timeline:
        view.put(moment)
    view._outbox.close()
    assert not page.told("moment")


def test_a_clock_that_begins_again_empties_the_strip():
    class Two(OrderedSource):
        def _start(self):
            pass

        def _tick(self, index):
            return Percept(index) if self._position < 4 else None

    session = LiveSession(FakeModel(), source=Two("two"), namespace={})
    page = Page(session.live_view())
    page.says(type="hello")
    page.waits("welcome")
    session.run(seconds=2.0, tail_s=0)
    before = len(page.waits("welcome", 2))
    session.start()
    anew = page.waits("welcome", before + 1)[before]
    assert anew["anew"]
    assert [moment["i"] for moment in anew["history"]][:1] == [0]
    session.close()


def test_it_goes_with_the_session_and_leaves_nothing():
    before = set(ipywidgets.widgets.widget._instances), set(threading.enumerate())
    for _ in range(5):
        session = LiveSession(StandIn(), namespace={})
        view = session.live_view()
        session.close()
        view.close()
    assert set(ipywidgets.widgets.widget._instances) == before[0]
    assert not [t for t in set(threading.enumerate()) - before[1] if t.name.startswith("imkit")]
    assert view._repr_mimebundle_()["text/plain"].startswith("LiveView of LiveSession(stand-in, closed")
    with pytest.raises(SessionError, match=r"live_view\(\): this session is closed"):
        session.live_view()


def test_what_is_no_session_is_refused():
    with pytest.raises(SessionError, match=r"live_view\(\) got int, expected the imkit.Session"):
        imkit.live_view(3)
