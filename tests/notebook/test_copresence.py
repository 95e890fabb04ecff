"""What a session is told of the notebook's cells: a real IPython shell, scripted models in the chair."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
import weakref

import pytest
from fakes import FakeModel
from IPython.core.interactiveshell import InteractiveShell

import imkit
from imkit.capture import Silence
from imkit.notebook import LiveSession
from imkit.notebook.printed import PRINTED, Tail
from imkit.session import State
from imkit.stream import Percept, Provenance, SessionError

SETUP = "import pandas as pd\ndf = pd.DataFrame({'price': [1.0, 2.0]})"


@pytest.fixture
def session(shell):
    session = LiveSession(FakeModel(), source=Silence(600.0), notebook=True)
    shell.user_ns["session"] = session
    yield session
    session.close()


def run(shell: InteractiveShell, source: str) -> None:
    shell.run_cell(source, store_history=True)


def heard(session: LiveSession) -> list:
    """The events that wait for the next tick, taken out."""
    events = list(session._inbox.events)
    session._inbox.events.clear()
    return [event for event in events if event.kind == "notebook"]


@pytest.fixture
def open_ears(session, monkeypatch):
    """A session that takes events in and whose clock stands still, so that they can be looked at."""
    monkeypatch.setattr(session, "_state", State.LIVE)
    return session


def test_a_cell_that_begins_and_one_that_ends(shell, open_ears):
    number = shell.execution_count
    run(shell, "total = 2 + 3\nprint('adding')\ntotal * 2")
    began, done = heard(open_ears)
    assert (began.kind, began.provenance) == ("notebook", Provenance.NOTEBOOK)
    assert began.text == f"Cell {number} runs: total = 2 + 3"
    source = "total = 2 + 3\nprint('adding')\ntotal * 2"
    assert began.payload == {"cell": number, "what": "began", "source": source}
    assert done.payload["what"] == "done"
    assert (done.payload["result"], done.payload["printed"]) == ("10", "adding")
    assert 0 <= done.payload["duration_s"] < 5
    assert done.text == f"Cell {number} is done after {done.payload['duration_s']:.1f} s; it gave 10."


def test_an_error_is_told_in_words_with_its_line(shell, open_ears):
    run(shell, SETUP)
    heard(open_ears)
    run(shell, "print('so far')\nworst = df['prize'].max()")
    _, failed = heard(open_ears)
    number = failed.payload["cell"]
    words = "that raised a KeyError; 'prize' is not a column of df, 'price' is"
    assert failed.text == f"Cell {number} failed: {words}."
    told = {"name": "KeyError", "message": "'prize'", "line": "worst = df['prize'].max()", "line_number": 2}
    assert (failed.payload["error"], failed.payload["words"], failed.payload["printed"]) == (told, words, "so far")


def test_the_tools_read_what_was_seen(shell, open_ears):
    call = open_ears.tools.call
    run(shell, SETUP)
    run(shell, "df['prize']")
    run(shell, "print('x' * 10)")
    answer = call("last_error", {})
    assert answer["text"].endswith("that raised a KeyError; 'prize' is not a column of df, 'price' is.")
    shown = answer["surface"]["spec"]["text"]
    assert "df['prize']" in shown
    assert "KeyError" in shown
    assert "interactiveshell" not in shown
    assert call("cell_output", {})["text"].endswith("xxxxxxxxxx")


def test_the_analyst_says_what_went_wrong(shell, open_ears):
    from imkit.background import Analyst, Desk, Task

    run(shell, SETUP)
    run(shell, "df['prize']")
    desk = Desk(open_ears.tools.functions(), lambda: False, lambda text: None)
    answer = Analyst().answer(Task("1", "", typed="what went wrong?"), desk)
    assert "'prize' is not a column of df, 'price' is" in answer.text


@pytest.mark.parametrize(
    "source",
    [
        "session",
        "session.reason",
        "session.say('hi')",
        "session.seed = 3",
        "%imkit status",
        "%%ask\nwhat is in df?",
        "",
    ],
)
def test_cells_that_only_speak_with_the_session_are_not_told(shell, open_ears, source):
    run(shell, source)
    assert heard(open_ears) == []
    assert len(open_ears.cell_log) == 0


def test_a_cell_that_does_more_is_told(shell, open_ears):
    for source in ("session.seed\n2 + 2", "kept = session.seed", "sessions = 1"):
        run(shell, source)
        assert len(heard(open_ears)) == 2


def test_code_that_leaves_no_history_is_not_told(shell, open_ears):
    shell.run_cell("1 + 1", store_history=False)
    shell.run_cell("1 + 1", silent=True)
    assert heard(open_ears) == []


def test_cells_inside_a_cell_are_told_apart(shell, open_ears):
    run(shell, "print('outer')\nget_ipython().run_cell('print(1)\\n7', store_history=True)\nNone")
    whats = [(event.payload["what"], event.payload["cell"]) for event in heard(open_ears)]
    outer = whats[0][1]
    assert [what for what, _ in whats] == ["began", "began", "done", "done"]
    assert whats[3][1] == outer
    assert whats[1][1] == whats[2][1] != outer


def test_nothing_is_told_or_kept_once_it_is_off(shell, open_ears):
    run(shell, "print('seen')\n1 / 0")
    heard(open_ears)
    assert len(open_ears.cell_log) == 1
    open_ears.notebook = False
    assert len(open_ears.cell_log) == 0
    run(shell, "print('private')\n1 / 0")
    assert heard(open_ears) == []
    assert len(open_ears.cell_log) == 0
    assert "notebook = True" in open_ears.tools.call("last_error", {})["text"]
    open_ears.notebook = True
    assert open_ears.tools.call("last_error", {})["text"].startswith("No cell has failed")


def test_off_by_default_and_in_the_stats(shell):
    session = LiveSession(FakeModel(), source=Silence(1.0))
    assert session.notebook is False
    assert session.stats()["notebook"] is False
    before = [len(hooks) for hooks in shell.events.callbacks.values()]
    session.notebook = True
    session.notebook = True
    assert session.stats()["notebook"] is True
    assert sum(len(hooks) for hooks in shell.events.callbacks.values()) == sum(before) + 2
    session.close()
    assert [len(hooks) for hooks in shell.events.callbacks.values()] == before
    with pytest.raises(SessionError, match="closed"):
        session.notebook = True


def test_without_ipython_it_says_so():
    with pytest.raises(SessionError, match="no IPython runs"):
        LiveSession(FakeModel(), source=Silence(1.0), notebook=True)


def test_switched_off_in_the_middle_of_a_cell(shell, open_ears):
    before = sys.stdout.write
    run(shell, "print('a')\nsession.notebook = False\nprint('b')\n1 / 0")
    assert [event.payload["what"] for event in heard(open_ears)] == ["began"]
    assert len(open_ears.cell_log) == 0
    assert sys.stdout.write == before
    run(shell, "x = 1\nsession.notebook = True\n1 / 0")
    assert heard(open_ears) == []


def test_our_own_errors_never_reach_the_cell(shell, open_ears, monkeypatch, capsys):
    import imkit.notebook.copresence as copresence

    def broken(*_, **__):
        raise RuntimeError("ours")

    monkeypatch.setattr(copresence, "began", broken)
    monkeypatch.setattr(copresence, "explain", broken)
    run(shell, "1 / 0")
    run(shell, "y = 5")
    said = capsys.readouterr()
    assert "ours" not in said.out + said.err
    assert "ZeroDivisionError" in said.out
    assert shell.user_ns["y"] == 5
    assert open_ears.stats()["notebook_faults"] == 3
    assert open_ears._copresence._runs == []


def test_everything_is_bounded_and_plain(shell, open_ears):
    run(shell, "# " + "c" * 5_000 + "\nprint('\\x1b[31m' + 'o' * 200_000 + '\\x00end\\rnow')\n'r' * 100_000")
    run(shell, "raise ValueError('\\x1b[31m' + 'e' * 100_000)")
    for event in heard(open_ears):
        assert len(event.text) <= 600
        assert len(json.dumps(event.payload)) < 2_500
        assert "\x1b" not in json.dumps(event.payload, ensure_ascii=False) + event.text
    newest = open_ears.cell_log.cell()
    assert len(newest.source) + len(newest.output) + len(newest.error) + len(newest.traceback) < 70_000


def test_a_value_is_not_asked_for_its_words_again(shell, open_ears):
    run(shell, "asked = []\nclass Odd:\n    def __repr__(self):\n        asked.append(1)\n        return 'odd'\nOdd()")
    assert heard(open_ears)[-1].payload["result"] == "odd"
    assert shell.user_ns["asked"] == [1]
    run(shell, "Odd();")
    assert "result" not in heard(open_ears)[-1].payload


def test_syntax_errors_and_interruptions(shell, open_ears):
    run(shell, "x = (1,\ny = 2")
    error = heard(open_ears)[-1].payload
    assert error["words"].startswith("that raised a SyntaxError; line 1: ")
    assert error["error"]["line"] == "x = (1,"
    run(shell, "raise KeyboardInterrupt")
    assert heard(open_ears)[-1].text.endswith("failed: that was interrupted.")
    open_ears._copresence._begins(type("Info", (), {"store_history": True, "raw_cell": "await x"}))
    open_ears._copresence._ended(None)  # what an asynchronous cell ends with when it is cancelled
    assert heard(open_ears)[-1].text.endswith("failed: that was interrupted.")


@pytest.mark.parametrize("state", ["idle", "waiting", "stopped"])
def test_nobody_is_told_later_what_happened_while_it_did_not_run(shell, session, monkeypatch, state):
    monkeypatch.setattr(session, "_state", State(state))
    run(shell, "1 + 1")
    assert heard(session) == []
    assert len(session.cell_log) == 1


# --- the chair


class CellAt:
    """Silence in which a cell runs at one tick: what the clock of a test is for."""

    clocked = False
    provenance = Provenance.FILE

    def __init__(self, shell: InteractiveShell, index: int, source: str) -> None:
        self.shell, self.index, self.source = shell, index, source

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def read(self, index: int) -> Percept | None:
        if index == self.index:
            run(self.shell, self.source)
        return Percept(index) if index < 12 else None


def told_at(timeline) -> list[tuple[int, str]]:
    return [
        (moment.index, event.payload["what"])
        for moment in timeline
        for event in moment.percept.events
        if event.kind == "notebook"
    ]


def test_in_virtual_time_the_event_is_in_its_tick(shell, session):
    timeline = session.run(CellAt(shell, 5, "1 / 0"), tail_s=0.4)
    assert told_at(timeline) == [(5, "began"), (5, "failed")]
    assert [event.kind for percept in session.model.seen for event in percept.events] == ["notebook"] * 2
    assert "ZeroDivisionError" in json.dumps([moment.to_json() for moment in timeline])


def test_live_the_event_is_in_the_tick_in_which_it_happened(shell, session):
    """The tick under way when the cell ran, or the one after it: a tick is taken when it is over."""
    session.start()
    while len(session.timeline) < 3:
        time.sleep(0.02)
    before = len(session.timeline)
    run(shell, "import time\ntime.sleep(0.5)\n1 / 0")
    after = len(session.timeline)
    end_s = time.monotonic() + 10
    while len(told_at(session.timeline)) < 2 and time.monotonic() < end_s:
        time.sleep(0.02)
    (began, first), (failed, second) = told_at(session.timeline)
    assert (first, second) == ("began", "failed")
    assert before <= began <= before + 2
    assert after <= failed <= after + 2
    assert failed > began


def test_cells_that_run_without_pause_never_wait_for_the_loop(shell, session):
    session.start()
    took_s = []
    for _ in range(100):
        began_s = time.perf_counter()
        run(shell, "pass")
        took_s.append(time.perf_counter() - began_s)
    assert sorted(took_s)[50] < 0.1  # half a tick
    assert session._inbox.counts["dropped_events"] + len(session._inbox.events) <= 200


@pytest.mark.parametrize("name", ["nano", "cascade"])
def test_models_that_know_nothing_of_notebooks_do_not_stumble(shell, name):
    if name == "cascade":
        pytest.importorskip("pocketsphinx")
        pytest.importorskip("silero_vad")
    model = imkit.load(name)
    told, plain = (LiveSession(model, source=Silence(1.0), notebook=on) for on in (True, False))
    acts = [
        [(moment.act.floor, moment.act.words, moment.act.calls) for moment in one.run(source, tail_s=0.4)]
        for one, source in ((told, CellAt(shell, 4, "1 / 0")), (plain, Silence(2.4)))
    ]
    assert told_at(told.timeline) == [(4, "began"), (4, "failed")]
    assert acts[0] == acts[1][: len(acts[0])]
    told.close()
    plain.close()


# --- reading along


def test_two_sessions_hear_the_same_print_and_the_stream_is_as_before(shell):
    before = sys.stdout.write
    first, second = (LiveSession(FakeModel(), source=Silence(1.0), notebook=True) for _ in range(2))
    run(shell, "print('once')")
    assert [one.cell_log.cell().output for one in (first, second)] == ["once\n"] * 2
    first.notebook = False
    run(shell, "print('twice')")
    assert second.cell_log.cell().output == "twice\n"
    assert sys.stdout.write == before
    first.close()
    second.close()


def test_a_cover_that_was_covered_falls_silent(capsys):
    tail, other = Tail(100), Tail(100)
    PRINTED.join(tail)
    ours = sys.stdout.write
    sys.stdout.write = lambda text: ours(text)
    PRINTED.leave(tail)
    PRINTED.join(other)
    print("x")
    PRINTED.leave(other)
    del sys.stdout.write
    print("y")
    assert (tail.text(), other.text()) == ("", "x\n")
    assert capsys.readouterr().out == "x\ny\n"


def test_a_tail_keeps_the_end():
    tail = Tail(10)
    for number in range(1_000):
        tail.add(f"{number} ")
    assert tail.text() == "7 998 999 "
    tail.add("z" * 50)
    assert tail.text() == "z" * 10
    assert len(tail._parts) <= 2


def test_a_closed_session_can_be_forgotten(shell):
    session = LiveSession(FakeModel(), source=Silence(1.0), notebook=True)
    run(shell, "1 / 0")
    session.close()
    gone = weakref.ref(session)
    del session
    sys.last_exc = sys.last_value = sys.last_traceback = None
    gc.collect()
    assert gone() is None
    assert threading.active_count() >= 1


def test_switched_off_by_another_thread_nothing_of_the_cell_is_left(shell, open_ears, monkeypatch):
    """The page ends sharing while the end of a cell is being put into words."""
    from imkit.notebook import copresence

    explain = copresence.explain

    def meanwhile(*about):
        other = threading.Thread(target=lambda: setattr(open_ears, "notebook", False))
        other.start()
        other.join()
        return explain(*about)

    monkeypatch.setattr(copresence, "explain", meanwhile)
    run(shell, "secret = 7\n1 / 0")
    assert [event.payload["what"] for event in heard(open_ears)] == ["began"]
    assert (len(open_ears.cell_log), open_ears.notebook) == (0, False)
    assert PRINTED._listeners == []
