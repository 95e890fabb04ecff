"""The session that shows itself, its panel and its cells, without a kernel: comms are dummies there."""

import json
import threading
import wave

import ipywidgets
import numpy as np
import pytest
from fakes_browser import StandIn

import imkit
from imkit.capture.browser import BrowserSource, MediaStreamSource
from imkit.capture.silence import Silence
from imkit.notebook.cells import MAX_CELLS, PLOTLY, Cells, output_of
from imkit.notebook.codec import Frame, Kind, encode
from imkit.notebook.demo import demo_voice
from imkit.notebook.live import LiveSession
from imkit.notebook.widget import Panel, keep_addressed, kernel_note
from imkit.stream import Event, Percept, Provenance, SessionError
from imkit.surfaces import Surface

CHART = {
    "mark": "bar", "x": ["a", "<b>"], "x_label": "what", "y_label": "count", "series": [{"name": "n", "y": [1, 2]}],
}  # fmt: skip


def widgets():
    return set(ipywidgets.widgets.widget._instances)


class Keeper:
    def __init__(self):
        self.moments, self.closed = [], False

    def put(self, moment):
        self.moments.append(moment)

    def flush(self, epoch):
        pass

    def close(self):
        self.closed = True


def test_imkit_session_is_this_class():
    assert imkit.Session is LiveSession


def test_the_page_is_the_source_unless_another_is_given():
    assert isinstance(LiveSession(StandIn()).source, BrowserSource)
    assert isinstance(LiveSession(StandIn(), source=Silence(1.0)).source, Silence)


def test_an_ipywebrtc_stream_becomes_the_source_and_reaches_the_panel():
    import ipywebrtc

    stream = ipywebrtc.CameraStream()
    session = LiveSession(StandIn(), source=stream)
    assert isinstance(session.source, MediaStreamSource)
    session._repr_mimebundle_()
    assert session._display.panel.get_state("media") == {"media": f"IPY_MODEL_{stream.model_id}"}
    session.close()
    stream.close()


def test_showing_gives_a_widget_with_panel_and_cells():
    session = LiveSession(StandIn())
    data = session._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    panel, cells = session._display.box.children
    assert isinstance(panel, Panel)
    assert panel.session_id == session.id
    assert panel.output_rate == 16_000
    assert cells is session._display.cells.box
    assert session._repr_mimebundle_() == data
    session.close()
    assert session._repr_mimebundle_()["text/plain"].startswith("LiveSession(stand-in, closed")


def test_media_is_never_in_a_trait():
    synced = set(Panel().traits(sync=True)) - set(ipywidgets.DOMWidget().traits(sync=True))
    assert synced == {"session_id", "media", "output_rate", "show", "_esm", "_css", "_anywidget_id"}
    assert isinstance(Panel._esm, str)


def test_the_comm_lane_can_be_forced(monkeypatch):
    monkeypatch.setenv("IMKIT_LANE", "comm")
    session = LiveSession(StandIn())
    session._repr_mimebundle_()
    assert session._display.socket is None
    assert not [thread for thread in threading.enumerate() if thread.name == "imkit-socket"]
    session.close()


def test_twenty_sessions_shown_started_and_closed_leave_nothing():
    before = widgets(), set(threading.enumerate())
    for _ in range(20):
        session = LiveSession(StandIn())
        session._repr_mimebundle_()
        session._display.cells.show(Surface("s", "A chart", "chart", CHART))
        session.start()
        session.close()
        session.close()
    assert widgets() == before[0]
    assert not [t for t in set(threading.enumerate()) - before[1] if t.name.startswith("imkit")]


def test_run_plays_in_virtual_time_to_your_own_sink_and_takes_what_was_said():
    keeper = Keeper()
    session = LiveSession(StandIn(), sink=keeper, namespace={})
    session._repr_mimebundle_()
    session.say("hello")
    timeline = session.run(seconds=1.0, tail_s=0)
    assert [moment.percept.text for moment in timeline] == ["hello", "", "", "", ""]
    assert len(keeper.moments) == 5
    assert len(session._display.link._history) == 0
    session.close()
    assert keeper.closed


def test_your_own_sink_and_the_page_both_get_every_moment():
    keeper = Keeper()
    session = LiveSession(StandIn(), sink=keeper, namespace={})
    session._repr_mimebundle_()
    session.say("hello")
    session.start()
    done = threading.Event()
    session._display.link.outbox._deliver = lambda parcel: parcel.frame.kind is Kind.MOMENT and done.set()
    assert done.wait(10)
    session.close()
    assert keeper.moments[0].percept.text == "hello"


def test_frames_reach_the_link_and_nothing_else_does():
    got = []
    panel = Panel()
    panel.listen(lambda data, view: got.append((data, view)))
    frame = encode(Frame(Kind.TEXT, b'{"text":"a"}'))
    panel._on_message(panel, {"imkit": 1, "view": "v"}, [memoryview(frame)])
    panel._on_message(panel, {"imkit": 1, "view": 3}, [frame, frame])
    panel._on_message(panel, {"other": 1}, [frame])
    panel._on_message(panel, "text", [frame])
    assert got == [(frame, "v"), (frame, None), (frame, None)]
    panel.listen(None)
    panel._on_message(panel, {"imkit": 1}, [frame])
    assert len(got) == 3
    panel.close()
    with pytest.raises(SessionError, match="closed"):
        panel.send_frame(frame)


