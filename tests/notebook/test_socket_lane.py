"""The socket lane on a real loopback socket: who gets in, what passes, what is left."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from fakes_loop import lived
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

from imkit.notebook import socket_lane
from imkit.notebook.codec import HEADER_BYTES, MAX_UP_BYTES
from imkit.notebook.socket_lane import SocketLane


class Ends:
    """Collects what arrives, and answers by echo."""

    def __init__(self):
        self.messages = []
        self.closed = []

    def on_message(self, data, port):
        self.messages.append(data)
        port.send(data)

    def on_close(self, port):
        self.closed.append(port)


@pytest.fixture
def ends():
    return Ends()


@pytest.fixture
def lane(ends):
    lane = SocketLane(ends.on_message, ends.on_close)
    yield lane
    lane.close()


def url(lane, token=None, path=None):
    return f"ws://127.0.0.1:{lane.port}/{path or lane.path}?t={lane.token if token is None else token}"


def connect(address, origin=None):
    headers = {"Origin": origin} if origin else {}
    return websocket_connect(HTTPRequest(address, headers=headers), max_message_size=8 << 20)


def test_messages_pass_both_ways_unchanged(lane, ends):
    async def talk():
        client = await connect(url(lane), "http://localhost:8888")
        answers = []
        for message in (b"", b"\0\xff" * 100, bytes(MAX_UP_BYTES)):
            await client.write_message(message, binary=True)
            answers.append(await asyncio.wait_for(client.read_message(), 10))
        client.close()
        return answers

    assert lived(talk()) == [b"", b"\0\xff" * 100, bytes(MAX_UP_BYTES)]
    assert len(ends.messages) == 3


@pytest.mark.parametrize(
    ("token", "path", "origin", "code"),
    [
        ("", None, None, 403),
        ("wrong", None, None, 403),
        ("ü", None, None, 403),
        (None, "imkit/elsewhere", None, 403),
        (None, None, "https://evil.example", 403),
        (None, None, "http://localhost.evil.example", 403),
        (None, None, "http://127.evil.example", 403),
        (None, None, "http://localhost@evil.example", 403),
        (None, None, "null", 403),
    ],
)
def test_strangers_are_refused(lane, ends, token, path, origin, code):
    async def knock():
        await connect(url(lane, token, path).replace("ü", "%C3%BC"), origin)

    with pytest.raises(HTTPClientError) as caught:
        lived(knock())
    assert caught.value.code == code
    assert not ends.messages
    assert not lane.ports


@pytest.mark.parametrize(
    "origin", [None, "http://localhost:8888", "https://127.0.0.1", "http://[::1]:9", "https://hub.example"]
)
def test_pages_of_this_machine_and_trusted_ones_come_in(lane, origin):
    lane.origins.add("https://hub.example")

    async def knock():
        client = await connect(url(lane), origin)
        client.close()

    lived(knock())
    assert lane.refused == 0


def request(lane, host, **more):
    """An upgrade as its bytes, with a host of our choosing."""
    lines = [f"GET /{lane.path}?t={lane.token} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in more.items()), "", ""]).encode()


def answer(lane, data):
    with socket.create_connection(("127.0.0.1", lane.port), 10) as client:
        client.sendall(data)
        with contextlib.suppress(ConnectionError):
            return client.recv(4096)
        return b""


def test_a_name_that_was_pointed_here_does_not_get_in(lane):
    """DNS rebinding: a page of evil.example, whose name now leads to this machine, knocks as if at home."""
    for host in ("evil.example", f"evil.example:{lane.port}", "127.evil.example", "", "[", "localhost.evil.example"):
        assert b" 101 " not in answer(lane, request(lane, host)), host
    assert lane.refused
    assert b" 403 " in answer(lane, request(lane, "evil.example", Origin="http://localhost:8888"))
    lane.origins.add("https://hub.example:8000")  # which said hello through Jupyter
    for host in ("localhost", f"127.0.0.1:{lane.port}", "[::1]:9", "hub.example"):
        assert b" 101 " in answer(lane, request(lane, host)), host


def test_who_dawdles_at_the_door_is_sent_away_and_holds_nobody_up(ends, monkeypatch):
    monkeypatch.setattr(socket_lane, "HANDSHAKE_S", 1.0)
    monkeypatch.setattr(socket_lane, "MAX_OPEN", 8)
    lane = SocketLane(ends.on_message, ends.on_close)
    slow = [socket.create_connection(("127.0.0.1", lane.port), 10) for _ in range(4)]
    for one in slow:
        one.sendall(request(lane, "localhost")[:60])

    async def talk():
        client = await connect(url(lane))
        await client.write_message(b"in", binary=True)
        return await asyncio.wait_for(client.read_message(), 10)

    try:
        assert lived(talk()) == b"in"
        crowd = [socket.create_connection(("127.0.0.1", lane.port), 10) for _ in range(20)]
        for one in (*slow, *crowd):  # after a second at most, or at once where there were too many
            one.settimeout(20)
            with contextlib.suppress(ConnectionError):
                assert one.recv(100) == b""
            one.close()
        assert lived(talk()) == b"in"
        for much in (b"Cookie: " + b"a" * 200_000, b"Content-Length: 100000000\r\n\r\n" + bytes(5000)):
            assert b" 101 " not in answer(lane, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + much)
    finally:
        lane.close()


def test_a_message_over_the_limit_ends_that_socket_and_nothing_else(lane, ends):
    async def talk():
        bad, good = await connect(url(lane)), await connect(url(lane))
        with contextlib.suppress(WebSocketClosedError):  # the other end may hang up before all of it is out
            await bad.write_message(bytes(MAX_UP_BYTES + HEADER_BYTES + 1), binary=True)
        ended = await asyncio.wait_for(bad.read_message(), 10)
        await good.write_message(b"still here", binary=True)
        return ended, await asyncio.wait_for(good.read_message(), 10)

    assert lived(talk()) == (None, b"still here")
    assert len(ends.messages) == 1


def test_a_page_that_reads_nothing_is_not_waited_for(lane, ends):
    async def talk():
        client = await websocket_connect(url(lane), on_message_callback=lambda _: None)
        await client.write_message(b"hello", binary=True)
        while not lane.ports or not ends.messages:
            await asyncio.sleep(0.01)
        (port,) = lane.ports
        outcome = [port.send(bytes(1 << 19)) for _ in range(200)]  # this loop does not read meanwhile
        client.close()
        return outcome

    outcome = lived(talk())
    assert outcome[0]
    assert not all(outcome)


def test_it_listens_on_the_loopback_only_and_frees_its_port():
    lane = SocketLane(lambda *_: None, lambda *_: None)
    number = lane.port
    with socket.create_connection(("127.0.0.1", number), timeout=5) as probe:
        assert probe.getpeername()[0] == "127.0.0.1"
    lane.close()
    lane.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", number), timeout=5)


def test_sessions_share_one_thread_and_twenty_cycles_leave_none(ends):
    before = set(threading.enumerate())
    for _ in range(20):
        first = SocketLane(ends.on_message, ends.on_close)
        second = SocketLane(ends.on_message, ends.on_close)
        assert first.port == second.port
        assert first.token != second.token
        assert sum(thread.name == "imkit-socket" for thread in threading.enumerate()) == 1

        async def talk(lane=second):
            client = await connect(url(lane))
            await client.write_message(b"x", binary=True)
            assert await asyncio.wait_for(client.read_message(), 10) == b"x"
            return client

        async def leave(first=first, second=second):
            client = await talk(second)
            second.close()
            assert await asyncio.wait_for(client.read_message(), 10) is None
            with pytest.raises(HTTPClientError):
                await connect(url(second))
            first.close()

        lived(leave())
    deadline_s = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("imkit")}
