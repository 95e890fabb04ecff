"""A model living through a timeline again, looked into or changed on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from imkit.adapters import load
from imkit.stream import Act, InteractionModel, Ledger, Moment, Timeline

from .again import Model, begin, seated, timeline_of
from .cache import ActivationCache
from .inside import FwdHooks, Inside
from .names import NamesFilter, Points
from .seen import Seeing, Seen


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
    timeline = timeline_of(timeline)
    chair, own = seated(timeline, model)
    with Inside(chair, fwd_hooks) as inside:
        names = inside.points.chosen(names_filter)
        stretch = begin(timeline, own, inside, start_s, end_s, progress)
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
    timeline = timeline_of(timeline)
    after = Timeline(timeline.output_rate)
    chair, own = seated(timeline, model)
    with Inside(chair, fwd_hooks) as inside:
        stretch = begin(timeline, own, inside, start_s, end_s, progress)
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
