"""A replica without Ray around it: who gets in, who is refused, how sessions end. See test_ray_cluster for the rest."""

from __future__ import annotations

import json
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import FakeModel

pytest.importorskip("ray.serve")
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from imkit.adapters import realtime_events as wire
from imkit.serve import ServeError
from imkit.serve import ray as on_ray
from imkit.serve.ray import TAKEN_DOWN, Replica, Wanted
from imkit.stream import ModelError

TOKEN = "the-token-of-the-tests"
TICK = json.dumps(wire.append(np.zeros(4800, np.float32)))


class Many(FakeModel):
    """A fake that is stepped for many at once, and breaks when told so."""

    def __init__(self):
        super().__init__()
        self.together, self.broken = [], False

    def step_many(self, states, percepts):
        if self.broken:
            raise ModelError("broken")
        self.together.append(len(states))  # 0 when it only gets ready
        acts = [self.step(state, percept)[0] for state, percept in zip(states, percepts, strict=True)]
        return acts, states


@pytest.fixture(autouse=True)
def patience():
    """A line that says nothing fails its test instead of waiting for ever."""

    def enough(*_):
        raise TimeoutError("nothing was said for half a minute")

    before = signal.signal(signal.SIGALRM, enough)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def replica(monkeypatch):
    """Two seats; ``replica.stopping`` is what Serve says."""
    monkeypatch.setattr(on_ray, "load", lambda name: Many())
    monkeypatch.setattr(on_ray, "WATCH_S", 0.02)
    replica = Replica(Wanted.read({"sessions": "2", "grace_s": "0", "token": TOKEN}))
    assert replica.beat.chairs.model.together == [0]
    replica.stopping = False
    context = SimpleNamespace(app_name="a", deployment="d", replica_tag="r", servable_object=replica)
    monkeypatch.setattr(on_ray.serve, "get_replica_context", lambda: context)
    monkeypatch.setattr(on_ray, "is_stopping", lambda app, deployment, tag: replica.stopping)
    return replica


@pytest.fixture
def client(replica):
    with TestClient(on_ray.web, base_url="http://replica") as client:
        yield client


def into(client, token=TOKEN, **more):
    return client.websocket_connect("/v1/realtime", headers={"Authorization": f"Bearer {token}"}, **more)


def event(socket, kind):
    while True:
        told = json.loads(socket.receive_text())
        if told["type"] == kind:
            return told


def test_sessions_are_stepped_together(client, replica):
    with into(client) as one, into(client) as two:
        for socket in (one, two):
            assert event(socket, "session.created")["session"]["model"] == "fake"
            assert dict(socket.extra_headers)[b"x-imkit-replica"] == b"r"
        for socket in (one, two):
            for _ in range(10):
                socket.send_text(TICK)
        deadline_s = time.monotonic() + 10
        while 2 not in replica.beat.chairs.model.together and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert client.get("/health").json()["sessions"] == 2
    assert 2 in replica.beat.chairs.model.together
    assert not replica.beat.seats


def test_who_finds_no_seat_is_told_so_and_can_come_back(client):
    with into(client) as one, into(client):
        event(one, "session.created")
        with into(client) as third:
            assert "taken" in event(third, "error")["error"]["message"]
            with pytest.raises(WebSocketDisconnect) as closed:
                third.receive_text()
        assert (closed.value.code, closed.value.reason) == (1013, "all sessions of this replica are taken; try again")
    with into(client) as again:
        event(again, "session.created")


def test_strangers_stay_outside(client, replica):
    with pytest.raises(WebSocketDenialResponse) as denied, into(client, "another-token-of-somebody"):
        pass
    assert denied.value.status_code == 401
    assert "token" in denied.value.json()["error"]["message"]
    assert not replica.beat.seats


def test_a_replica_that_is_taken_down_says_so_and_takes_nobody_in(client, replica):
    with into(client) as socket:
        event(socket, "session.created")
        replica.stopping = True
        assert event(socket, "error")["error"]["message"] == TAKEN_DOWN
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert (closed.value.code, closed.value.reason) == (1012, TAKEN_DOWN)
        with into(client) as late:
            assert event(late, "error")["error"]["message"] == TAKEN_DOWN


def test_a_model_that_breaks_ends_the_sessions_with_a_reason_and_not_the_replica(client, replica):
    model = replica.beat.chairs.model
    with into(client) as one, into(client) as two:
        model.broken = True
        model.step = lambda state, percept: model.step_many([state], [percept])
        for socket in (one, two):
            socket.send_text(TICK)
        assert event(one, "error")["error"]["message"] == "the model failed"
        with pytest.raises(WebSocketDisconnect) as closed:
            one.receive_text()
        assert (closed.value.code, closed.value.reason) == (1011, "the model failed")
    model.broken = False
    with into(client) as again:
        event(again, "session.created")
    replica.check_health()


def test_a_beat_that_stopped_is_not_healthy(client, replica):
    with into(client) as socket:
        event(socket, "session.created")
    client.portal.call(replica._jobs[0].cancel)
    client.get("/health")  # so that the cancelled task has its turn
    with pytest.raises(RuntimeError, match="stepped no more"):
        replica.check_health()


def test_what_can_be_set(monkeypatch):
    monkeypatch.delenv("IMKIT_SERVE_TOKEN", raising=False)
    with pytest.raises(ServeError, match="IMKIT_SERVE_TOKEN"):
        Wanted.read({})
    monkeypatch.setenv("IMKIT_SERVE_TOKEN", TOKEN)
    assert Wanted.read({"sessions": "8", "cpus": "0.5"}) == Wanted(sessions=8, cpus=0.5, token=TOKEN)
    assert TOKEN not in repr(Wanted.read({}))
    for told, words in (
        ({"seats": "8"}, "'seats' cannot be set"),
        ({"sessions": "x"}, "whole"),
        ({"cpus": "0"}, "cpus"),
    ):
        with pytest.raises(ServeError, match=words):
            Wanted.read(told)
    application = on_ray.app({"sessions": "4", "replicas": "2", "max_replicas": "5"})
    options = application._bound_deployment
    assert options.max_ongoing_requests == 4 + on_ray.SPARE
    assert options._deployment_config.autoscaling_config.max_replicas == 5
