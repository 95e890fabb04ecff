"""A remote model in the chair, against scripted servers on a real socket: dialects, loss, keys, what it cannot do."""

import asyncio
import contextlib
import copy
import gc
import json
import logging
import pickle
import threading
import time
import traceback

import numpy as np
import pytest
from fakes import FakeClock
from fakes_loop import lived
from websockets.asyncio.server import serve

from imkit.adapters import realtime_events as wire
from imkit.adapters.realtime import Realtime
from imkit.adapters.realtime_address import Address
from imkit.probe import fork
from imkit.recordings import Consent, Recorder, RecordingError, open_recording, replay
from imkit.session import Loop, Session
from imkit.stream import Floor, InteractionModel, ModelError, OpenConfig, Percept

KEY = "sk-very-secret-0123456789"
SOUND = np.full(4800, 0.25, np.float32)


class Scripted:
    """A server in a thread of its own that answers by a table and keeps what it was sent."""

    def __init__(self, answers, status=None, location=None):
        self.answers, self.status, self.location = answers, status, location
        self.sent, self.headers, self.paths = [], [], []
        self.port = 0
        self._up = threading.Event()
        self._down = None
        self._thread = None

    def __enter__(self):
        self.rise()
        return self

    def __exit__(self, *_):
        self.fall()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    def rise(self):
        self._up.clear()
        self._thread = threading.Thread(target=lambda: lived(self._run()), daemon=True)
        self._thread.start()
        assert self._up.wait(10)

    def fall(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._down.set)
            self._thread.join(10)

    async def _run(self):
        self._loop, self._down = asyncio.get_running_loop(), asyncio.Event()
        async with serve(self._attend, "127.0.0.1", self.port, process_request=self._ask, close_timeout=0.1) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._up.set()
            await self._down.wait()
            for connection in server.connections:
                connection.transport.abort()  # killed: no goodbye

    def _ask(self, connection, request):
        self.headers.append(dict(request.headers.raw_items()))
        self.paths.append(request.path)
        if self.status is None:
            return None
        answer = connection.respond(self.status, f"no: {self.headers[-1]}")
        if self.location:
            answer.headers["Location"] = self.location
        return answer

    async def _attend(self, connection):
        with contextlib.suppress(Exception):
            async for message in connection:
                event = json.loads(message)
                self.sent.append(event)
                for answer in self.answers.get(event["type"], ()):
                    await connection.send(answer if isinstance(answer, str | bytes) else json.dumps(answer))

    def of(self, kind):
        return [event for event in self.sent if event["type"] == kind]


def about(**more):
    return {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0, **more}


def spoken(**more):
    """A response of two ticks of sound."""
    sound = {"delta": wire.pcm16(SOUND), **more}
    return [
        {"type": "response.created", "response": {"id": "r1"}},
        {"type": "response.output_audio_transcript.delta", **about(delta="hello there ")},
        {"type": "response.output_audio.delta", **about(**sound)},
        {"type": "response.output_audio.delta", **about(**sound)},
        {"type": "response.output_audio.done", **about()},
        {"type": "response.done", "response": {"id": "r1", "status": "completed"}},
    ]


