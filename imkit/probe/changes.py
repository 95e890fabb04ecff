"""Ready hook functions: take something out, put something in, push something; to be given as ``fwd_hooks``.

Sources: zero and mean ablation as in Wang et al. 2022 (arXiv 2211.00593) and Heimersheim & Nanda 2024 (arXiv
2404.15255); steering by an added direction as in Turner et al. 2023 (arXiv 2308.10248).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from imkit.stream import TICKS_PER_S

from .cache import ATTENTION, ActivationCache
from .errors import ProbeError
from .inside import Hook, HookFunction
from .seen import Seen, mask_of

if TYPE_CHECKING:
    from torch import Tensor

Rows = Literal["act", "audio", "before"] | int | slice | Sequence[int] | None
"""Which tokens of a micro-turn: "act" (the one that decides), "audio" (four), "before" (a picture and words, that come
before these), their numbers, or None for all."""
Heads = int | Sequence[int] | None
TAIL = 5  # four audio tokens and the act token end every micro-turn
UNITS = ("given", "norm", "row")


def ablate(
    mode: Literal["zero", "mean"] = "zero",
    *,
    over: ActivationCache | None = None,
    head: Heads = None,
    rows: Rows = None,
) -> HookFunction:
    """A hook that takes something out: what passes becomes zero, or its mean over other micro-turns.

    mode  "zero", or "mean", which leaves what is always there and takes out only what varies; see Wang et al. 2022
    over  for "mean": a cache that holds the site; means are of each stream (act, audio ...) by itself
    head  one head or several, at a site that has heads; None is all
    rows  which tokens, see ``Rows``; None is all

    Raises ProbeError where the mode is unknown or "mean" has nothing to be a mean of, and when it is called at a site
    without such heads or rows.
    """
    if mode not in ("zero", "mean"):
        raise ProbeError(f"ablate({mode!r}): expected 'zero' or 'mean'")
    if mode == "mean" and (over is None or not over.seen):
        raise ProbeError("ablate('mean') needs over=cache, with micro-turns of other conversations to take the mean of")

    def ablated(tensor: Tensor, hook: Hook) -> Tensor:
        where = chosen(hook, tensor, rows, head)
        out = tensor.clone()
        if mode == "zero":
            out[where] = 0
            return out
        assert over is not None
        means = hook.ctx.get("means")
        if means is None:
            means = hook.ctx["means"] = _means(over, hook.name)
        out[where] = _like(tensor, means, hook)[where]
        return out

    return _named(ablated, f"ablate {mode}")


class Steering:
    """A hook that adds ``scale`` times a direction; ``steer`` makes one. ``scale`` may be set while it is on.

    direction  what is added at a scale of 1, float32 [d]; of length 1 with unit="norm" and "row"
    norm       the length of the direction as it was given
    """

    def __init__(self, direction: Any, scale: float, unit: str, rows: Rows, head: Heads) -> None:
        import torch

        if unit not in UNITS:
            raise ProbeError(f"steer(unit={unit!r}): expected one of {', '.join(UNITS)}")
        given = torch.as_tensor(np.asarray(direction, np.float32)) if not torch.is_tensor(direction) else direction
        if given.ndim != 1:
            raise ProbeError(f"steer: the direction has shape {tuple(given.shape)}, expected one axis [d_model]")
        given = given.detach().to("cpu", torch.float32).clone()
        self.norm = float(given.norm())
        if not 0 < self.norm < float("inf"):
            raise ProbeError(f"steer: the direction has length {self.norm:g}; expected one that points somewhere")
        self.direction = given if unit == "given" else given / self.norm
        self.unit, self.rows, self.head = unit, rows, head
        self.scale = scale

    @property
    def scale(self) -> float:
        """How much of the direction is added. Negative pushes the other way, 0 changes nothing."""
        return self._scale

    @scale.setter
    def scale(self, scale: float) -> None:
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not np.isfinite(scale):
            raise ProbeError(f"scale={scale!r}: expected a finite number")
        self._scale = float(scale)

    def __call__(self, tensor: Tensor, hook: Hook) -> Tensor:
        """The tensor with the direction added in the chosen rows."""
        if tensor.shape[-1] != len(self.direction):
            raise ProbeError(
                f"steer: the direction has {len(self.direction)} numbers and {hook.name} has {tensor.shape[-1]}; take "
                "one from the same site"
            )
        where = chosen(hook, tensor, self.rows, self.head)
        push = self.scale * self.direction.to(tensor.device, tensor.dtype)
        out = tensor.clone()
        out[where] += push * tensor[where].norm(dim=-1, keepdim=True) if self.unit == "row" else push
        return out

    def __repr__(self) -> str:
        unit = {"given": f"of length {self.norm:.3g}", "norm": "of length 1", "row": "as long as the row"}[self.unit]
        return f"Steering({self.scale:g} × a direction {unit}, rows={self.rows!r})"


def steer(
    direction: Any,
    scale: float = 1.0,
    *,
    unit: Literal["given", "norm", "row"] = "given",
    rows: Rows = "act",
    head: Heads = None,
) -> Steering:
    """A hook that adds ``scale`` times a direction to what passes: to the act token unless ``rows`` says otherwise.

    direction  [d_model], such as ``probe.direction``, a row of a head, or the difference of two means
    unit       "given": a scale of 1 adds the direction as it is. "norm": it adds a vector of length 1. "row": it adds
               one as long as the row itself, so that 0.2 is a fifth of it at any site
    rows, head as in ``ablate``

    Raises ProbeError for a direction of another shape or of length 0, and when it is called where it does not fit.
    """
    return Steering(direction, scale, unit, rows, head)


def patch_from(
    cache: ActivationCache, *, head: Heads = None, rows: Rows = None, at: Iterable[int] | None = None
) -> HookFunction:
    """A hook that puts in what passed the same site in another run: at the same micro-turn, in the same token slots.

    A token that only one of the runs has (a word that only one heard) stays as it is, and so does a micro-turn that the
    cache does not hold. What is put in enters keys and values of later layers, so the future remembers it.

    at          numbers of the micro-turns; None is all that the cache holds
    head, rows  as in ``ablate``

    Raises ProbeError when it is called at a site that the cache does not hold, or where what it holds does not fit.
    Attention patterns cannot be patched by slot, since keys lie elsewhere in another run: patch ``attn.o.hook_in``.
    """
    held = {one.index: one for one in cache.seen}
    wanted = held.keys() if at is None else held.keys() & set(at)

    def patched(tensor: Tensor, hook: Hook) -> Tensor | None:
        if hook.index not in wanted:
            return None
        one = held[hook.index]
        if hook.name not in one.at:
            raise ProbeError(f"patch_from: the cache does not hold {hook.name}; keep it, say it in names_filter")
        out = tensor.clone()
        where = chosen(hook, tensor, rows, head)
        out[where] = _aligned(tensor, one, hook)[where]
        return out

    return _named(patched, "patch")


def during(function: HookFunction, start_s: float | None = None, end_s: float | None = None) -> HookFunction:
    """The same hook, only in micro-turns that begin in [start_s, end_s)."""
    low = -np.inf if start_s is None else start_s * TICKS_PER_S - 1e-6
    high = np.inf if end_s is None else end_s * TICKS_PER_S - 1e-6

    def within(tensor: Tensor, hook: Hook) -> Any:
        return function(tensor, hook) if low <= hook.index < high else None

    return _named(within, getattr(function, "__name__", "hook"))


# --- which part of a tensor


def axes_of(name: str) -> tuple[str, ...]:
    """The axes of one of our own sites, () of another."""
    from imkit.model.sites import BLOCK, SITES

    template = re.sub(r"^blocks\.\d+\.", BLOCK, name)
    return next((site.axes for site in SITES if site.name == template), ())


def chosen(hook: Hook, tensor: Tensor, rows: Rows, head: Heads) -> tuple[Any, ...]:
    """What ``tensor[...]`` takes to be those rows and heads. Raises ProbeError where the site has none."""
    axes = axes_of(hook.name)
    where: list[Any] = [slice(None)] * tensor.ndim
    if tensor.ndim > 1:
        axis = 2 if ATTENTION in axes else 1
        where[axis] = _rows_of(hook.name, axes, tensor.shape[axis], rows)
    elif rows is not None:
        raise ProbeError(f"{hook.name} has one axis and no rows; leave rows at None")
    if head is not None:
        if "head_index" not in axes:
            raise ProbeError(f"{hook.name} has no heads ({' '.join(axes) or 'nobody says its axes'}); leave out head=")
        place = axes.index("head_index")
        numbers = [head] if isinstance(head, int) else list(head)
        if wrong := [one for one in numbers if not 0 <= one < tensor.shape[place]]:
            raise ProbeError(f"head={wrong[0]}: {hook.name} has heads 0 to {tensor.shape[place] - 1}")
        if len(numbers) > 1 and not isinstance(where[1], slice):
            raise ProbeError(f"{hook.name}: several heads go with rows None, 'act', 'audio' or a slice")
        where[place] = numbers if len(numbers) > 1 else slice(numbers[0], numbers[0] + 1)
    return tuple(where)


def _rows_of(name: str, axes: tuple[str, ...], count: int, rows: Rows) -> Any:
    if rows is None or isinstance(rows, slice):
        return slice(None) if rows is None else rows
    if isinstance(rows, str):
        counts = axes[1] if len(axes) > 1 else ""
        tokens = counts in ("pos", "head_index")
        parts = {"act": slice(count - 1, count), "audio": slice(count - TAIL, count - 1), "before": slice(count - TAIL)}
        if rows not in parts:
            raise ProbeError(f"rows={rows!r}: expected 'act', 'audio', 'before', numbers or None")
        if tokens:
            return parts[rows]
        if counts == rows or (counts in ("word", "frame") and rows == "before"):
            return slice(None)
        has = f"counts {counts!r}" if counts else "does not say what its rows are"
        raise ProbeError(f"rows={rows!r}: {name} {has}; say numbers, or None for all of them")
    numbers = [rows] if isinstance(rows, int) else list(rows)
    if wrong := [one for one in numbers if not -count <= one < count]:
        raise ProbeError(f"rows={wrong[0]}: {name} has {count} of them in this micro-turn")
    return numbers


# --- tokens of another run


def slots_of(hook: Hook, count: int) -> list[int]:
    """The slots of the ``count`` tokens of the micro-turn that passes."""
    from imkit.model.config import AUDIO_TOKENS, SLOT_ACT, SLOT_AUDIO, SLOT_FRAME, SLOT_WORD

    frames = int(hook.percept is not None and bool(hook.percept.frames))
    words = count - frames - TAIL
    before = [SLOT_FRAME] * frames + [SLOT_WORD + i for i in range(words)]
    return [*before, *(SLOT_AUDIO + i for i in range(AUDIO_TOKENS)), SLOT_ACT]


def _aligned(tensor: Tensor, one: Seen, hook: Hook) -> Tensor:
    """The other run's tensor in the shape of this one; where that has no such token, what is here."""
    axes, kept = axes_of(hook.name), one.at[hook.name].to(tensor.device, tensor.dtype)
    if ATTENTION in axes:
        raise ProbeError(f"{hook.name} cannot be patched: its keys lie elsewhere in another run; patch attn.o.hook_in")
    counts = axes[1] if len(axes) > 1 else ""
    if counts in ("pos", "head_index") and one.tokens is not None:
        there = {int(slot): row for row, slot in enumerate(one.tokens.slot)}
        here = slots_of(hook, tensor.shape[1])
        pairs = [(row, there[slot]) for row, slot in enumerate(here) if slot in there]
    elif counts in ("word", "frame"):
        pairs = [(row, row) for row in range(min(tensor.shape[1], kept.shape[1]))]
    else:
        if kept.shape != tensor.shape:
            raise ProbeError(f"{hook.name}: the cache holds {tuple(kept.shape)}, here pass {tuple(tensor.shape)}")
        return kept
    if kept.shape[2:] != tensor.shape[2:]:
        raise ProbeError(f"{hook.name}: the cache holds {tuple(kept.shape)}, here pass {tuple(tensor.shape)}")
    out = tensor.clone()
    if pairs:
        mine, theirs = zip(*pairs, strict=True)
        out[:, list(mine)] = kept[:, list(theirs)]
    return out


