"""The eight tools of scene 12 over a small state in memory, and the clerk who runs what a model calls for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from imkit.stream import Call, Event, Provenance
from imkit.tools import Tier, Tool, ToolError, tool
from imkit.tools.order import Drink, Milk, Roast, Shots, Size, Sugar

from .answers import number_words

LITTLE: Final = frozenset("here is the what i a an".split())
NUMBERS: Final = {" ".join(number_words(n)): n for n in range(100)}
Asked = tuple[str, Mapping[str, Any]]


@dataclass
class DeskState:
    """What the tools read and change. ``steps`` holds every effect in order, so that the order counts."""

    columns: tuple[str, ...]
    rooms: tuple[str, ...]
    shown: list[str] = field(default_factory=list)
    timers_min: list[int] = field(default_factory=list)
    music: str = ""
    lights: dict[str, str] = field(default_factory=dict)
    orders: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 of the whole state, in hex: equal states, equal digests."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def desk_tools(state: DeskState) -> dict[str, Tool]:
    """The eight tools over one state, by name. Each returns the one to five words that tell its result.

    The last four change something, so a session would ask before it runs them; in a scene the user has agreed.
    """

    def show(what: str) -> str:
        state.shown.append(what)
        state.steps.append(f"show {what}")
        return f"here is the {what.split()[0]}"

    @tool
    def plot(column: str) -> str:
        """Shows a chart of one column."""
        if column not in state.columns:
            raise ToolError(f"there is no column {column!r}; there are: {', '.join(state.columns)}")
        return show(f"chart of {column}")

    @tool
    def describe() -> str:
        """Shows a summary of the data."""
        return show("summary")

    @tool
    def list_variables() -> str:
        """Shows a list of the variables."""
        return show("list")

    @tool
    def search(topic: str) -> str:
        """Looks something up."""
        state.steps.append(f"search {topic}")
        return "here is what i found"

    @tool(tier=Tier.EFFECT)
    def set_timer(minutes: int) -> str:
        """Starts a timer."""
        state.timers_min.append(minutes)
        state.steps.append(f"timer {minutes}")
        return "timer set"

    @tool(tier=Tier.EFFECT)
    def play(genre: str) -> str:
        """Plays music of a kind."""
        state.music = genre
        state.steps.append(f"play {genre}")
        return f"here is {genre}"

    @tool(tier=Tier.EFFECT)
    def light(room: str, state: Literal["on", "off"]) -> str:
        """Turns the light in a room on or off."""
        return switch(room, state)

    def switch(room: str, to: str) -> str:
        if room not in state.rooms:
            raise ToolError(f"there is no room {room!r}; there are: {', '.join(state.rooms)}")
        state.lights[room] = to
        state.steps.append(f"light {room} {to}")
        return f"light {to}"

    @tool(tier=Tier.EFFECT)
    def order_drink(
        drink: Drink,
        size: Size | None = None,
        roast: Roast | None = None,
        shots: Shots | None = None,
        milk: Milk | None = None,
        sugar: Sugar | None = None,
    ) -> str:
        """Orders a coffee drink."""
        order = ", ".join(part or "" for part in (drink, size, roast, shots, milk, sugar))
        state.orders.append(order)
        state.steps.append(f"order {order}")
        return " ".join(part for part in (size, drink) if part)

    made = (plot, describe, list_variables, search, set_timer, play, light, order_drink)
    return {one.name: one for one in made}


SCHEMAS: Final = {name: one.schema["properties"] for name, one in desk_tools(DeskState((), ())).items()}


def normalised(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as they are compared and run: small letters, single spaces, no "the", numbers and on/off as declared.

    ``{"minutes": "Ten"}`` for set_timer gives ``{"minutes": 10}``; what is None is left out.
    """
    plain: dict[str, Any] = {}
    for key, value in arguments.items():
        kind = SCHEMAS.get(name, {}).get(key, {})
        if isinstance(value, str):
            value = " ".join(value.lower().replace("_", " ").replace("-", " ").split()).removeprefix("the ")
            if kind.get("type") == "integer":
                value = int(value) if value.isdecimal() else NUMBERS.get(value, value)
        elif isinstance(value, bool) and "enum" in kind:
            value = "on" if value else "off"
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is not None:
            plain[str(key)] = value
    return plain