@pytest.mark.parametrize("version", ["7.0.0", "7.0.1"])
def test_ipykernel_7_0_is_refused(version):
    with pytest.raises(SessionError, match=r"ipykernel>=7\.4"):
        kernel_note(version)


@pytest.mark.parametrize(("version", "said"), [("6.31.0", "busy cell"), ("7.1.0", ""), ("7.4.0", ""), ("8.0.0a1", "")])
def test_older_kernels_are_told_of(version, said):
    assert said in kernel_note(version)
    assert bool(kernel_note(version)) == bool(said)


def test_the_cure_for_ipykernel_74_keeps_the_page_s_address():
    """Fails when ipykernel renames what the cure replaces: then look whether it is still needed."""
    import ipykernel
    from ipykernel.comm.comm import BaseComm

    if tuple(map(int, ipykernel.__version__.split(".")[:2])) >= (7, 4):
        assert hasattr(BaseComm, "_reply_subshell_for")

    class Comm:
        def _reply_subshell_for(self, data, default):
            return "main"

    class Widget:
        comm = Comm()

    keep_addressed(Widget)
    assert Widget.comm._reply_subshell_for({}, "subshell-1") == "subshell-1"
    Widget.comm = None
    keep_addressed(Widget)


def test_a_chart_is_plotly_json_with_text_escaped():
    data = output_of(Surface("s", "Title <i>", "chart", CHART))["data"]
    assert data[PLOTLY]["data"][0]["type"] == "bar"
    assert data[PLOTLY]["data"][0]["x"] == ["a", "&lt;b&gt;"]
    json.dumps(data)


def test_a_table_is_drawn_by_us_with_every_text_escaped():
    spec = {"columns": ["<script>", "n"], "rows": [["<img src=x onerror=alert(1)>", 1.23456789], [None, True]]}
    markup = output_of(Surface("s", "<b>T</b>", "table", spec))["data"]["text/html"]
    assert "<script>" not in markup
    assert "<img" not in markup
    assert "<b>" not in markup
    assert "<td>1.23457</td>" in markup
    assert "<td></td><td>True</td>" in markup


def test_text_stays_text():
    data = output_of(Surface("s", "Note", "text", {"text": "<b>bold</b>"}))["data"]
    assert data == {"text/plain": "Note\n<b>bold</b>"}


def test_cells_are_bounded_and_closed_in_order():
    before = widgets()
    cells = Cells()
    for number in range(MAX_CELLS + 5):
        cells.show(Surface(f"s{number}", f"Note {number}", "text", {"text": "x"}))
    assert len(cells) == len(cells.box.children) == MAX_CELLS
    assert cells.dropped == 5
    assert cells.box.children[-1].surface.title == f"Note {MAX_CELLS + 4}"
    cells.close()
    assert widgets() == before


def test_a_result_with_a_surface_becomes_a_cell():
    session = LiveSession(StandIn(), namespace={})
    session._repr_mimebundle_()
    shown = threading.Event()
    box = session._display.cells.box
    box.observe(lambda _: shown.set(), "children")
    surface = Surface("s", "A chart", "chart", CHART).to_json()
    session.post(
        Event("result", Provenance.BACKGROUND, "Here it is", "c", {"ok": True, "topic": "plot", "surface": surface})
    )
    session.say("go on")
    session.start()
    assert shown.wait(10)
    session.close()


def test_the_demo_voice_is_there_and_of_the_right_form(tmp_path):
    sound = np.frombuffer(demo_voice(), "<i2")
    assert 16_000 < len(sound) < 60 * 16_000
    assert np.abs(sound).max() > 1000
    with wave.open(str(tmp_path / "w.wav"), "wb") as wrong:
        wrong.setparams((2, 2, 8000, 0, "NONE", ""))
    with pytest.raises(SessionError, match="expected mono, 16, 16000"):
        demo_voice(tmp_path / "w.wav")
    with pytest.raises(SessionError, match="cannot be read"):
        demo_voice(tmp_path / "none.wav")


def test_the_stand_in_keeps_the_contract():
    model = StandIn()
    act, mind = model.step(model.open(None), Percept(0, text="plot it"))
    assert act.calls[0].name == "plot"
    assert mind.asked == 1


def test_what_was_asked_before_a_run_is_asked_in_it():
    """A request to the background, and what a cell posted, wait for the run as a typed line does."""
    session = LiveSession(StandIn(), namespace={})
    session.say("hello")
    session.ask("plot the data")
    timeline = session.run(seconds=1.0, tail_s=0)
    assert [moment.percept.text for moment in timeline if moment.percept.text] == ["hello"]
    asked = [event.text for moment in timeline for event in moment.percept.events if event.payload.get("ask")]
    assert asked == ["plot the data"]
    assert session.stats()["tasks"]["asked"] == 1
    session.close()
