"""Activations of a stretch of a stream, by site and by time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from imkit.stream import TICKS_PER_S

from . import residual
from .decisions import Answer
from .errors import ProbeError, UnknownSite
from .names import Name, Points, other_names, plain_name
from .positions import SLOTS, Positions, of_parts, of_tokens
from .residual import Slice
from .seen import Seen, Tokens, mask_of

if TYPE_CHECKING:
    from torch import Tensor

ATTENTION = "query_pos"
MAX_BYTES = 2_000_000_000


class ActivationCache(Mapping[str, "Tensor"]):
    """What passed the chosen sites of a model over a stretch of its stream.

    *How strong is attention to what was typed, in layer 3, while the model decides at 12.4 s?* ::

        acts, cache = timeline.run_with_cache(["blocks.3.attn.hook_pattern"])
        now = cache.at(12.4)
        pattern = now["pattern", 3][0, :, -1]              # [head_index, key_pos] of the act token
        pattern[:, now.key_positions.stream == "typed"].nansum(-1)  # by head

    ========================  =============================================  =====================================
    what                      shape                                          rows
    ========================  =============================================  =====================================
    residual stream and such  [batch, pos, d_model]                          tokens: ``cache.positions``
    queries, keys, values, z  [batch, pos, head_index, d_head]               tokens
    scores and pattern        [batch, head_index, query_pos, key_pos]        tokens, by ``cache.keys``
    of some tokens only       [batch, audio | act | word | frame, ...]       ``cache.positions_of(name)``
    decisions                 [batch, act | audio, d_...], logits            ``cache.positions_of(name)``
    ========================  =============================================  =====================================

    Batch is always 1. A name of TransformerLens 2 or a short one, ``cache["resid_post", 5]``, is understood.

    **The footgun:** a position is not a time. A micro-turn has six tokens or more, each stream has its own number of
    them, and what attention could reach in one micro-turn may be gone in the next: keys are in the order of time (the
    ring is undone), and a key that a query could not reach is NaN, not 0.
    """

    def __init__(self, seen: Sequence[Seen], axes: Mapping[str, tuple[str, ...]], points: Points | None = None) -> None:
        self.seen = list(seen)
        self.axes = dict(axes)
        self.points = points

    # --- by site

    def __getitem__(self, name: Name) -> Tensor:
        import torch

        own = self._own(name)
        found = [one.at[own] for one in self.seen if own in one.at]
        if not found:
            raise ProbeError(f"nothing passed {own} in the {len(self.seen)} micro-turns held here")
        if ATTENTION in self.axes[own]:
            return self._attention(own)
        rows = [one if one.ndim > 1 else one.reshape(1, -1) for one in found]
        if len({(one.shape[0], one.shape[2:]) for one in rows}) > 1:
            shapes = ", ".join(sorted({str(tuple(one.shape)) for one in found})[:3])
            raise ProbeError(f"{own} has other shapes in other micro-turns ({shapes}); take them from cache.seen")
        return torch.cat(rows, 1)

    def __iter__(self) -> Iterator[str]:
        return iter(self.axes)

    def __len__(self) -> int:
        return len(self.axes)

    def __contains__(self, name: object) -> bool:
        try:
            self._own(name)  # type: ignore[arg-type] # whatever it is, it is no site
        except (UnknownSite, ProbeError):
            return False
        return True

    def shape_of(self, name: Name) -> str:
        """Axes and sizes of a site: ``"batch=1 pos=312 d_model=320"``."""
        own = self._own(name)
        tensor = self[own]
        axes = self.axes[own] or ("batch", "row", *(f"axis{i}" for i in range(2, tensor.ndim)))
        return " ".join(f"{axis}={size}" for axis, size in zip(axes, tensor.shape, strict=False))

    # --- by time

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """The micro-turns that are held [n]."""
        return np.array([one.index for one in self.seen], np.int64)

    @cached_property
    def positions(self) -> Positions:
        """Every token, in the order of the ``pos`` axis."""
        return _table([one.tokens or _unknown(one) for one in self.seen])

    @cached_property
    def key_positions(self) -> Positions:
        """Every token that attention could reach from here, oldest first: the ``key_pos`` axis."""
        return _table([self._keys])

    def positions_of(self, name: Name) -> Positions:
        """The moments and streams of the rows of a site."""
        own = self._own(name)
        axis = self.axes[own][1] if len(self.axes[own]) > 1 else ""
        held = [one for one in self.seen if own in one.at]
        if axis in ("pos", "head_index", "audio", "act", "word", "frame"):
            table = _table([one.tokens or _unknown(one) for one in held])
            return table[mask_of(table.stream, axis)]
        parts = {one.at[own].shape[1] if one.at[own].ndim > 1 else 1 for one in held}
        if len(parts) != 1:
            raise ProbeError(f"{own} has {sorted(parts)} rows in different micro-turns; nobody says when each is")
        return of_parts(np.array([one.index for one in held], np.int64), parts.pop())

    def at(self, at_s: float) -> ActivationCache:
        """The micro-turn in which ``at_s`` lies, alone. Raises ProbeError where none is held."""
        wanted = int(np.floor(at_s * TICKS_PER_S + 1e-6))
        found = [one for one in self.seen if one.index == wanted]
        if not found:
            raise ProbeError(f"no micro-turn at {at_s} s is held; {self!r}")
        return self._part(found)

    def between(self, start_s: float | None = None, end_s: float | None = None) -> ActivationCache:
        """The micro-turns that begin in [start_s, end_s)."""
        low = -np.inf if start_s is None else start_s - 1e-6
        high = np.inf if end_s is None else end_s - 1e-6
        return self._part([one for one in self.seen if low <= one.index / TICKS_PER_S < high])

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(one.nbytes for one in self.seen)

    def __repr__(self) -> str:
        if not self.seen:
            return f"ActivationCache(no micro-turn, {len(self)} sites)"
        start_s, end_s = self.seen[0].index / TICKS_PER_S, (self.seen[-1].index + 1) / TICKS_PER_S
        return (
            f"ActivationCache({start_s:.1f} to {end_s:.1f} s, {len(self.seen)} micro-turns, {len(self)} sites, "
            f"{self.nbytes / 1e6:.1f} MB)"
        )

    # --- taken apart

    def accumulated_resid(
        self,
        layer: int | None = None,
        incl_mid: bool = False,
        apply_ln: bool = False,
        pos_slice: Slice = None,
        mlp_input: bool = False,
        return_labels: bool = False,
    ) -> Any:
        """The residual stream before each layer up to ``layer`` [component, batch, pos, d_model].

        layer      up to the stream into this layer, that included; None or -1 are all, and the stream after the last
        incl_mid   also between the two halves of each layer
        apply_ln   through the norm of ``layer`` (None: the final one) with its scale frozen; see ``probe/residual.py``
        pos_slice  one position, a (start, stop), a slice, a list or a mask of positions; -1 is the last act token
        mlp_input  up to the input of the perceptron of ``layer`` instead of its attention
        return_labels  also ``["0_pre", "0_mid", ..., "final_post"]``

        As in TransformerLens. Raises ProbeError without the model's weights, UnknownSite for what was not kept.
        """
        return residual.accumulated_resid(self, layer, incl_mid, apply_ln, pos_slice, mlp_input, return_labels)

    def decompose_resid(
        self,
        layer: int | None = None,
        mlp_input: bool = False,
        mode: Literal["all", "mlp", "attn"] = "all",
        apply_ln: bool = False,
        pos_slice: Slice = None,
        incl_embeds: bool = True,
        return_labels: bool = False,
    ) -> Any:
        """What embedding, attention and perceptrons added before ``layer`` [component, batch, pos, d_model].

        The parts sum to the residual stream. Labels are ``["embed", "0_attn_out", "0_mlp_out", ...]``; ``mode`` takes
        only "mlp" or "attn" of the layers. The rest is as for ``accumulated_resid``.
        """
        return residual.decompose_resid(self, layer, mlp_input, mode, apply_ln, pos_slice, incl_embeds, return_labels)

    def stack_head_results(
        self,
        layer: int | None = -1,
        return_labels: bool = False,
        incl_remainder: bool = False,
        pos_slice: Slice = None,
        apply_ln: bool = False,
    ) -> Any:
        """What each head before ``layer`` adds to the residual stream [component, batch, pos, d_model].

        It is z through the head's rows of the out projection. Labels are ``["L0H0", "L0H1", ...]``; with
        ``incl_remainder`` also all that no head added, so that the sum is the stream.
        """
        return residual.stack_head_results(self, layer, return_labels, incl_remainder, pos_slice, apply_ln)

    def apply_ln_to_stack(
        self, residual_stack: Tensor, layer: int | None = None, mlp_input: bool = False, pos_slice: Slice = None
    ) -> Tensor:
        """A stack of parts through the norm before ``layer`` (None: the final one), with its scale frozen."""
        return residual.apply_ln_to_stack(self, residual_stack, layer, mlp_input, pos_slice)

    def logit_attrs(
        self,
        residual_stack: Tensor,
        output: str = "floor",
        answer: Answer | Sequence[Answer] = "speak",
        incorrect: Answer | Sequence[Answer] | None = None,
        pos_slice: Slice = None,
    ) -> Tensor:
        """What each part of a stack adds to a logit, directly [component, batch, act] (heard: [.., audio]).

        residual_stack  of one of the methods above, *not* normed; of all positions or of those the output is read from
        output     "floor", "words", "heard" or "call"
        answer     a class by name or number, or one for each position; what TransformerLens calls ``tokens``
        incorrect  its logit is taken off, ``incorrect_tokens`` there
        pos_slice  what the stack was taken with, if with any

        Over all parts it sums to the logit less the head's bias. Raises ProbeError.
        """
        return residual.logit_attrs(self, residual_stack, output, answer, incorrect, pos_slice)

    # --- kept in files

    def save(self, path: Path | str) -> Path:
        """Writes ``path`` (safetensors) and an index beside it (JSON); see ``imkit.probe.load_cache``."""
        from .files import save_cache

        return save_cache(self, Path(path))

    # --- inside

    def _part(self, seen: Sequence[Seen]) -> ActivationCache:
        return ActivationCache(seen, self.axes, self.points)

    def _own(self, name: Name) -> str:
        own = plain_name(name)
        if own in self.axes:
            return own
        own = self.points.canonical(own) if self.points is not None else self._other.get(own, own)
        if own not in self.axes:
            raise UnknownSite(
                f"{own!r} was not kept; this cache has {len(self)} sites, such as {', '.join(list(self.axes)[:3])}. "
                "Say it in names_filter"
            )
        return own

    @cached_property
    def _other(self) -> dict[str, str]:
        return other_names(self.axes)

    @cached_property
    def _keys(self) -> Tokens:
        """All that could be reached, each once, in the order of time."""
        held = [tokens for one in self.seen for tokens in (one.reach, one.tokens) if tokens is not None]
        place = np.concatenate([np.zeros(0, np.int64), *(tokens.place for tokens in held)])
        kind = np.concatenate([np.zeros(0, np.int8), *(tokens.kind for tokens in held)])
        place, kind = place[place >= 0], kind[place >= 0]
        places, first = np.unique(place, return_index=True)
        return Tokens(places, kind[first])

    def _attention(self, name: str) -> Tensor:
        """Scores or pattern [1, head_index, query_pos, key_pos] over all queries, keys in the order of time."""
        import torch

        keys = self._keys.place
        if not len(keys):
            raise ProbeError(f"{name}: the model does not say what its keys are; take tensors from cache.seen")
        held = [one for one in self.seen if name in one.at]
        first = held[0].at[name]
        heads, queries = first.shape[1], sum(one.at[name].shape[2] for one in held)
        if heads * queries * len(keys) * first.element_size() > MAX_BYTES:
            raise ProbeError(
                f"{name} over {len(held)} micro-turns is {heads} x {queries} x {len(keys)}, over "
                f"{MAX_BYTES / 1e9:.0f} GB; take a part: cache.between(start_s, end_s)"
            )
        out = torch.full((1, heads, queries, len(keys)), float("nan"), dtype=first.dtype)
        row = 0
        for one in held:
            tensor, reach = one.at[name], one.reach
            assert reach is not None
            count = tensor.shape[2]
            known = np.flatnonzero(reach.place >= 0)
            column = torch.from_numpy(np.searchsorted(keys, reach.place[known]))
            block = tensor[0][:, :, torch.from_numpy(known)].clone()
            later = torch.from_numpy(known[None, :] - (len(reach.place) - count) > np.arange(count)[:, None])
            block[:, later] = float("nan")
            out[0, :, row : row + count].index_copy_(2, column, block)
            row += count
        return out


def _unknown(one: Seen) -> Tokens:
    rows = next((tensor.shape[1] for tensor in one.at.values() if tensor.ndim > 1), 1)
    return Tokens(one.index * SLOTS + np.minimum(np.arange(rows), SLOTS - 1), np.full(rows, -1, np.int8))


def _table(tokens: Sequence[Tokens]) -> Positions:
    empty = np.zeros(0, np.int64)
    whole = Tokens(
        np.concatenate([empty, *(one.place for one in tokens)]),
        np.concatenate([empty.astype(np.int8), *(one.kind for one in tokens)]),
    )
    return of_tokens(whole.index, whole.stream, whole.slot)
