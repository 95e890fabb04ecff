"""What in the last seconds moved a decision: integrated gradients back to sound, words, acts, pictures and clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imkit.stream import TICK_S, TICKS_PER_S, Timeline, tick_of

from .again import Model, begin, seated, timeline_of
from .decisions import Answer, Decision
from .errors import ProbeError
from .inside import Inside
from .integrated import IntegratedGradients
from .positions import Positions
from .unroll import SOURCES, Recorder, Unrolled

if TYPE_CHECKING:
    from torch import Tensor

MAX_BACK_S = 6.0
N_STEPS = 200
AT_ONCE = 4
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What each part of the input added to a logit, or took off it, on the way from a baseline.

    values     by source: "microphone" and "own" [mel, bin], "words" [word], "acts" [tick], "pictures" [picture, down,
               across] by patch, "clock" [tick]; a source of which there was none is not in it
    positions  by source, when and of which stream the first axis of each is; ``words`` what the words are
    index      the micro-turn that decides; it reaches back to ``start_s``, what was before is held as it was
    answer     the class, and ``incorrect`` the one whose logit was taken off, if any
    output_value, baseline_value   the logit, or the difference of two, with everything and at the baseline
    delta      how far the sum of all values is from the difference of those two: 0 is complete
    """

    decision: Decision
    index: int
    start_s: float
    answer: str
    incorrect: str | None
    values: Mapping[str, Floats]
    positions: Mapping[str, Positions]
    words: tuple[str, ...]
    output_value: float
    baseline_value: float
    delta: float

    @property
    def at_s(self) -> float:
        """Where the micro-turn begins."""
        return self.index * TICK_S

    def sums(self) -> dict[str, float]:
        """What each source added in all; together that is ``output_value - baseline_value``, up to ``delta``."""
        return {name: float(values.sum()) for name, values in self.values.items()}

    def over_time(self, source: str) -> Floats:
        """What a source added in each micro-turn [tick], from ``start_s`` on. Raises ProbeError for another source."""
        if source not in self.values:
            raise ProbeError(f"source={source!r}: there is {', '.join(map(repr, self.values))}")
        first = round(self.start_s * TICKS_PER_S)
        flat = self.values[source].reshape(len(self.values[source]), -1).sum(1)
        number = self.positions[source].index - first
        return np.bincount(number, flat, self.index - first + 1).astype(np.float32)

    def figure(self, theme: str = "light", *, width: int = 1000, live: bool | None = None) -> Any:
        """Each source on one clock, as a plotly figure: what spoke for the answer, and what against it."""
        from imkit.views.attribution_figure import attribution_figure

        return attribution_figure(self, theme, width=width, live=live)

    def __repr__(self) -> str:
        against = f" - {self.incorrect}" if self.incorrect is not None else ""
        sums = ", ".join(f"{name} {value:+.2f}" for name, value in self.sums().items())
        return (
            f"Attribution({self.answer}{against} at {self.at_s:.1f} s: {self.output_value:+.2f}, baseline "
            f"{self.baseline_value:+.2f}; {sums}; delta {self.delta:+.3f})"
        )


def attribute(
    timeline: Timeline | Any,
    at_s: float,
    target: Answer | None = None,
    incorrect: Answer | None = None,
    output: str = "floor",
    back_s: float = 2.0,
    *,
    of: Iterable[str] = SOURCES,
    baselines: Mapping[str, Tensor | float] | None = None,
    n_steps: int = N_STEPS,
    internal_batch_size: int | None = AT_ONCE,
    model: Model = None,
    progress: Callable[[str], object] = print,
) -> Attribution:
    """What in the ``back_s`` seconds up to a micro-turn moved its decision, by integrated gradients.

    at_s       in the micro-turn that decides; its sound is heard one later. Of words heard, also the 50 ms in it
    target     the class, by name or number; None is what the heads find likeliest
    incorrect  a class whose logit is taken off, so that what raises both does not count; None is none
    output     "floor", "words", "heard" or "call"
    back_s     how far it reaches: 0.2 to 6.0 s, never past where the model was opened. What was before is held as it
               was, and so is what the model chose on the way: which words it heard, what it did
    of         the sources, of "microphone", "own", "words", "acts", "pictures", "clock"; the others are held too
    baselines  by source, another beginning of the way than silence, words that say nothing, nothing done, grey
               pictures and no clock
    n_steps    gradients to be taken at most, where they are needed (``method="adaptive"`` of ``IntegratedGradients``);
               when they did not do, ``delta`` of what is given says by how much
    internal_batch_size  how many of them at once

    Raises ProbeError, as ``run_with_cache`` does.
    """
    timeline = timeline_of(timeline)
    found, own = seated(timeline, model)
    with Inside(found) as inside:
        recorder = Recorder(inside)
        start_s, end_s = stretch_of(at_s, back_s)
        for _ in begin(timeline, own, inside, start_s, end_s, progress).through(recorder):
            pass
        return attribute_recorded(
            recorder,
            at_s,
            target,
            incorrect,
            output,
            of=of,
            baselines=baselines,
            n_steps=n_steps,
            internal_batch_size=internal_batch_size,
        )


