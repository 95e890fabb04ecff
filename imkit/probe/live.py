"""Looking into a session while it runs: what passes is kept, or changed, and the conversation comes first."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

from imkit.session import Session
from imkit.stream import TICK_S, TICKS_PER_S, Act, ModelSpec, OpenConfig, Percept

from .cache import ActivationCache
from .errors import ProbeError
from .inside import FwdHooks, Inside
from .names import NamesFilter
from .seen import Seeing, Seen

MAX_MB = 512
SLOW_MS = 0.8 * TICK_S * 1000
SLOW_IN_A_ROW = 2
WARM_STEPS = 2


class Looker:
    """What sits in a session's chair while somebody looks in: the same model, layer by layer, with hooks on it.

    It is there only as long as it is needed; then the model itself goes on with the same state. When micro-turns take
    over 160 ms twice in a row while the session is live, captures are dropped first, then hooks: sound goes on.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.inside = Inside(session.model, strict=False)
        self.captures: list[Capture] = []
        self.changes: list[Change] = []
        self.ms: deque[float] = deque(maxlen=256)
        self._slow = 0
        self._lock = threading.RLock()
        self._warm_up()

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self.inside.spec

    def open(self, config: OpenConfig) -> Any:
        """A fresh state, as the model's own."""
        return self.inside.open(config)

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        """One micro-turn, looked into. The act says in its diagnostics what was on it."""
        started_s = time.perf_counter()
        chair: Any = self.inside
        for capture in self.captures:
            chair = capture.over(chair)
        act, state = chair.step(state, percept)
        self.ms.append((time.perf_counter() - started_s) * 1000)
        self._watch()
        told: dict[str, Any] = {"eager": True}
        if names := [change.name for change in self.changes if change.on]:
            told["hooks"] = names
        return replace(act, diagnostics={**act.diagnostics, **told}), state

    def add(self, one: Capture | Change) -> None:
        """From the next micro-turn on."""
        with self._lock:
            if isinstance(one, Capture):
                self.captures = [*self.captures, one]
            else:
                self.changes = [*self.changes, one]
            self.session.stand_in = self

    def remove(self, one: Capture | Change) -> None:
        """No more; the model itself comes back when nobody looks in."""
        with self._lock:
            self.captures = [other for other in self.captures if other is not one]
            self.changes = [other for other in self.changes if other is not one]
            if not self.captures and not self.changes and self.session.stand_in is self:
                self.session.stand_in = None

    def _watch(self) -> None:
        self._slow = self._slow + 1 if self.session.live and self.ms[-1] > SLOW_MS else 0
        if self._slow < SLOW_IN_A_ROW:
            return
        self._slow = 0
        why = f"micro-turns took {self.ms[-2]:.0f} and {self.ms[-1]:.0f} ms of {TICK_S * 1000:.0f}"
        dropping: Sequence[Capture | Change] = self.captures or self.changes
        for one in dropping:
            one.drop(f"dropped, so that sound goes on: {why}")

    def _warm_up(self) -> None:
        """The first steps in torch are slow; they are made here, on a state that nobody needs."""
        state = self.inside.open(OpenConfig())
        for index in range(WARM_STEPS):
            _, state = self.inside.step(state, Percept(index))


