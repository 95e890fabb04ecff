"""The chair: what anything must do to sit in it, our own model and guests alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from .moment import Act, Percept

StateT = TypeVar("StateT")


@dataclass(frozen=True, slots=True)
class OpenConfig:
    """What a model is told when a stream opens. Weights are never touched by it.

    ``tools`` are the names of those that the model may call by itself; for others it asks the background.
    """

    seed: int = 0
    tools: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model in the chair says of itself.

    output_rate is in Hz and a multiple of 5. native_period_s is the model's own step; an adapter whose period is not
    0.2 s owns the queues between its clock and ours. ``repeats`` says that the same percepts give the same acts again:
    not so for a model on another machine, which is neither replayed nor forked.
    """

    name: str
    output_rate: int
    native_period_s: float = 0.2
    sees: bool = False
    reads: bool = True
    delegates: bool = False
    repeats: bool = True


@runtime_checkable
class InteractionModel(Protocol[StateT]):
    """One percept in, one act out, the state handed in and out.

    A state may be kept, forked (``copy.deepcopy``) and rewound. ``step`` may reuse the memory of the state it was
    given: whoever wants to keep an old state forks it first. The same weights may serve many states.
    """

    @property
    def spec(self) -> ModelSpec: ...

    def open(self, config: OpenConfig) -> StateT: ...

    def step(self, state: StateT, percept: Percept) -> tuple[Act, StateT]: ...
