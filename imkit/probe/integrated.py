"""Integrated gradients (Sundararajan, Taly & Yan 2017, arXiv 1703.01365), with captum's names and results.

What each input did for an output is the mean gradient on the straight way from a baseline to it, times how far it went.
Summed over all inputs that is the output less the output at the baseline (completeness), up to the steps taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ProbeError

if TYPE_CHECKING:
    from torch import Tensor

Tensors = tuple["Tensor", ...]


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
        internal_batch_size: int | None = None,
        return_convergence_delta: bool = False,
    ) -> Any:
        """Attributions, shaped as the inputs; with ``return_convergence_delta`` also what the sum lacks [batch].

        baselines  where the way begins, shaped as the inputs or numbers; None is zeros
        target     the class; None where the output has only [batch]
        n_steps    points on the way, after Gauss and Legendre
        internal_batch_size  at most so many examples go through at once; None is all of them

        Raises ProbeError.
        """
        import torch

        alone = not isinstance(inputs, tuple)
        xs: Tensors = (inputs,) if not isinstance(inputs, tuple) else inputs
        starts = _starts(xs, baselines)
        if n_steps < 1:
            raise ProbeError(f"n_steps={n_steps}; expected 1 or more, 20 to 50 as a rule")
        points, weights = np.polynomial.legendre.leggauss(n_steps)
        alphas, shares = (points + 1) / 2, weights / 2
        batch = len(xs[0])
        at_once = n_steps if internal_batch_size is None else max(1, internal_batch_size // batch)
        sums = [torch.zeros_like(x) for x in xs]
        for first in range(0, n_steps, at_once):
            part = slice(first, first + at_once)
            alpha = torch.tensor(alphas[part], dtype=xs[0].dtype, device=xs[0].device)
            share = torch.tensor(shares[part], dtype=xs[0].dtype, device=xs[0].device)
            way = tuple(_between(start, x, alpha) for start, x in zip(starts, xs, strict=True))
            with torch.enable_grad():
                output = self._output(way, target).sum()
            gradients = torch.autograd.grad(output, way, allow_unused=True)
            for total, gradient in zip(sums, gradients, strict=True):
                if gradient is not None:
                    steps = gradient.reshape(len(alpha), batch, *total.shape[1:])
                    total += torch.tensordot(share, steps, 1)
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
