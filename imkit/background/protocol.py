"""The background model: what is handed to it, what it hands back, and the one method it must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from imkit.stream import Utterance


@dataclass(frozen=True, slots=True)
class Task:
    """One delegated piece of work: not a query but the conversation so far, with times.

    id            the call's id; the result event carries it
    topic         what kind of work: "plot", "describe", "list", "search" or anything a model was taught
    request       what the user said, as the interaction model recognised it
    typed         what the user typed most recently, untouched (real names of variables and columns), "" for nothing
    tick, epoch   when it was asked
    version       how many times this topic was asked for in this session; the newest one counts
    conversation  both sides' utterances up to now, oldest first
    """

    id: str
    topic: str
    request: str = ""
    typed: str = ""
    tick: int = 0
    epoch: int = 0
    version: int = 1
    conversation: tuple[Utterance, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back: a short sentence to say, and at most one thing to show (a surface as plain data)."""

    text: str
    ok: bool = True
    surface: Mapping[str, Any] | None = None


class Cancelled(Exception):
    """Raised by ``Desk.check()`` when nobody wants the result any more."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a background model may use while it works.

    tools      name -> function; the only way to read the notebook
    cancelled  True once nobody wants the result: expired, superseded, cancelled or closed
    progress   reports a short sentence on the way; at most a few are passed on
    """

    tools: Mapping[str, Callable[..., Any]]
    cancelled: Callable[[], bool]
    progress: Callable[[str], None]

    def check(self) -> None:
        """Raises Cancelled once nobody wants the result; call it between steps."""
        if self.cancelled():
            raise Cancelled


@runtime_checkable
class BackgroundModel(Protocol):
    """Whatever thinks longer than a tick. Called in worker threads, several at once; must watch ``desk.cancelled``."""

    def answer(self, task: Task, desk: Desk) -> Answer: ...
