"""Looking into a session while it runs: what passes is kept, or changed, and the conversation comes first."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
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
MUCH_MS = 2 * TICK_S * 1000
WARM_STEPS = 2
KEEP_DROPPED = 8
MAX_NAME = 80


class Looker:
    """What sits in a session's chair while somebody looks in: the same model, layer by layer, with hooks on it.

    It is there only as long as it is needed; then the model itself goes on with the same state. While the session is
    live, sound comes first: two micro-turns in a row of over 160 ms end the captures, then the hooks; one of over
    400 ms, as next to a cell that computes in Python, ends both at once.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.perf_counter) -> None:
        self.session = session
        self.inside = Inside(session.model, strict=False)
        self.captures: list[Capture] = []
        self.changes: list[Change] = []
        self.ms: deque[float] = deque(maxlen=256)
        self.dropped: deque[str] = deque(maxlen=KEEP_DROPPED)
        """What ended by itself, and why, the newest last."""
        self.lock = threading.RLock()
        """Held while a micro-turn is stepped: what is put on or taken off is so for whole ones."""
        self._clock = clock
        self._slow = 0
        if self.inside.own:
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
        with self.lock:
            told: dict[str, Any] = {"eager": True}
            if self.changes:
                told["hooks"] = [change.name for change in self.changes]
            started_s = self._clock()
            chair: Any = self.inside
            for capture in self.captures:
                chair = capture.over(chair)
            act, state = chair.step(state, percept)
            self.ms.append((self._clock() - started_s) * 1000)
            self._watch()
        return replace(act, diagnostics={**act.diagnostics, **told}), state

    def add(self, one: Capture | Change) -> None:
        """From the next micro-turn on."""
        with self.lock:
            if self.session.stand_in is not self:
                self.ms.clear()
            if isinstance(one, Capture):
                self.captures = [*self.captures, one]
            else:
                self.changes = [*self.changes, one]
            self.session.stand_in = self

    def remove(self, one: Capture | Change) -> None:
        """No more; the model itself comes back when nobody looks in."""
        with self.lock:
            self.captures = [other for other in self.captures if other is not one]
            self.changes = [other for other in self.changes if other is not one]
            if not self.captures and not self.changes and self.session.stand_in is self:
                self.session.stand_in = None

    def stats(self) -> dict[str, Any]:
        """What is on now, at what cost, how many hooks failed, and what ended by itself."""
        return {
            "told": self.told,
            "captures": [capture.stats() for capture in self.captures],
            "changes": [change.name for change in self.changes],
            "failed_hooks": sum(self.inside.failed.values()),
            "dropped": list(self.dropped),
        }

    @property
    def told(self) -> str:
        """What is on now, in words; "" for nothing."""
        sites = {name for capture in self.captures for name in capture.names}
        words = [f"keeping activations of {len(sites)} site{'s' * (len(sites) != 1)}"] if sites else []
        if self.changes:
            words.append(f"model changed: {', '.join(dict.fromkeys(change.name for change in self.changes))}")
        return ", ".join(words)

    def _watch(self) -> None:
        self._slow = self._slow + 1 if self.session.live and self.ms[-1] > SLOW_MS else 0
        much = self._slow > 0 and self.ms[-1] > MUCH_MS
        if self._slow < SLOW_IN_A_ROW and not much:
            return
        took = " and ".join(f"{ms:.0f}" for ms in list(self.ms)[-self._slow :])
        self._slow = 0
        dropping: list[Capture | Change] = [*self.captures]
        if much or not dropping:
            dropping += self.changes
        for one in dropping:
            one.drop(f"dropped, so that sound goes on: a micro-turn took {took} ms of {TICK_S * 1000:.0f}")

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
        self.last_s, self.max_bytes = last_s, int(max_mb * 1e6)
        self.dropped = ""
        """Why it ended by itself, in words; "" while it did not."""
        self.bytes = 0
        self.let_go = 0
        """Micro-turns that were let go of to stay within ``last_s`` and ``max_mb``."""
        self._looker = looker
        self._ticks = max(1, round(last_s * TICKS_PER_S))
        self._seen: deque[Seen] = deque()
        self._lock = threading.Lock()
        timeline = looker.session.timeline
        self._before_ms = _median([m.compute_ms for m in timeline.moments[-50:] if "eager" not in m.act.diagnostics])
        with looker.lock:
            self._seeing = Seeing(
                looker.inside, names_filter, self._keep, dtype, before=self._lived_through, failed=self.drop
            )
            looker.add(self)

    @property
    def names(self) -> list[str]:
        """The sites, in the order of the network."""
        return list(self._seeing.names)

    @property
    def on(self) -> bool:
        """Whether it still keeps."""
        return self in self._looker.captures and self._looker.session.state != "closed"

    def cache(self) -> ActivationCache:
        """What is held now. It does not change any more when the session goes on."""
        with self._lock:
            seen = list(self._seen)
        return ActivationCache(seen, self._seeing.axes, self._looker.inside.points)

    def stats(self) -> dict[str, Any]:
        """Sites, micro-turns held and let go, megabytes, ms that one takes and took before (p50), and why it ended."""
        return {
            "sites": len(self._seeing.names),
            "held": len(self._seen),
            "let_go": self.let_go,
            "mb": round(self.bytes / 1e6, 1),
            "tick_ms": _median(list(self._looker.ms)),
            "tick_ms_before": self._before_ms,
            "dropped": self.dropped,
        }

    def stop(self) -> None:
        """Keeps no more; what it holds stays. May be called twice."""
        with self._looker.lock:
            self._seeing.close()
            self._looker.remove(self)

    def drop(self, why: str) -> None:
        """Stops and says why."""
        self.dropped = why
        self._looker.dropped.append(f"capture: {why}")
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

    def _lived_through(self) -> list[int]:
        return [moment.index for moment in self._looker.session.timeline.moments]

    def _keep(self, seen: Seen) -> None:
        with self._lock:
            if self._seen and seen.index <= self._seen[-1].index:  # the session plays from its beginning again
                self._let_go(len(self._seen))
            self._seen.append(seen)
            self.bytes += seen.nbytes
            while self._seen and (self._seen[0].index <= seen.index - self._ticks or self.bytes > self.max_bytes):
                self._let_go(1)
        if not self._seen:
            self.drop(
                f"one micro-turn takes {seen.nbytes / 1e6:.1f} MB, max_mb is {self.max_bytes / 1e6:g}; keep fewer"
            )

    def _let_go(self, count: int) -> None:
        for _ in range(count):
            self.bytes -= self._seen.popleft().nbytes
        self.let_go += count


