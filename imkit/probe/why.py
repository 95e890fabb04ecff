"""Why did it do that? One decision opened: the lens over layers, attention by stream, attribution to what came in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from imkit.stream import TICK_S, Timeline

from .again import Model, begin, seated, timeline_of
from .attention import PATTERN, StreamAttention, attention_by_stream
from .attribution import AT_ONCE, N_STEPS, Attribution, attribute_recorded, stretch_of
from .cache import ActivationCache
from .decisions import Answer
from .errors import ProbeError
from .inside import Inside
from .lens import Lens, logit_lens
from .seen import Seeing, Seen
from .unroll import Recorder

_SPOKEN = {
    "microphone": "the microphone",
    "own": "its own voice",
    "words": "words",
    "acts": "what it had done itself",
    "pictures": "pictures",
    "clock": "the clock",
}
ROUGH = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Why:
    """What was found about one decision; in a notebook it shows itself as its figure.

    lens         [layer, row, class], its last row is the decision's
    attention    of the tokens that it was read from, by stream, its last row is the decision's
    attribution  to the input of the last seconds
    row          which row of lens and attention is the decision's
    """

    timeline: Timeline
    lens: Lens
    attention: StreamAttention
    attribution: Attribution
    row: int

    @property
    def sentences(self) -> tuple[str, str]:
        """What was found, in two plain sentences that the numbers make, with what they do not show."""
        return _decided(self), _moved(self)

    def figure(self, theme: str = "light", *, width: int = 1160) -> Any:
        """Everything in one plotly figure, the sentences on top."""
        from imkit.views.why_figure import why_figure

        lens, attention = self.lens, self.attention
        gone = (attention.reach[self.row] == 0) & (attention.left[self.row] > 0)
        weights = attention.weights[:, :, self.row].mean(1)
        return why_figure(
            self.timeline,
            self.attribution,
            (lens.probs[:, self.row], lens.labels, lens.classes),
            (weights, gone, attention.streams, attention.layers),
            self.sentences,
            theme,
            width=width,
        )

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _ipython_display_(self) -> None:
        import_module("IPython.display").display(self.figure())


def why(
    timeline: Timeline | Any,
    at_s: float,
    output: str | None = None,
    target: Answer | None = None,
    incorrect: Answer | None = None,
    back_s: float = 2.0,
    *,
    model: Model = None,
    n_steps: int = N_STEPS,
    progress: Callable[[str], object] = print,
) -> Why:
    """What led to a decision, as far as can be seen: ``timeline.why(12.4)``.

    at_s       in the micro-turn that decides; what it decides is heard one micro-turn, 0.2 s, later
    output     "floor", "words", "heard" or "call"; None is "floor", unless no class is asked for and a word was said
               although the floor alone would have been silent: that is "words", since who says a word speaks
    target     the class to be explained; None is the one that was likeliest
    incorrect  against which; None is the likeliest other one
    back_s     how far attribution reaches, 0.2 to 6.0 s
    model, n_steps, progress  as for ``attribute``

    The model lives through the stretch again, from the nearest state that was kept. Nothing here is proof: attention
    is where it looked, attribution is along one way from silence, the lens is in the heads' language. To know what a
    site does, change it: ``run_with_hooks``, ``fork``. Raises ProbeError.
    """
    start_s, end_s = stretch_of(at_s, back_s)
    seen: list[Seen] = []
    timeline = timeline_of(timeline)
    chair, own = seated(timeline, model)
    with Inside(chair) as inside:
        recorder = Recorder(inside)
        stretch = begin(timeline, own, inside, start_s, end_s, progress)
        seeing = Seeing(inside, _needed, seen.append)
        seeing.chair = recorder
        acts = {moment.index: act for moment, act in stretch.through(seeing)}
        seeing.close()
        seen = [one for one in seen if recorder.ticks and one.index >= recorder.ticks[0].index]
        cache = ActivationCache(seen, seeing.axes, inside.points)
        lens = logit_lens(cache, output or "floor")
        row = _row_of(lens, at_s)
        if output is None and target is None and incorrect is None:
            silent = lens.classes[int(lens.logits[-1, row].argmax())] == "listen"
            output = "words" if silent and acts[int(lens.positions.index[row])].words else "floor"
            lens = lens if output == "floor" else logit_lens(cache, output)
        output = output or "floor"
        order = np.argsort(-lens.logits[-1, row])
        number = int(order[0]) if target is None else lens.decision.number(target)
        other = int(order[order != number][0]) if incorrect is None else lens.decision.number(incorrect)
        found = attribute_recorded(recorder, at_s, number, other, output, n_steps=n_steps, internal_batch_size=AT_ONCE)
    part = timeline.between(start_s - 1.0, end_s + 2.0)
    return Why(part, lens, attention_by_stream(cache, lens.decision.rows), found, row)


def _needed(name: str) -> bool:
    """Of the network what lens and attention read."""
    return name.endswith(PATTERN) or re.fullmatch(r"blocks\.\d+\.hook_(in|out)", name) is not None


def _row_of(lens: Lens, at_s: float) -> int:
    """The row in which a moment lies; of audio tokens the one of its 50 ms."""
    at = lens.positions
    found = np.flatnonzero((at.start_s <= at_s + 1e-6) & (at_s + 1e-6 < at.end_s))
    if not len(found):
        raise ProbeError(f"no micro-turn at {at_s} s is in the timeline; it was lost, or it is not there yet")
    return int(found[-1])


def _decided(one: Why) -> str:
    lens, found = one.lens, one.attribution
    probs, layers = lens.probs[:, one.row], len(lens.labels) - 1
    answer, other = (lens.classes.index(str(name)) for name in (found.answer, found.incorrect))
    decided = int(probs[-1].argmax())
    told = f"At {found.at_s:.1f} s it decided {_quoted(lens, decided)} ({probs[-1, decided]:.2f}"
    rest = [k for k in (answer, other) if k != decided]
    told += "".join(f", {_quoted(lens, k)} {probs[-1, k]:.2f}" for k in rest) + "); "
    settled = int(lens.settled()[one.row])
    if settled == 0:
        told += f"the lens finds it likeliest in all {layers} layers already"
    elif settled == layers:
        told += "the lens finds it likeliest only after the last layer"
    else:
        told += f"the lens finds it likeliest from the stream into layer {settled} of {layers} on"
    looked = np.nan_to_num(one.attention.weights[:, :, one.row].mean((0, 1)))
    first = np.argsort(-looked)[:2]
    named = " and ".join(f"{one.attention.streams[k]} ({looked[k]:.2f})" for k in first)
    told += f", and most of its attention goes to {named}, which says where it looked and not what mattered"
    return told + _shared(one, first) + "."


def _shared(one: Why, first: Any) -> str:
    """That one token is of two sounds, where it is looked at."""
    audio = any(one.attention.streams[k].startswith("audio") for k in first)
    return "; microphone and own voice are one token there" if audio else ""


def _moved(one: Why) -> str:
    found = one.attribution
    gap = found.output_value - found.baseline_value
    sums = sorted(found.sums().items(), key=lambda item: -abs(item[1]))
    name, strongest = sums[0]
    over = found.over_time(name) * np.sign(strongest)
    parts = [f"{_SPOKEN[source]} {value:+.1f}" for source, value in sums if abs(value) >= 0.05 * abs(strongest)]
    parts[0] += f" (most of it from {_what(found, name, found.start_s + int(over.argmax()) * TICK_S)})"
    against = f"{_quoted(one.lens, one.lens.classes.index(found.answer))} over "
    against += _quoted(one.lens, one.lens.classes.index(str(found.incorrect)))
    back_s = found.at_s + TICK_S - found.start_s
    told = f"From silence, what came in over the last {back_s:.1f} s moved {against} by {gap:+.1f} logits: "
    told += ", ".join(parts)
    if abs(found.delta) > ROUGH * max(1.0, abs(gap)):
        told += f" (a rough sum, off by {found.delta:+.1f}: more n_steps would tell better)"
    told += "; what came before is held as it was, and another way from silence would share it out otherwise."
    return told.replace("-", "−")


def _what(found: Attribution, name: str, at_s: float) -> str:
    """Where in a source it was strongest: the word, or the micro-turn."""
    if name == "words":
        word = found.words[int((found.values["words"] * np.sign(found.values["words"].sum())).argmax())]
        return f"“{word}”"
    return f"{at_s:.1f} to {at_s + TICK_S:.1f} s"


def _quoted(lens: Lens, number: int) -> str:
    name = lens.classes[number]
    return name if lens.output == "floor" else "nothing" if number == 0 else f"“{name}”"
