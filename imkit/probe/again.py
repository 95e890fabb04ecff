"""The stretch of a timeline that a model lives through again, and the state that it has before it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imkit.adapters import load
from imkit.stream import TICK_S, TICKS_PER_S, Act, InteractionModel, Moment, OpenConfig, Timeline

from .branch import TELL_TICKS, lost_until
from .errors import ProbeError
from .inside import Inside

Model = str | InteractionModel[Any] | None


def timeline_of(given: Any) -> Timeline:
    """A timeline as it is, or that of a recording."""
    found = given.timeline() if callable(getattr(given, "timeline", None)) else given
    if not isinstance(found, Timeline):
        raise ProbeError(f"{given!r:.80} is no timeline; expected session.timeline or a recording that was opened")
    return found


def seated(timeline: Timeline, model: Model) -> tuple[InteractionModel[Any], bool]:
    """The model to step, and whether it is the timeline's own."""
    origin = timeline.origin
    if model is not None and (origin is None or (model is not origin.model and model != origin.model)):
        return load(model), False
    if origin is None:
        raise ProbeError("nobody knows what model made this timeline; say which: model='nano'")
    return origin.seated(), True


@dataclass(slots=True)
class Stretch:
    """Moments to live through again, the micro-turns before them, the state to begin with, and where one is opened."""

    moments: list[Moment]
    before: list[int]
    state: Any
    config: OpenConfig
    opened: set[int]

    def through(self, chair: InteractionModel[Any]) -> Iterator[tuple[Moment, Act]]:
        """Each moment with what the model does now."""
        state = self.state
        for moment in self.moments:
            if moment.index in self.opened:
                state = chair.open(self.config)
            act, state = chair.step(state, moment.percept)
            yield moment, act


def begin(
    timeline: Timeline,
    own: bool,
    inside: Inside,
    start_s: float | None,
    end_s: float | None,
    progress: Callable[[str], object],
) -> Stretch:
    """[start_s, end_s) of a timeline, with the model's state before it; hooks rest while that is found."""
    moments, origin = timeline.moments, timeline.origin
    low = -1.0 if start_s is None else start_s * TICKS_PER_S - 1e-6
    high = float("inf") if end_s is None else end_s * TICKS_PER_S - 1e-6
    wanted = [moment for moment in moments if low <= moment.index < high]
    if not wanted:
        raise ProbeError(f"from start_s={start_s} to end_s={end_s} there is no moment in {timeline!r}")
    at = wanted[0].index
    opened = {0} if origin is None else set(origin.opened) if own else {min(origin.opened)}
    first = max((tick for tick in opened if tick <= at), default=0)
    config = origin.config if origin is not None else OpenConfig()
    nearest = origin.snapshots.before(at) if own and origin.snapshots is not None else None
    if nearest is not None and nearest.index > first:
        first, state = nearest.index, copy.deepcopy(nearest.state)
    else:
        state = inside.open(config)
    past = [moment for moment in moments if first <= moment.index < at]
    _check_whole(inside, first, [*past, *wanted])
    if len(past) > TELL_TICKS:
        progress(f"Living through {len(past) / TICKS_PER_S:.1f} s of the past first.")
    if told := changed_in([*past, *wanted]):
        progress(f"{told} They are not on now.")
    with inside.resting():
        for moment in past:
            _, state = inside.step(state, moment.percept)
    before = [moment.index for moment in moments if moment.index < at]
    return Stretch(wanted, before, state, config, {tick for tick in opened if tick > at})


def changed_in(moments: Iterable[Moment]) -> str:
    """Which hooks were on, and from when, in words; "" where none were."""
    first: dict[str, float] = {}
    for moment in moments:
        for name in moment.act.diagnostics.get("hooks", ()):
            first.setdefault(str(name), moment.start_s)
    told = ", ".join(f"{name} from {start_s:.1f} s on" for name, start_s in first.items())
    return f"The model was changed then: {told}." if told else ""


def _check_whole(inside: Inside, begin: int, moments: Sequence[Moment]) -> None:
    """Raises ProbeError unless everything that came in from tick ``begin`` on is still here."""
    whole = lost_until(moments, sees=inside.spec.sees)
    if moments[0].index > begin and not moments[0].gap:
        whole = max(whole, moments[0].index)
    if whole > begin:
        raise ProbeError(
            f"to live through this again takes what came in from {begin * TICK_S:.1f} s on, and the timeline holds "
            f"sound and pictures only from {whole * TICK_S:.1f} s on; say start_s={whole * TICK_S:.1f} where a state "
            "was kept (Session(snapshots=...)), or look into a recording of the whole session"
        )
