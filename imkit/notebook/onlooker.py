"""A view that only looks on: the running strip of a session, whatever its source and whoever captures for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imkit.session import State
from imkit.stream import Moment, SessionError

from .cells import close_widget
from .codec import FrameError, Kind, decode, json_frame
from .lease import Lease, View
from .outbox import Outbox
from .roads import CommRoad, Delivery
from .strings import CLOSED
from .widget import Panel, kernel_note
from .wire import moment_json

if TYPE_CHECKING:
    from .live import LiveSession

KEEP_S = 30.0
_RUNNING = {State.LIVE, State.WAITING, State.STALLED}


def live_view(session: LiveSession) -> LiveView:
    """The running strip of ``session`` as a widget of its own; see ``Session.live_view``. Raises SessionError."""
    from .live import LiveSession

    if not isinstance(session, LiveSession):
        raise SessionError(f"live_view() got {type(session).__name__}, expected the imkit.Session that it is to show")
    return session.live_view()


class LiveView:
    """Make it a cell's last expression. ``session.live_view()`` makes it, and it is closed with the session.

    Pages are told of moments and of the session's state. Nothing that they say goes further than to here, so a page
    that shows nothing else can neither capture, speak, answer nor take the lease. Raises SessionError in a kernel that
    cannot work.
    """

    def __init__(self, session: LiveSession, clock: Callable[[], float] = time.monotonic) -> None:
        kernel_note()
        self._session = session
        self._clock = clock
        self._followed = session.timeline
        self.counts: Counter[str] = Counter()
        """What pages said that a view does not heed, and what could not be sent."""
        self._pages = Lease()  # only for who is there: nobody ever takes it
        self.panel = Panel(session_id=session.id, output_rate=session.model.spec.output_rate, show="strip")
        self._outbox = Outbox(Delivery(CommRoad(self.panel.send_frame), self._pages, self.counts))
        self.panel.listen(self.receive)

    def receive(self, data: bytes, view: str | None = None) -> None:
        """One message of a page. Never raises."""
        try:
            frame = decode(data, upward=True)
        except FrameError:
            self.counts["malformed"] += 1
            return
        message = frame.json() if frame.kind is Kind.CONTROL_UP else {}
        name = str(message.get("view") or view or "")[:80]
        known = self._pages.views.get(name)
        if known is not None:
            known.heard_s = self._clock()
        match message.get("type"):
            case "hello" if name:
                self._pages.enter(View(name, "", heard_s=self._clock()))
                self._welcome({"view": name})
            case "ping":
                self._tell({"type": "pong", "n": message.get("n"), "t": message.get("t")})
            case _:
                self.counts["ignored"] += 1

    # in the loop's thread

    def put(self, moment: Moment) -> None:
        """Tells the pages of a moment."""
        self._pages.expire(self._clock())
        if self._session.timeline is not self._followed:
            self._anew()  # the clock began again; this moment is on the new timeline already
        elif self._pages.views:
            told = moment_json(moment, ack=moment.index, dropped=0)
            self._outbox.put(json_frame(Kind.MOMENT, told, seq=moment.index, time_s=moment.start_s))

    def flush(self, epoch: int) -> None:
        """Nothing to drop: no sound is sent."""

    def state_changed(self, state: State, reason: str) -> None:
        """Tells the pages what the session does now; once it has stopped, the last half minute again, whole."""
        if state in _RUNNING:
            self._tell({"type": "state", "state": str(state), "reason": reason})
        else:
            self._anew()

    def close(self) -> None:
        """Says goodbye and takes the widget away. May be called twice."""
        self.panel.listen(None)
        self._tell({"type": "state", "state": "closed", "reason": CLOSED})
        self._outbox.close()
        close_widget(self.panel)

    # inside

    def _anew(self) -> None:
        self._followed = self._session.timeline
        self._welcome({"anew": True})

    def _welcome(self, more: dict[str, Any]) -> None:
        session = self._session
        recent = session.timeline.between(session.timeline.end_s - KEEP_S)
        self._tell(
            {
                "type": "welcome",
                "session": session.id,
                "model": session.model.spec.name,
                "state": str(session.state),
                "reason": session.reason,
                "socket": None,
                "history": [moment_json(moment, ack=moment.index, dropped=0) for moment in recent],
                **more,
            }
        )

    def _tell(self, message: dict[str, Any]) -> None:
        self._outbox.put(json_frame(Kind.CONTROL_DOWN, message))

    def __repr__(self) -> str:
        return f"LiveView of {self._session!r}"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self._session.state is State.CLOSED:
            return {"text/plain": repr(self)}
        return self.panel._repr_mimebundle_(**options)

    def _display_(self) -> Any:
        """What marimo shows."""
        return repr(self) if self._session.state is State.CLOSED else self.panel