def key_words(text: str) -> tuple[str, ...]:
    """The words of a result that must be said: ``here is the chart`` gives ``("chart",)``."""
    return tuple(word for word in text.split() if word not in LITTLE)


def run_all(state: DeskState, asked: Iterable[Asked]) -> list[tuple[bool, str]]:
    """Runs calls in order. For each, whether it worked, and its result or what was wrong with it."""
    tools, results = desk_tools(state), []
    for name, arguments in asked:
        try:
            if name not in tools:
                raise ToolError(f"there is no tool {name!r}; there are: {', '.join(tools)}")
            results.append((True, str(tools[name].run(arguments))))
        except ToolError as error:
            results.append((False, str(error)))
    return results


@dataclass(eq=False)
class Job:
    """A call that a model made: what was asked when, when its result is due, when it was told, and the result.

    A job that was cancelled, or replaced by a later call of the same tool, has ``dropped`` set: it counts as undone.
    """

    call: Call
    arguments: Mapping[str, Any]
    asked_s: float
    due_s: float
    dropped: bool = False
    told_s: float | None = None
    ok: bool = False
    text: str = ""

    @property
    def asked(self) -> Asked:
        """Name and normalised arguments."""
        return self.call.name, self.arguments


class Clerk:
    """Runs calls one after the other, each for so many seconds; nothing is told before ``free_s``.

    delays_s  seconds that the first, second, ... call takes; the last value goes on
    first_s   when the first call's result comes, if that is to be at a moment of its own
    """

    def __init__(
        self,
        columns: Sequence[str],
        rooms: Sequence[str],
        delays_s: Sequence[float],
        free_s: float,
        first_s: float | None = None,
    ) -> None:
        self.columns, self.rooms = tuple(columns), tuple(rooms)
        self.delays_s, self.free_s, self.first_s = tuple(delays_s), free_s, first_s
        self.jobs: list[Job] = []
        self.cancelled_s: list[float] = []

    def take(self, call: Call, now_s: float) -> None:
        """A call, or a cancel: of the job whose id it gives, or without one of the tool that it names."""
        wanted = str(call.arguments.get("id", "")) if call.kind == "cancel" else ""
        for job in self.jobs:
            job.dropped |= job.call.id == wanted if wanted else job.call.name == call.name
        if call.kind == "cancel":
            self.cancelled_s.append(now_s)
            return
        busy_s = max([now_s, *(job.due_s for job in self.jobs if not job.dropped)])
        due_s = max(self.free_s, busy_s + self.delays_s[min(len(self.jobs), len(self.delays_s) - 1)])
        if not self.jobs and self.first_s is not None:
            due_s = max(now_s, self.first_s)
        self.jobs.append(Job(call, normalised(call.name, call.arguments), now_s, due_s))

    def tell(self, now_s: float) -> list[tuple[Job, Event]]:
        """The results that have become due, each once, as events."""
        told = []
        for job in self.jobs:
            if job.dropped or job.told_s is not None or job.due_s > now_s + 1e-9:
                continue
            before = [other.asked for other in self.jobs[: self.jobs.index(job)] if not other.dropped]
            job.ok, job.text = run_all(self.fresh(), [*before, job.asked])[-1]
            job.told_s = now_s
            payload = {"ok": job.ok, "topic": job.call.name}
            told.append((job, Event("result", Provenance.TOOL, job.text, job.call.id, payload, job.call.epoch)))
        return told

    def fresh(self) -> DeskState:
        """The state before any call."""
        return DeskState(self.columns, self.rooms)

    def digest_after(self, asked: Iterable[Asked]) -> str:
        """The digest of the state after these calls alone."""
        state = self.fresh()
        run_all(state, asked)
        return state.digest

    @property
    def digest(self) -> str:
        """The digest of the state after the calls that hold."""
        return self.digest_after(job.asked for job in self.jobs if not job.dropped)
