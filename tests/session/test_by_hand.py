"""Requests that go past the model, controls that answer back, and the record of both."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from fakes import FakeModel

from imkit.background import Answer, Desk, Task
from imkit.capture import Script
from imkit.session import Session
from imkit.stream import Act, Moment, Percept, Provenance
from imkit.surfaces import Surface

WAIT_S = 30.0
PANEL = {"title": "Bins", "components": [["root", "slider", {"label": "bins", "max": 9}]]}


class Turns:
    """Answers with a slider; what is done on it changes that surface's title."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.actions: list[Mapping[str, Any]] = []

    def answer(self, task: Task, desk: Desk) -> Answer:
        self.tasks.append(task)
        return Answer(f"done {task.typed}", surface=PANEL if "bins" in task.typed else None)

    def adjust(self, task: Task, action: Mapping[str, Any], desk: Desk) -> Answer:
        self.actions.append(action)
        return Answer("", surface={"id": action["surface"], **PANEL, "title": f"{action['value']} bins"})


class OnlyAnswers:
    def __init__(self) -> None:
        self.answered = 0

    def answer(self, task: Task, desk: Desk) -> Answer:
        self.answered += 1
        return Answer("", surface=PANEL)


class Deaf(FakeModel):
    """Hears and does nothing at all."""

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        return Act(percept.index, np.zeros(3200, np.float32)), state


class Hand:
    """Does something on the newest surface in given micro-turns."""

    def __init__(self, moves: Mapping[int, Any]) -> None:
        self.moves = moves
        self.session: Session | None = None

    def put(self, moment: Moment) -> None:
        if moment.index in self.moves and self.session is not None:
            self.session.act(self.session.surfaces[-1].id, "root", self.moves[moment.index])

    def flush(self, epoch: int) -> None: ...

    def close(self) -> None: ...


def played(lines: list[dict[str, Any]], moves: Mapping[int, Any] | None = None, background: Any = None) -> Session:
    hand = Hand(moves or {})
    hand.session = session = Session(Deaf(), background or Turns(), sink=hand, namespace={})
    session.run(Script(lines), work_s=1.0)
    return session


def test_a_request_goes_past_the_model_and_comes_back_as_an_event() -> None:
    session = played([{"t": 1.0, "ask": "plot the bins"}])
    (record,) = session.tasks
    assert (record.topic, record.request, record.outcome) == ("plot", "plot the bins", "done")
    assert (record.asked_s, record.ended_s) == (1.0, 2.0)
    (result,) = [event for event in session.timeline.events() if event.kind == "result"]
    assert (result.call_id, result.payload["topic"], result.provenance) == (record.id, "plot", Provenance.BACKGROUND)
    assert session.timeline.calls() == []
    assert [(line.who, line.text) for line in session.timeline.transcript()] == [("typed", "plot the bins")]
    assert record.task is not None
    assert [(line.who, line.text) for line in record.task.conversation] == [("typed", "plot the bins")]


def test_an_answer_in_words_alone_is_shown() -> None:
    session = played([{"t": 0.2, "ask": "count the rows"}])
    (surface,) = session.surfaces
    assert (surface.title, surface.spec) == ("count the rows", {"text": "done count the rows"})


def test_a_correction_supersedes_what_is_under_way_and_nothing_of_that_is_told() -> None:
    session = played([{"t": 1.0, "ask": "plot the bins"}, {"t": 1.6, "ask": "no, by region"}])
    first, second = session.tasks
    assert (first.outcome, first.by, first.ended_s, first.dropped) == ("superseded", second.id, 1.6, 1)
    assert (second.topic, second.version, second.outcome) == ("plot", 2, "done")
    assert {event.call_id for event in session.timeline.events()} == {"", second.id}
    assert [surface.id for surface in session.surfaces] == [second.id]


def test_other_requests_go_side_by_side() -> None:
    session = played(
        [{"t": 1.0, "ask": "plot the bins"}, {"t": 1.0, "ask": "how many rows"}, {"t": 1.2, "ask": "hello"}]
    )
    assert [(one.topic, one.outcome) for one in session.tasks] == [
        ("plot", "done"),
        ("search", "done"),
        ("question", "done"),
    ]
    assert len({one.id for one in session.tasks}) == 3


