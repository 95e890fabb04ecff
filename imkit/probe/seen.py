"""What is kept of one micro-turn: tensors by site, the tokens they are of, and what their attention could reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imkit.stream import Act, InteractionModel, ModelSpec, OpenConfig, Percept

from .inside import Hook, Inside
from .names import NamesFilter

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
    """Some tokens by their place in the stream: ``16 * step + slot`` [n], and what they are of [n].

    ``ahead`` is how far their micro-turn is ahead of the model's own count of steps, which a gap does not move.
    """

    place: Ints
    stream: npt.NDArray[np.str_]
    ahead: int | Ints = 0

    @property
    def index(self) -> Ints:
        """Their micro-turns."""
        return self.place // 16 + self.ahead

    @property
    def slot(self) -> Ints:
        """Their places within their micro-turns."""
        return self.place % 16

    def count(self, axis: str) -> int | None:
        """How many of them a network's "word" or "frame" axis has, which also holds what was no token; else None."""
        return int(np.count_nonzero(mask_of(self.stream, axis))) if axis in ("word", "frame") else None


@dataclass(slots=True, eq=False)
class Seen:
    """One micro-turn that was looked into.

    at      site -> tensor, as it passed
    tokens  what its rows are; None of a model that does not say
    reach   what attention could reach, in the order of its keys, the tokens themselves last; empty places are -1
    """

    index: int
    at: dict[str, Tensor] = field(default_factory=dict)
    tokens: Tokens | None = None
    reach: Tokens | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(tensor.nbytes for tensor in self.at.values())


class Seeing:
    """A model in the chair that keeps what passes its chosen sites: each micro-turn goes to ``keep``.

    dtype  floating tensors are kept as this on the CPU; None is as they are
    """

    def __init__(
        self,
        inside: Inside,
        names_filter: NamesFilter,
        keep: Callable[[Seen], object],
        dtype: Any = None,
    ) -> None:
        self.inside = inside
        self.chair: InteractionModel[Any] = inside
        """What is stepped: the model with its hooks, or another that looks into it."""
        self.names = inside.points.chosen(names_filter)
        self.axes = {name: inside.points.axes.get(name, ()) for name in self.names}
        self.keep = keep
        self.dtype = dtype
        self._now: dict[str, Tensor] = {}
        self._off = inside.add(self.names, self._look)

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
        ring = getattr(state, "ring", None)
        before = None if ring is None else (ring.position.copy(), ring.stream.copy(), ring.seen, state.tick)
        act, state = self.chair.step(state, percept)
        tokens = reach = None
        if before is not None and (ring := getattr(state, "ring", None)) is not None:
            tokens, reach = _tokens(ring, before, percept.index)
            for name, tensor in self._now.items():
                count = tokens.count(self.axes[name][1] if self.axes[name] else "")
                self._now[name] = tensor[:, :count].clone() if count is not None else tensor
        self.keep(Seen(percept.index, self._now, tokens, reach))
        return act, state

    def close(self) -> None:
        """Looks no more."""
        self._off()

    def _look(self, tensor: Tensor, hook: Hook) -> None:
        kept = tensor.detach().to("cpu")
        if self.dtype is not None and kept.is_floating_point():
            kept = kept.to(self.dtype)
        self._now[hook.name] = kept.clone() if kept.data_ptr() == tensor.data_ptr() else kept


def _tokens(ring: Any, before: tuple[Ints, npt.NDArray[np.int8], int, int], index: int) -> tuple[Tokens, Tokens]:
    """The tokens of the micro-turn that a ring has just taken in, and all that they could reach."""
    place, stream, seen, step = before
    new, ahead = ring.newest(ring.seen - seen), index - step
    own = Tokens(ring.position[new], _streams(ring.stream[new]), ahead)
    kept = Tokens(np.concatenate([place, own.place]), np.concatenate([_streams(stream), own.stream]), ahead)
    return own, kept


def _streams(numbers: Iterable[int]) -> npt.NDArray[np.str_]:
    from imkit.model.ring import STREAMS

    named: npt.NDArray[np.str_] = np.array(STREAMS, "<U10")[np.asarray(numbers)]
    return named
