"""Two replicas on a real Ray Serve on this machine: one is killed under load, then one is taken down.

Minutes, most of them Ray's own start, so not part of ``make test``; ``make test-ray`` runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket

import numpy as np
import pytest
from model.small import write_small
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from imkit.adapters import realtime_events as wire

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")
serve = pytest.importorskip("ray.serve")

TOKEN = "the-token-of-the-tests"
TICK = json.dumps(wire.append(np.zeros(4800, np.float32)))
PATIENCE_S = 240.0
STARTS = 4
SLOWLY = {  # how long Ray waits for processes of its own, on a machine that has other work too
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}


class Client:
    """Sends sound without end, and comes back whenever it is sent away."""

    def __init__(self, port):
        self.url = f"ws://127.0.0.1:{port}/v1/realtime"
        self.sessions, self.ends, self.errors, self.events = [], [], [], 0
        self.seated, self.replica = False, ""
        self.answered = asyncio.Event()
        self._line = None

    async def live(self):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        while True:
            with contextlib.suppress(OSError, InvalidHandshake, TimeoutError):
                async with connect(self.url, additional_headers=headers, proxy=None, open_timeout=30) as self._line:
                    feeding = asyncio.create_task(self._feed())
                    with contextlib.suppress(ConnectionClosed):
                        await self._read()
                    feeding.cancel()
                if self.seated:
                    self.ends.append((self._line.close_code, self._line.close_reason))
                self.seated = False
            await asyncio.sleep(0.5)

    async def _feed(self):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._line.send(TICK)
                await asyncio.sleep(0.2)

    async def _read(self):
        async for message in self._line:
            told = json.loads(message)
            self.events += 1
            if told["type"] == "session.created":
                self.sessions.append(told["session"]["id"])
                self.seated, self.replica = True, self._line.response.headers["x-imkit-replica"]
            elif told["type"] == "conversation.item.done":
                self.answered.set()
            elif told["type"] == "error":
                self.errors.append(told["error"]["message"])

    async def ask(self):
        """Whether it is still served: a text is taken in."""
        self.answered.clear()
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "one"}]}
        await self._line.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await asyncio.wait_for(self.answered.wait(), PATIENCE_S)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Where two replicas of a small model listen."""
    folder = tmp_path_factory.mktemp("small")
    write_small(folder, graph=True)
    os.environ |= SLOWLY
    for attempt in range(STARTS):
        try:
            ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
            break
        except Exception:  # on a busy machine Ray does not wait long enough for a process of its own
            if attempt == STARTS - 1:
                raise
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        deploy.folder = str(folder)
        deploy(replicas=2)
        asyncio.run(until(lambda: are_running(2)))
        yield port
        serve.shutdown()
    finally:
        ray.shutdown()


def deploy(replicas):
    """What ``serve deploy`` asks of the dashboard, not started here. Replicas that stay are left alone by it."""
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    application = {
        "name": "imkit",
        "route_prefix": "/",
        "import_path": "imkit.serve.ray:app",
        "args": {"model": deploy.folder, "sessions": 4, "cpus": 0.5, "grace_s": 1, "token": TOKEN},
        "deployments": [{"name": "imkit", "num_replicas": replicas}],
    }
    _get_global_client().deploy_apps(ServeDeploySchema.model_validate({"applications": [application]}))


def are_running(count):
    """Whether so many replicas run, and no others are on their way in or out."""
    deployments = serve.status().applications["imkit"].deployments
    return "imkit" in deployments and deployments["imkit"].replica_states == {"RUNNING": count}


def process_of(replica):
    from ray.serve.context import _get_global_client

    told = _get_global_client().get_serve_details()["applications"]["imkit"]["deployments"]["imkit"]["replicas"]
    return {one["replica_id"]: one["pid"] for one in told}[replica]


async def until(wanted):
    async with asyncio.timeout(PATIENCE_S):
        while not wanted():
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def two_on_each(port):
    """Two clients on each of two replicas of four seats."""
    clients = [Client(port) for _ in range(6)]  # more than one replica has seats, so that both are used
    jobs = {client: asyncio.create_task(client.live()) for client in clients}
    try:
        await until(lambda: all(client.seated for client in clients))
        places = {client.replica for client in clients}
        assert len(places) == 2
        kept = [one for place in places for one in [c for c in clients if c.replica == place][:2]]
        for client in set(clients) - set(kept):
            jobs[client].cancel()
        for client in kept:
            client.ends.clear()
            client.errors.clear()
            del client.sessions[:-1]
        yield kept
    finally:
        for job in jobs.values():
            job.cancel()
        await asyncio.gather(*jobs.values(), return_exceptions=True)


async def end_one_replica(port, end):
    """Ends one of two replicas. Gives how the lines of its clients ended, after all are served again."""
    async with two_on_each(port) as clients:
        place = {client: client.replica for client in clients}
        session = {client: client.sessions[0] for client in clients}
        await asyncio.to_thread(end, clients[0].replica)
        await until(lambda: any(client.ends for client in clients))
        gone = next(place[client] for client in clients if client.ends)
        hit = [client for client in clients if place[client] == gone]
        await until(lambda: all(client.ends and client.seated for client in hit))
        for client in clients:
            await client.ask()
        for client in clients:
            if client in hit:
                assert len(client.sessions) >= 2
                assert client.replica != gone
            else:
                assert client.sessions == [session[client]]
                assert not client.ends
                assert not client.errors
        return [client.ends[0] for client in hit]


def test_a_replica_that_dies_takes_its_own_sessions_only_and_they_come_back(port):
    ends = asyncio.run(end_one_replica(port, lambda replica: os.kill(process_of(replica), signal.SIGKILL)))
    assert ends == [(1006, "")] * 2  # nobody was left to say why


def test_a_replica_that_is_taken_down_tells_its_sessions_and_they_go_on_elsewhere(port):
    asyncio.run(until(lambda: are_running(2)))  # the dead one of the test before was replaced
    ends = asyncio.run(end_one_replica(port, lambda _: deploy(1)))
    assert ends == [(1012, "this server is being taken down; connect again")] * 2
