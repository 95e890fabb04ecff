"""The loop: one percept in, one moment out. No threads, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from imkit.stream import (
    TICK_S,
    Act,
    Call,
    Event,
    InteractionModel,
    Ledger,
    ModelError,
    Moment,
    OpenConfig,
    Percept,
    Word,
    samples_per_tick,
)


class Work(Protocol):
    """What takes the model's calls and gives back what comes of them: a ``Delegation``, or a record of one."""

    def drain(self, tick: int) -> tuple[Event, ...]:
        """Events that are due at ``tick``. Never waits."""

    def note(self, percept: Percept, act: Act) -> None:
        """Listens to the conversation."""

    def submit(self, call: Call, said: Iterable[Word] = ()) -> None:
        """Takes a call; ``said`` are the model's own words that the person really heard."""

    def by_hand(self, percept: Percept, epoch: int, said: Iterable[Word] = ()) -> None:
        """Takes what the person starts past the model."""


class Loop:
    """A model in its chair, with its state, its epoch and its delegated work.

    A ledger handed in goes on counting epochs where it was, a ``state`` handed in is gone on from and not copied.
    ``clock`` gives seconds and is only used to measure the model; without one, moments cost 0 ms. ``stand_in`` is asked
    each tick for what is to step the model's state in its place, such as the same model with hooks on it.
    """

    def __init__(
        self,
        model: InteractionModel[Any],
        config: OpenConfig | None = None,
        delegation: Work | None = None,
        *,
        state: Any = None,
        ledger: Ledger | None = None,
        clock: Callable[[], float] | None = None,
        stand_in: Callable[[], InteractionModel[Any] | None] = lambda: None,
    ) -> None:
        self.model = model
        self.spec = model.spec
        self.delegation = delegation
        self.ledger = ledger or Ledger(self.spec.output_rate)
        self._samples = samples_per_tick(self.spec.output_rate)
        self._clock = clock or (lambda: 0.0)
        self._stand_in = stand_in
        self.state = model.open(config or OpenConfig()) if state is None else state

    def tick(self, percept: Percept) -> Moment:
        """Steps the model once. Results of delegated work that are due join the percept's events first.

        Raises ModelError when the model's act breaks the contract, and whatever the model itself raises.
        """
        if self.delegation is not None:
            due = self.delegation.drain(percept.index)
            if due:
                percept = replace(percept, events=(*percept.events, *due))
        if any(event.kind == "system" and event.payload.get("interrupt") for event in percept.events):
            self.ledger.interrupt()
        started_s = self._clock()
        act, self.state = (self._stand_in() or self.model).step(self.state, percept)
        compute_s = self._clock() - started_s
        self._check(act, percept)
        if act.diagnostics.get("yielded"):
            self.ledger.interrupt()
        epoch = self.ledger.epoch
        if act.calls:
            act = replace(act, calls=tuple(replace(call, tick=act.index, epoch=epoch) for call in act.calls))
        self.ledger.generated(act)
        if self.delegation is not None:
            hand_over(self.delegation, self.ledger, percept, act)
        return Moment(percept, act, epoch, round(compute_s * 1000, 3), compute_s > TICK_S)

    def _check(self, act: Act, percept: Percept) -> None:
        name, audio = self.spec.name, act.audio
        if act.index != percept.index:
            raise ModelError(f"{name} answered percept {percept.index} with act {act.index}; an act keeps the index")
        if audio.dtype != np.float32 or audio.shape != (self._samples,):
            raise ModelError(
                f"{name}, act {act.index}: audio is {audio.dtype} {audio.shape}, expected float32 ({self._samples},), "
                f"one tick at the {self.spec.output_rate} Hz that its spec declares"
            )
        if not np.isfinite(audio).all():
            raise ModelError(f"{name}, act {act.index}: audio holds NaN or infinity")


def hand_over(work: Work, ledger: Ledger, percept: Percept, act: Act) -> None:
    """Tells the work of one moment: the conversation, the calls, and what the person started past the model."""
    work.note(percept, act)
    said = ledger.heard_words() if act.calls or percept.events else []
    for call in act.calls:
        work.submit(call, said)
    work.by_hand(percept, ledger.epoch, said)
