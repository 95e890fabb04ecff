"""The background model: what is handed to it, what it hands back, and the one method it must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from imkit.stream import Utterance

Result = TypeVar("Result")


class OpenTask(NamedTuple):
    """Another piece of work that is under way, in brief; ``tick`` is when it was asked."""

    id: str
    topic: str
    request: str
    tick: int


class Variable(NamedTuple):
    """One of the notebook's variables, in brief: its name and the name of its type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Task:
    """One delegated piece of work: not a query but the conversation so far, with times, and what surrounds it.

    id            the call's id; every event of the task carries it
    topic         what kind of work: "plot", "describe", "list", "search" or anything a model was taught
    request       what the user said, as the interaction model recognised it
    typed         what the user typed most recently, untouched (real names of variables and columns), "" for nothing
    tick, epoch   when it was asked
    version       how many times this topic was asked for in this session; the newest one counts
    conversation  both sides' utterances up to now, oldest first; of the model's words only those that were played
    priority      a more urgent task may take the place of a less urgent one; 0 unless the call says otherwise
    expires_tick  after this tick nobody wants the result; None never
    frames        the newest pictures while the camera is on, at most two, oldest first: uint8 [height, width, 3],
                  at most 320 pixels a side
    open_tasks    what else is under way
    notebook      the newest variables, oldest first
    """

    id: str
    topic: str
    request: str = ""
    typed: str = ""
    tick: int = 0
    epoch: int = 0
    version: int = 1
    conversation: tuple[Utterance, ...] = ()
    priority: int = 0
    expires_tick: int | None = None
    frames: tuple[NDArray[np.uint8], ...] = field(default=(), compare=False)
    open_tasks: tuple[OpenTask, ...] = ()
    notebook: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back: a short sentence to say, and at most one thing to show (a surface as plain data).

    Where parts were told on the way, ``text`` is what is still to be said, and may be "".
    """

    text: str
    ok: bool = True
    surface: Mapping[str, Any] | None = None


class Cancelled(Exception):
    """Raised by ``Desk.check()`` when nobody wants the result any more."""


class Run(Protocol):
    """Calls a function with positional arguments, somewhere, and returns what it returns."""

    def __call__(self, function: Callable[..., Result], /, *args: Any) -> Result: ...


def _dropped(value: Any) -> None:
    """Nobody listens."""


def _forgotten(callback: Callable[[], object]) -> Callable[[], None]:  # noqa: ARG001
    return lambda: None


def _in_place(function: Callable[..., Result], /, *args: Any) -> Result:
    return function(*args)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a background model may use while it works. All of it may be called from any thread.

    tools      name -> function; the only way to read the notebook
    cancelled  True once nobody wants the result: expired, superseded, cancelled, closed, or let go for more urgent work
    progress   reports a short sentence on the way; at most a few are passed on
    tell       a piece of the result that can be said now, before the rest is ready
    show       a surface, as plain data, that can be shown now; raises SurfaceError when it is not one. Without an
               "id" it is a new one; with the id of one that is shown it adds to that one
    on_cancel  takes a callback for when nobody wants the result any more, such as the ``close`` of a network stream. It
               is called once, in another thread; in this one and at once when that is already so. Returns a function
               that takes it back
    run        ``run(function, *args)`` computes something heavy on the session's executor, in place where there is
               none, and returns its result. Function and arguments must pickle where the executor is another process.
               Raises what the function raises, and Cancelled as soon as nobody wants the result

    What is said, shown or returned after ``cancelled`` became True is dropped. A desk made by hand needs only the first
    three; on it the others do nothing, and ``run`` runs in place.
    """

    tools: Mapping[str, Callable[..., Any]]
    cancelled: Callable[[], bool]
    progress: Callable[[str], None]
    tell: Callable[[str], None] = _dropped
    show: Callable[[Mapping[str, Any]], None] = _dropped
    on_cancel: Callable[[Callable[[], object]], Callable[[], None]] = _forgotten
    run: Run = _in_place

    def check(self) -> None:
        """Raises Cancelled once nobody wants the result; call it between steps."""
        if self.cancelled():
            raise Cancelled


@runtime_checkable
class BackgroundModel(Protocol):
    """Whatever thinks longer than a tick. Called in worker threads, several at once; must watch ``desk.cancelled``."""

    def answer(self, task: Task, desk: Desk) -> Answer: ...


@runtime_checkable
class Adjusts(Protocol):
    """A background model that also answers what people do with the controls of the surfaces it made.

    ``action`` is what the event of kind "ui" holds: surface, component, action, value, and values, which are all data
    of the surface after it. An answer whose surface has the "id" of that one changes it in place. A newer action on a
    surface takes the place of one that is under way.
    """

    def adjust(self, task: Task, action: Mapping[str, Any], desk: Desk) -> Answer: ...
