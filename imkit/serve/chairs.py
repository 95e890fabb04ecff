"""The acts of all sessions that are due in one tick, asked of one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from imkit.stream import Act, InteractionModel, ModelError, OpenConfig, Percept, samples_per_tick

Stepped = tuple[Act, Any] | Exception


class Chairs:
    """One model, one set of weights, a state for each session.

    A model with ``step_many(states, percepts) -> (acts, states)`` is stepped once for all of them.
    """

    def __init__(self, model: InteractionModel[Any]) -> None:
        self.model = model
        self.spec = model.spec
        self._samples = samples_per_tick(self.spec.output_rate)

    def open(self, config: OpenConfig) -> Any:
        """A fresh state."""
        return self.model.open(config)

    def ready(self) -> None:
        """Open what takes seconds, before anybody waits for it."""
        if (many := getattr(self.model, "step_many", None)) is not None:
            many([], [])

    def step(self, due: Sequence[tuple[Any, Percept]]) -> list[Stepped]:
        """For each state and its percept an act and the state after it, or the error that this session ends with."""
        many = getattr(self.model, "step_many", None)
        if many is None or not due:
            return [self._one(state, percept) for state, percept in due]
        try:
            acts, states = many([state for state, _ in due], [percept for _, percept in due])
            return [
                self._checked(act, state, percept) for act, state, (_, percept) in zip(acts, states, due, strict=True)
            ]
        except Exception as error:  # which of them it was is not known, and none is in a state to go on from
            return [error] * len(due)

    def _one(self, state: Any, percept: Percept) -> Stepped:
        try:
            act, state = self.model.step(state, percept)
        except Exception as error:
            return error
        return self._checked(act, state, percept)

    def _checked(self, act: Act, state: Any, percept: Percept) -> Stepped:
        sound = act.audio
        fits = act.index == percept.index and sound.dtype == np.float32 and sound.shape == (self._samples,)
        if not fits or not np.isfinite(sound).all():
            return ModelError(f"{self.spec.name}: act {act.index} does not keep the contract of one tick of sound")
        return act, state
