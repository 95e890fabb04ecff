"""Integrated gradients (Sundararajan, Taly & Yan 2017, arXiv 1703.01365), with captum's names and results.

What each input did for an output is the mean gradient on the straight way from a baseline to it, times how far it went.
Summed over all inputs that is the output less the output at the baseline (completeness), up to the steps taken.

Where attention is sharp the output goes over in a few short stretches of the way, between which points that are evenly
spread find nothing. The method "adaptive" halves the pieces in which what the gradients say and what the output does
are furthest apart, until they agree: the same integral, its points put where they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .errors import ProbeError

if TYPE_CHECKING:
    from torch import Tensor

Tensors = tuple["Tensor", ...]
FIRST_PIECES, POINTS = 8, 3
TOLERANCE = 0.02
"""The method "adaptive" ends when all pieces together are off by this share of how far the output goes up and down."""


class IntegratedGradients:
    """Of any function of tensors, each [batch, ...], to an output [batch] or [batch, class].

    >>> IntegratedGradients(network).attribute(x, target=2)

    multiply_by_inputs  False leaves the mean gradients as they are
    """

    def __init__(self, forward_func: Callable[..., Tensor], multiply_by_inputs: bool = True) -> None:
        self.forward_func, self.multiply_by_inputs = forward_func, multiply_by_inputs

    def has_convergence_delta(self) -> bool:
        """Whether completeness can be checked: it can."""
        return True

    def attribute(
        self,
        inputs: Tensor | Tensors,
        baselines: Tensor | float | tuple[Tensor | float, ...] | None = None,
        target: int | None = None,
        n_steps: int = 50,
        method: Literal["gausslegendre", "adaptive"] = "gausslegendre",
        internal_batch_size: int | None = None,
        return_convergence_delta: bool = False,
    ) -> Any:
        """Attributions, shaped as the inputs; with ``return_convergence_delta`` also what the sum lacks [batch].

        baselines  where the way begins, shaped as the inputs or numbers; None is zeros
        target     the class; None where the output has only [batch]
        n_steps    points on the way at which gradients are taken; of the method "adaptive" the most
        internal_batch_size  at most so many examples go through at once; None is all of them

        Raises ProbeError.
        """
        alone = not isinstance(inputs, tuple)
        xs: Tensors = (inputs,) if not isinstance(inputs, tuple) else inputs
        starts = _starts(xs, baselines)
        if n_steps < 1 or method not in ("gausslegendre", "adaptive"):
            raise ProbeError(
                f"n_steps={n_steps}, method={method!r}; expected 1 step or more, 'gausslegendre' or 'adaptive'"
            )
        way = _Way(self, xs, starts, target, internal_batch_size)
        sums = way.adaptive(n_steps) if method == "adaptive" else way.piece(0.0, 1.0, n_steps)
        if self.multiply_by_inputs:
            sums = [total * (x - start) for total, x, start in zip(sums, xs, starts, strict=True)]
        found = sums[0] if alone else tuple(sums)
        if not return_convergence_delta:
            return found
        return found, self.compute_convergence_delta(found, starts, xs, target)

    def compute_convergence_delta(
        self,
        attributions: Tensor | Tensors,
        start_point: Tensor | Tensors,
        end_point: Tensor | Tensors,
        target: int | None = None,
    ) -> Tensor:
        """The sum of attributions less the difference that it should be [batch]; 0 is complete."""
        import torch

        parts, starts, ends = (
            one if isinstance(one, tuple) else (one,) for one in (attributions, start_point, end_point)
        )
        with torch.no_grad():
            difference = self._output(ends, target) - self._output(starts, target)
        whole = torch.stack([part.flatten(1).sum(1) for part in parts]).sum(0)
        return whole - difference

    def _output(self, inputs: Tensors, target: int | None) -> Tensor:
        out = self.forward_func(*inputs)
        if target is None:
            if out.ndim != 1:
                raise ProbeError(f"the output is {tuple(out.shape)}; say which class with target=")
            return out
        return out[:, target]


@dataclass(eq=False)
class _Way:
    """The way from a baseline to an input, and gradients on pieces of it."""

    method: IntegratedGradients
    xs: Tensors
    starts: Tensors
    target: int | None
    internal_batch_size: int | None

    def piece(self, begin: float, end: float, n_steps: int) -> list[Tensor]:
        """The integral of the gradients from ``begin`` to ``end`` of the way, at points after Gauss and Legendre."""
        import torch

        points, weights = np.polynomial.legendre.leggauss(n_steps)
        alphas, shares = begin + (end - begin) * (points + 1) / 2, (end - begin) * weights / 2
        xs, batch = self.xs, len(self.xs[0])
        at_once = n_steps if self.internal_batch_size is None else max(1, self.internal_batch_size // batch)
        sums = [torch.zeros_like(x) for x in xs]
        for first in range(0, n_steps, at_once):
            part = slice(first, first + at_once)
            alpha, share = (torch.tensor(one[part], dtype=xs[0].dtype, device=xs[0].device) for one in (alphas, shares))
            way = tuple(_between(start, x, alpha) for start, x in zip(self.starts, xs, strict=True))
            with torch.enable_grad():
                output = self.method._output(way, self.target).sum()
            gradients = torch.autograd.grad(output, way, allow_unused=True)
            for total, gradient in zip(sums, gradients, strict=True):
                if gradient is not None:
                    total += torch.tensordot(share, gradient.reshape(len(alpha), batch, *total.shape[1:]), 1)
        return sums

    def adaptive(self, n_steps: int) -> list[Tensor]:
        """The integral over all of the way; the piece that fits worst is halved while there are steps left."""
        edges = np.linspace(0, 1, max(1, min(FIRST_PIECES, n_steps // POINTS)) + 1).tolist()
        height = {edge: self.height(edge) for edge in edges}
        pieces = [self.measured(a, b, height) for a, b in pairwise(edges)]
        taken = POINTS * len(pieces)
        while taken + 2 * POINTS <= n_steps:
            worst = max(pieces, key=lambda piece: piece.apart)
            if sum(piece.apart for piece in pieces) <= TOLERANCE * sum(piece.rise for piece in pieces):
                break
            middle = (worst.begin + worst.end) / 2
            height[middle] = self.height(middle)
            halves = [self.measured(a, b, height) for a, b in ((worst.begin, middle), (middle, worst.end))]
            pieces = [*(piece for piece in pieces if piece is not worst), *halves]
            taken += 2 * POINTS
        return [sum(parts[1:], parts[0]) for parts in zip(*(piece.sums for piece in pieces), strict=True)]

    def height(self, at: float) -> Tensor:
        """The output at a point of the way [batch]."""
        import torch

        with torch.no_grad():
            here = tuple(start + at * (x - start) for start, x in zip(self.starts, self.xs, strict=True))
            return self.method._output(here, self.target)

    def measured(self, begin: float, end: float, height: dict[float, Tensor]) -> _Piece:
        """A piece, and how far its integral is from what the output does on it."""
        sums = self.piece(begin, end, POINTS)
        said = sum(
            (total * (x - start)).flatten(1).sum(1) for total, x, start in zip(sums, self.xs, self.starts, strict=True)
        )
        rise = height[end] - height[begin]
        return _Piece(begin, end, sums, float((said - rise).abs().sum()), float(rise.abs().sum()))


@dataclass(frozen=True, eq=False)
class _Piece:
    begin: float
    end: float
    sums: list[Tensor]
    apart: float
    rise: float


def _starts(xs: Tensors, baselines: Any) -> Tensors:
    import torch

    given = baselines if isinstance(baselines, tuple) else (baselines,) * len(xs)
    if len(given) != len(xs):
        raise ProbeError(f"{len(given)} baselines for {len(xs)} inputs; expected one each, or one number for all")
    starts = []
    for x, start in zip(xs, given, strict=True):
        made = torch.as_tensor(0.0 if start is None else start, dtype=x.dtype, device=x.device)
        try:
            starts.append(made.broadcast_to(x.shape))
        except RuntimeError as error:
            raise ProbeError(f"a baseline is {tuple(made.shape)}, its input {tuple(x.shape)}; they must fit") from error
    return tuple(starts)


def _between(start: Tensor, x: Tensor, alpha: Tensor) -> Tensor:
    """Points on the way [step * batch, ...], step after step, of which gradients can be taken."""
    steps = alpha.reshape(-1, *[1] * x.ndim)
    return (start + steps * (x - start)).flatten(0, 1).detach().requires_grad_()
