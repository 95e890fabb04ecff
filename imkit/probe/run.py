"""A model living through a timeline again, looked into or changed on the way."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imkit.adapters import load
from imkit.stream import TICK_S, TICKS_PER_S, Act, InteractionModel, Ledger, Moment, OpenConfig, Timeline

from .branch import TELL_TICKS, lost_until
from .cache import ActivationCache
from .errors import ProbeError
from .inside import FwdHooks, Inside
from .names import NamesFilter, Points
from .seen import Seeing, Seen

Model = str | InteractionModel[Any] | None


def sites(model: str | InteractionModel[Any] = "nano") -> Points:
    """Every place in a model that can be looked into: a mapping from names to modules, in the order of the network."""
    return Inside(load(model)).points


def hooks(model: str | InteractionModel[Any], fwd_hooks: FwdHooks, *, strict: bool = True) -> Inside:
    """A model with hooks on it, to be stepped or given to a session; used in ``with``, at whose end they are gone.

    ``fwd_hooks`` are (sites, function) with ``function(tensor, hook)``, as in TransformerLens. The model itself stays
    as it is: what is given shares its weights. Raises UnknownSite, ProbeError.
    """
    return Inside(load(model), fwd_hooks, strict=strict)


def run_with_cache(
    timeline: Timeline | Any,
    names_filter: NamesFilter = None,
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    model: Model = None,
    fwd_hooks: FwdHooks = (),
    dtype: Any = None,
    progress: Callable[[str], object] = print,
) -> tuple[list[Act], ActivationCache]:
    """A model's acts and its activations while it lives through a timeline or a recording again.

    names_filter   which sites: a name, several, a function of a name; None is all, several megabytes a second
    start_s, end_s what to look at; what is before is lived through unseen, from the nearest state that was kept
    model          None is the timeline's own
    fwd_hooks      (sites, function): what to change on the way, from ``start_s`` on
    dtype          floating tensors are kept as this, such as ``torch.float16``; None is as they are
    progress       told in words when much of the past must be lived through first

    Raises ProbeError where the past is no longer there or a model cannot be looked into, UnknownSite, ModelError.
    """
    seen: list[Seen] = []
    timeline = _timeline(timeline)
    chair, own = _model(timeline, model)
    with Inside(chair, fwd_hooks) as inside:
        names = inside.points.chosen(names_filter)
        stretch = _begin(timeline, own, inside, start_s, end_s, progress)
        # After the hooks, so that it sees what they changed.
        seeing = Seeing(inside, names, seen.append, dtype, before=lambda: stretch.before)
        acts = [act for _, act in stretch.through(seeing)]
    return acts, ActivationCache(seen, seeing.axes, inside.points)


def run_with_hooks(
    timeline: Timeline | Any,
    fwd_hooks: FwdHooks,
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    model: Model = None,
    progress: Callable[[str], object] = print,
) -> Timeline:
    """What a model does in a timeline with hooks on, from ``start_s`` on, as a timeline: ``before.compare(after)``.

    What came in stays as it was, though the person might have answered otherwise to what is now said. Arguments and
    errors are those of ``run_with_cache``.
    """
    timeline = _timeline(timeline)
    after = Timeline(timeline.output_rate)
    chair, own = _model(timeline, model)
    with Inside(chair, fwd_hooks) as inside:
        stretch = _begin(timeline, own, inside, start_s, end_s, progress)
        first = stretch.moments[0]
        ledger = Ledger(timeline.output_rate, max(0, first.epoch - _told(first) - first.yielded))
        for moment, act in stretch.through(inside):
            for _ in range(_told(moment) + bool(act.diagnostics.get("yielded"))):
                ledger.interrupt()
            calls = tuple(replace(call, tick=act.index, epoch=ledger.epoch) for call in act.calls)
            after.append(Moment(moment.percept, replace(act, calls=calls), ledger.epoch))
    return after


def _told(moment: Moment) -> bool:
    """Whether an epoch began from outside."""
    return any(event.kind == "system" and event.payload.get("interrupt") for event in moment.percept.events)


def _timeline(given: Any) -> Timeline:
    """A timeline as it is, or that of a recording."""
    found = given.timeline() if callable(getattr(given, "timeline", None)) else given
    if not isinstance(found, Timeline):
        raise ProbeError(f"{given!r:.80} is no timeline; expected session.timeline or a recording that was opened")
    return found


def _model(timeline: Timeline, model: Model) -> tuple[InteractionModel[Any], bool]:
    """The model to step, and whether it is the timeline's own."""
    origin = timeline.origin
    if model is not None and (origin is None or (model is not origin.model and model != origin.model)):
        return load(model), False
    if origin is None:
        raise ProbeError("nobody knows what model made this timeline; say which: model='nano'")
    return origin.seated(), True


@dataclass(slots=True)
class _Stretch:
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


def _begin(
    timeline: Timeline,
    own: bool,
    inside: Inside,
    start_s: float | None,
    end_s: float | None,
    progress: Callable[[str], object],
) -> _Stretch:
    """[start_s, end_s) of a timeline, with the model's state before it; hooks rest while that is found."""
    moments, origin = timeline.moments, timeline.origin
    low = -1.0 if start_s is None else start_s * TICKS_PER_S - 1e-6
    high = float("inf") if end_s is None else end_s * TICKS_PER_S - 1e-6
    wanted = [moment for moment in moments if low <= moment.index < high]
    if not wanted:
        raise ProbeError(f"from start_s={start_s} to end_s={end_s} there is no moment in {timeline!r}")
    at = wanted[0].index
    opened = {0} if origin is None else set(origin.opened) if own else {min(origin.opened)}
    begin = max((tick for tick in opened if tick <= at), default=0)
    config = origin.config if origin is not None else OpenConfig()
    nearest = origin.snapshots.before(at) if own and origin.snapshots is not None else None
    if nearest is not None and nearest.index > begin:
        begin, state = nearest.index, copy.deepcopy(nearest.state)
    else:
        state = inside.open(config)
    past = [moment for moment in moments if begin <= moment.index < at]
    _check_whole(inside, begin, [*past, *wanted])
    if len(past) > TELL_TICKS:
        progress(f"Living through {len(past) / TICKS_PER_S:.1f} s of the past first.")
    if told := changed_in([*past, *wanted]):
        progress(f"{told} They are not on now.")
    with inside.resting():
        for moment in past:
            _, state = inside.step(state, moment.percept)
    before = [moment.index for moment in moments if moment.index < at]
    return _Stretch(wanted, before, state, config, {tick for tick in opened if tick > at})


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
