"""What comes of a call, as events: each with its topic, its version of the topic, and its epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from imkit.background import Answer
from imkit.stream import Event, Provenance
from imkit.surfaces import Surface

from .byhand import ADJUST
from .jobs import Job

MAX_TEXT = 2_000
MAX_TOOL_TEXT = 1_000
MAX_TITLE = 120
MAX_SHOWN = 4_000


@dataclass(frozen=True, slots=True)
class Ready:
    """An event that waits for its tick. Without a job nothing can make it stale; ``last`` ends its job."""

    due: int
    event: Event
    job: Job | None = None
    last: bool = False


def event_of(kind: Literal["result", "progress"], job: Job, text: str, **payload: Any) -> Event:
    """An event of a job, from the tool or the background model."""
    call = job.call
    provenance = Provenance.TOOL if call.kind == "tool" else Provenance.BACKGROUND
    topic = ADJUST if job.action is not None else job.topic
    about = {"topic": topic, "version": job.version, **payload}
    return Event(kind, provenance, text[:MAX_TEXT], call.id, about, call.epoch)


def result_of(job: Job, text: str, *, ok: bool = True, surface: Surface | None = None) -> Event:
    """The event that ends a job."""
    return event_of("result", job, text, ok=ok, surface=surface.to_json() if surface else None)


def in_words(job: Job, text: str) -> Mapping[str, Any] | None:
    """What was told in answer to a person's own request, as a text to show; None where nothing was."""
    told = "\n".join(filter(None, [*job.told, text]))
    return {"title": job.typed[:MAX_TITLE], "kind": "text", "spec": {"text": told[:MAX_SHOWN]}} if told else None


def answer_of(value: Any) -> Answer:
    """A tool's return value as an answer: {"text", "surface"} is taken as it is, anything else is told."""
    if isinstance(value, Mapping) and "text" in value:
        return Answer(str(value["text"])[:MAX_TOOL_TEXT], surface=value.get("surface"))
    return Answer(str(value)[:MAX_TOOL_TEXT])