class Capture:
    """Activations of the last seconds of a session, kept while it runs; ``session.capture(...)`` makes one.

    Used in ``with``, or until ``stop()``. ``capture.cache()`` gives what is held at any time, also after it ended.
    """

    def __init__(self, looker: Looker, names_filter: NamesFilter, last_s: float, max_mb: float, dtype: Any) -> None:
        if not 0 < last_s <= 3600:
            raise ProbeError(f"last_s={last_s!r}: expected seconds, more than 0 and an hour at most")
        if not max_mb > 0:
            raise ProbeError(f"max_mb={max_mb!r}: expected more than 0 megabytes")
        self.last_s, self.max_bytes = last_s, int(max_mb * 1e6)
        self.dropped = ""
        """Why it ended by itself, in words; "" while it did not."""
        self.bytes = 0
        self.let_go = 0
        """Micro-turns that were let go of to stay within ``last_s`` and ``max_mb``."""
        self._looker = looker
        self._seen: deque[Seen] = deque()
        self._lock = threading.Lock()
        before = [moment.compute_ms for moment in looker.session.timeline.moments[-50:]]
        self._before_ms = _median(before)
        self._seeing = Seeing(looker.inside, names_filter, self._keep, dtype)
        looker.add(self)

    @property
    def on(self) -> bool:
        """Whether it still keeps."""
        return self in self._looker.captures

    def cache(self) -> ActivationCache:
        """What is held now. It does not change any more when the session goes on."""
        with self._lock:
            seen = list(self._seen)
        return ActivationCache(seen, self._seeing.axes, self._looker.inside.points)

    def stats(self) -> dict[str, Any]:
        """Micro-turns held and let go, megabytes, and what a micro-turn takes with it and took before, p50 in ms."""
        return {
            "held": len(self._seen),
            "let_go": self.let_go,
            "mb": round(self.bytes / 1e6, 1),
            "tick_ms": _median(list(self._looker.ms)),
            "tick_ms_before": self._before_ms,
            "dropped": self.dropped,
        }

    def stop(self) -> None:
        """Keeps no more; what it holds stays. May be called twice."""
        self._seeing.close()
        self._looker.remove(self)

    def drop(self, why: str) -> None:
        """Stops and says why."""
        self.dropped = why
        self.stop()

    def over(self, chair: Any) -> Seeing:
        """The chair, looked into by this one too."""
        self._seeing.chair = chair
        return self._seeing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        stats, state = self.stats(), "on" if self.on else "ended"
        cost = f"{stats['tick_ms']} ms a micro-turn, before {stats['tick_ms_before']} ms"
        why = f"; {self.dropped}" if self.dropped else ""
        return f"Capture({len(self._seeing.names)} sites, {state}, {stats['held']} held, {stats['mb']} MB, {cost}{why})"

    def _keep(self, seen: Seen) -> None:
        with self._lock:
            self._seen.append(seen)
            self.bytes += seen.nbytes
            oldest = seen.index - round(self.last_s * TICKS_PER_S)
            while self._seen and (self._seen[0].index <= oldest or self.bytes > self.max_bytes):
                self.bytes -= self._seen.popleft().nbytes
                self.let_go += 1


class Change:
    """Hooks on a session while it runs; ``session.hooks(...)`` and ``session.steer(...)`` make one.

    Used in ``with``, or until ``remove()``. When a hook raises, or gives another shape, all of it is taken off;
    ``dropped`` then says why, and ``session.stats()["failed_hooks"]`` counts it.
    """

    def __init__(self, looker: Looker, fwd_hooks: FwdHooks, name: str) -> None:
        self.name = name
        """How it is called in the timeline."""
        self.dropped = ""
        """Why it was taken off by itself, in words; "" while it was not."""
        self._looker = looker
        self._offs: list[Callable[[], None]] = []
        try:
            self._offs += [looker.inside.add(names, function, self.drop) for names, function in fwd_hooks]
        except Exception:
            self._take_off()
            raise
        if not self._offs:
            raise ProbeError("fwd_hooks is empty; expected (sites, function), ...")
        looker.add(self)

    @property
    def on(self) -> bool:
        """Whether it still changes something."""
        return self in self._looker.changes

    def remove(self) -> None:
        """Takes its hooks off. May be called twice."""
        self._take_off()
        self._looker.remove(self)

    def drop(self, why: str) -> None:
        """Takes its hooks off and says why."""
        self.dropped = why
        self.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        why = f"; {self.dropped}" if self.dropped else ""
        return f"Change({self.name}, {'on' if self.on else 'off'}{why})"

    def _take_off(self) -> None:
        for off in self._offs:
            off()


def looker_of(session: Session) -> Looker:
    """The one looker of a session, made when first asked for. Raises ProbeError for a model that is closed to looks."""
    found = session.stand_in if isinstance(session.stand_in, Looker) else None
    return found or Looker(session)


def capture(
    session: Session,
    names_filter: NamesFilter = None,
    last_s: float = 30.0,
    *,
    max_mb: float = MAX_MB,
    dtype: Any = None,
) -> Capture:
    """Keeps the activations of the last seconds of a session while it runs, on the CPU, in half precision.

    names_filter  which sites: a name, several, a function of a name; None is all
    last_s        how far it reaches back; the oldest is let go, also when it takes more than ``max_mb`` megabytes
    dtype         None is ``torch.float16``

    nano then steps in torch layer by layer, which takes longer than its one native call; ``stats()`` says how long. It
    drops itself before sound would be dropped, and says so. Raises UnknownSite, ProbeError.
    """
    if dtype is None:
        import torch

        dtype = torch.float16
    return Capture(looker_of(session), names_filter, last_s, max_mb, dtype)


def change(session: Session, fwd_hooks: FwdHooks, name: str = "hooks") -> Change:
    """Puts hooks on a session from its next micro-turn on; ``name`` is what the timeline calls them.

    ``fwd_hooks`` are (sites, function) with ``function(tensor, hook)``; a tensor that it gives takes the place of the
    one that passed. Raises UnknownSite, ProbeError.
    """
    return Change(looker_of(session), fwd_hooks, name)


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return round(ordered[len(ordered) // 2], 1) if ordered else 0.0
