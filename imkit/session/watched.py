"""What a session lets others see: its state, its surfaces, its numbers, and whom it tells when they change."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from imkit.capture import Source
from imkit.capture.clock import SourceClock
from imkit.stream import InteractionModel, Ledger, Moment, SessionError, Timeline
from imkit.surfaces import Board, Surface

from .delegation import Delegation
from .drive import STALL_S, Inbox
from .record import TaskRecord
from .tally import Tally


class State(StrEnum):
    """What a session is doing."""

    IDLE = "idle"
    WAITING = "waiting"
    LIVE = "live"
    STALLED = "stalled"
    STOPPED = "stopped"
    CLOSED = "closed"


class Watched:
    """The side of a session that only looks. ``clock`` gives rising seconds."""

    def __init__(self, model: InteractionModel[Any], source: Source | None, clock: Callable[[], float]) -> None:
        self.model = model
        self.source = source
        self.timeline = Timeline(model.spec.output_rate)
        self.board = Board()
        """The surfaces, and what people do with them."""
        self.reason = ""
        """Why the session is not running, in words; "" while nothing went wrong."""
        self.looker: Any = None
        """What looks into the model, made when it first is: see ``imkit.probe.capture``."""
        self._ledger = Ledger(model.spec.output_rate)
        self._inbox = Inbox()
        self._clock = clock
        self._state = State.IDLE
        self._running = False
        self._beat_s = 0.0
        self._tally = Tally()
        self._delegated: Delegation | None = None
        self._on_surface: list[Callable[[Surface], object]] = []
        self._on_state: list[Callable[[State, str], object]] = []

    @property
    def surfaces(self) -> list[Surface]:
        """What was generated or shown, oldest first; at most 100."""
        return self.board.surfaces

    @property
    def tasks(self) -> list[TaskRecord]:
        """What became of the work that was handed over, oldest first: the newest 64 of this run, or while live."""
        return [] if self._delegated is None else self._delegated.tasks

    @property
    def state(self) -> State:
        """idle, waiting (for the source), live, stalled (the loop is held up), stopped or closed."""
        if self._state is State.LIVE and self._running and self._clock() - self._beat_s > STALL_S:
            return State.STALLED
        return self._state

    @property
    def live(self) -> bool:
        """Whether it runs in a thread of its own, by a clock, and not in virtual time."""
        return self._running

    @property
    def epoch(self) -> int:
        """The run of speech that the model is in; it rises whenever the model yields."""
        return self._ledger.epoch

    @property
    def ledger(self) -> Ledger:
        """Generated, sent and played samples, and the words that were really heard."""
        return self._ledger

    def on_surface(self, callback: Callable[[Surface], object]) -> None:
        """Calls ``callback(surface)`` in the loop's thread for every generated cell."""
        self._on_surface.append(callback)

    def on_state(self, callback: Callable[[State, str], object]) -> None:
        """Calls ``callback(state, reason)`` whenever the state changes, in the thread that changes it."""
        self._on_state.append(callback)

    def stats(self) -> dict[str, Any]:
        """What was done, missed and dropped so far, as plain numbers and strings.

        "tasks" tells what became of calls: asked, done, failed, refused; of their events: stale (nobody wanted them any
        more) and dropped_parts (over 64 of a task); and of what ``desk.on_cancel`` was given: dropped_callbacks (over
        64 of a task) and callback_errors. The other "callback_errors" is of ``on_surface``, ``on_state`` and sinks.
        "source_ppm" and "source_ahead_ms" tell how much faster than the kernel's clock a page counts its sound, and by
        how much it is ahead; None where no clock was measured for a minute.
        "probe" tells what looks into the model or changes it, at what cost, and what of that ended by itself.
        """
        samples, rate = self._ledger.counts(), self._ledger.output_rate
        return {
            "state": str(self.state),
            "reason": self.reason,
            "model": self.model.spec.name,
            "ticks": len(self.timeline),
            "seconds": round(self.timeline.duration_s, 1),
            "epoch": self.epoch,
            "surfaces": len(self.surfaces),
            "dropped_surface_lines": self.board.counts["dropped_lines"],
            "generated_s": round(samples.generated / rate, 1),
            "sent_s": round(samples.sent / rate, 1),
            "played_s": round(samples.played / rate, 1),
            **self._tally.read(self._inbox, self.source),
            **_against_the_clock(self.source),
            "probe": {} if self.looker is None else self.looker.stats(),
            "snapshots": len(self.timeline.origin.snapshots or ()) if self.timeline.origin is not None else 0,
        }

    def __repr__(self) -> str:
        stats = self.stats()
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"{type(self).__name__}({stats['model']}, {stats['state']}{why}, {stats['seconds']} s, "
            f"{stats['missed_deadlines']} deadlines missed, {stats['dropped_audio_ticks']} ticks dropped)"
        )

    def _enter(self, state: State, reason: str) -> None:
        if self._state is State.CLOSED:  # closed from the loop's own thread, which still winds up
            return
        changed = state is not self._state or reason != self.reason
        self._state, self.reason = state, reason
        for callback in self._on_state if changed else ():
            self._tell(callback, state, reason)

    def _tell(self, callback: Callable[..., object], *values: object) -> None:
        try:
            callback(*values)
        except Exception:
            self._tally.callback_errors += 1  # somebody's display broke; the conversation goes on

    def _failure(self, error: BaseException) -> str:
        if isinstance(error, SessionError):  # the process that the model lived in is gone
            return str(error)
        name, at_s = self.model.spec.name, self.timeline.end_s
        return f"The model {name} failed at {at_s:.1f} s: {type(error).__name__}: {error}"

    def _notice(self, moment: Moment) -> None:
        self._tally.note(moment)
        for surface in self.board.notice(moment):
            self._announce(surface)

    def _announce(self, surface: Surface) -> None:
        self._tally.dropped_surfaces = self.board.counts["dropped"]
        for callback in self._on_surface:
            self._tell(callback, surface)


def _against_the_clock(source: object) -> dict[str, float | None]:
    """How a source that counts its own samples stands to the kernel's clock."""
    clock = getattr(source, "sound_clock", None)
    if not isinstance(clock, SourceClock) or clock.ppm is None:
        return {"source_ppm": None, "source_ahead_ms": None}
    return {"source_ppm": round(clock.ppm, 1), "source_ahead_ms": round(1000 * clock.ahead_s, 1)}
