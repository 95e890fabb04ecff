"""The line to a server, in virtual time: what is lost, what waits, when it calls again. No thread, no socket."""

import asyncio
import random
from itertools import pairwise

import numpy as np
import pytest
from virtual_time import FakeServer, FakeWire, run_virtually

from imkit.adapters import realtime_events as wire
from imkit.adapters.realtime_line import (
    MAX_UNREAD,
    MAX_UNSENT,
    MAX_UNSENT_TICKS,
    Backoff,
    Connection,
    Line,
    Refused,
)

SOUND = wire.append(np.zeros(8, np.float32))
TEXT = wire.user_message(wire.input_text("hello"))


def make(server, **more):
    return Line(server.dial, lambda: [wire.session_update({})], rng=random.Random(3), **more)


async def hang_up(line, job):
    line.close()
    await asyncio.wait_for(job, 10)
    assert line.state in (Connection.CLOSED, Connection.REFUSED)


@pytest.mark.parametrize("down_s", [0.1, 1.0, 5.0, 30.0])
def test_a_server_that_was_gone_is_back_within_two_seconds_and_every_lost_tick_is_counted(down_s):
    async def live():
        server = FakeServer()
        line = make(server)
        job, clock = asyncio.ensure_future(line.attend()), asyncio.get_running_loop().time
        put, states, back_s = 0, [], None
        began_s = clock()
        for tick in range(round((12 + down_s) * 5)):
            await asyncio.sleep(0.2)
            if tick == 30:
                down_at_s = clock()
                server.go_down()
                asyncio.get_running_loop().call_later(down_s, lambda: setattr(server, "up", True))
            if tick == 31:
                line.put([TEXT])
            line.put([SOUND])
            put += 1
            states.append(line.state)
            if tick > 31 and back_s is None and line.state is Connection.LIVE:
                back_s = clock() - down_at_s
        await asyncio.sleep(0.1)
        arrived = len(server.of("input_audio_buffer.append"))
        await hang_up(line, job)
        return server, line, put, arrived, states, back_s, began_s

    server, line, put, arrived, states, back_s, _ = run_virtually(live())
    assert arrived + line.counts["lost_ticks"] == put
    assert back_s <= down_s + 2.0 + 0.21
    assert states[0] is Connection.LIVE
    assert states[-1] is Connection.LIVE
    assert states.count(Connection.LOST) >= int(down_s * 5)
    assert line.counts["lost_ticks"] >= int(down_s * 5)
    assert line.counts["lost_connections"] == 1
    assert len(server.of("conversation.item.create")) == 1  # a text waits; sound does not
    assert max(b - a for a, b in pairwise(server.dials[1:] or [0])) <= 2.0 if len(server.dials) > 2 else True


def test_waits_grow_by_chance_and_have_an_end():
    waits = [[Backoff(random.Random(seed)).next_s() for _ in range(1)] for seed in range(40)]
    assert len({tuple(one) for one in waits}) == 40
    backoff = Backoff(random.Random(1))
    grown = [backoff.next_s() for _ in range(30)]
    most = [min(2.0, 0.1 * 2**k) for k in range(30)]
    assert all(m / 2 <= wait <= m for wait, m in zip(grown, most, strict=True))


def test_a_server_that_hangs_up_at_once_is_not_hammered():
    async def live():
        server = FakeServer()
        line = make(server)
        job = asyncio.ensure_future(line.attend())
        for _ in range(600):
            await asyncio.sleep(0.1)
            if server.wire is not None and not server.wire.cut:
                server.wire.drop()
        await hang_up(line, job)
        return server

    assert len(run_virtually(live()).dials) < 60  # in a minute


def test_a_refusal_is_for_good():
    async def live():
        async def dial():
            calls.append(1)
            raise Refused("not with this key")

        calls = []
        line = Line(dial, list)
        await line.attend()
        line.put([SOUND, SOUND])
        return calls, line

    calls, line = run_virtually(live())
    assert (len(calls), line.state, line.reason) == (1, Connection.REFUSED, "not with this key")
    assert line.ready.is_set()
    assert line.counts["lost_ticks"] == 2


def test_a_server_that_says_nothing_is_called_again():
    async def live():
        server = FakeServer(answer={"session.update": []})
        line = make(server)
        job = asyncio.ensure_future(line.attend())
        await asyncio.sleep(60)
        assert not line.ready.is_set()
        await hang_up(line, job)
        return server

    assert 3 <= len(run_virtually(live()).dials) <= 7


def test_nobody_speaks_for_a_minute_and_it_hangs_up_until_somebody_does():
    async def live():
        server = FakeServer()
        line = make(server)
        job = asyncio.ensure_future(line.attend())
        await asyncio.sleep(1)
        line.put([SOUND])
        await asyncio.sleep(70)
        idle = line.state, server.wire.cut, len(server.dials)
        line.put([TEXT])
        await asyncio.sleep(2)
        again = line.state, len(server.dials), len(server.of("conversation.item.create"))
        await hang_up(line, job)
        return idle, again

    idle, again = run_virtually(live())
    assert idle == (Connection.IDLE, True, 1)
    assert again == (Connection.LIVE, 2, 1)


def test_the_heart_beats_where_the_dialect_wants_it():
    async def live():
        server = FakeServer()
        line = make(server, beat_s=10.0)
        job = asyncio.ensure_future(line.attend())
        for _ in range(35 * 5):
            await asyncio.sleep(0.2)
            line.put([SOUND])
        await hang_up(line, job)
        return server

    assert len(run_virtually(live()).of("session.heartbeat")) == 3


def test_a_network_that_takes_nothing_costs_sound_and_not_memory():
    class Stuck(FakeWire):
        async def send(self, message):
            if "append" in message:
                await asyncio.sleep(1e9)
            await super().send(message)

    async def live():
        server = FakeServer()

        async def dial():
            server.wire = Stuck(server)
            return server.wire

        line = Line(dial, lambda: [wire.session_update({})])
        job = asyncio.ensure_future(line.attend())
        await asyncio.sleep(1)
        for _ in range(100):
            line.put([SOUND])
            await asyncio.sleep(0.01)
        waiting = len(line._unsent)
        line.put([TEXT] * 1000)
        many = len(line._unsent)
        await hang_up(line, job)
        return line, waiting, many

    line, waiting, many = run_virtually(live())
    assert waiting == MAX_UNSENT_TICKS
    assert many == MAX_UNSENT
    assert line.counts["lost_ticks"] == 100  # ten of them when the line was closed
    assert line.counts["lost_messages"] >= 1000 - MAX_UNSENT


def test_what_nobody_drains_is_bounded_and_counted():
    async def live():
        server = FakeServer()
        line = make(server)
        job = asyncio.ensure_future(line.attend())
        await asyncio.sleep(1)
        for _ in range(MAX_UNREAD + 500):
            server.wire.say({"type": "response.speak"})
        server.wire.say("no JSON")
        await asyncio.sleep(1)
        came = line.drain()
        await hang_up(line, job)
        return line, came

    line, came = run_virtually(live())
    assert len(came) == MAX_UNREAD
    assert line.counts["lost_messages_in"] == 502
    assert line.counts["malformed_messages"] == 1
    assert [event["type"] for event in came[:2]] == ["imkit.connected", "session.created"]