class Change:
    """Hooks on a session while it runs; ``session.hooks(...)`` and ``session.steer(...)`` make one.

    Used in ``with``, or until ``remove()``. When a hook raises, or gives another shape, all of it is taken off;
    ``dropped`` then says why, and ``session.stats()["probe"]["failed_hooks"]`` counts it.
    """

    def __init__(self, looker: Looker, fwd_hooks: FwdHooks, name: str) -> None:
        self.name = str(name)[:MAX_NAME]
        """How it is called in the timeline."""
        self.dropped = ""
        """Why it was taken off by itself, in words; "" while it was not."""
        self._looker = looker
        self._offs: list[Callable[[], None]] = []
        with looker.lock:
            try:
                for names, function in fwd_hooks:
                    self._offs.append(looker.inside.add(names, function, self.drop))
            except Exception:
                self._take_off()
                raise
            if not self._offs:
                raise ProbeError("fwd_hooks is empty; expected (sites, function), ...")
            looker.add(self)

    @property
    def on(self) -> bool:
        """Whether it still changes something."""
        return self in self._looker.changes and self._looker.session.state != "closed"

    def remove(self) -> None:
        """Takes its hooks off. May be called twice."""
        with self._looker.lock:
            self._take_off()
            self._looker.remove(self)

    def drop(self, why: str) -> None:
        """Takes its hooks off and says why."""
        self.dropped = why
        self._looker.dropped.append(f"{self.name}: {why}")
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
    if session.isolated:
        raise ProbeError(
            "the model of this session lives in a child process (isolate=True), where nothing of the notebook reaches "
            "it while it runs; leave out isolate, or look into what happened: session.timeline.run_with_cache(...)"
        )
    if not isinstance(session.looker, Looker):
        session.looker = Looker(session)
    return session.looker


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
    import torch

    _expect(last_s, "last_s", "seconds, an hour at most", 3600)
    _expect(max_mb, "max_mb", "megabytes", float("inf"))
    dtype = torch.float16 if dtype is None else dtype
    return Capture(looker_of(session), names_filter, last_s, max_mb, dtype)


def change(session: Session, fwd_hooks: FwdHooks, name: str = "hooks") -> Change:
    """Puts hooks on a session from its next micro-turn on; ``name`` is what the timeline calls them.

    ``fwd_hooks`` are (sites, function) with ``function(tensor, hook)``; a tensor that it gives takes the place of the
    one that passed. Raises UnknownSite, ProbeError.
    """
    return Change(looker_of(session), fwd_hooks, name)


def _expect(value: Any, name: str, what: str, most: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= most or value == float("inf"):
        raise ProbeError(f"{name}={value!r}: expected {what}, more than 0")


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return round(ordered[len(ordered) // 2], 1) if ordered else 0.0
