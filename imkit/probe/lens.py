"""The logit lens: what would be decided if the residual stream went straight from a layer to the heads.

After nostalgebraist (2020), "interpreting GPT: the logit lens": the stream after each layer goes through the final
norm, with its own length there, and through a head. The heads were trained on the last layer only, so an early layer
that says nothing here may still hold what later ones read: a lens shows when a decision is in the heads' language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .cache import ActivationCache
from .decisions import Answer, Decision, decision_of, network_of
from .errors import ProbeError
from .positions import Positions


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """Probabilities [layer, row, class] and logits alike; rows are ``positions``, layers ``labels``."""

    decision: Decision
    labels: tuple[str, ...]
    positions: Positions
    logits: npt.NDArray[np.float32]

    @property
    def output(self) -> str:
        """What is decided: "floor", "words", "heard" or "call"."""
        return self.decision.output

    @property
    def classes(self) -> tuple[str, ...]:
        """What can be decided."""
        return self.decision.classes

    @property
    def probs(self) -> npt.NDArray[np.float32]:
        """Probabilities [layer, row, class]."""
        raised = np.exp(self.logits - self.logits.max(-1, keepdims=True))
        return np.asarray(raised / raised.sum(-1, keepdims=True), np.float32)

    def of(self, answer: Answer) -> npt.NDArray[np.float32]:
        """Probability of one class [layer, row]. Raises ProbeError."""
        return self.probs[..., self.decision.number(answer)]

    def settled(self) -> npt.NDArray[np.int64]:
        """For each row the first layer from which on the likeliest class is the one that is decided [row]."""
        top = self.logits.argmax(-1)
        other = top != top[-1]
        last = len(top) - 1 - other[::-1].argmax(0)
        return np.where(other.any(0), last + 1, 0)

    def figure(self, answer: Answer | None = None, theme: str = "light", **more: Any) -> Any:
        """Time across, layers up, as a plotly figure: the probability of a class, or the likeliest class.

        ``more`` is ``width`` and ``live``, as for ``imkit.views.figure``.
        """
        from imkit.views.lens_figure import lens_figure

        number = None if answer is None else self.decision.number(answer)
        at = self.positions
        return lens_figure(
            self.probs, self.labels, self.classes, at.start_s, at.end_s, number, self.output, theme, **more
        )

    def __repr__(self) -> str:
        layers, rows, classes = self.logits.shape
        return f"Lens({self.output}: {layers} layers, {rows} rows, {classes} classes)"


def logit_lens(cache: ActivationCache, output: str = "floor", incl_mid: bool = False) -> Lens:
    """What each layer would decide, over a stretch of time.

    output    "floor", "words" (said), "heard" (a row for each 50 ms) or "call"
    incl_mid  also between the two halves of each layer

    The cache must hold ``blocks.{i}.hook_in`` of all layers and ``hook_out`` of the last. Raises ProbeError, or
    UnknownSite for what was not kept.
    """
    import torch

    network = network_of(cache.points)
    decision = decision_of(network, output)
    rows = np.flatnonzero(decision.at(cache.positions.stream))
    if not len(rows):
        raise ProbeError(f"no micro-turn is held in {cache!r}; say another stretch")
    with torch.no_grad():
        stack, labels = cache.accumulated_resid(incl_mid=incl_mid, pos_slice=rows, return_labels=True)
        logits = network.norm(stack)[:, 0] @ decision.weight.T + decision.bias
    return Lens(decision, tuple(labels), cache.positions[rows], logits.numpy())
