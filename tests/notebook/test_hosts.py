"""Hosts that are not JupyterLab, from the kernel's side: the capture page, the comm alone, widgets one by one."""

import asyncio
import base64
import sys
import time
import types

import numpy as np
import pytest
from fakes_browser import StandIn
from test_link import Kernel, Page
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from imkit.notebook.capture_page import page, policy
from imkit.notebook.codec import Frame, Kind, decode, encode, json_frame, pcm16
from imkit.notebook.live import LiveSession
from imkit.notebook.socket_lane import SocketLane
from imkit.notebook.surface_view import PanelSurface, SurfaceView
from imkit.notebook.widget import Panel, WholePanel, buffer_bytes
from imkit.stream import INPUT_SAMPLES
from imkit.surfaces import Surface
from imkit.tools.namespace import Namespace


@pytest.fixture
def lane():
    traits = {"session_id": "</script>", "output_rate": 24_000}
    lane = SocketLane(lambda *_: None, lambda _: None, traits)
    yield lane
    lane.close()


def soon(ready, within_s=10.0):
    end_s = time.monotonic() + within_s
    while not ready() and time.monotonic() < end_s:
        time.sleep(0.002)
    return ready()


def get(url, **headers):
    async def ask():
        request = HTTPRequest(url, headers=headers)
        return await AsyncHTTPClient(force_instance=True).fetch(request, raise_error=False)

    return asyncio.run(ask())


def test_the_capture_page_comes_with_the_widget_and_stands_alone(lane):
    answer = get(lane.page)
    text = answer.body.decode()
    assert answer.code == 200
    assert f'"./widget.js?t={lane.token}"' in text
    assert "\\u003c/script>" in text  # nothing a session is called can end the script
    assert text.count("</script>") == 1
    rules = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in rules
    assert "default-src 'none'" in rules
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "microphone=(self)" in answer.headers["Permissions-Policy"]
    for name, kind in (("widget.js", "text/javascript"), ("widget.css", "text/css")):
        file = get(lane.page.replace("/page?", f"/{name}?"))
        assert file.code == 200
        assert file.headers["Content-Type"].startswith(kind)
    assert lane.refused == 0


def test_the_capture_page_is_for_who_knows_the_token_on_this_machine(lane):
    for url in (
        lane.page.replace(lane.token, "guess"),
        lane.page.split("?")[0],
        lane.page.replace(lane.path, "imkit/other"),
        lane.page.replace("/page?", "/widget.js?").replace(lane.token, ""),
    ):
        assert get(url).code == 403
    assert lane.refused == 3  # the other path is nobody's
    assert get(lane.page, Host="rebound.example").code == 403  # a foreign name that leads here
    assert get(lane.page.replace("/page?", "/../../etc/passwd?")).code in (403, 404)


def test_each_page_has_its_own_nonce():
    assert policy("a", "127.0.0.1:1") != policy("b", "127.0.0.1:1")
    assert 'nonce="n1"' in page({}, "t", "n1")


def test_the_capture_page_is_welcomed_over_its_socket_and_takes_the_session():
    kernel = Kernel()
    notebook = kernel.hello("notebook")
    port = Page()
    kernel.say({"type": "hello", "view": "page", "lane": "comm", "origin": "http://127.0.0.1:1"}, port)
    welcome = port.control("welcome", view="page")
    assert {**welcome, "view": "", "history": []} == {**notebook, "view": "", "history": []}
    fast = Page()
    kernel.say({"type": "hello", "view": "page", "lane": "socket"}, fast)
    fast.control("lease")
    assert not any(frame.json().get("type") == "welcome" for frame in fast.frames if frame.kind is Kind.CONTROL_DOWN)
    kernel.say({"type": "start", "view": "page"}, fast)
    assert kernel.comm.control("lease", holder="page")  # the notebook's page sees who has it
    kernel.link.left(fast)
    kernel.say({"type": "hello", "view": "page", "lane": "comm", "capturing": True}, port)
    assert soon(lambda: kernel.link.lease.views["page"].port is port)  # back on the first, as others on the comm
    kernel.session.close()
    kernel.link.close()


# the comm alone, and shaky, as in Colab


