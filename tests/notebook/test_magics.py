"""%imkit and %%ask in a real IPython shell, from %load_ext to %unload_ext."""

from __future__ import annotations

import _thread
import signal
import threading
import time

import ipywidgets
import pytest
from fakes import FakeModel

from imkit.background import Answer, Cancelled
from imkit.capture import Silence
from imkit.notebook import LiveSession, answers, cells, magics
from imkit.stream import Provenance

CHART = {"mark": "bar", "x": ["a"], "x_label": "x", "y_label": "y", "series": [{"name": "n", "y": [1]}]}


class Teller:
    """Tells two pieces, shows a chart, and remembers its task."""

    def answer(self, task, desk):
        self.task = task
        desk.tell("First this.")
        desk.show({"title": "A chart", "kind": "chart", "spec": CHART})
        return Answer("Then that.")


class Waiter:
    """Works until nobody wants the result."""

    def __init__(self):
        self.cancelled = threading.Event()

    def answer(self, task, desk):
        threading.Timer(0.2, _thread.interrupt_main).start()
        while not desk.cancelled():
            time.sleep(0.01)
        self.cancelled.set()
        raise Cancelled


@pytest.fixture
def loaded(shell, monkeypatch):
    """A shell with the extension, whose sessions hold a test model and a source of their own."""
    made = magics.SessionMagics.__init__.__defaults__
    monkeypatch.setattr(
        magics.SessionMagics.__init__, "__defaults__", (lambda: LiveSession(FakeModel(), source=Silence(600.0)),)
    )
    assert made == (LiveSession,)
    shell.run_line_magic("load_ext", "imkit")
    yield shell
    if "imkit" in shell.extension_manager.loaded:
        shell.run_line_magic("unload_ext", "imkit")


def said(shell, capsys, source: str) -> str:
    capsys.readouterr()
    shell.run_cell(source, store_history=True)
    both = capsys.readouterr()
    return both.out + both.err


def test_without_a_word_it_helps(loaded, capsys):
    text = said(loaded, capsys, "%imkit")
    for word in ("start", "stop", "say TEXT", "status", "notebook on|off", "%%ask"):
        assert word in text
    assert "session" not in loaded.user_ns


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            "%imkit strat",
            "'strat' is not known, known are: start, stop, say TEXT, status, notebook on|off; did you mean",
        ),
        ("%imkit fly", "'fly' is not known"),
        ("%imkit start now", "%imkit start: takes nothing more, got 'now'"),
        ("%imkit notebook maybe", "'maybe' is not known, known are: on, off"),
        ("%imkit say", "nothing to say; write %imkit say TEXT"),
    ],
)
def test_what_is_not_known_is_told_with_what_is(loaded, capsys, line, wanted):
    text = said(loaded, capsys, line)
    assert text.startswith("UsageError: ")
    assert wanted in text
    assert "Traceback" not in text
    assert "session" not in loaded.user_ns


def test_a_session_is_made_started_spoken_to_and_stopped(loaded, capsys):
    assert "There is no session yet" in said(loaded, capsys, "%imkit status")
    assert "There is no session to stop" in said(loaded, capsys, "%imkit stop")
    assert "Panel" in said(loaded, capsys, "%imkit start")
    session = loaded.user_ns["session"]
    assert isinstance(session, LiveSession)
    assert str(session.state) == "live"
    loaded.run_cell("%imkit say hello there")
    end_s = time.monotonic() + 10
    while "hello there" not in [moment.percept.text for moment in session.timeline] and time.monotonic() < end_s:
        time.sleep(0.02)
    assert "hello there" in [moment.percept.text for moment in session.timeline]
    status = said(loaded, capsys, "%imkit status")
    assert "fake is live" in status
    assert "background model: Analyst; the notebook is not shared" in status
    loaded.run_cell("%imkit stop")
    assert str(session.state) == "stopped"
    assert loaded.user_ns["session"] is session


def test_the_notebook_is_shared_by_a_word(loaded, capsys):
    assert "nothing is shared" in said(loaded, capsys, "%imkit notebook")
    assert "The notebook is shared: cells, outputs, errors." in said(loaded, capsys, "%imkit notebook on")
    session = loaded.user_ns["session"]
    assert session.notebook
    said(loaded, capsys, "1 / 0")
    assert "ZeroDivisionError" in session.tools.call("last_error", {})["text"]
    assert "The notebook is shared" in said(loaded, capsys, "%imkit notebook")
    assert "The notebook is not shared." in said(loaded, capsys, "%imkit notebook off")
    assert not session.notebook


