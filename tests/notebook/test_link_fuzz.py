"""Messages that no page of ours sends, from sockets, the comm and widgets, into a session that goes on."""

import asyncio
import contextlib
import itertools
import json
import random
import socket
import threading
import time

import numpy as np
import pytest
from fakes_browser import StandIn
from fakes_hostile import anything, many, nothing_breaks, torn
from fakes_loop import lived
from tornado.websocket import WebSocketClosedError, websocket_connect

from imkit.notebook.cells import Cells, close_widget
from imkit.notebook.codec import HEADER, Kind, decode, pcm16
from imkit.notebook.lease import COMM_SILENT_S, MAX_FACT_CHARS, MAX_VIEWS
from imkit.notebook.link import Link
from imkit.notebook.live import LiveSession
from imkit.notebook.roads import CommRoad
from imkit.notebook.socket_lane import SocketLane
from imkit.notebook.widget import Panel
from imkit.stream import INPUT_SAMPLES
from imkit.surfaces import Surface

pytestmark = pytest.mark.fuzz

TYPES = (
    "hello", "start", "stop", "lease", "demo", "ui", "approval", "share_notebook", "permissions", "mute", "share_draft",
    "fault", "ping", "played", "no such thing", "", "\ud800",
)  # fmt: skip
FIELDS = (
    "view", "page_session", "origin", "capturing", "user_agent", "take", "surface", "component", "value", "id",
    "digest", "allow", "on", "epoch", "samples", "n", "t", "constraints", "output_latency_s", "where", "microphone",
    "lane",
)  # fmt: skip
LINES = """["root","column",{},["s","b"]]
["s","slider",{"min":0,"max":9,"value":3,"name":"n"}]
["b","button",{"label":"go"}]"""


class Road:
    """A page: what it is sent must be whole frames; the newest pong is kept."""

    def __init__(self, view=None):
        self.view, self.open, self.pong = view, True, None
        self.news = threading.Condition()

    def send(self, data):
        frame = decode(data, upward=False)
        if frame.kind is Kind.CONTROL_DOWN and frame.json()["type"] == "pong":
            with self.news:
                self.pong = frame.json()["n"]
                self.news.notify_all()
        return True

    def answered(self, number):
        with self.news:
            return self.news.wait_for(lambda: self.pong == number, 5)


class Talk:
    """A session with its link, and a clock that the test turns."""

    def __init__(self):
        self.now_s = 0.0
        self.session = LiveSession(StandIn(), namespace={})
        self.comm, self.roads = Road(), [Road("v1"), Road("v2")]
        self.link = Link(self.session, CommRoad(self.comm.send), demo=lambda: bytes(16), clock=lambda: self.now_s)
        self.session._outlets.page = self.link
        self.session.show(Surface("s1", "T", lines=LINES))
        self.asked = 0

    def live(self):
        """Whether it still answers, and all that must be so whatever came."""
        for _ in range(20):  # where much is to be told, an answer may be dropped, and a page asks again
            self.asked += 1
            self.link.receive(message({"type": "ping", "n": self.asked}), self.roads[0])
            if self.roads[0].answered(self.asked):
                break
        else:
            pytest.fail("no answer to twenty calls")
        lease = self.link.lease
        views = list(lease.views.values())
        assert len(views) <= MAX_VIEWS
        assert all(len(view.id) <= 80 and len(json.dumps(view.facts)) < 4 * MAX_FACT_CHARS for view in views)
        assert len(self.link.outbox) < 500
        assert len(self.link.counts) < 40
        assert self.link.counts["errors"] == self.link.outbox.errors == 0
        assert self.link._orders._thread.is_alive()

    def heard(self):
        """An honest page comes after all that: its sound becomes a micro-turn. Gives the moment."""
        road = self.roads[0]
        end_s = time.monotonic() + 20
        taken = len(self.session.timeline)
        for seq in itertools.count(100):  # what it asks may be dropped behind what was asked before: it asks again
            if self.session.state.value not in ("waiting", "live"):
                for asked in ({"type": "hello"}, {"type": "lease", "take": True}, {"type": "start", "constraints": {}}):
                    self.link.receive(message(asked | {"view": "v1", "page_session": "p"}), road)
            self.link.receive(frame(Kind.AUDIO, pcm16(np.zeros(INPUT_SAMPLES, np.float32)), seq, 0, seq / 5), road)
            time.sleep(0.02)
            if len(self.session.timeline) > taken:
                return self.session.timeline[-1]
            assert time.monotonic() < end_s, self.session

    def close(self):
        self.session.close()
        self.link.close()


def frame(kind, payload, seq=0, flags=0, time_s=0.0):
    return HEADER.pack(1, kind, flags, 0, seq, len(payload), time_s) + payload


def message(value):
    return frame(Kind.CONTROL_UP if "type" in value else Kind.TEXT, json.dumps(value).encode())