@pytest.mark.parametrize(
    "shape",
    [bytes, bytearray, memoryview, list, tuple, lambda data: base64.b64encode(data).decode()],
    ids=["bytes", "bytearray", "memoryview", "list", "tuple", "base64"],
)
def test_buffers_of_any_shape_are_frames(shape):
    got = []
    panel = Panel()
    panel.listen(lambda data, _: got.append(data))
    frame = encode(json_frame(Kind.TEXT, {"text": "مرحبا"}))
    panel._on_message(panel, {"imkit": 1}, [shape(frame)])
    assert got == [frame]
    panel.close()


@pytest.mark.parametrize("odd", [None, 7, {"0": 1}, "no base64!", [1, 999], ["a"], 3.5])
def test_what_is_no_buffer_is_counted_and_harms_nothing(odd):
    assert buffer_bytes(odd) == b""
    kernel = Kernel()
    kernel.link.receive(buffer_bytes(odd))
    assert kernel.link.counts["malformed"] == 1
    kernel.session.close()
    kernel.link.close()


def test_a_session_lives_on_the_comm_alone_though_its_messages_come_late_and_out_of_order(monkeypatch):
    monkeypatch.setenv("IMKIT_LANE", "comm")
    session = LiveSession(StandIn(), namespace={})
    session._repr_mimebundle_()
    display = session._display
    assert display.socket is None
    page = Page()
    monkeypatch.setattr(display.link._comm, "_send", page.send)

    def say(frame):
        display.panel._on_message(display.panel, {"imkit": 1, "view": "v"}, [list(encode(frame))])

    def control(**message):
        say(json_frame(Kind.CONTROL_UP, {"view": "v", **message}))

    control(type="hello", lane="comm")
    assert page.control("welcome", view="v")["socket"] is None
    control(type="lease", take=True)
    control(type="start")
    page.control("state", state="waiting")
    latest = -1
    for seq in (0, 1, 2, 4, 3, 4, 5, 6, 7, 8):  # one overtaken, one twice
        taken = len(session.timeline)
        wave = (0.3 if seq < 5 else 0.0) * np.sin(np.arange(INPUT_SAMPLES) * 0.3).astype(np.float32)
        say(Frame(Kind.AUDIO, pcm16(wave), seq=seq, time_s=seq / 5))
        assert seq <= latest or soon(lambda taken=taken: len(session.timeline) > taken), session
        latest = max(latest, seq)
    speech = page.wait_for(lambda frame: frame.kind is Kind.SPEECH and np.any(frame.pcm()))
    assert speech.epoch == session.epoch
    source = session.source
    assert source.counts["late_audio_ticks"] == 2
    assert source.counts["missing_audio_ticks"] == 1
    session.close()


# hosts that show single widgets, as marimo


def test_marimo_is_given_one_widget_that_draws_all():
    session = LiveSession(StandIn(), namespace={})
    panel = session._display_()
    assert isinstance(panel, WholePanel)
    assert "imk-surface" in panel._css
    assert session._display_() is panel  # shown again, not made anew
    assert session.live_view()._display_() is session.live_view().panel
    told = []
    session._display.link.tell = lambda message, target=None: told.append(message)
    surface = Surface("a", "t", "text", {"text": "x"})
    session._display.cells.show(surface)
    cell = told[-1]
    assert (cell["type"], cell["message"]["type"], cell["message"]["whole"]) == ("cell", "draw", True)
    session._display.cells.take("", None)  # a page came
    assert told[-1]["message"]["whole"] is True
    session._display.cells.take(cell["cell"], {"imkit": 1, "type": "close"})
    assert soon(lambda: any(one["type"] == "cell" and one["message"]["type"] == "gone" for one in told))
    assert len(session._display.cells) == 0
    session.close()
    assert isinstance(session._display_(), str)


def test_a_cell_in_the_panel_carries_its_pictures_and_cannot_be_pinned():
    told = []
    png = b"\x89PNG\r\n\x1a\n"
    surface = Surface("a", "t", "text", {"text": "x"})
    surface._images["a"] = png
    cell = PanelSurface(surface, lambda *_: None, told.append)
    assert told[0]["message"]["pinned"] is None
    assert [base64.b64decode(one) for one in told[0]["pictures"]] == [png]
    decode(encode(json_frame(Kind.CONTROL_DOWN, told[0])))
    cell.close()
    assert not isinstance(cell, SurfaceView)


def test_the_variables_of_a_marimo_notebook_are_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "marimo", types.SimpleNamespace(running_in_notebook=lambda: True))
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    view = Namespace.of_notebook()
    monkeypatch.undo()  # marimo puts the process's own back when the cell is done
    main.flats = [1, 2]
    assert dict(view) == {"flats": [1, 2]}
