"""Our client against our server, over a real socket: what passes from one session into another's model and back.

The server's time is the sound that it is sent, so that a loaded machine only makes these slower.
"""

import time

import numpy as np
import pytest
from fakes import FakeModel, loud_audio
from speech import question

from imkit.adapters import load
from imkit.adapters.realtime import Realtime
from imkit.capture import AudioArray
from imkit.cli import main
from imkit.serve import FedPace, Server
from imkit.session import Loop, Session
from imkit.stream import Event, Floor, OpenConfig, Percept, Provenance

TOKEN = "both-ends-of-the-wire"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("IMKIT_REALTIME_KEY", TOKEN)


@pytest.fixture
def server():
    with Server(FakeModel(), token=TOKEN, pace=FedPace) as server:
        yield server


class Talk:
    """Steps a remote model, four times as fast as the clock."""

    def __init__(self, server):
        self.model = Realtime(server.url, clock=lambda: 4 * time.monotonic())
        self.loop = Loop(self.model, OpenConfig())
        self.moments = []

    def tick(self, **more):
        time.sleep(0.05)
        self.moments.append(self.loop.tick(Percept(len(self.moments), **more)))
        return self.moments[-1]

    def until(self, wanted, seconds=30, **more):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if wanted(moment := self.tick(**more)):
                return moment
            more = {}
        raise AssertionError([moment.act.diagnostics for moment in self.moments[-3:]])

    def counts(self):
        return self.model.counts(self.loop.state)


def test_words_typed_here_are_spoken_there_and_heard_here(server):
    talk = Talk(server)
    talk.until(lambda moment: "friend" in moment.act.text, text="hello my friend")
    said = [word.text for moment in talk.moments for word in moment.act.words]
    assert said == ["hello", "my", "friend"]
    spoke = [moment.act for moment in talk.moments if moment.act.floor is Floor.SPEAK]
    assert max(float(np.abs(act.audio).max()) for act in spoke) > 0.08
    assert server.chairs.model.opened[0].tools == ()  # asking the background is no tool of the model's own
    talk.model.close()


def test_talking_over_it_silences_it_here_and_raises_the_epoch(server):
    talk = Talk(server)
    talk.until(lambda moment: moment.act.floor is Floor.SPEAK, text="one two three four five six seven eight nine ten")
    stopped = talk.until(lambda moment: moment.act.diagnostics.get("yielded"), audio=loud_audio())
    assert stopped.epoch == 1
    assert not any(talk.tick().act.audio.any() for _ in range(3))
    assert talk.counts()["server_errors"] == 0
    talk.model.close()


def test_work_that_the_far_model_delegates_is_done_here_and_told_there(server):
    talk = Talk(server)
    call = talk.until(lambda moment: moment.act.calls, text="please plot it").act.calls[0]
    assert (call.kind, call.name, call.arguments) == ("delegate", "plot", {"request": "please plot it"})
    result = Event("result", Provenance.BACKGROUND, "sales rise", call.id, {"ok": True})
    talk.until(lambda moment: "rise" in moment.act.text, events=(result,))
    percepts = server.chairs.model.seen
    told = next(event for percept in percepts for event in percept.events)
    assert (told.kind, told.text, told.payload["topic"]) == ("result", "sales rise", "plot")
    talk.model.close()


def test_two_sessions_of_one_server_do_not_hear_each_other(server):
    one, two = Talk(server), Talk(server)
    for talk, text in ((one, "red red"), (two, "blue blue")):
        talk.tick(text=text)
    for talk in (one, two):
        talk.until(lambda moment: moment.act.words)
        for _ in range(5):
            talk.tick()
    said = [{word.text for moment in talk.moments for word in moment.act.words} for talk in (one, two)]
    assert said == [{"red"}, {"blue"}]
    one.model.close()
    two.model.close()


def test_a_server_that_dies_and_comes_back_is_spoken_with_again():
    server = Server(FakeModel(), token=TOKEN, pace=FedPace).start()
    talk = Talk(server)
    talk.until(lambda moment: moment.act.text == "hello", text="hello")
    server.close()
    talk.until(lambda moment: moment.act.diagnostics["connection"] == "lost")
    for _ in range(3):
        assert talk.tick().act.floor is Floor.LISTEN
    again = Server(FakeModel(), token=TOKEN, port=server.port, pace=FedPace).start()
    talk.until(lambda moment: moment.act.diagnostics["connection"] == "live")
    talk.until(lambda moment: moment.act.text == "back", text="back")
    counts = talk.counts()
    assert counts["lost_ticks"] == sum(moment.act.diagnostics.get("lost_ticks", 0) for moment in talk.moments) > 0
    assert counts["sessions"] == 2
    talk.model.close()
    again.close()


def test_nano_far_away_answers_a_spoken_question():
    spoken, _ = question()
    sound = np.concatenate([np.zeros(3200, np.float32), spoken, np.zeros(16_000 * 4, np.float32)])
    with Server(load("nano"), token=TOKEN, pace=FedPace) as server:
        clock, sleep = lambda: 2 * time.monotonic(), lambda seconds: time.sleep(seconds / 2)
        model = Realtime(server.url, clock=clock, sleep=sleep)
        timeline = Session(model).run(AudioArray(sound, 16_000), tail_s=1.0)
        model.close()
    assert [word.text for word in timeline.words()] == ["minus", "three"]
    assert "one minus four" in " ".join(word.text for word in timeline.heard())


def test_imkit_serve_prints_where_it_is_and_the_token_once(monkeypatch, capsys):
    monkeypatch.delenv("IMKIT_SERVE_TOKEN", raising=False)
    tokens = []

    def run(self, listening):
        listening()
        tokens.append(self.token)

    monkeypatch.setattr(Server, "run", run)
    assert main(["serve", "--model", "fakes:FakeModel", "--port", "0", "--max-sessions", "3"]) == 0
    out = capsys.readouterr().out
    assert out.count(tokens[0]) == 1
    assert "at most 3 sessions" in out
    assert main(["serve", "--model", "fakes:FakeModel", "--token", "chosen-by-hand"]) == 0
    assert "chosen-by-hand" not in capsys.readouterr().out
    assert main(["serve", "--model", "fakes:FakeModel", "--host", "0.0.0.0"]) == 2
    assert "token of at least 16" in capsys.readouterr().err
