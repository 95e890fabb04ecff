"""What a network decides: its outputs, their classes, and the rows of the residual stream that they are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from .errors import ProbeError
from .names import Points

if TYPE_CHECKING:
    from torch import Tensor

Output = Literal["floor", "words", "heard", "call"]
Answer = str | int
_HEADS = {  # output: the head, the site of its logits, the tokens that it is read from
    "floor": ("floor_head", "floor.hook_out", "act"),
    "words": ("word_head", "voice.hook_out", "act"),
    "heard": ("heard_head", "heard.hook_out", "audio"),
    "call": ("call_head", "call.hook_out", "act"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """One output of a network.

    site     where its logits pass
    rows     the tokens that it is read from: "act", or "audio" for words heard
    classes  what can be decided
    weight   [class, d_model], of the final residual stream, normed; ``bias`` [class]
    """

    output: str
    site: str
    rows: str
    classes: tuple[str, ...]
    weight: Tensor
    bias: Tensor

    def number(self, answer: Answer) -> int:
        """The number of a class, which may be said by its name. Raises ProbeError."""
        if isinstance(answer, str):
            if answer in self.classes:
                return self.classes.index(answer)
        elif -len(self.classes) <= answer < len(self.classes):
            return answer % len(self.classes)
        few = ", ".join(self.classes[:6]) + (", ..." if len(self.classes) > 6 else "")
        raise ProbeError(f"{answer!r} is no class of {self.output!r}; expected one of {len(self.classes)}: {few}")

    def at(self, stream: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
        """Which tokens, by their streams [n], it is read from."""
        return np.asarray(stream == self.rows)


def decision_of(network: Any, output: str) -> Decision:
    """An output of a network. Raises ProbeError for one that it has not."""
    from imkit.model.config import FLOORS

    if output not in _HEADS:
        raise ProbeError(f"output={output!r}; expected one of {', '.join(map(repr, _HEADS))}")
    name, site, rows = _HEADS[output]
    head, config = getattr(network, name), network.config
    classes = {"floor": FLOORS, "call": config.calls}.get(output, config.vocabulary)
    return Decision(output, site, rows, tuple(classes), head.weight.detach(), head.bias.detach())


def network_of(points: Points | None) -> Any:
    """The network of nano that some points are of. Raises ProbeError where there is none."""
    if points is None:
        raise ProbeError(
            "these activations came from a file without their model, so nothing can be taken apart with its weights; "
            "say which it was: imkit.probe.load_cache(path, model='nano')"
        )
    network = getattr(points.module, "network", None)
    if network is None or not hasattr(network, "floor_head"):
        raise ProbeError(
            f"{type(points.module).__name__} is not the network of nano, whose norm and heads are needed here; of "
            "another model take tensors from the cache and its own weights"
        )
    return network
