"""What is kept of one micro-turn: tensors by site, the tokens they are of, and what their attention could reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imkit.model.ring import STREAMS, Ring
from imkit.stream import TICK_S, Act, InteractionModel, ModelSpec, OpenConfig, Percept

from .errors import ProbeError
from .inside import Hook, Inside
from .names import NamesFilter
from .positions import SLOTS

if TYPE_CHECKING:
    from torch import Tensor

Ints = npt.NDArray[np.int64]


def mask_of(stream: npt.NDArray[np.str_], axis: str) -> npt.NDArray[np.bool_]:
    """Which tokens an axis counts: "pos" is all of them, "audio", "act", "frame" and "word" some."""
    if axis == "word":
        return ~np.isin(stream, ["audio", "act", "camera"])
    if axis in ("audio", "act", "frame"):
        return np.asarray(stream == ("camera" if axis == "frame" else axis))
    return np.ones(len(stream), bool)


@dataclass(slots=True, eq=False)
class Tokens:
    """Some tokens: where they are in time, ``16 * micro-turn + slot`` [n], -1 where none is, and of what.

    ``kind`` is an int8 index into the streams that nano has, -1 where nobody says.
    """

    place: Ints
    kind: npt.NDArray[np.int8]

    @property
    def index(self) -> Ints:
        """Their micro-turns."""
        return self.place // SLOTS

    @property
    def slot(self) -> Ints:
        """Their places within their micro-turns."""
        return self.place % SLOTS

    @property
    def stream(self) -> npt.NDArray[np.str_]:
        """What they are of, in words; "" where nobody says."""
        return np.array([*STREAMS, ""], "<U10")[self.kind]

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.place.nbytes + self.kind.nbytes

    def count(self, axis: str) -> int | None:
        """How many of them a network's "word" or "frame" axis has, which also holds what was no token; else None."""
        return int(np.count_nonzero(mask_of(self.stream, axis))) if axis in ("word", "frame") else None


class Steps:
    """Which micro-turn each step of a model's state was: a gap in the stream is no step.

    before  micro-turns that were stepped before the first that is noted, rising; asked for then
    """

    def __init__(self, before: Callable[[], Sequence[int]] = tuple) -> None:
        self._before = before
        self._from: list[int] = []
        self._ahead: list[int] = []
        self._last = -1

    def note(self, step: int, index: int) -> None:
        """Notes a step's micro-turn. Steps rise by one; one that does not is of a fresh state."""
        if self._from and step != self._last + 1:
            self._from, self._ahead, self._before = [], [], tuple
        if not self._from:
            older = list(self._before())[-step:] if step else []
            for number, one in enumerate(older, step - len(older)):
                self._add(number, one)
        self._add(step, index)
        self._last = step

    def index_of(self, steps: Ints) -> Ints:
        """Their micro-turns; of steps before all that is known as if there had been no gap."""
        at = np.maximum(np.searchsorted(self._from, steps, "right") - 1, 0)
        return np.asarray(steps + np.array(self._ahead, np.int64)[at], np.int64)

    def _add(self, step: int, index: int) -> None:
        if not self._ahead or self._ahead[-1] != index - step:
            self._from.append(step)
            self._ahead.append(index - step)


@dataclass(slots=True, eq=False)
class Seen:
    """One micro-turn that was looked into.

    at      site -> tensor, as it passed; where a part of the network is passed several times, the last one
    tokens  what its rows are; None of a model that does not say
    reach   what attention could reach, in the order of its keys, the tokens themselves last; empty places are -1
    """

    index: int
    at: dict[str, Tensor] = field(default_factory=dict)
    tokens: Tokens | None = None
    reach: Tokens | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors, and of the tables of tokens."""
        tables = sum(tokens.nbytes for tokens in (self.tokens, self.reach) if tokens is not None)
        return tables + sum(tensor.nbytes for tensor in self.at.values())


class Seeing:
    """A model in the chair that keeps what passes its chosen sites: each micro-turn goes to ``keep``.

    dtype   floating tensors are kept as this on the CPU; None is as they are
    before  gives the micro-turns that the model's state was stepped in before, rising
    failed  told in words when looking failed and has ended; where hooks are strict, it raises instead
    """

    def __init__(
        self,
        inside: Inside,
        names_filter: NamesFilter,
        keep: Callable[[Seen], object],
        dtype: Any = None,
        *,
        before: Callable[[], Sequence[int]] = tuple,
        failed: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.inside = inside
        self.chair: InteractionModel[Any] = inside
        """What is stepped: the model with its hooks, or another that looks into it."""
        self.names = inside.points.chosen(names_filter)
        self.axes = {name: inside.points.axes.get(name, ()) for name in self.names}
        self.keep = keep
        self.dtype = _floating(dtype)
        self._failed = failed
        self._steps = Steps(before)
        self._now: dict[str, Tensor] = {}
        self._off = inside.add(self.names, self._look, failed)

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self.inside.spec

    def open(self, config: OpenConfig) -> Any:
        """A fresh state, as the model's own."""
        return self.inside.open(config)

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        """One micro-turn; what passed is handed on."""
        self._now = {}
        before = _before(state)
        act, state = self.chair.step(state, percept)
        try:
            self.keep(self._seen(before, state, percept.index))
        except Exception as error:
            if self.inside.strict:
                raise
            self.close()
            self._failed(f"what was seen at {percept.index * TICK_S:.1f} s could not be kept: {error}")
        return act, state

    def close(self) -> None:
        """Looks no more."""
        self._off()

    def _look(self, tensor: Tensor, hook: Hook) -> None:
        kept = tensor.detach().to("cpu")
        if self.dtype is not None and kept.is_floating_point():
            kept = kept.to(self.dtype)
        self._now[hook.name] = kept.clone() if kept.data_ptr() == tensor.data_ptr() else kept

    def _seen(self, before: _Before | None, state: Any, index: int) -> Seen:
        after = getattr(state, "ring", None)
        if before is None or not isinstance(after, Ring):
            return Seen(index, self._now)
        self._steps.note(before.step, index)
        new = after.newest(after.seen - before.seen)
        tokens = Tokens(self._places(after.position[new]), after.stream[new])
        reach = Tokens(
            np.concatenate([self._places(before.position), tokens.place]), np.concatenate([before.stream, tokens.kind])
        )
        for name, tensor in self._now.items():
            count = tokens.count(self.axes[name][1])
            self._now[name] = tensor[:, :count].clone() if count is not None else tensor
        return Seen(index, self._now, tokens, reach)

    def _places(self, position: Ints) -> Ints:
        """Places in time of what is at some positions of the model, which counts its own steps."""
        moved = self._steps.index_of(position // SLOTS) * SLOTS + position % SLOTS
        return np.where(position < 0, -1, moved)


@dataclass(slots=True)
class _Before:
    """What a ring held before a micro-turn."""

    position: Ints
    stream: npt.NDArray[np.int8]
    seen: int
    step: int


def _before(state: Any) -> _Before | None:
    ring = getattr(state, "ring", None)
    if not isinstance(ring, Ring):
        return None
    return _Before(ring.position.copy(), ring.stream.copy(), ring.seen, int(state.tick))


def _floating(dtype: Any) -> Any:
    import torch

    if dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        return dtype
    raise ProbeError(f"dtype={dtype!r}: expected one of floating numbers, such as torch.float16, or None")
