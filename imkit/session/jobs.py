"""One job under way: what was asked, whether it is still wanted, whom to tell when it is not, and what makes way."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import CancelledError, Executor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from imkit.background import Answer, Cancelled, OpenTask, Task
from imkit.stream import Call, Provenance

LOOK_S = 0.05
MAX_AT_ONCE = 8
MAX_CALLBACKS = 64
MAX_PRIORITY = 9
MAX_BRIEF = 200


@dataclass(eq=False)
class Job:
    """A call that is being answered. The lock of the delegation guards all of it.

    ``window`` is where the text came from that the call may stem from; ``typed`` and ``action`` are what a person
    started it with, by hand. From ``outcome`` on it is what became of it.
    """

    call: Call
    version: int = 1
    window: frozenset[Provenance] = frozenset()
    stop: threading.Event = field(default_factory=threading.Event)
    callbacks: dict[object, Callable[[], object]] = field(default_factory=dict)
    progress: int = 0
    parts: int = 0
    finished: bool = False
    typed: str = ""
    action: Mapping[str, Any] | None = None
    told: list[str] = field(default_factory=list)
    outcome: str = "under way"
    result: str = ""
    ended_tick: int | None = None
    by: str = ""
    dropped: int = 0
    task: Task | None = None

    def end(self, tick: int, outcome: str, by: str = "") -> None:
        """It is over: told, or let go for the job ``by``."""
        self.ended_tick, self.outcome, self.by = tick, outcome, by

    @property
    def topic(self) -> str:
        """What kind of work it is."""
        return self.call.name

    @property
    def priority(self) -> int:
        """How urgent it is, -9 to 9; 0 unless a delegate call's arguments hold another whole number."""
        value = self.call.arguments.get("priority") if self.call.kind == "delegate" else None
        if isinstance(value, bool) or not isinstance(value, int):
            return 0
        return max(-MAX_PRIORITY, min(MAX_PRIORITY, value))

    @property
    def unwanted(self) -> bool:
        """Superseded, cancelled, expired or let go: whatever it still says is stale."""
        return self.stop.is_set()

    def expired(self, tick: int) -> bool:
        """Nobody wants its result any more at ``tick``, as the call said."""
        return self.call.expires_tick is not None and tick > self.call.expires_tick

    def in_brief(self) -> OpenTask:
        """What another task is told of this one."""
        call = self.call
        return OpenTask(call.id, call.name, str(call.arguments.get("request", ""))[:MAX_BRIEF], call.tick)

    def add_callback(self, token: object, callback: Callable[[], object]) -> bool:
        """Keeps a callback, with the context of its caller. Of more than 64 the oldest is forgotten; True says so."""
        full = len(self.callbacks) == MAX_CALLBACKS
        if full:
            del self.callbacks[next(iter(self.callbacks))]
        self.callbacks[token] = partial(contextvars.copy_context().run, callback)
        return full

    def take_callbacks(self) -> list[Callable[[], object]]:
        """All callbacks, once."""
        taken = list(self.callbacks.values())
        self.callbacks.clear()
        return taken


def superseded_by(job: Job, jobs: Collection[Job]) -> list[Job]:
    """The jobs that a newer one replaces: of delegated work, what was asked before on the same topic."""
    if job.call.kind != "delegate":
        return []
    return [one for one in jobs if one.call.kind == "delegate" and one.topic == job.topic]


def least_urgent(jobs: Collection[Job], below: int) -> Job | None:
    """The job to let go for one of priority ``below``: the least urgent, and of those the newest; None to let go none.

    ``jobs`` are in the order they were asked.
    """
    lesser = [job for job in jobs if job.priority < below]
    return min(reversed(lesser), key=lambda job: job.priority, default=None)


def run_on(executor: Executor | None, stop: threading.Event, function: Callable[..., Any], /, *args: Any) -> Any:
    """Runs a function on an executor, in place without one, and waits for its result until ``stop`` is set.

    Then the work is cancelled there, and Cancelled is raised within 50 ms. Work that has begun may go on, as most
    executors cannot stop it; its result is never seen. Raises what the function or the executor raises.
    """
    if stop.is_set():
        raise Cancelled
    if executor is None:
        result = function(*args)
    else:
        future = executor.submit(function, *args)
        try:
            while not wait([future], LOOK_S).done and not stop.is_set():
                continue
            if stop.is_set():
                raise Cancelled
            result = future.result()
        except CancelledError as error:
            raise RuntimeError("the executor let the work go before it was done") from error
        finally:
            future.cancel()  # nothing happens where it is done
    if stop.is_set():
        raise Cancelled
    return result


def checked(answer: object) -> Answer:
    """What a background model returned. Raises TypeError when it is no Answer."""
    if not isinstance(answer, Answer):
        raise TypeError(f"answer() returned {type(answer).__name__}, expected an imkit.background.Answer")
    return answer
