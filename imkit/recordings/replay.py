"""Running a recording again: the same percepts, events included, through the same loop, compared line by line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imkit.session import Loop, RealPacer
from imkit.stream import InteractionModel, Ledger, Moment, OpenConfig, Timeline

from .errors import RecordingError
from .recording import Recording

MAX_EPOCHS = 1000
NEVER_AGAIN = (
    "is a model on another machine: given the same again it would do something else, so there is nothing to compare. "
    "What it did is all in the recording: open_recording(...).timeline, or imkit export; a local model can be forked "
    "and replayed"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where the model did something else: which tick, which field of its line, both values."""

    tick: int
    field: str
    recorded: Any
    replayed: Any

    def __str__(self) -> str:
        return f"tick {self.tick}, {self.field}: recorded {_short(self.recorded)}, now {_short(self.replayed)}"


@dataclass(slots=True)
class Replay:
    """What came of a replay.

    timeline    what the model did this time
    compared    micro-turns whose line could be compared
    difference  the first that differs, None where all are the same to the byte
    skipped     why others were not run, with how many: [(reason, micro-turns)]
    """

    timeline: Timeline
    compared: int = 0
    difference: Difference | None = None
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Everything was run again, and every line was the same to the byte."""
        return self.difference is None and not self.skipped

    def __str__(self) -> str:
        if self.difference is not None:
            return f"differs after {self.compared} micro-turns: {self.difference}"
        skipped = "".join(f"; {number} could not be run again: {why}" for why, number in self.skipped.items())
        return f"{self.compared} micro-turns, the same to the byte{skipped}"


def replay(
    recording: Recording,
    model: InteractionModel[Any],
    *,
    live: bool = False,
    heed: Callable[[Moment], object] | None = None,
) -> Replay:
    """Steps ``model`` on what was recorded, from a fresh state, with the seed and the tools of then.

    Nothing is delegated again: results come from the recording. Micro-turns that were looked into are stepped as they
    were then, by ``model.eager()``, where the model has it. ``live`` keeps to the clock, one micro-turn every
    200 ms; ``heed`` is called with each moment. After the first difference it goes on, uncompared.

    What follows a hole of the recording (forgotten, or lost to a full disk) or a change inside the model (hooks), and
    what came before a fresh state was opened, hangs on what is not there: it is not run, and counted in ``skipped``.
    Raises RecordingError where sound is damaged, the model is not of the recording's output rate or does not do the
    same again (``spec.repeats``), and whatever the model raises.
    """
    if not model.spec.repeats:
        raise RecordingError(f"{recording.path}: {model.spec.name} {NEVER_AGAIN}")
    rate = recording.facts["output_rate"]
    if model.spec.output_rate != rate:
        raise RecordingError(
            f"{recording.path}: was recorded with {recording.facts['model'] or 'a model'} at {rate} Hz, "
            f"{model.spec.name} speaks at {model.spec.output_rate} Hz; give the model it was recorded with."
        )
    result = Replay(Timeline(rate))
    loop: Loop | None = None
    eager = _eager(recording, model)
    seats: list[InteractionModel[Any] | None] = [None]
    pacer = RealPacer()
    for moment, opened, why in _steps(recording):
        if opened is not None:
            config = OpenConfig(opened["seed"], tuple(opened["tools"]), opened["options"])
            ledger = Ledger(rate, opened["epoch"])
            loop = Loop(model, config, ledger=ledger, clock=time.perf_counter, stand_in=lambda: seats[0])
        if why or loop is None:
            loop = None
            result.skipped[why] = result.skipped.get(why, 0) + 1
            continue
        while live and not pacer.due(0.25):
            pass
        pacer.took(1)
        _follow(loop.ledger, moment)
        seats[0] = eager if moment.act.diagnostics.get("eager") else None
        now = loop.tick(moment.percept)
        result.timeline.append(now)
        if heed is not None:
            heed(now)
        if result.difference is None:
            result.difference = _difference(moment, now)
            result.compared += result.difference is None
    return result


def _steps(recording: Recording) -> Iterator[tuple[Moment, Mapping[str, Any] | None, str]]:
    """Every moment, what was opened just before it, and why it cannot be run again ("" where it can)."""
    content, journal = recording.content, recording.content.journal
    marks: list[tuple[int, int, Any]] = [(tick, 0, value) for tick, value in journal.opened.items()]
    marks += [(tick + ticks - 1, 1, "what was before it was forgotten") for tick, ticks in journal.forgot if ticks]
    marks += [(tick + lost - 1, 1, "what was before it could not be written") for tick, lost, _ in journal.lost]
    marks.sort(key=lambda mark: mark[:2], reverse=True)
    why, opened = "it began in the middle of a session", None
    for moment in content.moments:
        at = moment.index
        while marks and marks[-1][0] <= at:
            _, hole, value = marks.pop()
            why, opened = (value, None) if hole else ("", value)
        if not why and at in content.rounded:
            why = "it was rounded after the model had heard it"
        if not why and moment.frame_count != content.media.frame_count(at):
            why = "its pictures were not recorded"
        if not why and (hooks := moment.act.diagnostics.get("hooks")):
            why = f"from {moment.start_s:.1f} s on the model had been changed by hooks ({', '.join(hooks)})"
        yield moment, None if why else opened, why
        opened = None


def _eager(recording: Recording, model: InteractionModel[Any]) -> InteractionModel[Any] | None:
    """The model as it is stepped while it is looked into; None where it never was, or is the same then."""
    looked_into = any(moment.act.diagnostics.get("eager") for moment in recording)
    eager = getattr(model, "eager", None) if looked_into else None
    return eager() if callable(eager) else None


def _follow(ledger: Ledger, moment: Moment) -> None:
    """Epochs that began from outside since the last moment, as when a session is stopped and started, begin again."""
    told = any(event.kind == "system" and event.payload.get("interrupt") for event in moment.percept.events)
    for _ in range(min(moment.epoch - told - moment.yielded - ledger.epoch, MAX_EPOCHS)):
        ledger.interrupt()


def _difference(recorded: Moment, replayed: Moment) -> Difference | None:
    then, now = recorded.to_json(), replayed.to_json()
    if json.dumps(then, sort_keys=True) == json.dumps(now, sort_keys=True):
        return None
    names = sorted({*then, *now}, key=lambda name: (name == "media", name))
    name = next(name for name in names if json.dumps(then.get(name)) != json.dumps(now.get(name)))
    return Difference(recorded.index, name, then.get(name), now.get(name))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