def test_a_closed_session_is_replaced_and_another_thing_is_left_alone(loaded, capsys):
    loaded.run_cell("%imkit notebook on")
    old = loaded.user_ns["session"]
    old.close()
    loaded.run_cell("%imkit notebook on")
    assert loaded.user_ns["session"] is not old
    loaded.user_ns["session"].close()
    loaded.user_ns["session"] = 3
    assert "the variable 'session' is a builtins.int, expected an imkit.Session" in said(loaded, capsys, "%imkit stop")
    assert loaded.user_ns["session"] == 3


def test_ask_hands_on_the_cell_and_shows_the_answer(loaded, capsys):
    teller = Teller()
    session = LiveSession(FakeModel(), teller, source=Silence(2.0), namespace={"df": [1]})
    session.say("we spoke of rain")
    session.run(Silence(1.0), tail_s=0)
    loaded.user_ns["session"] = session
    text = said(loaded, capsys, "%%ask\nhow is the weather\nin df?")
    assert text.index("First this.") < text.index("A chart") < text.index("Then that.")
    assert teller.task.typed == "how is the weather\nin df?"
    assert [variable.name for variable in teller.task.notebook] == ["df"]
    assert "typed" in {line.who for line in teller.task.conversation}
    session.close()


def test_ask_knows_the_live_conversation_and_does_not_disturb_it(loaded, capsys):
    teller = Teller()
    session = LiveSession(FakeModel(), teller, source=Silence(600.0))
    loaded.user_ns["session"] = session
    session.say("rain")
    session.start()
    end_s = time.monotonic() + 10
    while not session.timeline.transcript() and time.monotonic() < end_s:
        time.sleep(0.02)
    said(loaded, capsys, "%%ask\nwill it rain?")
    lines = [line.text for line in teller.task.conversation if line.who == "typed"]
    assert lines == ["rain", "will it rain?"]
    assert [line.text for line in session._loop.delegation.context.conversation(()) if line.who == "typed"] == ["rain"]
    session.close()


def test_a_live_session_is_told_of_question_and_answer(loaded, capsys):
    session = LiveSession(FakeModel(), Teller(), source=Silence(600.0))
    loaded.user_ns["session"] = session
    session.start()
    said(loaded, capsys, "%%ask\nwill it\nrain?")

    def told():
        return [event for moment in list(session.timeline) for event in moment.percept.events]

    end_s = time.monotonic() + 20
    while not any(event.text == "Then that." for event in told()) and time.monotonic() < end_s:
        time.sleep(0.02)
    asked, *answer = told()
    assert (asked.kind, asked.provenance, asked.call_id) == ("notebook", Provenance.NOTEBOOK, "ask-1")
    assert asked.text == "A cell asks the background model: will it rain?"
    assert asked.payload == {"what": "asked", "question": "will it\nrain?"}
    assert [(event.kind, event.text) for event in answer] == [
        ("result", "First this."), ("progress", "A chart"), ("result", "Then that."),
    ]  # fmt: skip
    assert {(event.provenance, event.call_id, event.payload["topic"]) for event in answer} == {
        (Provenance.BACKGROUND, "ask-1", "question")
    }
    assert [surface.id for surface in session.surfaces] == ["ask-1.2"]  # once: the events bring no second one
    said(loaded, capsys, "%%ask\nand tomorrow?")
    assert [surface.id for surface in session.surfaces] == ["ask-1.2", "ask-2.2"]
    session.close()


def test_while_it_does_not_run_nobody_is_told_later(loaded, capsys):
    session = loaded.user_ns["session"] = LiveSession(FakeModel(), Teller(), source=Silence(1.0))
    said(loaded, capsys, "%%ask\nwill it rain?")
    assert session.run(Silence(1.0), tail_s=0).events() == []
    session.close()


class Slider:
    """Shows a slider."""

    def answer(self, task, desk):
        lines = '["root","slider",{"label":"bins","min":0,"max":9,"action":"rebin"}]'
        return Answer("Move it.", surface={"title": "Bins", "lines": lines})