def stretch_of(at_s: float, back_s: float) -> tuple[float, float]:
    """From when to when is looked at, whole micro-turns in seconds. Raises ProbeError."""
    if not TICK_S <= back_s + 1e-9 <= MAX_BACK_S + 1e-6:
        raise ProbeError(f"back_s={back_s}; expected {TICK_S} to {MAX_BACK_S} s")
    if not at_s >= 0:
        raise ProbeError(f"at_s={at_s}; expected seconds on the timeline, 0 or more")
    index = tick_of(at_s)
    return max(0, index + 1 - round(back_s * TICKS_PER_S)) * TICK_S, (index + 1) * TICK_S


def attribute_recorded(
    recorder: Recorder,
    at_s: float,
    target: Answer | None,
    incorrect: Answer | None,
    output: str,
    *,
    of: Iterable[str] = SOURCES,
    baselines: Mapping[str, Tensor | float] | None = None,
    n_steps: int = N_STEPS,
    internal_batch_size: int | None = AT_ONCE,
) -> Attribution:
    """As ``attribute``, of micro-turns that were recorded, the last of which decides."""
    import torch

    index = tick_of(at_s)
    if not recorder.ticks or recorder.ticks[-1].index != index:
        raise ProbeError(f"no micro-turn at {at_s} s is in the timeline; it was lost, or it is not there yet")
    part = min(3, max(0, int((at_s - index * TICK_S) / 0.05 + 1e-6)))
    unrolled = Unrolled(recorder, output, part)
    decision = unrolled.decision
    wanted = list(of)
    if unknown := [name for name in [*wanted, *(baselines or ())] if name not in SOURCES]:
        raise ProbeError(f"{unknown[0]!r} is no source; expected some of {', '.join(map(repr, SOURCES))}")
    names = tuple(name for name in SOURCES if name in wanted and name in unrolled.inputs)
    if not names:
        raise ProbeError(f"of={wanted}: none of it came in; there was {', '.join(map(repr, unrolled.inputs))}")
    xs = tuple(unrolled.inputs[name] for name in names)
    starts = tuple({**unrolled.baselines, **(baselines or {})}[name] for name in names)
    with torch.no_grad():
        logits = unrolled(*xs, names=names)[0]
    number = int(logits.argmax()) if target is None else decision.number(target)
    other = None if incorrect is None else decision.number(incorrect)

    def forward(*tensors: Tensor) -> Tensor:
        found = unrolled(*tensors, names=names)
        return found[:, number] - (found[:, other] if other is not None else 0)

    gradients = IntegratedGradients(forward)
    found, delta = gradients.attribute(
        xs,
        starts,
        n_steps=n_steps,
        method="adaptive",
        internal_batch_size=internal_batch_size,
        return_convergence_delta=True,
    )
    value = float(logits[number] - (logits[other] if other is not None else 0))
    values = {name: _summed(name, one, unrolled) for name, one in zip(names, found, strict=True)}
    return Attribution(
        decision,
        index,
        recorder.ticks[0].index * TICK_S,
        decision.classes[number],
        None if other is None else decision.classes[other],
        values,
        {name: unrolled.positions[name] for name in names},
        tuple(unrolled.words),
        value,
        value - float(sum(one.sum() for one in values.values())) + float(delta[0]),
        float(delta[0]),
    )


def _summed(name: str, found: Tensor, unrolled: Unrolled) -> Floats:
    """Attributions [1, ...] by cell: over what a cell is embedded in, over the pixels of a patch."""
    if name == "pictures":
        px = unrolled.network.config.patch_px
        patches = found[0].unfold(-2, px, px).unfold(-2, px, px)  # [picture, rgb, down, across, px, px]
        return np.asarray(patches.sum((1, -1, -2)).numpy(), np.float32)
    return np.asarray(found[0].sum(-1).numpy(), np.float32)
