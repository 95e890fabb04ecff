"""The server on a real loopback socket: who gets in, what one client may do to others, what is left."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
import time

import numpy as np
import pytest
from fakes import FakeModel
from fakes_loop import lived
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from imkit.adapters import realtime_events as wire
from imkit.serve import Chairs, FedPace, Limits, RealPace, ServeError, Server
from imkit.stream import Act, ModelError, OpenConfig, Percept

TOKEN = "the-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TICK = json.dumps(wire.append(np.zeros(4800, np.float32)))


@pytest.fixture
def server():
    with Server(FakeModel(), token=TOKEN, pace=FedPace, limits=Limits(sessions=2, handshake_s=0.5)) as server:
        yield server


def into(server, *, query="", path=None, **more):
    more = {"additional_headers": BEARER, "proxy": None} | more
    address = f"ws://127.0.0.1:{server.port}{path or '/v1/realtime'}{query}"
    return connect(address, **more)


async def event(socket, kind=None):
    async with asyncio.timeout(20):
        while True:
            told = json.loads(await socket.recv())
            if kind in (None, told["type"]):
                return told


def status(server, **more):
    """What an attempt to come in is answered with; 101 is in."""

    async def knock():
        async with into(server, **more) as socket:
            assert (await event(socket))["type"] == "session.created"
            return 101, socket.subprotocol

    try:
        return lived(knock())
    except InvalidStatus as error:
        answer = error.response
    assert TOKEN not in str(answer.body)
    return answer.status_code, None


def test_the_token_comes_three_ways(server):
    assert status(server) == (101, None)
    assert status(server, additional_headers={}, query=f"?token={TOKEN}") == (101, None)
    key = f"openai-insecure-api-key.{TOKEN}"
    assert status(server, additional_headers={}, subprotocols=["realtime", key]) == (101, "realtime")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"additional_headers": {}}, 401),
        ({"additional_headers": {"Authorization": "Bearer wrong"}}, 401),
        ({"additional_headers": {"Authorization": TOKEN}}, 401),
        ({"additional_headers": {}, "query": "?token="}, 401),
        ({"additional_headers": {}, "query": "?token=" + TOKEN[:-1]}, 401),
        ({"additional_headers": {}, "query": "?" + "&".join(["token=x"] * 50)}, 401),
        ({"additional_headers": {}, "subprotocols": ["realtime", "openai-insecure-api-key.x"]}, 401),
        ({"additional_headers": {"Authorization": "Bearer \u00e9"}}, 401),
        ({"path": "/v1/chat"}, 404),
        ({"query": "?x=" + "a" * 3000}, 414),
        ({"additional_headers": BEARER | {"Origin": "https://evil.example"}}, 403),
        ({"additional_headers": BEARER | {"Origin": "null"}}, 403),
        ({"additional_headers": BEARER | {"Origin": "http://localhost.evil.example"}}, 403),
        ({"additional_headers": BEARER | {"Origin": "http://127.0.0.1@evil.example"}}, 403),
        ({"additional_headers": BEARER | {"Sec-Fetch-Site": "cross-site"}}, 403),
        ({"additional_headers": BEARER | {"Origin": "http://localhost:8888"}}, 101),
    ],
)
def test_who_gets_in(server, more, expected):
    assert status(server, **more)[0] == expected
    if expected != 101:
        assert server.door.refused == {str(expected): 1}


def raw(server, request):
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(request)
        return client.recv(4096)


def test_a_name_that_was_pointed_here_does_not_get_in(server):
    lines = ["GET /v1/realtime HTTP/1.1", "Host: evil.example", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Authorization: Bearer {TOKEN}",
    ]
    assert b" 403 " in raw(server, "\r\n".join([*lines, "", ""]).encode())
    lines[1] = f"Host: localhost:{server.port}"
    assert b" 101 " in raw(server, "\r\n".join([*lines, "", ""]).encode())


def test_no_more_sessions_than_there_is_room_for(server):
    async def fill():
        async with into(server) as one, into(server) as two:
            await event(one)
            await event(two)
            with pytest.raises(InvalidStatus) as refused:
                await into(server)
            answer = refused.value.response
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
            assert json.loads(answer.body)["error"]["message"]
            with pytest.raises(InvalidStatus, match="401"):  # a stranger is not told that it is full
                await into(server, additional_headers={})
        async with asyncio.timeout(10):
            while server.seats:
                await asyncio.sleep(0.01)
        async with into(server) as three:
            assert (await event(three))["type"] == "session.created"

    lived(fill())


def test_who_slips_in_beside_another_is_told_and_let_go(server):
    server.door.check = lambda *_: None  # as if both had asked while there was room

    async def slip():
        async with into(server), into(server), into(server) as third:
            told = await event(third)
            assert told["error"]["code"] == "session_limit"
            with pytest.raises(ConnectionClosed) as closed:
                await third.recv()
            assert closed.value.rcvd.code == 1013

    lived(slip())
    assert server.counts["turned_away"] == 1


def test_a_message_that_is_too_big_ends_its_own_session_only(server):
    async def shout():
        async with into(server) as calm:
            await event(calm)
            with contextlib.suppress(AttributeError):  # of asyncio, where a connection that was reset is left
                async with into(server) as loud:
                    await event(loud)
                    await loud.send("x" * (server.limits.message_bytes + 1))
                    with pytest.raises(ConnectionClosed) as closed:
                        await loud.recv()
            assert 1009 in {side.code for side in (closed.value.rcvd, closed.value.sent) if side}
            await calm.send('{"type":"input_audio_buffer.clear"}')
            assert (await event(calm))["type"] == "input_audio_buffer.cleared"

    lived(shout())


def test_who_dawdles_at_the_door_is_sent_away_and_others_come_in(server):
    slow = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(5)]
    for one in slow:
        one.sendall(b"GET /v1/realtime HTTP/1.1\r\nHost: 127")
    assert status(server)[0] == 101
    for one in slow:
        one.settimeout(20)
        assert one.recv(100) == b""  # hung up on, without a word
        one.close()


def test_more_at_the_door_than_may_stand_there_are_hung_up_on(server):
    crowd = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(40)]
    deadline = time.monotonic() + 20
    while server.counts["too_many_connections"] < 40 - server.limits.sessions - server.limits.handshakes:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for one in crowd:
        one.close()


def test_nonsense_is_answered_and_the_session_goes_on(server):
    async def babble():
        async with into(server) as socket:
            await event(socket)
            for message in ("", "{", b"\xff", '{"type":"dance"}', '{"type":"input_audio_buffer.append","audio":7}'):
                await socket.send(message)
                assert (await event(socket))["type"] == "error"
            await socket.send(TICK)
            await socket.send('{"type":"input_audio_buffer.clear"}')
            assert (await event(socket))["type"] == "input_audio_buffer.cleared"

    lived(babble())


def test_a_model_that_fails_ends_the_session_that_it_failed_in(server):
    server.chairs.model.fail_at = 1

    async def talk():
        async with into(server) as one, into(server) as two:
            await event(one)
            await event(two)
            await one.send(TICK)
            await one.send(TICK)
            told = await event(one, "error")
            assert told["error"]["type"] == "server_error"
            assert "told to fail" not in json.dumps(told)
            with pytest.raises(ConnectionClosed) as closed:
                await event(one, "nothing of this name")
            assert closed.value.rcvd.code == 1011
            await two.send('{"type":"input_audio_buffer.clear"}')
            assert (await event(two))["type"] == "input_audio_buffer.cleared"

    lived(talk())
    assert server.counts["model_failures"] == 1


def test_who_says_nothing_for_long_is_let_go():
    limits = Limits(idle_s=0.3)
    with Server(FakeModel(), token=TOKEN, limits=limits) as server:

        async def wait():
            async with into(server) as socket:
                assert "nothing came in" in (await event(socket, "error"))["error"]["message"]
                with pytest.raises(ConnectionClosed):
                    await socket.recv()

        lived(wait())


def test_sessions_are_lived_by_the_wall_clock_and_apart():
    with Server(FakeModel(), token=TOKEN) as server:

        async def talk():
            async with into(server) as one, into(server) as two:
                for socket, text in ((one, "red"), (two, "blue")):
                    await event(socket)
                    await socket.send(wire.write(wire.user_message(wire.input_text(text))))
                said = [await event(socket, "response.done") for socket in (one, two)]
                return [told["response"]["output"][0]["content"][0]["transcript"] for told in said]

        assert lived(talk()) == ["red", "blue"]


def test_nothing_is_left_and_nothing_is_written_down(caplog):
    caplog.set_level(logging.DEBUG)
    before = {thread.name for thread in threading.enumerate()}
    server = Server(FakeModel(), token=TOKEN, pace=FedPace).start()

    async def talk():
        async with into(server, query=f"?token={TOKEN}", logger=logging.getLogger("the.tests.own")) as socket:
            await socket.send(TICK)
            await event(socket)
            server.close()

    with contextlib.suppress(ConnectionClosed, InvalidHandshake):
        lived(talk())
    server.close()
    assert {thread.name for thread in threading.enumerate()} <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 1)
    assert TOKEN not in "".join(r.getMessage() for r in caplog.records if not r.name.startswith("the.tests"))
    assert TOKEN not in repr(server) + server.url


def test_other_machines_need_a_token_of_yours(monkeypatch):
    monkeypatch.delenv("IMKIT_SERVE_TOKEN", raising=False)
    for host in ("0.0.0.0", "::", "192.168.1.5"):
        with pytest.raises(ServeError, match="token of at least 16"):
            Server(FakeModel(), host)
        with pytest.raises(ServeError, match="token of at least 16"):
            Server(FakeModel(), host, token="short")
    monkeypatch.setenv("IMKIT_SERVE_TOKEN", "from-the-environment")
    server = Server(FakeModel(), "0.0.0.0")
    assert (server.token, server.made_token) == ("from-the-environment", False)
    assert Server(FakeModel(), token="").token == Server(FakeModel()).token
    monkeypatch.delenv("IMKIT_SERVE_TOKEN")
    assert Server(FakeModel()).token != Server(FakeModel()).token
    with pytest.raises(ServeError, match="no header may hold"):
        Server(FakeModel(), token="two words")


def test_a_port_that_is_taken_is_said():
    with Server(FakeModel()) as server, pytest.raises(ServeError, match="taken"):
        Server(FakeModel(), port=server.port).start()


class Many(FakeModel):
    """Steps several states at once, and counts how often."""

    def __init__(self):
        super().__init__()
        self.together = []

    def step_many(self, states, percepts):
        self.together.append(len(states))
        stepped = [self.step(state, percept) for state, percept in zip(states, percepts, strict=True)]
        return [act for act, _ in stepped], [state for _, state in stepped]


def test_a_model_that_steps_many_at_once_is_asked_once():
    chairs = Chairs(Many())
    states = [chairs.open(OpenConfig()) for _ in range(3)]
    due = [(state, Percept(k, text=f"word{k}")) for k, state in enumerate(states)]
    one_by_one = [Chairs(FakeModel()).step([pair])[0] for pair in due]
    together = chairs.step(due)
    assert chairs.model.together == [3]
    assert [(act.index, act.text, act.floor) for act, _ in together] == [
        (act.index, act.text, act.floor) for act, _ in one_by_one
    ]


def test_an_act_that_breaks_the_contract_is_an_error_of_its_own_session():
    class Broken(FakeModel):
        def step(self, state, percept):
            act, state = super().step(state, percept)
            return (Act(percept.index, act.audio[:7]) if percept.text == "break" else act), state

    chairs = Chairs(Broken())
    due = [(chairs.open(OpenConfig()), Percept(0, text=text)) for text in ("fine", "break", "fine")]
    good, bad, fine = chairs.step(due)
    assert isinstance(bad, ModelError)
    assert (good[0].text, fine[0].text) == ("fine", "fine")


def test_the_wall_clock_never_drifts_and_tells_what_was_slept_through():
    now = [100.0]

    async def beat():
        async def sleep(seconds):
            now[0] += seconds + 0.013  # always late

        pace = RealPace(lambda: now[0], sleep)
        first = [await pace.next() for _ in range(50)]
        now[0] += 1.0
        return first, await pace.next(), now[0]

    first, late, _ = lived(beat())
    assert sum(first) == 50
    assert late in (5, 6)
