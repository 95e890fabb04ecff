"""The socket lane on a real loopback socket: who gets in, what passes, what is left."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

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

    assert asyncio.run(talk()) == [b"", b"\0\xff" * 100, bytes(MAX_UP_BYTES)]
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
        (None, None, "null", 403),
    ],
)
def test_strangers_are_refused(lane, ends, token, path, origin, code):
    async def knock():
        await connect(url(lane, token, path).replace("ü", "%C3%BC"), origin)

    with pytest.raises(HTTPClientError) as caught:
        asyncio.run(knock())
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

    asyncio.run(knock())
    assert lane.refused == 0


def test_a_message_over_the_limit_ends_that_socket_and_nothing_else(lane, ends):
    async def talk():
        bad, good = await connect(url(lane)), await connect(url(lane))
        with contextlib.suppress(WebSocketClosedError):  # the other end may hang up before all of it is out
            await bad.write_message(bytes(MAX_UP_BYTES + HEADER_BYTES + 1), binary=True)
        ended = await asyncio.wait_for(bad.read_message(), 10)
        await good.write_message(b"still here", binary=True)
        return ended, await asyncio.wait_for(good.read_message(), 10)

    assert asyncio.run(talk()) == (None, b"still here")
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

    outcome = asyncio.run(talk())
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

        asyncio.run(leave())
    deadline_s = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("imkit")}
