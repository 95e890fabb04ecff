"""What comes of the calls that a fork makes: the answers that its parent got, for as long as it asks the same.

Nobody knows what a tool or a background model would have answered to a question that was never put to it. So an answer
of the parent is given in the fork only to a call of the same kind, name and arguments, as many ticks after it as in the
parent; a call of the same tick is preferred, then the earliest that nobody has had. All other answers are withheld, and
calls without an answer go unanswered, unless there is a background model to ask. Both are listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from imkit.session import Delegation
from imkit.stream import TICKS_PER_S, Act, Call, Event, Moment, Percept, Provenance, Word, plain

from .future import Rule

NEVER_ASKED = "the fork never made the call that it answers"
REPLACED = "the fork asked something newer on the same topic"
CANCELLED = "the fork cancelled the call"
NOT_SHOWN = "the surface that it acts on is not there in the fork"


@dataclass(frozen=True, slots=True, eq=False)
class Withheld:
    """Something that happened in the parent and cannot have happened in the fork. ``at_s`` is when it did, and why."""

    event: Event
    at_s: float
    why: str


@dataclass(eq=False)
class Recorded:
    """A call that the parent made at tick ``index``, and what came of it: (number in order, delay in ticks, event)."""

    call: Call
    index: int
    answers: list[tuple[int, int, Event]] = field(default_factory=list)


@dataclass(eq=False)
class Record:
    """All calls of a timeline in order, and which events, by tick and place, are answers to them.

    ``surfaces`` are the ticks at which surfaces were first shown, by name.
    """

    calls: list[Recorded] = field(default_factory=list)
    surfaces: dict[str, int] = field(default_factory=dict)
    answers: set[tuple[int, int]] = field(default_factory=set)

    def stripped(self, percept: Percept) -> Percept:
        """The percept without the answers of the record."""
        kept = tuple(e for place, e in enumerate(percept.events) if (percept.index, place) not in self.answers)
        return percept if len(kept) == len(percept.events) else replace(percept, events=kept)


def read_record(moments: Iterable[Moment]) -> Record:
    """The calls and answers of some moments. Answers to calls that are not among them belong to no call."""
    record, by_id, numbers = Record(), dict[str, Recorded](), count()
    for moment in moments:
        for place, event in enumerate(moment.percept.events):
            asked = by_id.get(event.call_id) if is_answer(event) else None
            if asked is not None:
                asked.answers.append((next(numbers), moment.index - asked.index, event))
                record.answers.add((moment.index, place))
                if shown := _surface_id(event):
                    record.surfaces.setdefault(shown, moment.index)
        for call in moment.act.calls:
            by_id[call.id] = Recorded(call, moment.index)
            record.calls.append(by_id[call.id])
    return record


def is_answer(event: Event) -> bool:
    """Whether an event comes of a call: a result or progress, of a tool or of the background."""
    return event.kind in ("result", "progress") and event.provenance in (Provenance.TOOL, Provenance.BACKGROUND)


@dataclass(frozen=True, slots=True, eq=False)
class _Due:
    tick: int
    number: int
    event: Event
    original: Event
    asked: Recorded
    delay: int


class Recalled:
    """Stands where a ``Delegation`` stands, and answers from a record. Past calls' answers still come when they came.

    at    the tick of the fork
    live  whom to ask what the record cannot answer; None asks nobody
    """

    def __init__(self, record: Record, at: int, rules: Sequence[Rule] = (), live: Delegation | None = None) -> None:
        self.withheld: list[Withheld] = []
        self.unanswered: list[Call] = []
        self._live = live
        self._rules = rules
        self._surfaces = record.surfaces
        self._shown = {name: name for name, tick in record.surfaces.items() if tick < at}
        self._left = [asked for asked in record.calls if asked.index >= at]
        self._due: list[_Due] = []
        for asked in record.calls:
            if asked.index < at:
                self._expect(asked, asked.call, from_tick=at)

    def heard_of(self, percept: Percept) -> Percept:
        """The percept without what was done on surfaces that are not there; the others have their names here."""
        if not any(event.kind == "ui" and event.call_id in self._surfaces for event in percept.events):
            return percept
        events: list[Event] = []
        for event in percept.events:
            known = event.kind == "ui" and event.call_id in self._surfaces
            name = self._shown.get(event.call_id, "") if known else event.call_id
            if known and not name:
                self.withheld.append(Withheld(event, percept.index / TICKS_PER_S, NOT_SHOWN))
            elif name != event.call_id:
                events.append(replace(event, call_id=name, payload={**event.payload, "surface": name}))
            else:
                events.append(event)
        return replace(percept, events=tuple(events))

    def drain(self, tick: int) -> tuple[Event, ...]:
        """Answers that are due at ``tick``, in the order in which the parent got them; then those of the background."""
        due = sorted((one for one in self._due if one.tick <= tick), key=lambda one: (one.tick, one.number))
        self._due = [one for one in self._due if one.tick > tick]
        self._shown.update((name, _surface_id(one.event)) for one in due if (name := _surface_id(one.original)))
        events = tuple(one.event for one in due)
        return events if self._live is None else events + self._live.drain(tick)

    def note(self, percept: Percept, act: Act) -> None:
        """Lets the background listen."""
        if self._live is not None:
            self._live.note(percept, act)

    def submit(self, call: Call, said: Iterable[Word] = ()) -> None:
        """Takes a call: answered from the record, by the background, or not at all."""
        asked = self._found(call)
        if asked is not None:
            self._left.remove(asked)
        if asked is None or asked.index != call.tick:  # the record does not tell what this call did to others
            self._make_way(call)
        if call.kind == "cancel":
            if self._live is not None:
                self._live.submit(call)
        elif asked is not None and asked.answers:
            self._expect(asked, call)
        elif self._live is not None:
            self._live.submit(call, said)
        else:
            self.unanswered.append(call)

    def by_hand(self, percept: Percept, epoch: int, said: Iterable[Word] = ()) -> None:
        """Starts nothing: what a person asked past the model, and what came of it, stays as it was."""

    def finish(self, end: int) -> None:
        """The fork ends before tick ``end``: what of the parent up to there found no place is withheld."""
        for asked in self._left:
            for _, delay, event in asked.answers:
                if asked.index + delay < end:
                    self._withhold(asked, delay, event, NEVER_ASKED)
        self.withheld.sort(key=lambda one: one.at_s)

    def _found(self, call: Call) -> Recorded | None:
        alike = [asked for asked in self._left if _question(asked.call) == _question(call)]
        return next((asked for asked in alike if asked.index == call.tick), alike[0] if alike else None)

    def _expect(self, asked: Recorded, call: Call, from_tick: int = 0) -> None:
        """Answers of a recorded call, for a call of the fork, when they are due from ``from_tick`` on."""
        made_at = asked.index if call is asked.call else call.tick
        for number, delay, event in asked.answers:
            due: int | None = made_at + delay
            for rule in self._rules if made_at + delay >= from_tick else ():
                if due is not None and rule.start <= due < rule.end and rule.wanted(event):
                    due = None if rule.by is None else max(made_at + 1, from_tick, due + rule.by)
            if due is not None and due >= from_tick:
                told = _for_call(event, asked.call, call)
                self._due.append(_Due(due, number, told, event, asked, delay))

    def _make_way(self, call: Call) -> None:
        """Lets go of what a call that the parent did not make then takes the place of, or cancels."""
        wanted = str(call.arguments.get("id", ""))
        kept: list[_Due] = []
        for one in self._due:
            other = one.asked.call
            replaced = call.kind == "delegate" == other.kind and call.name == other.name
            cancelled = call.kind == "cancel" and (one.event.call_id == wanted if wanted else call.name == other.name)
            if replaced or cancelled:
                self._withhold(one.asked, one.delay, one.original, REPLACED if replaced else CANCELLED)
            else:
                kept.append(one)
        self._due = kept
        if self._live is not None and call.kind == "delegate":
            self._live.submit(replace(call, kind="cancel", arguments={}))

    def _withhold(self, asked: Recorded, delay: int, event: Event, why: str) -> None:
        self.withheld.append(Withheld(event, (asked.index + delay) / TICKS_PER_S, why))


def _question(call: Call) -> tuple[str, str, str]:
    return call.kind, call.name, json.dumps(plain(call.arguments), sort_keys=True)


def _surface_id(event: Event) -> str:
    surface = event.payload.get("surface")
    return str(surface.get("id", "")) if isinstance(surface, dict) else ""


def _for_call(event: Event, old: Call, new: Call) -> Event:
    """The event as an answer to ``new``: its id, its epoch, its surface's name. The same object if all are alike."""
    if old.id == new.id and event.epoch == new.epoch:
        return event
    payload, name, part = event.payload, _surface_id(event), f"{old.id[:70]}."
    renamed = new.id if name == old.id else f"{new.id[:70]}.{name[len(part) :]}" if name.startswith(part) else name
    if renamed != name:
        payload = {**payload, "surface": {**payload["surface"], "id": renamed}}
    return replace(event, call_id=new.id, epoch=new.epoch, payload=payload)