CREATED = {"type": "session.created", "session": {"id": "s1", "model": "m", "output_modalities": ["audio"]}}
OPENAI = {"session.update": [CREATED], "response.create": spoken()}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("IMKIT_REALTIME_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def until(model, state, wanted, first=0, seconds=20, **more):
    """Steps until an act is as wanted; all acts."""
    acts, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        act, state = model.step(state, Percept(first + len(acts), **(more if not acts else {})))
        acts.append(act)
        if wanted(act):
            return acts
        time.sleep(0.01)
    raise AssertionError(f"never: {acts[-1].diagnostics}, {model.counts(state)}")


@contextlib.contextmanager
def recorded(session, folder):
    with Recorder(folder, output_rate=24_000, model="realtime", consent=Consent("the tests"), acts=True) as session.tap:
        yield


def unhurried(url, *more, **options):
    """A model that takes a clock of the tests, so that steps may be faster than time."""
    return Realtime(url, *more, clock=lambda: 0.0, sleep=lambda _: None, **options)


def test_a_conversation_in_the_dialect_of_openai():
    with Scripted(OPENAI) as server:
        model = unhurried(server.url, model="some-model", instructions="be kind")
        assert isinstance(model, InteractionModel)
        state = model.open(OpenConfig(tools=("list_variables",)))
        assert model.capabilities["output_modalities"] == ["audio"]
        acts = until(model, state, lambda act: act.floor is Floor.SPEAK, text="hello")
        more = until(model, state, lambda act: act.floor is Floor.LISTEN, first=len(acts))
        spoke = [act for act in (*acts, *more) if act.floor is Floor.SPEAK]
        assert len(spoke) == 2
        np.testing.assert_allclose(spoke[0].audio, 0.25, atol=1e-3)
        assert " ".join(filter(None, (act.text for act in spoke))) == "hello there"
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
        assert server.paths == ["/v1/realtime?model=some-model"]
        names = [tool["name"] for tool in server.sent[0]["session"]["tools"]]
        assert names == ["list_variables", "ask_background"]
        model.close()


def test_a_conversation_in_the_dialect_of_vllm_omni_and_resuming_it():
    created = {"id": "s1", "resume_token": "t1", "capabilities": {"barge_in": True, "chunk_period_ms": 1000}}
    numbered = [{**event, "server_event_seq": 2 + k} for k, event in enumerate(spoken(sample_rate_hz=24_000))]
    answers = {
        "session.update": [{"type": "session.created", "session": created, "server_event_seq": 1}],
        "conversation.item.create": numbered,
        "session.resume": [{"type": "session.resumed", "session": {"id": "s1"}, "server_event_seq": 8}, *numbered],
    }
    with Scripted(answers) as server:
        model = unhurried(server.url, "vllm_omni", "minicpm")
        state = model.open(OpenConfig())
        assert server.paths == ["/v1/realtime?duplex=1&autostart=0&model=minicpm"]
        assert model.capabilities == {"barge_in": True, "chunk_period_ms": 1000}
        acts = until(model, state, lambda act: act.text == "hello there" or "there" in act.text, text="hello")
        server.fall()
        acts += until(model, state, lambda act: act.diagnostics["connection"] != "live", first=len(acts))
        server.rise()
        acts += until(model, state, lambda act: act.diagnostics["connection"] == "live", first=len(acts))
        until(model, state, lambda _: model.counts(state)["repeated_events"] == len(numbered), first=len(acts))
        resumed = server.of("session.resume")
        assert (resumed[0]["resume_token"], resumed[0]["last_received_server_event_seq"]) == ("t1", 7)
        assert len(server.of("session.update")) == 1
        until(model, state, lambda _: server.of("playback.ack"), first=len(acts) + 1000)
        assert server.of("playback.ack")[-1]["item_id"] == "i1"
        model.close()


def test_a_server_that_is_killed_leaves_silence_a_name_for_it_and_a_count():
    with Scripted(OPENAI) as server:
        model = unhurried(server.url)
        state = model.open(OpenConfig())
        acts = until(model, state, lambda act: act.diagnostics["connection"] == "live")
        server.fall()
        acts += until(model, state, lambda act: act.diagnostics["connection"] == "lost", first=len(acts))
        down = [model.step(state, Percept(len(acts) + k))[0] for k in range(20)]
        assert all(act.floor is Floor.LISTEN and not act.audio.any() for act in down)
        assert all(act.diagnostics["lost_ticks"] == 1 for act in down if act.diagnostics["connection"] == "lost")
        assert model.counts(state)["lost_ticks"] >= 20
        server.rise()
        back = until(model, state, lambda act: act.diagnostics["connection"] == "live", first=len(acts) + 20)
        assert "lost_ticks" not in back[-1].diagnostics or back[-1].diagnostics["connection"] == "live"
        assert len(server.of("session.update")) == 2
        assert model.counts(state)["lost_connections"] == 1
        model.close()


def test_a_step_never_waits_for_the_network():
    with Scripted({"session.update": [CREATED]}) as server:
        model = unhurried(server.url)
        state = model.open(OpenConfig())
        model.step(state, Percept(0))
        server.fall()
        took = []
        for k in range(1, 200):
            began_s = time.thread_time()
            model.step(state, Percept(k))
            took.append(time.thread_time() - began_s)
        assert np.median(took) < 0.005
        model.close()


@pytest.mark.parametrize(("status", "words"), [(401, "does not let us in"), (404, "no realtime server"), (302, "else")])
def test_a_server_that_refuses_says_so_when_the_stream_opens(status, words):
    with Scripted(OPENAI, status) as server, pytest.raises(ModelError, match=words) as told:
        unhurried(server.url).open(OpenConfig())
    assert len(server.headers) == 1  # asked once: no redirect is followed and nobody tries again
    assert KEY not in str(told.value)


def test_a_redirect_would_take_the_key_along_and_is_not_followed():
    with Scripted(OPENAI) as elsewhere, Scripted(OPENAI, 302, elsewhere.url) as server:
        with pytest.raises(ModelError, match="points somewhere else"):
            unhurried(server.url).open(OpenConfig())
        assert (len(server.headers), elsewhere.headers) == (1, [])


def test_nobody_there_is_said_when_the_stream_opens():
    model = Realtime("ws://127.0.0.1:9/v1/realtime", open_s=0.3)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9: the server cannot be reached"):
        model.open(OpenConfig())
    later = unhurried("ws://127.0.0.1:9/v1/realtime", open_s=0)
    state = later.open(OpenConfig())
    act, _ = later.step(state, Percept(0))
    assert act.diagnostics["connection"] in ("connecting", "lost")
    assert act.diagnostics["lost_ticks"] == 1
    later.close()


@pytest.mark.parametrize(
    "url",
    [
        f"ws://user:{KEY}@127.0.0.1:9/v1/realtime",
        f"wss://api.openai.com/v1/realtime?api_key={KEY}",
        f"ws://127.0.0.1:9/v1/realtime?token={KEY}",
        f"ws://127.0.0.1:9/v1/realtime#{KEY}",
        f"https://{KEY}.example/v1/realtime",
        f"ws://[{KEY}/",
        f"{KEY}",
    ],
)
def test_an_address_with_a_key_in_it_is_refused_without_saying_the_key(url):
    with pytest.raises(ModelError) as told:
        Realtime(url)
    text = "".join(traceback.format_exception(told.value))
    assert KEY not in text


def test_a_key_goes_to_its_own_address_and_nowhere_unencrypted(monkeypatch):
    def headers(url):
        return Address(url, "", {}).headers()

    assert headers("wss://example.org/v1") == {"Authorization": f"Bearer {KEY}"}
    assert headers("ws://127.0.0.1:1/v1") == {"Authorization": f"Bearer {KEY}"}
    with pytest.raises(ModelError, match="not sent over ws://") as told:
        headers("ws://example.org/v1")
    assert KEY not in str(told.value)
    monkeypatch.delenv("IMKIT_REALTIME_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert headers("wss://api.openai.com/v1/realtime") == {"Authorization": f"Bearer {KEY}"}
    for other in ("wss://example.org/v1", "wss://api.openai.com.evil.example/v1", "ws://127.0.0.1:1/v1"):
        assert headers(other) == {}
    with pytest.raises(ModelError, match="not sent over ws://"):
        headers("ws://api.openai.com/v1")


def test_no_key_in_anything_that_is_kept_or_written(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    failing = {"type": "error", "error": {"type": "x", "code": KEY, "message": f"bad key {KEY}"}}
    answers = {**OPENAI, "response.create": [*spoken(), failing]}
    with Scripted(answers) as server:
        model = Realtime(server.url, model="m")
        session = Session(model)
        with recorded(session, tmp_path / "one"):
            session.say("hello")
            timeline = session.run(seconds=2.0, tail_s=0)
        state = model.open(OpenConfig())
        model.step(state, Percept(0))
        server.fall()
        kept = [repr(model), repr(state), repr(vars(state.talk)), repr(vars(state.line)), repr(session.stats())]
        kept += [repr(model.capabilities), repr(timeline.moments), state.talk.last_error]
        for model_or_state in (model, state):
            with pytest.raises((TypeError, ModelError)) as told:
                pickle.dumps(model_or_state)
            kept.append("".join(traceback.format_exception(told.value)))
        model.close()
    assert KEY in str(server.headers[0])
    assert timeline.words()
    kept += [path.read_bytes().decode("latin-1") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(kept) > 12
    kept += [record.getMessage() for record in caplog.records if not record.name.startswith("websockets.server")]
    kept += list(capfd.readouterr())
    assert not [text[:200] for text in kept if KEY in text]


def test_a_stream_cannot_be_copied_forked_or_replayed(tmp_path):
    with Scripted(OPENAI) as server:
        model = Realtime(server.url)
        session = Session(model)
        with recorded(session, tmp_path / "one"):
            session.say("hello")
            timeline = session.run(seconds=1.0, tail_s=0)
        state = model.open(OpenConfig())
        for copied in (copy.copy, copy.deepcopy):
            with pytest.raises(ModelError, match="cannot be forked or kept"):
                copied(state)
        with pytest.raises(Exception, match="nothing can be forked from there"):
            fork(timeline, 0.4).run()
        recording = open_recording(tmp_path / "one")
        assert len(recording) == 5
        with pytest.raises(RecordingError, match="there is nothing to compare"):
            replay(recording, model)
        model.close()


def test_imkit_replay_says_it_too(tmp_path, capsys):
    from imkit.cli import main

    with Scripted(OPENAI) as server:
        model = Realtime(server.url)
        session = Session(model)
        with recorded(session, tmp_path / "one"):
            session.run(seconds=0.4, tail_s=0)
        model.close()
    assert main(["replay", str(tmp_path / "one"), "--check"]) == 2
    assert "a model on another machine" in capsys.readouterr().err


def test_a_run_in_virtual_time_is_held_to_the_clock_and_a_live_session_never_is():
    clock = FakeClock()
    with Scripted(OPENAI) as server:
        model = Realtime(server.url, clock=clock, sleep=clock.sleep)
        loop = Loop(model)
        for k in range(50):
            loop.tick(Percept(k))
        assert 9.0 < clock.now_s <= 10.0
        live = Loop(model)
        for k in range(50):
            clock.now_s += 0.2 if k != 20 else 1.2
            before = clock.now_s
            for _ in range(1 if k != 20 else 6):  # what was held up is caught up with
                live.tick(Percept(k))
            assert clock.now_s == before
        model.close()


def test_streams_that_nobody_holds_hang_up():
    with Scripted(OPENAI) as server:
        model = Realtime(server.url)
        before = threading.active_count()
        states = [model.open(OpenConfig()) for _ in range(3)]
        assert threading.active_count() == before + 3
        del states
        gc.collect()
        deadline = time.monotonic() + 20
        while any(thread.name == "imkit-realtime" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
