"""Calls and what came of them, as spans: from being made, through the result, to being woven into speech."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from imkit.stream import Call, Event, Moment

if TYPE_CHECKING:
    from imkit.session import TaskRecord

WOVEN_WITHIN_S = 10.0

Outcome = Literal["open", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Task:
    """One call. ``result_s`` is None while nothing came of it, ``woven_s`` while nothing was said after that.

    Woven in is what the model says next after the result, if it does so within 10 s. Nothing tells whether its words
    are about the result.
    """

    name: str
    kind: str
    call_s: float
    result_s: float | None = None
    woven_s: float | None = None
    outcome: Outcome = "open"
    asked: str = ""
    answered: str = ""

    @property
    def end_s(self) -> float:
        """The last that is known of it."""
        return self.woven_s or self.result_s or self.call_s


def tasks_of(moments: list[Moment]) -> list[Task]:
    """Every call but cancels, in the order they were made."""
    tasks: dict[str, Task] = {}
    waiting: list[str] = []
    for moment in moments:
        for event in moment.percept.events:
            if event.kind == "result" and "part" not in event.payload and event.call_id in tasks:
                tasks[event.call_id] = _ended(tasks[event.call_id], event, moment.start_s)
                waiting.append(event.call_id)
        if moment.act.words:
            for id in waiting:
                said_s = moment.act.words[0].start_s
                if said_s - (tasks[id].result_s or 0.0) <= WOVEN_WITHIN_S:
                    tasks[id] = replace(tasks[id], woven_s=said_s)
            waiting.clear()
        for call in moment.act.calls:
            if call.kind == "cancel":
                _cancel(tasks, call, moment.start_s)
            else:
                asked = ", ".join(f"{key}={value!r}" for key, value in call.arguments.items())
                tasks[call.id] = Task(call.name or call.kind, call.kind, moment.start_s, asked=asked[:300])
    return list(tasks.values())


_TOLD: Final[dict[str, Outcome]] = {"under way": "open", "done": "done", "failed": "failed", "refused": "failed"}


def recorded(records: Iterable[TaskRecord], moments: list[Moment]) -> list[Task]:
    """Pieces of work as a session keeps them (``session.tasks``): those that a person started too, and of those that
    were let go what became of them. Where the timeline tells more of one, that stays.
    """
    known = {(task.name, round(task.call_s, 3)): task for task in tasks_of(moments)}
    found = []
    for one in records:
        name = one.topic if one.outcome in _TOLD else f"{one.topic}, {one.outcome}"
        made = Task(name, "delegate", one.asked_s, one.ended_s, asked=one.request[:300])
        if one.outcome in ("done", "failed"):
            made = replace(known.get((one.topic, one.asked_s), made), name=name)
        found.append(replace(made, outcome=_TOLD.get(one.outcome, "cancelled")))
    return found


def _ended(task: Task, event: Event, now_s: float) -> Task:
    outcome: Outcome = "done" if event.payload.get("ok", True) else "failed"
    return replace(task, result_s=now_s, outcome=outcome, answered=event.text[:300])


def _cancel(tasks: dict[str, Task], call: Call, now_s: float) -> None:
    wanted = str(call.arguments.get("id", ""))
    for id, task in tasks.items():
        if task.outcome == "open" and (id == wanted or (not wanted and task.name == call.name)):
            tasks[id] = replace(task, result_s=now_s, outcome="cancelled")
