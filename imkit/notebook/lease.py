"""One view captures and plays; the others look on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

MAX_VIEWS: Final = 32
MAX_FACT_CHARS: Final = 2_000
COMM_SILENT_S: Final = 75.0
CAPTURE_SILENT_S: Final = 5.0
SOCKET_LOST_S: Final = 5.0


@dataclass(slots=True)
class View:
    """A page that shows the widget. ``port`` is the socket it is on, None while it is on the comm."""

    id: str
    page_session: str
    port: Any = None
    heard_s: float = 0.0
    capturing: bool = False
    lost_s: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def note(self, name: str, value: Any) -> None:
        """Keeps what the page told of itself; of what is longer than 2,000 characters of JSON, only that it was."""
        self.facts[name] = value if len(json.dumps(value)) <= MAX_FACT_CHARS else "(too long to keep)"

    def gone(self, now_s: float) -> bool:
        """Whether it must be taken for closed: a page that goes says nothing."""
        if self.port is not None:
            return False
        if self.lost_s is not None:
            return now_s - self.lost_s > SOCKET_LOST_S
        return now_s - self.heard_s > (CAPTURE_SILENT_S if self.capturing else COMM_SILENT_S)


class Lease:
    """Who holds the one right to capture and play. Time is handed in, in seconds on any rising clock."""

    def __init__(self) -> None:
        self.views: dict[str, View] = {}
        self.holder: str | None = None

    def enter(self, view: View) -> None:
        """A page said hello. Of too many views the one heard least recently is forgotten."""
        self.views[view.id] = view
        while len(self.views) > MAX_VIEWS:
            self._forget(min(self.views.values(), key=lambda seen: (seen.id == self.holder, seen.heard_s)).id)

    def take(self, view_id: str) -> bool:
        """Gives the lease to a view that is known, whoever had it. True when it changed hands."""
        if view_id not in self.views:
            return False
        changed, self.holder = self.holder != view_id, view_id
        for view in self.views.values():
            view.capturing = view.capturing and view.id == view_id
        return changed

    def release(self, view_id: str) -> bool:
        """The view lets go. True when it was the holder."""
        if view_id in self.views:
            self.views[view_id].capturing = False
        if self.holder != view_id:
            return False
        self.holder = None
        return True

    def expire(self, now_s: float) -> bool:
        """Forgets views that are gone. True when the holder was among them."""
        before = self.holder
        for view in [view for view in self.views.values() if view.gone(now_s)]:
            self._forget(view.id)
        return before is not None and self.holder is None

    @property
    def capturing(self) -> bool:
        """Whether somebody is there to hear."""
        holder = self.views.get(self.holder or "")
        return holder is not None and holder.capturing

    def _forget(self, view_id: str) -> None:
        del self.views[view_id]
        if self.holder == view_id:
            self.holder = None
