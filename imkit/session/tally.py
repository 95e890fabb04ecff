"""What was done, missed and dropped, over all starts and runs of a session."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from imkit.stream import Moment

from .delegation import Delegation
from .drive import Inbox
from .place import Driven

KEEP_TIMES = 1500
COUNTED = ("missed_deadlines", "dropped_audio_ticks", "dropped_frames", "gaps", "stalls", "sink_errors", "tap_errors")
TASKS = ("asked", "done", "failed", "refused", "stale", "dropped_parts", "dropped_callbacks", "callback_errors")


class Tally:
    """Sums the counts of drives that are over with those of the one that is under way."""

    def __init__(self) -> None:
        self.compute_ms: deque[float] = deque(maxlen=KEEP_TIMES)
        self.dropped_surfaces = 0
        self.callback_errors = 0
        self._past: Counter[str] = Counter()
        self._past_tasks: Counter[str] = Counter()
        self._now: tuple[Driven, Delegation] | None = None

    def begin(self, drive: Driven, delegation: Delegation) -> None:
        """A drive starts."""
        self.end()
        self._now = (drive, delegation)

    def end(self) -> None:
        """The drive under way, if any, is over."""
        now, self._now = self._now, None
        if now is not None:
            self._past.update(now[0].counts)
            self._past_tasks.update(now[1].counts)

    def note(self, moment: Moment) -> None:
        """One more moment."""
        self.compute_ms.append(moment.compute_ms)

    def read(self, inbox: Inbox, source: object) -> dict[str, Any]:
        """All counts by name; counts that the source keeps itself (``source.counts``) are added in."""
        counts, tasks, now = Counter(self._past), Counter(self._past_tasks), self._now
        if now is not None:
            counts.update(now[0].counts)
            tasks.update(now[1].counts)
        counts.update(inbox.counts)
        of_source = getattr(source, "counts", None)
        counts.update(of_source if isinstance(of_source, Mapping) else {})
        taken = sorted(self.compute_ms)
        return {
            "compute_ms_p50": taken[len(taken) // 2] if taken else 0.0,
            "compute_ms_p99": taken[len(taken) * 99 // 100] if taken else 0.0,
            **dict.fromkeys(COUNTED, 0),
            **counts,
            "stale_results": tasks["stale"],
            "tasks": {name: tasks[name] for name in TASKS},
            "dropped_surfaces": self.dropped_surfaces,
            "callback_errors": self.callback_errors,
        }