def made(rng):
    """One message: mostly well-formed and nearly right, some torn."""
    draw = rng.random()
    if draw < 0.6:
        value = {"type": rng.choice(TYPES)} | {rng.choice(FIELDS): anything(rng) for _ in range(rng.randrange(4))}
        if rng.random() < 0.6:
            value["view"] = rng.choice(["v1", "v2", "v3", f"w{rng.randrange(99)}"])
        if rng.random() < 0.3:
            value |= {"surface": "s1", "component": rng.choice(["s", "b", "root"]), "value": anything(rng)}
        if rng.random() < 0.2:
            value |= {"epoch": rng.choice([0, 1, -1, 2**70]), "samples": rng.choice([0, 3200, -1, 2**70, True])}
        data = message(value)
    elif draw < 0.7:
        data = message({rng.choice(["text", "draft"]): rng.choice(["plot it", "hi \ud83d", " ", "x" * 50_000, 7])})
    elif draw < 0.9:
        sound = pcm16(np.full(INPUT_SAMPLES, rng.uniform(-1, 1), np.float32))
        seq = rng.choice([0, 2**32 - 1, rng.randrange(100), rng.randrange(100)])
        data = frame(Kind.AUDIO, sound, seq, rng.randrange(4), rng.choice([0.0, 1e300, -1.0]))
    else:
        data = frame(Kind.FRAME, b"\xff\xd8" + rng.randbytes(rng.randrange(60)), 0, 0, rng.random())
    return torn(rng, data) if rng.random() < 0.15 else data


@pytest.fixture
def talk():
    talk = Talk()
    yield talk
    talk.close()


def test_nothing_that_a_page_says_breaks_the_link(talk):
    rng = random.Random(5)
    with nothing_breaks():
        for number in range(many(4_000)):
            talk.link.receive(made(rng), rng.choice([*talk.roads, talk.comm]), rng.choice([None, "v1", "v2", "v9"]))
            if number % 100 == 99:
                talk.live()
            if number % 1_000 == 999:
                for road in talk.roads:
                    talk.link.left(road)
                talk.now_s += 2 * COMM_SILENT_S
                talk.live()
                assert talk.link.lease.holder in (None, *talk.link.lease.views)
    assert talk.link.counts["malformed"] > 100
    assert talk.session.stats()["sink_errors"] == 0
    assert talk.heard().index < 10_000  # no forged count moved the clock


def test_nothing_that_a_widget_is_sent_breaks_it(talk):
    rng, orders = random.Random(6), []
    panel, cells = Panel(), Cells(act=talk.session.act, order=orders.append, publish=lambda *_, **__: None)
    panel.listen(lambda data, view: talk.link.receive(data, view=view))
    view = cells.show(talk.session.surfaces[0])
    try:
        with nothing_breaks():
            for number in range(many(2_000)):
                content = anything(rng) if rng.random() < 0.2 else {"imkit": rng.choice([1, 1, 1, 2, "1", True])}
                if isinstance(content, dict):
                    content |= {rng.choice(["view", "n", "component", "value"]): anything(rng) for _ in range(3)}
                    content["type"] = rng.choice(["hello", "drawn", "action", "pin", "code", "x", 3, "\ud800"])
                    if rng.random() < 0.4:
                        content["component"] = rng.choice(["s", "b"])
                buffers = [memoryview(made(rng)) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
                panel._on_message(panel, content, buffers)
                view._on_message(view, content, buffers)
                while orders:
                    orders.pop()()
                if number % 200 == 199:
                    talk.live()
        assert view.counts["malformed"] > 50
        assert cells.counts["refused"] > 10
        held = talk.session.surfaces[0].data
        assert 0 <= held.get("n", 3) <= 9
        assert set(held) <= {"n", "s", "b"}
    finally:
        cells.close()
        panel.listen(None)
        close_widget(panel)


def test_nothing_that_comes_through_the_socket_breaks_it(talk):
    """WebSocket messages of any kind, and now and then raw bytes at the door, beside a page that is always answered."""
    rng, count = random.Random(8), many(1_500)
    lane = SocketLane(talk.link.receive, talk.link.left)
    address = f"ws://127.0.0.1:{lane.port}/{lane.path}?t={lane.token}"
    hello = (
        f"GET /{lane.path}?t={lane.token} HTTP/1.1\r\nHost: 127.0.0.1:{lane.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()

    def knock():
        """A stranger that speaks something like HTTP, or junk once it is in, and hangs up."""
        with socket.create_connection(("127.0.0.1", lane.port), timeout=5) as raw:
            raw.sendall(torn(rng, hello) if rng.random() < 0.6 else hello + rng.randbytes(rng.randrange(200)))

    async def pong(client, number):
        while True:
            told = decode(await client.read_message(), upward=False)
            if told.kind is Kind.CONTROL_DOWN and told.json().get("n") == number:
                return

    async def answered(client, number):
        for again in range(20):  # where much is to be told, an answer may be dropped, and a page asks again
            await client.write_message(message({"type": "ping", "n": number + again / 100}), binary=True)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(pong(client, number + again / 100), 5)
        pytest.fail("no answer to twenty calls")

    async def all_of_it():
        good, bad = await websocket_connect(address), await websocket_connect(address)
        for number in range(count):
            data = made(rng)
            try:
                if rng.random() < 0.1:
                    await bad.write_message(rng.choice(["hello", "\u20ac" * 100, ""]))
                else:
                    await bad.write_message(data, binary=True)
            except WebSocketClosedError:
                bad = await websocket_connect(address)
            if rng.random() < 0.05:
                await asyncio.to_thread(knock)
            if number % 100 == 99:
                await answered(good, number)
        good.close()
        bad.close()

    try:
        with nothing_breaks():
            lived(all_of_it())
            talk.live()
    finally:
        lane.close()