def test_a_request_by_hand_is_not_taken_for_one_that_the_model_reads() -> None:
    hand = Turns()
    session = Session(FakeModel(), hand, namespace={})
    session.run(Script([{"t": 0.2, "ask": "plot the bins"}, {"t": 2.0, "text": "list it"}]))
    assert [(task.topic, task.typed) for task in hand.tasks] == [("plot", "plot the bins"), ("list", "list it")]


def test_a_moved_slider_changes_its_surface() -> None:
    turns = Turns()
    session = played([{"t": 1.0, "ask": "plot the bins"}], {15: 4}, turns)
    (surface,) = session.surfaces
    assert surface.title == "4 bins"
    assert surface.source.startswith("adjust, ")
    assert turns.actions[0]["values"] == {"root": 4}
    (ui,) = [event for event in session.timeline.events() if event.kind == "ui"]
    assert ui.payload["value"] == 4
    assert [one.outcome for one in session.tasks] == ["done", "done"]
    assert len(turns.tasks) == 1


def test_of_moves_in_a_row_the_newest_is_drawn() -> None:
    session = played([{"t": 1.0, "ask": "plot the bins"}], {15: 4, 16: 5, 17: 6})
    assert session.surfaces[0].title == "6 bins"
    assert [one.outcome for one in session.tasks[1:]] == ["superseded", "superseded", "done"]


def test_moves_within_one_micro_turn_of_virtual_time_are_one_event_and_none_is_lost() -> None:
    class Twice(Hand):
        def put(self, moment: Moment) -> None:
            super().put(moment)
            if moment.index in self.moves and self.session is not None:
                self.session.act(self.session.surfaces[-1].id, "root", 7)

    hand = Twice({15: 4})
    hand.session = session = Session(Deaf(), Turns(), sink=hand, namespace={})
    session.run(Script([{"t": 1.0, "ask": "plot the bins"}]), work_s=1.0)
    told = [(m.index, e.payload["value"]) for m in session.timeline for e in m.percept.events if e.kind == "ui"]
    assert told == [(16, 4), (17, 7)]


def test_surfaces_of_somebody_else_are_not_the_backgrounds_business() -> None:
    turns = Turns()
    hand = Hand({5: 3})
    hand.session = session = Session(Deaf(), turns, sink=hand, namespace={})
    own = Surface.from_json({"id": "own", **PANEL})

    class Shows(Hand):
        def put(self, moment: Moment) -> None:
            if moment.index == 2:
                session.show(own)
            hand.put(moment)

    session.sink = Shows({})
    session.run(seconds=2)
    assert [event.kind for event in session.timeline.events()] == ["ui"]
    assert turns.actions == []
    assert session.tasks == []


def test_a_background_that_only_answers_is_not_called_for_clicks() -> None:
    background = OnlyAnswers()
    session = played([{"t": 1.0, "ask": "plot it"}], {15: 4}, background)
    assert [event.kind for event in session.timeline.events()] == ["system", "result", "ui"]
    assert background.answered == 1
    assert len(session.tasks) == 1


def test_the_same_run_gives_the_same_log() -> None:
    lines = [{"t": 1.0, "ask": "plot the bins"}, {"t": 1.4, "ask": "no, by region bins"}]
    one, other = (played(lines, {15: 4}).timeline for _ in range(2))
    assert [moment.to_json() for moment in one] == [moment.to_json() for moment in other]


def test_live_too() -> None:
    session = Session(Deaf(), Turns(), namespace={})
    shown, changed = threading.Event(), threading.Event()

    def use(surface: Surface) -> None:
        surface.watch(lambda one: changed.set() if one.title == "8 bins" else None)
        shown.set()

    session.on_surface(use)
    with session:
        session.start()
        session.ask("plot the bins")
        assert shown.wait(WAIT_S)
        session.act(session.surfaces[0].id, "root", 8)
        assert changed.wait(WAIT_S)
    assert [one.outcome for one in session.tasks] == ["done", "done"]
