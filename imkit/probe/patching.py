"""Activation patching between two streams: where, and when, does what tells them apart pass through the network?

Two timelines of the same length that differ in one thing, *clean* and *corrupted*, are lived through. Then the
corrupted one is lived through again and again; each time one activation of one micro-turn is the clean run's, and it is
measured how far that brings the clean run's behaviour back (causal tracing, Meng et al. 2022, arXiv 2202.05262; in this
form, "denoising", Heimersheim & Nanda 2024, arXiv 2404.15255).

In a stream a patched activation does not only change its own micro-turn: the keys and values that come of it stay in
the ring, and what is said and heard comes back in. So each patch is lived through up to the end of the stretch. What
lies before the patched micro-turn is not: the corrupted run's state is walked along and copied.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from imkit.stream import TICK_S, Act, Moment, Timeline

from .again import Model, begin, seated, timeline_of
from .cache import ATTENTION, ActivationCache
from .changes import Rows, axes_of, patch_from
from .errors import ProbeError
from .inside import HookFunction, Inside
from .metrics import Measured
from .names import NamesFilter
from .progress import Bar, bar, quiet
from .seen import Seeing, Seen

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
LEAST_RANGE = 1e-6


@dataclass(frozen=True, eq=False)
class Patched:
    """What patching found; the last line of a notebook's cell shows it.

    value      [row, micro-turn]: 0 is as in the corrupted run, 1 as in the clean one; may be below 0 or above 1
    raw        [row, micro-turn]: the metric itself
    clean, corrupted  the metric of both runs as they are
    rows       what was patched in each row: (site, head), head None for all of it
    index      the micro-turn of each column, the first where several were patched at once
    width      how many micro-turns were patched at once
    steps      micro-turns that were lived through for it
    """

    value: Floats
    raw: Floats
    clean: float
    corrupted: float
    rows: tuple[tuple[str, int | None], ...]
    index: npt.NDArray[np.int64]
    width: int
    metric: str
    steps: int

    @property
    def names(self) -> list[str]:
        """What the rows are called."""
        return [site if head is None else f"{site} head {head}" for site, head in self.rows]

    def top(self, count: int = 5) -> list[tuple[str, int | None, float, float]]:
        """The strongest patches: (site, head, start_s of its micro-turn, value), by how far from 0."""
        order = np.argsort(-np.abs(self.value), axis=None, kind="stable")[:count]
        places = [divmod(int(place), self.value.shape[1]) for place in order]
        return [
            (*self.rows[row], round(float(self.index[col]) * TICK_S, 3), float(self.value[row, col]))
            for row, col in places
        ]

    def to_pandas(self) -> pd.DataFrame:
        """One row a site or head, one column a micro-turn by its start in seconds. Needs pandas."""
        import pandas as pd

        return pd.DataFrame(self.value, index=self.names, columns=np.round(self.index * TICK_S, 3))

    def figure(self, theme: str = "light", *, width: int = 900) -> Any:
        """A plotly ``Figure``: rows by micro-turns, white where patching does nothing."""
        from imkit.views.patch_figure import patch_figure

        ends = f"0 is the corrupted run ({self.corrupted:.3g}), 1 the clean one ({self.clean:.3g})"
        at_once = f", {self.width} micro-turns at once" if self.width > 1 else ""
        title = f"{self.metric}{at_once}: {ends}"
        return patch_figure(self.value, self.names, self.index.astype(np.float64) * TICK_S, title, theme, width=width)

    def __repr__(self) -> str:
        rows, columns = self.value.shape
        best = ", ".join(
            f"{value:.2f} at {site}{'' if head is None else f' head {head}'}, {at_s:g} s"
            for site, head, at_s, value in self.top(1)
        )
        return f"Patched({rows} rows × {columns} micro-turns, {self.metric}: most {best})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.figure()._repr_mimebundle_(**options)


def patch_sweep(
    clean: Timeline | Any,
    corrupted: Timeline | Any,
    metric: Measured,
    sites: NamesFilter = None,
    by: Literal["layer", "head"] = "layer",
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    rows: Rows = None,
    width: int = 1,
    until_s: float | None = None,
    metric_sites: Sequence[str] = (),
    model: Model = None,
    progress: Bar | None = bar,
) -> Patched:
    """Puts the clean run's activations into the corrupted run, one site and micro-turn at a time, and measures.

    clean, corrupted  timelines or recordings of the same micro-turns, told apart by what came in
    metric    ``fn(acts, cache)``, such as ``p_speak(at_s)``, ``speak_logit(at_s)``, ``first_speak(from_s)``, or yours
    sites     what to patch; None is the residual stream into the layers and out of each, or by head what the heads mix
    by        "layer": a row for each site. "head": a row for each head of each site
    start_s, end_s  which micro-turns to patch; None is from the beginning, to the end of what the metric needs
    rows      which tokens of a micro-turn are patched, such as "act" or "audio"; None is all of them
    width     how many micro-turns are patched at once; a signal that is spread over time needs more than one
    until_s   to where each patched run is lived through; None is what the metric needs, else the end
    metric_sites  what a function of your own finds in its cache
    model     None is the timelines' own
    progress  what shows how far it is, called as tqdm is; None shows nothing

    Patches that put in what was there anyway are not run: their value is 0. Raises ProbeError where the two are not of
    the same micro-turns, rate or model, or are measured alike, so that there is nothing to bring back; UnknownSite.
    """
    if by not in ("layer", "head") or isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ProbeError(f"patch_sweep(by={by!r}, width={width!r}): expected by 'layer' or 'head', and width from 1 on")
    clean, corrupted = timeline_of(clean), timeline_of(corrupted)
    end_of_both_s = _alike(clean, corrupted)
    needed_s = until_s if until_s is not None else getattr(metric, "needs_until_s", None)
    last_s = end_of_both_s if needed_s is None else min(needed_s, end_of_both_s)
    found, own = seated(clean, model)
    owns = own, seated(corrupted, model)[1] and own
    with Inside(found) as inside:
        names = inside.points.chosen(_default_sites(by) if sites is None else sites)
        if wrong := [name for name in names if ATTENTION in axes_of(name)]:
            raise ProbeError(f"{wrong[0]} cannot be patched by token; patch what the heads mix, attn.o.hook_in")
        wanted = [*getattr(metric, "sites", ()), *metric_sites]
        reads = inside.points.chosen(wanted) if wanted else []
        runs = [
            _lived(begin(one, its_own, inside, start_s, last_s, _told(progress)), inside, {*names, *reads})
            for one, its_own in zip((clean, corrupted), owns, strict=True)
        ]
        ends = [float(metric(run.acts, run.reading(reads))) for run in runs]
        if not abs(ends[0] - ends[1]) > LEAST_RANGE * max(1.0, *map(abs, ends)):
            raise ProbeError(
                f"the metric is {ends[0]:g} in the clean run and {ends[1]:g} in the corrupted one, so there is nothing "
                "to bring back; take a pair of timelines, or a time, at which the model does something else"
            )
        cells = _cells(runs[0], runs[1], names, by, width, end_s)
        walk = _Walk(inside, begin(corrupted, owns[1], inside, start_s, last_s, _told(None)), reads, runs[1])
        raw = np.full((len(cells.rows), len(cells.index)), ends[1])
        for row, column in (progress or quiet)(cells.todo, total=len(cells.todo), desc="patching"):
            at = range(cells.index[column], cells.index[column] + width)
            site, head = cells.rows[row]
            raw[row, column] = walk.patched(metric, site, patch_from(runs[0].cache, head=head, rows=rows, at=at), at[0])
    value = (raw - ends[1]) / (ends[0] - ends[1])
    says = str(getattr(metric, "says", getattr(metric, "__name__", "metric")))
    index = np.array(cells.index, np.int64)
    return Patched(value, raw, ends[0], ends[1], tuple(cells.rows), index, width, says, walk.steps)


@dataclass(frozen=True)
class _Lived:
    """A run as it was: its acts, and what passed."""

    acts: list[Act]
    cache: ActivationCache

    def reading(self, names: Sequence[str], until: int | None = None) -> ActivationCache:
        """Some sites, of the micro-turns before the place ``until``."""
        seen = [Seen(one.index, {name: one.at[name] for name in names}, one.tokens) for one in self.cache.seen[:until]]
        return ActivationCache(seen, {name: self.cache.axes[name] for name in names}, self.cache.points)


def _lived(stretch: Any, inside: Inside, names: set[str]) -> _Lived:
    seen: list[Seen] = []
    seeing = Seeing(inside, names or {next(iter(inside.points))}, seen.append)
    acts = [act for _, act in stretch.through(seeing)]
    seeing.close()
    return _Lived(acts, ActivationCache(seen, seeing.axes, inside.points))


class _Walk:
    """The corrupted run, walked along once; from where it is, patched runs are made on copies of its state."""

    def __init__(self, inside: Inside, stretch: Any, reads: list[str], run: _Lived) -> None:
        self.inside, self.stretch, self.reads, self.run = inside, stretch, reads, run
        self.place = 0
        self.steps = 0
        self._state = stretch.state

    def patched(self, metric: Measured, site: str, hook: HookFunction, at: int) -> float:
        """The metric of the whole stretch when a hook is on from micro-turn ``at`` on."""
        moments = self.stretch.moments
        while moments[self.place].index < at:
            self._state = self._step(self.inside, moments[self.place], self._state)[1]
            self.place += 1
        cache = self.run.reading(self.reads, self.place)
        acts, state = self.run.acts[: self.place], copy.deepcopy(self._state)
        off = self.inside.add(site, hook)
        chair = Seeing(self.inside, self.reads, cache.seen.append) if self.reads else self.inside
        try:
            for moment in moments[self.place :]:
                act, state = self._step(chair, moment, state)
                acts.append(act)
        finally:
            off()
            if chair is not self.inside:
                chair.close()
        return float(metric(acts, cache))

    def _step(self, chair: Inside | Seeing, moment: Moment, state: Any) -> tuple[Act, Any]:
        if moment.index in self.stretch.opened:
            state = chair.open(self.stretch.config)
        self.steps += 1
        return chair.step(state, moment.percept)


@dataclass(frozen=True)
class _Cells:
    """What is patched: rows by columns, of which ``todo`` (row, column) change anything, by time."""

    rows: list[tuple[str, int | None]]
    index: list[int]
    todo: list[tuple[int, int]]


def _cells(clean: _Lived, corrupted: _Lived, names: list[str], by: str, width: int, end_s: float | None) -> _Cells:
    pairs = list(zip(clean.cache.seen, corrupted.cache.seen, strict=True))
    within = [one.index for one, _ in pairs if end_s is None or one.index * TICK_S < end_s - 1e-6]
    if len(within) < width:
        raise ProbeError(f"width={width}: only {len(within)} micro-turns are to be patched; widen start_s to end_s")
    index = within[: len(within) - width + 1]
    rows: list[tuple[str, int | None]] = []
    for name in names:
        axes = axes_of(name)
        if by == "layer":
            rows.append((name, None))
        elif "head_index" in axes:
            count = pairs[0][0].at[name].shape[axes.index("head_index")]
            rows += [(name, head) for head in range(count)]
        else:
            raise ProbeError(f"by='head': {name} has no heads; take attn.o.hook_in or another site that has")
    other = [[not _same(a, b, name, head) for a, b in pairs] for name, head in rows]
    todo = [
        (row, column) for column in range(len(index)) for row in range(len(rows)) if any(other[row][column:][:width])
    ]
    return _Cells(rows, index, todo)


def _same(a: Seen, b: Seen, name: str, head: int | None) -> bool:
    """Whether putting one in the place of the other changes nothing."""
    one, other = a.at[name], b.at[name]
    if one.shape != other.shape or (a.tokens and b.tokens and list(a.tokens.slot) != list(b.tokens.slot)):
        return False
    if head is not None:
        place = axes_of(name).index("head_index")
        one, other = one.select(place, head), other.select(place, head)
    return bool((one == other).all())


def _alike(clean: Any, corrupted: Any) -> float:
    """When both end, in seconds. Raises ProbeError where they are not of the same micro-turns."""
    if clean is corrupted:
        raise ProbeError("clean and corrupted are the same timeline; give two that differ in one thing")
    if clean.output_rate != corrupted.output_rate:
        raise ProbeError(f"clean is at {clean.output_rate} Hz and corrupted at {corrupted.output_rate} Hz")
    ticks = [[moment.index for moment in one.moments] for one in (clean, corrupted)]
    if ticks[0] != ticks[1]:
        raise ProbeError(
            f"clean is {clean!r} and corrupted {corrupted!r}: they are aligned by micro-turn, so both must have the "
            "same ones; cut them alike, timeline[a_s:b_s], or fork one from the other"
        )
    if not ticks[0]:
        raise ProbeError("clean and corrupted hold no moment")
    origins = [one.origin for one in (clean, corrupted)]
    if None not in origins and origins[0].seated().spec != origins[1].seated().spec:
        raise ProbeError("clean and corrupted were made by different models; make both with the same one")
    return float((ticks[0][-1] + 1) * TICK_S)


def _default_sites(by: str) -> Callable[[str], bool]:
    wanted = r"blocks\.(0\.hook_in|\d+\.hook_out)" if by == "layer" else r"blocks\.\d+\.attn\.o\.hook_in"
    return lambda name: re.fullmatch(wanted, name) is not None


def _told(progress: Bar | None) -> Callable[[str], object]:
    return print if progress is not None else lambda _: None
