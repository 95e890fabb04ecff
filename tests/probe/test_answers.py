"""What becomes of the parent's answers in a fork: given to the same calls, withheld from all others, and told."""

from __future__ import annotations

import json

from fakes import FakeModel, FakeState

from imkit.background import Answer, Desk, Task
from imkit.capture import Script
from imkit.probe import fork
from imkit.probe.answers import CANCELLED, NEVER_ASKED, NOT_SHOWN, REPLACED
from imkit.session import Session
from imkit.stream import Act, Call, Event, Percept, Provenance, Timeline

SURFACE = {"kind": "text", "title": "a note", "spec": {"text": "here"}}


class Counted:
    """A background that numbers its answers, tells of progress, and shows something."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def answer(self, task: Task, desk: Desk) -> Answer:
        self.tasks.append(task)
        desk.progress("looking")
        return Answer(f"answer {len(self.tasks)}", surface=SURFACE)


class Caller(FakeModel):
    """Besides, cancels what is typed after "cancel", by name."""

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        if not percept.text.startswith("cancel"):
            return super().step(state, percept)
        act, state = super().step(state, Percept(percept.index, percept.audio))
        call = Call("cancel", f"cancel-{percept.index}", percept.text.split()[1])
        return Act(act.index, act.audio, act.floor, act.words, act.heard, (call,)), state


def talk(*lines: tuple[float, str]) -> Timeline:
    with Session(Caller(), Counted(), namespace={}) as session:
        return session.run(Script([{"t": at_s, "text": text} for at_s, text in lines]), tail_s=3.0)


def told(timeline: Timeline) -> list[tuple[int, str]]:
    return [(m.index, e.text) for m in timeline for e in m.percept.events if e.kind == "result"]


def log(timeline: Timeline) -> list[str]:
    return [json.dumps(moment.to_json(), sort_keys=True) for moment in timeline]


def reasons(timeline: Timeline) -> list[tuple[str, str]]:
    return [(one.event.text, one.why) for one in timeline.origin.fork.withheld]


def test_a_call_made_before_the_fork_is_still_answered() -> None:
    parent = talk((1.0, "plot it"))
    branch = fork(parent, 1.4).with_text("hello", 1.6).run()
    assert told(branch) == told(parent) == [(10, "answer 1")]
    assert branch[10].percept.events[1] is parent[10].percept.events[1]
    assert branch.origin.fork.withheld == branch.origin.fork.unanswered == ()


def test_the_same_call_at_another_time_gets_the_answer_as_long_after() -> None:
    parent = talk((2.0, "plot it"), (3.6, "list it"))
    branch = fork(parent, 1.0).shift("typed", -0.6, 2.0, 2.2).run()
    assert told(parent) == [(15, "answer 1"), (23, "answer 2")]
    assert told(branch) == [(12, "answer 1"), (23, "answer 2")]
    assert reasons(branch) == []


def test_an_answer_bears_the_names_of_the_call_it_is_given_to() -> None:
    parent = talk((2.0, "plot it"), (3.6, "list it"))
    branch = fork(parent, 1.0).without("typed", 2.0, 2.2).run()
    event = next(event for event in branch[23].percept.events if event.kind == "result")
    assert (parent[18].act.calls[0].id, branch[18].act.calls[0].id) == ("call-1", "call-0")
    assert (event.text, event.call_id, event.payload["surface"]["id"]) == ("answer 2", "call-0", "call-0")
    assert reasons(branch) == [("looking", NEVER_ASKED), ("answer 1", NEVER_ASKED)]
    assert [one.at_s for one in branch.origin.fork.withheld] == [3.0, 3.0]
    stop = Event("system", Provenance.UI, payload={"interrupt": True})
    shifted = fork(parent, 1.0).with_event(stop, 1.4)
    assert {event.epoch for event in shifted.run().events() if event.kind == "result"} == {1}


def test_a_call_that_was_never_made_is_not_answered_and_told() -> None:
    parent = talk((2.0, "plot it"))
    branch = fork(parent, 1.0).with_text("describe it", 2.4).with_text("plot it", 3.0).run()
    assert told(branch) == [(15, "answer 1")]
    assert [call.arguments["request"] for call in branch.origin.fork.unanswered] == ["describe it", "plot it"]
    other = fork(parent, 1.0).without("typed").with_text("plot that", 2.0).run()
    assert told(other) == []
    assert [why for _, why in reasons(other)] == [NEVER_ASKED] * 2
    assert "2 events withheld; 1 calls unanswered" in repr(other.origin.fork)


def test_with_a_background_what_the_record_does_not_know_is_asked() -> None:
    parent = talk((1.0, "one two"), (2.0, "plot it"), (3.0, "plot them"))
    behind = Counted()
    changed = fork(parent, 2.8).without("typed").with_text("describe it", 3.6)
    branch = changed.run(background=behind)
    assert told(branch) == [(15, "answer 1"), (23, "answer 1")]
    assert [task.topic for task in behind.tasks] == ["describe"]
    lines = [line.text for line in behind.tasks[0].conversation]
    assert "one two" in lines
    assert "plot it" in lines
    assert branch.origin.fork.unanswered == ()
    assert log(changed.run(background=Counted())) == log(branch)
    again = Counted()
    assert log(fork(parent, 1.6).run(background=again)) == log(parent)
    assert again.tasks == []
    newer = Counted()
    fork(parent, 2.8).without("typed").with_text("plot all", 3.6).run(background=newer)
    assert newer.tasks[0].version == 2


def test_what_is_newer_on_the_topic_takes_the_place_of_what_is_awaited() -> None:
    parent = talk((2.0, "plot it"))
    branch = fork(parent, 2.2).with_text("plot all", 2.4).run()
    assert told(branch) == []
    assert reasons(branch) == [("looking", REPLACED), ("answer 1", REPLACED)]
    other = fork(parent, 2.2).with_text("describe all", 2.4).run()
    assert told(other) == [(15, "answer 1")]
    both = talk((2.0, "plot it"), (2.4, "plot all"))
    assert told(both) == [(17, "answer 2")]
    assert log(fork(both, 2.2).run()) == log(both)


def test_what_is_cancelled_never_comes() -> None:
    parent = talk((2.0, "plot it"))
    branch = fork(parent, 2.2).with_text("cancel plot", 2.4).run()
    assert told(branch) == []
    assert [why for _, why in reasons(branch)] == [CANCELLED] * 2
    assert told(fork(parent, 2.2).with_text("cancel list", 2.4).run()) == [(15, "answer 1")]
    cancelled = talk((2.0, "plot it"), (2.4, "cancel plot"))
    assert log(fork(cancelled, 2.2).run()) == log(cancelled)


def test_answers_can_come_later_or_never() -> None:
    parent = talk((2.0, "plot it"))
    assert told(fork(parent, 2.2).shift("background", 1.0).run()) == [(20, "answer 1")]
    assert told(fork(parent, 2.2).shift("background", -0.8, 3.0, 3.2).run()) == [(11, "answer 1")]
    assert told(fork(parent, 2.2).shift("background", 1.0, 3.2).run()) == [(15, "answer 1")]
    never = fork(parent, 2.2).without("background").run()
    assert told(never) == []
    assert reasons(never) == []
    only = fork(parent, 2.2).without(lambda event: event.kind == "progress").run()
    assert [event.text for event in only.events()] == ["answer 1"]
    after_a_cut = fork(parent, 2.2).without("background", 3.0, 3.2).without_pause(2.2, 2.6).run()
    assert told(after_a_cut) == [(15, "answer 1")]  # the call was before the cut; its answer keeps its delay


def test_a_click_needs_something_to_click_on() -> None:
    parent = talk((2.0, "plot it"))
    click = Event("ui", Provenance.UI, "more pressed", "call-0", {"surface": "call-0", "component": "more"})
    clicked = fork(parent, 3.4).with_event(click, 3.6).run()
    assert click in clicked.events()
    branch = fork(clicked, 1.0).without("typed").run()
    assert click not in branch.events()
    assert reasons(branch)[-1] == ("more pressed", NOT_SHOWN)
    assert log(fork(clicked, 1.0).run()) == log(clicked)
    renamed = fork(clicked, 1.0).with_text("list it", 1.6).run()
    moved = [event for event in renamed.events() if event.kind == "ui"]
    assert [(event.call_id, event.payload["surface"]) for event in moved] == [("call-1", "call-1")]


def test_events_of_calls_that_nobody_knows_are_kept() -> None:
    parent = talk((2.0, "plot it"))
    part = parent[2.4:]
    late = fork(part, 2.6)
    assert [e.text for p in late.future.ticks.values() for e in p.percept.events] == ["looking", "answer 1"]


def test_a_background_has_the_notebook_to_look_at() -> None:
    parent = talk((1.0, "one"))
    people = {"people": {"age": [1.0, 2.0, 3.0], "income": [2.0, 4.0, 6.0]}}
    branch = fork(parent, 1.4).with_text("plot age", 1.6).run(background="analyst", namespace=people)
    event = next(event for event in branch.events() if event.kind == "result")
    assert event.payload["ok"]
    assert event.payload["surface"]["kind"] == "chart"
