"""What became of each piece of work, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imkit.background import Task
from imkit.stream import TICK_S

if TYPE_CHECKING:
    from .jobs import Job


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One piece of work of a session.

    id, topic  as in its events; a newer version of a topic takes the place of the older one
    request    what was asked, as it was typed, else as it was recognised
    asked_s    when, on the session clock
    ended_s    when its result was told, or when it was let go; None while it is under way
    outcome    under way; done, failed or refused; superseded, expired, cancelled, displaced (for more urgent work) or
               closed (with the session): of these nothing more is ever told
    by         id of what took its place, "" for nothing
    dropped    events of it that came of the work all the same and were never told
    task       what the background model was handed, pictures left out; None where it was handed nothing
    """

    id: str
    topic: str
    version: int
    request: str
    asked_s: float
    ended_s: float | None
    outcome: str
    by: str
    dropped: int
    task: Task | None


def record_of(job: Job) -> TaskRecord:
    """The record of a job as it is now."""
    call, task = job.call, job.task
    request = job.typed or (task.typed if task is not None and not job.action else "")
    return TaskRecord(
        call.id,
        job.topic,
        job.version,
        request or str(call.arguments.get("request", "")),
        round(call.tick * TICK_S, 3),
        None if job.ended_tick is None else round(job.ended_tick * TICK_S, 3),
        job.outcome,
        job.by,
        job.dropped,
        task,
    )