def test_the_controls_of_an_answer_work_until_the_session_closes(loaded, capsys, monkeypatch):
    published = []
    monkeypatch.setattr(cells, "published_by", lambda _: lambda data, **about: published.append((data, about)))
    monkeypatch.setattr(answers, "published_by", cells.published_by)
    before = set(ipywidgets.widgets.widget._instances)
    session = loaded.user_ns["session"] = LiveSession(FakeModel(), Slider(), source=Silence(1.0))
    said(loaded, capsys, "%%ask\na slider please")
    ((data, about),) = published
    assert set(data) == {answers.WIDGET, "text/html", "text/plain"}
    view = ipywidgets.widgets.widget._instances[data[answers.WIDGET]["model_id"]]
    (surface,) = session.surfaces
    assert view.surface is surface
    assert surface.source == "%%ask: a slider please"
    view._on_message(view, {"imkit": 1, "type": "action", "component": "root", "value": 7}, [])
    assert surface.data == {"root": 7}
    (event,) = [event for moment in session.run(Silence(0.4), tail_s=0) for event in moment.percept.events]
    assert (event.kind, event.text) == ("ui", "bins set to 7")
    session.close()
    still, again = published[-1]
    assert set(still) == {"text/html", "text/plain"}
    assert again["update"]
    assert again["transient"] == about["transient"]
    assert "<script" not in still["text/html"]
    assert set(ipywidgets.widgets.widget._instances) == before


def test_the_analyst_answers_a_cell(loaded, capsys):
    pytest.importorskip("pandas")
    loaded.run_cell("import pandas as pd\ndf = pd.DataFrame({'price': [1.0, 2.0, 6.0]})")
    assert "3" in said(loaded, capsys, "%%ask\nwhat is the mean price in df?")
    assert "I am a small planner" in said(loaded, capsys, "%%ask\nsing me a song")


@pytest.fixture
def interruptible():
    """Whoever started the tests in the background may have had interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interruption_cancels_the_task(loaded, capsys, interruptible):
    waiter = Waiter()
    session = LiveSession(FakeModel(), waiter, source=Silence(1.0))
    loaded.user_ns["session"] = session
    assert "KeyboardInterrupt" in said(loaded, capsys, "%%ask\ntake your time")
    assert waiter.cancelled.wait(10)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imkit-ask")]
    session.close()


def test_an_interruption_is_told_to_whoever_was_told_of_the_question(loaded, capsys, interruptible, monkeypatch):
    session = loaded.user_ns["session"] = LiveSession(FakeModel(), Waiter(), source=Silence(1.0))
    told = []
    monkeypatch.setattr(session, "_perceive", told.append)
    said(loaded, capsys, "%%ask\ntake your time")
    assert [event.text for event in told][1:] == ["The question was taken back."]
    assert (told[0].call_id, told[1].payload["ok"]) == (told[1].call_id, False)
    session.close()


def test_questions_that_cannot_be_asked(loaded, capsys):
    session = loaded.user_ns["session"] = LiveSession(FakeModel(), Teller(), source=Silence(1.0))
    text = said(loaded, capsys, "%%ask\n" + "x" * 2_001)
    assert text.startswith("UsageError: %%ask: the question has 2001 characters, expected 1 to 2000")
    session.close()


def test_unloading_takes_everything_back(shell, loaded, capsys):
    hooks = [len(found) for found in shell.events.callbacks.values()]
    own = loaded.user_ns["session"] = LiveSession(FakeModel(), source=Silence(1.0))
    loaded.run_cell("%imkit notebook on")
    assert own.notebook
    del loaded.user_ns["session"]
    loaded.run_cell("%imkit start")
    made = loaded.user_ns["session"]
    threads = {thread.name for thread in threading.enumerate()}
    assert "imkit-loop" in threads
    loaded.run_line_magic("unload_ext", "imkit")
    assert str(made.state) == "closed"
    assert "session" not in loaded.user_ns
    assert not own.notebook
    assert str(own.state) == "idle"
    assert [len(found) for found in shell.events.callbacks.values()] == hooks
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imkit")]
    assert "UsageError: Line magic function `%imkit` not found." in said(loaded, capsys, "%imkit status")
    assert "not found" in said(loaded, capsys, "%%ask\nhm")
    loaded.run_line_magic("load_ext", "imkit")
    assert "start" in said(loaded, capsys, "%imkit")
    own.close()
