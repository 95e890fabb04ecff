"""Running a fork: the past is shared, the model's state at the fork is found again, the future is lived through."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imkit.session import Delegation, Drive, Loop, Origin, VirtualPacer
from imkit.stream import (
    TICK_S,
    TICKS_PER_S,
    Act,
    Call,
    InteractionModel,
    Ledger,
    ModelError,
    Moment,
    Percept,
    Provenance,
    Timeline,
)

from .answers import Recalled, Record, Withheld
from .errors import ForkError
from .future import Future

TELL_TICKS = 100
TELL_EVERY = 1500

Progress = Callable[[str], object]


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """What is to be known of a timeline that was forked; its ``origin.fork``.

    parent      the timeline it was forked from, as it was then
    at_s        where: earlier moments are the parent's own
    edits       what was changed, in words, in order
    relived     ticks of the past that had to be lived through again to find the model's state
    diverged_s  where the model, living through its own past, first did other than recorded; None where it did not
    withheld    what happened in the parent and cannot have happened here, and why
    unanswered  calls that nobody answered
    """

    parent: Timeline
    at_s: float
    edits: tuple[str, ...]
    relived: int
    diverged_s: float | None
    withheld: tuple[Withheld, ...]
    unanswered: tuple[Call, ...]

    def __repr__(self) -> str:
        told = ", ".join(self.edits) or "nothing changed"
        gone = f"; {len(self.withheld)} events withheld" if self.withheld else ""
        lost = f"; {len(self.unanswered)} calls unanswered" if self.unanswered else ""
        return f"Branch(at {self.at_s:.1f} s: {told}{gone}{lost})"


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A fork that is to be run.

    parent  the whole timeline; past the part of it before the fork
    epoch   the epoch that the fork begins in
    record  the parent's calls and what came of them
    origin  where the parent comes from
    edits   what was changed, in words
    """

    parent: Timeline
    past: Timeline
    future: Future
    epoch: int
    record: Record
    origin: Origin
    edits: tuple[str, ...]


class Coming:
    """The future as a source of percepts, in virtual time. ``told`` has the last word on each."""

    clocked = False
    provenance = Provenance.FILE

    def __init__(self, future: Future, end: int, told: Callable[[Percept], Percept]) -> None:
        self.future, self.end, self._told = future, end, told

    def open(self) -> None:
        """Nothing to open."""

    def read(self, index: int) -> Percept | None:
        """The percept of the next tick from ``index`` on that was not lost; None at the end."""
        found = self.next(index)
        return None if found is None else self._told(self.future.percept(found))

    def next(self, index: int) -> int | None:
        """The next tick that was not lost, None at the end. Beyond what is known nothing is lost: there is silence."""
        while index < min(self.future.end, self.end) and index not in self.future.ticks:
            index += 1
        return index if index < self.end else None

    def close(self) -> None:
        """Nothing to close."""


def run_plan(
    plan: Plan, model: InteractionModel[Any], end: int, live: Delegation | None, progress: Progress
) -> Timeline:
    """The timeline of a plan up to tick ``end``. Raises ForkError, or ModelError when the model fails."""
    future, origin, own = plan.future, plan.origin, model is plan.origin.model
    _check(plan, model)
    state, ledger, relived, diverged_s = _find_state(plan, model, own, progress)
    snapshots = origin.snapshots
    if snapshots is not None:
        snapshots = snapshots if own else snapshots.fresh()
        snapshots.take(future.start, state, ledger)  # the next fork from here finds it
        snapshots = snapshots.until(future.start)
    if live is not None:
        for moment in plan.past:
            live.recall(moment.percept, moment.act)
    work = Recalled(plan.record, future.start, future.rules, live)
    timeline = plan.past.between()
    if timeline.fates is not None:
        timeline.fates = timeline.fates.until(future.start)  # what nobody played is taken as heard
    opened = tuple(tick for tick in origin.opened if own and tick <= future.start) or (0,)
    timeline.origin = Origin(model, origin.config, snapshots, opened)
    loop = Loop(model, origin.config, work, state=state, ledger=ledger)
    _live_through(loop, Coming(future, end, work.heard_of), timeline)
    work.finish(end)
    at_s, withheld = future.start / TICKS_PER_S, tuple(work.withheld)
    timeline.origin.fork = Branch(plan.parent, at_s, plan.edits, relived, diverged_s, withheld, tuple(work.unanswered))
    return timeline


def _check(plan: Plan, model: InteractionModel[Any]) -> None:
    """Raises ForkError where the model cannot go on from this past into this future."""
    future, rate = plan.future, plan.past.output_rate
    if not model.spec.repeats:
        raise ForkError(
            f"{model.spec.name} is a model on another machine: it cannot be brought back to where it was, so nothing "
            "can be forked from there; fork a session of a local model, such as nano."
        )
    if model.spec.output_rate != rate:
        raise ForkError(
            f"{model.spec.name} speaks at {model.spec.output_rate} Hz and the timeline is at {rate} Hz, and one "
            "timeline has one rate; play the source to that model with Session(model).run."
        )
    blind = [index for index in future.known(future.start, future.end) if future.ticks[index].blind]
    if blind and model.spec.sees:
        raise ForkError(
            f"the timeline let go of the pictures from {blind[0] / TICKS_PER_S:.1f} to "
            f"{(blind[-1] + 1) / TICKS_PER_S:.1f} s, and {model.spec.name} sees; fork later, or say "
            '.without("camera").'
        )