def _means(over: ActivationCache, name: str) -> dict[str, Tensor]:
    """Means of a site by stream; "" is of all rows."""
    axes = axes_of(name)
    if ATTENTION in axes:
        raise ProbeError(f"{name}: keys lie elsewhere in every micro-turn, so there is no mean; take attn.o.hook_in")
    rows = over[name].float()
    streams = over.positions_of(name).stream if len(axes) > 1 else np.zeros(0, "<U10")
    means = {"": rows.mean(1)}
    if axes[1:2] in (("pos",), ("head_index",)):
        for part in ("act", "audio"):
            if (mask := mask_of(streams, part)).any():
                means[part] = rows[:, np.flatnonzero(mask)].mean(1)
        if (mask := ~np.isin(streams, ["act", "audio"])).any():
            means["before"] = rows[:, np.flatnonzero(mask)].mean(1)
    return means


def _like(tensor: Tensor, means: dict[str, Tensor], hook: Hook) -> Tensor:
    out = tensor.clone()
    for part in ("", "before", "audio", "act"):
        if part in means and (not part or axes_of(hook.name)[1] in ("pos", "head_index")):
            rows = slice(None) if not part else _rows_of(hook.name, axes_of(hook.name), tensor.shape[1], part)
            out[:, rows] = means[part].to(tensor.device, tensor.dtype).unsqueeze(1)
    return out


def _named(function: HookFunction, name: str) -> HookFunction:
    function.__name__ = function.__qualname__ = name
    return function
