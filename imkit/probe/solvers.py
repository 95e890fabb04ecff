"""Least squares and logistic regression with an L2 penalty: small, exact enough, and without another dependency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
STEPS = 100


@dataclass(frozen=True, eq=False)
class Linear:
    """``x @ weights + bias``, x [n, d] as it comes; weights [d, outputs], bias [outputs]."""

    weights: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """Outputs [n, outputs]."""
        return np.asarray(x @ self.weights + self.bias)


def ridge(x: Floats, y: Floats, penalty: float) -> Linear:
    """Least squares of y [n] on x [n, d], closed form (Hoerl & Kennard 1970).

    The penalty is on weights of standardised columns, per row: ``mean squared error + penalty * |w|^2``.
    """
    mean, scale = _standard(x)
    z, middle = (x - mean) / scale, y.mean()
    size = len(z) * penalty
    if z.shape[1] <= len(z):
        w = np.linalg.solve(z.T @ z + size * np.eye(z.shape[1]), z.T @ (y - middle))
    else:  # fewer rows than columns: the same from the smaller of the two matrices
        w = z.T @ np.linalg.solve(z @ z.T + size * np.eye(len(z)), y - middle)
    weights = (w / scale)[:, None]
    return Linear(weights, np.array([middle]) - mean @ weights)


def logistic(x: Floats, y: Ints, classes: int, penalty: float) -> Linear:
    """Logits of the classes y [n] from x [n, d], by L-BFGS (Liu & Nocedal 1989) in double precision.

    The penalty is on weights of standardised columns, per row: ``mean cross-entropy + penalty / 2 * |w|^2``.
    """
    import torch

    mean, scale = _standard(x)
    z, wanted = torch.from_numpy((x - mean) / scale), torch.from_numpy(y)
    w = torch.zeros(x.shape[1], classes, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([w, b], max_iter=STEPS, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        value = torch.nn.functional.cross_entropy(z @ w + b, wanted) + penalty / 2 * w.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        solver.step(loss)  # type: ignore[no-untyped-call]
    weights = w.detach().numpy() / scale[:, None]
    return Linear(weights, b.detach().numpy() - mean @ weights)


def _standard(x: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of the columns; 1 for one that never changes."""
    deviation = x.std(0)
    return x.mean(0), np.where(deviation > 1e-12 * max(1.0, float(np.abs(x).max(initial=0.0))), deviation, 1.0)


def auc(score: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half. NaN where one is missing."""
    high, low = int(positive.sum()), int((~positive).sum())
    if not high or not low:
        return float("nan")
    values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    del values
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((rank[positive].sum() - high * (high + 1) / 2) / (high * low))


def r2(wanted: Floats, got: Floats) -> float:
    """Share of the variance that is explained; below 0 where the mean would be nearer. NaN where nothing varies."""
    spread = float(((wanted - wanted.mean()) ** 2).sum())
    return 1 - float(((wanted - got) ** 2).sum()) / spread if spread > 0 else float("nan")