def _live_through(loop: Loop, coming: Coming, timeline: Timeline) -> None:
    """Steps the loop through the future, onto the timeline."""
    origin, start = timeline.origin, coming.future.start
    drive = Drive(loop, coming, VirtualPacer(), timeline, first_index=start, tail_s=0.0)
    index = coming.next(start)
    while index is not None:
        one = coming.future.ticks.get(index)
        for _ in range(one.rises if one is not None else 0):
            loop.ledger.interrupt()
        if one is not None and one.opened:
            loop.state = loop.model.open(origin.config)
            origin.open_again(index)
        try:
            drive.step()
        except Exception as error:
            raise ModelError(
                f"The model {loop.spec.name} failed in the fork, at {index / TICKS_PER_S:.1f} s: "
                f"{type(error).__name__}: {error}"
            ) from error
        if origin.snapshots is not None and origin.snapshots.due(index + 1):
            origin.snapshots.take(index + 1, loop.state, loop.ledger)
        index = coming.next(index + 1)


def _find_state(
    plan: Plan, model: InteractionModel[Any], own: bool, progress: Progress
) -> tuple[Any, Ledger, int, float | None]:
    """State and ledger before the fork, ticks that were lived through for it, and where that went another way.

    It starts from the nearest snapshot, or else from where the model was opened. Another model than the timeline's own
    lives through all of the past, with what came in then; what it does in it is not kept.
    """
    at, moments = plan.future.start, plan.past.moments
    begin = max((tick for tick in plan.origin.opened if tick <= at), default=0) if own else 0
    nearest = plan.origin.snapshots.before(at) if own and plan.origin.snapshots is not None else None
    if nearest is not None and nearest.index > begin:
        begin, state, ledger = nearest.index, copy.deepcopy(nearest.state), nearest.ledger.copy()
        again = counted = [moment for moment in moments if moment.index >= begin]
        whence = f"from the snapshot at {begin / TICKS_PER_S:.1f} s"
    else:
        state, ledger = model.open(plan.origin.config), Ledger(model.spec.output_rate, plan.epoch)
        again, counted = [moment for moment in moments if moment.index >= begin], moments
        whence = "from the start; no snapshot is nearer"
        if moments:
            ledger = Ledger(model.spec.output_rate, moments[0].epoch)
    _check_whole(plan, model, begin, again)
    if len(again) > TELL_TICKS:
        progress(f"Living through {len(again) / TICKS_PER_S:.1f} s of the past first, {whence}.")
    diverged_s: float | None = None
    for number, moment in enumerate(again, 1):
        act, state = model.step(state, moment.percept)
        if own and diverged_s is None and not _same(act, moment.act):
            diverged_s = moment.start_s
            progress(
                f"From {diverged_s:.1f} s on the model does other than recorded (other weights, another seed, or "
                "chance): the fork starts from a state that its parent did not have."
            )
        if number % TELL_EVERY == 0:
            progress(f"... {number / TICKS_PER_S:.0f} of {len(again) / TICKS_PER_S:.0f} s")
    _count_up(ledger, counted)
    return state, ledger, len(again), diverged_s


def _check_whole(plan: Plan, model: InteractionModel[Any], begin: int, again: Sequence[Moment]) -> None:
    """Raises ForkError unless everything that came in from tick ``begin`` to the fork is still here."""
    first = next(iter(plan.parent), None)
    held_from = plan.future.start if first is None else first.index
    whole = max(begin, lost_until(again, sees=model.spec.sees))
    if first is not None and held_from > begin and not first.gap:
        whole = max(whole, held_from)
    if whole > begin:
        raise ForkError(
            f"the model's state at {plan.future.start / TICKS_PER_S:.1f} s can only be found by living through the "
            f"past from {begin / TICKS_PER_S:.1f} s on, and of that the timeline holds sound and pictures only from "
            f"{whole * TICK_S:.1f} s on. Fork later, keep snapshots closer together (Session(snapshots=...)), or fork "
            "a recording of the whole session."
        )


def lost_until(moments: Sequence[Moment], *, sees: bool) -> int:
    """The tick after the last moment whose sound, or whose pictures, the timeline let go of; 0 if none was.

    It lets go of the oldest first, so this looks no further than to the first that still has all there was.
    """
    until = 0
    for moment in moments:
        kept = moment.has_media and (not sees or len(moment.percept.frames) >= moment.frame_count)
        if kept and (moment.frame_count or not sees):
            break
        until = until if kept else moment.index + 1
    return until


def _same(act: Act, recorded: Act) -> bool:
    return (
        (act.floor, act.words, act.heard) == (recorded.floor, recorded.words, recorded.heard)
        and [(call.kind, call.name) for call in act.calls] == [(call.kind, call.name) for call in recorded.calls]
        and np.array_equal(act.audio, recorded.audio)
    )


def _count_up(ledger: Ledger, moments: Sequence[Moment]) -> None:
    """Counts some moments; what was sent is taken as played, as it is in virtual time."""
    for moment in moments:
        while ledger.epoch < moment.epoch:
            ledger.interrupt()
        ledger.generated(moment.act)
        ledger.sent(moment.act, moment.epoch)
        ledger.played(moment.epoch, ledger.counts(moment.epoch).sent)
