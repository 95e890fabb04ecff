"""The link between a session and its pages: what comes in is checked and queued, what goes out is queued and sent.

Three threads meet here and none waits for another: the transports call ``receive``, the loop calls ``put`` and
``flush``, and the link's own thread does what takes time, such as starting the session.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

from imkit.capture.browser import BrowserSource
from imkit.session import Session
from imkit.stream import Floor, ImkitError, Moment
from imkit.surfaces import Surface, SurfaceError

from .approval import PageApprovals
from .codec import FLAG_GAP, Frame, FrameError, Kind, decode, json_frame, pcm16
from .lease import Lease, View
from .orders import Orders
from .outbox import Outbox
from .roads import CommRoad, Delivery, Road
from .strings import CLOSED, unexpected
from .wire import moment_json, stats_json, transcript_json

KEEP_S: Final = 30
STATS_S: Final = 1.0
HEARTBEAT_S: Final = 30.0
MAX_TEXT_CHARS: Final = 20_000


@runtime_checkable
class Shares(Protocol):
    """A session that can share its notebook."""

    notebook: bool


class Link:
    """Speaks the wire protocol for one session. Also the session's sink.

    socket    what the page must know to open the fast lane; None leaves the comm
    demo      gives the bundled voice, PCM16 at 16 kHz
    show      draws a generated cell; called in the link's thread
    cell      told (cell id, message) of a generated cell that the panel draws; an id of "" is a page that came
    name      the session's id
    note      a sentence about this kernel that the page should show, or ""
    """

    reports_played = True

    def __init__(
        self,
        session: Session,
        comm: CommRoad,
        *,
        socket: Callable[[], dict[str, Any] | None] = lambda: None,
        trust: Callable[[str], object] = lambda _: None,
        demo: Callable[[], bytes] = bytes,
        show: Callable[[Surface], object] = lambda _: None,
        cell: Callable[[str, Any], object] = lambda *_: None,
        name: str = "",
        note: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._source = session.source if isinstance(session.source, BrowserSource) else None
        self._comm = comm
        self._socket, self._trust, self._demo, self._show, self._cell = socket, trust, demo, show, cell
        self._name, self._note = name, note
        self._clock = clock
        self.lease = Lease()
        self.approvals = PageApprovals(self.tell, self.lease, clock=clock)
        self.counts: Counter[str] = Counter()
        self._history: deque[dict[str, Any]] = deque(maxlen=KEEP_S * 5)
        self._told_state = ""
        self._stats_due_s = self._heartbeat_due_s = clock()
        self._closed = False
        self.outbox = Outbox(Delivery(comm, self.lease, self.counts))
        self._orders = Orders(self._failed, self._now_and_then)
        self._orders.start()

    # in the threads of the transports: check, queue, return

    def receive(self, data: bytes, road: Road | None = None, view: str | None = None) -> None:
        """One message of a lane. Never raises: what is malformed is counted by the field that breaks the format."""
        road = road or self._comm
        try:
            frame = decode(data, upward=True)
        except FrameError as error:
            self.counts["malformed"] += 1
            self.counts[f"malformed_{error.field}"] += 1
            return
        view = road.view or view
        seen = self.lease.views.get(view or self.lease.holder or "")
        if seen is not None:
            seen.heard_s = self._clock()
        if frame.kind in (Kind.AUDIO, Kind.FRAME):
            self._take_media(frame, view)
        elif frame.kind is Kind.TEXT:
            self._take_text(frame.json())
        else:
            message = frame.json()
            if message["type"] == "ping":
                self.tell({"type": "pong", "n": message.get("n"), "t": message.get("t")}, road)
            elif message["type"] == "played":
                self._take_played(message)
            else:
                asks = _short(message.get("view")) or view
                if message["type"] == "start" and self._source is not None and self.lease.holder in (None, asks):
                    self._source.expect()  # at once: sound follows, and the session may take a while to open
                self._order(lambda: self._control(message, road, view))

    def left(self, road: Road) -> None:
        """A socket closed. Its page may be gone, or come back over the comm."""
        view = self.lease.views.get(road.view or "")
        if view is not None and view.port is road:
            view.port, view.lost_s = None, self._clock()

    def _take_media(self, frame: Frame, view: str | None) -> None:
        if self._source is None or (view is not None and view != self.lease.holder):
            self.counts["foreign_media"] += 1
        elif frame.kind is Kind.AUDIO:
            self._source.put_audio(frame.seq, frame.pcm(), bool(frame.flags & FLAG_GAP))
        else:
            self._source.put_frame(frame.payload, frame.time_s)

    def _take_text(self, message: dict[str, Any]) -> None:
        text = message.get("text")
        if isinstance(text, str):
            self._order(lambda: self._say(text[:MAX_TEXT_CHARS]))
        elif self._source is not None:
            self._source.put_draft(str(message["draft"])[:MAX_TEXT_CHARS])

    def _take_played(self, message: dict[str, Any]) -> None:
        epoch, samples = message.get("epoch"), message.get("samples")
        if isinstance(epoch, int) and isinstance(samples, int):
            self._session.played(epoch, samples)
        else:
            self.counts["malformed_played"] += 1

    def _order(self, order: Callable[[], object]) -> None:
        self.counts["dropped_orders"] += not self._orders.put(order)

    # in the loop's thread: the sink

    def put(self, moment: Moment) -> bool:
        """Sends a moment, and its sound when somebody is there to hear it and there is any."""
        act = moment.act
        ack = self._source.last_seq if self._source else moment.index
        told = moment_json(moment, ack=ack, dropped=self._source.lost_ticks if self._source else 0)
        self._history.append(told)
        heard = self.lease.capturing and (act.floor is not Floor.LISTEN or bool(act.audio.any()))
        if heard:
            speech = Frame(Kind.SPEECH, pcm16(act.audio), epoch=moment.epoch, seq=act.index, time_s=act.starts_s)
            self.outbox.put(speech, self.lease.holder)
        self.outbox.put(json_frame(Kind.MOMENT, told, epoch=moment.epoch, seq=moment.index, time_s=moment.start_s))
        return heard

    def flush(self, epoch: int) -> None:
        """Drops unsent speech of lower epochs and tells the pages to drop theirs."""
        self.outbox.flush(epoch)
        self.outbox.put(json_frame(Kind.CONTROL_DOWN, {"type": "flush", "epoch": epoch}, epoch=epoch))

    def surface(self, surface: Surface) -> None:
        """A generated cell: drawn below the panel, and announced."""
        self._order(lambda: self._show_surface(surface))

    def order(self, work: Callable[[], object]) -> None:
        """Does ``work`` in the link's own thread; when too much waits there, it is dropped and counted."""
        self._order(work)

    def state_changed(self) -> None:
        """Tells the pages what the session is doing now, when it is something new."""
        state = str(self._session.state)
        if state != self._told_state:
            self._told_state = state
            self.tell({"type": "state", "state": state, "reason": self._session.reason})

    def sharing_changed(self) -> None:
        """Tells the pages whether the notebook is shared now."""
        self.tell({"type": "sharing", "notebook": self._shared()})

    def close(self) -> None:
        """Says goodbye, sends what waits and ends both threads. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.approvals.close()
        self.tell({"type": "state", "state": "closed", "reason": CLOSED})
        self._orders.close()
        self.outbox.close()

    # in the link's own thread

    def _failed(self, error: Exception) -> None:
        """Prints of threads are seen by nobody: the page is where it can be told."""
        known = isinstance(error, ImkitError)
        self.counts["errors"] += not known
        self.tell({"type": "error", "message": str(error) if known else unexpected(error)})

    def _now_and_then(self) -> None:
        now_s = self._clock()
        if now_s < self._stats_due_s:
            return
        self._stats_due_s = now_s + STATS_S
        if self.lease.expire(now_s):
            self._tell_lease()
        self.state_changed()
        if not self.lease.views:
            return
        frame = json_frame(Kind.CONTROL_DOWN, stats_json(self._session.stats(), self.stats()))
        self.outbox.put(frame)
        if now_s >= self._heartbeat_due_s:  # a kernel that only talks through sockets looks idle to a hub
            self._heartbeat_due_s = now_s + HEARTBEAT_S
            self.outbox.put(frame, self._comm)

    def stats(self) -> dict[str, Any]:
        """Pages, lane in use and what was dropped on the way, as plain numbers and strings."""
        on_socket = [view for view in self.lease.views.values() if view.port is not None]
        holder = self.lease.views.get(self.lease.holder or "")
        return {
            "lane": "socket" if (holder.port if holder else bool(on_socket)) else "comm",
            "views": len(self.lease.views),
            "waiting": len(self.outbox),
            **{f"unsent_{name}": number for name, number in self.outbox.dropped.items()},
            **self.counts,
        }

    def _control(self, message: dict[str, Any], road: Road, view: str | None) -> None:
        view = _short(message.get("view")) or view
        match message["type"]:
            case "hello":
                self._hello(message, road)
            case "start":
                self._start(view, message)
            case "stop":
                self._stop(view)
            case "lease":
                self._take_lease(view, bool(message.get("take")))
            case "demo":
                self.outbox.put(Frame(Kind.DEMO, self._demo(), seq=16_000), view or road)
            case "cell":
                self._cell(_short(message.get("cell")), message.get("message"))
            case "ui":
                self._ui(message)
            case "approval":  # a socket belongs to one view, whatever a message on it says
                self.approvals.take(message, road.view or view)
            case "share_notebook":
                self._share(message.get("on") is True, view)
            case "permissions" | "mute" | "share_draft" | "fault":
                self._fact(message, view)
            case _:
                self.counts["unknown_control"] += 1

    def _hello(self, message: dict[str, Any], road: Road) -> None:
        name = _short(message.get("view"))
        if not name:
            self.counts["malformed_hello"] += 1
            return
        known = self.lease.views.get(name)
        port = None if road is self._comm else road
        if port is not None:
            port.view = name
        if known is None:
            known = View(name, _short(message.get("page_session")))
            self.lease.enter(known)
        if port is not None or known.port is None or not known.port.open:
            known.port = port  # a hello that the comm brings late must not take the page off its open socket
        known.lost_s, known.heard_s = None, self._clock()
        known.note("user_agent", str(message.get("user_agent", ""))[:200])
        if isinstance(message.get("origin"), str):
            self._trust(message["origin"])
        if message.get("capturing") is True and self.lease.holder in (None, name):
            self.lease.take(name)  # a page that was forgotten while it was silent still captures
            known.capturing = True
        if port is None or message.get("lane") == "comm":  # the capture page has a socket where others have the comm
            self._welcome(name, road)
            self._cell("", None)
        self._tell_lease()

    def _welcome(self, view: str, road: Road) -> None:
        session = self._session
        self.tell(
            {
                "type": "welcome",
                "view": view,
                "session": self._name,
                "output_rate": session.model.spec.output_rate,
                "model": session.model.spec.name,
                "state": str(session.state),
                "reason": session.reason,
                "epoch": session.epoch,
                "socket": self._socket(),
                "keep_s": KEEP_S,
                "history": list(self._history),
                "transcript": transcript_json(session.timeline),
                "note": self._note,
                "notebook": self._shared(),
                "approvals": [self.approvals.question(one) for one in self.approvals.waiting],
            },
            road,
        )

    def _start(self, view: str | None, message: dict[str, Any]) -> None:
        view = view or self.lease.holder
        if view is None or (self.lease.holder not in (None, view)):
            self._tell_lease()
            return
        self.lease.take(view)
        known = self.lease.views.get(view)
        if known is not None:
            known.capturing = True
            known.note("constraints", message.get("constraints"))
            known.note("output_latency_s", message.get("output_latency_s"))
        self._session.stop()  # a page that starts counts its samples from 0, so speech begins a new epoch
        self._session.start()
        self._tell_lease()

    def _stop(self, view: str | None) -> None:
        view = view or self.lease.holder
        if view is None or self.lease.holder not in (None, view):
            return
        self.lease.release(view)
        if self._source is not None:
            self._source.silence()
        self._session.stop()
        self._tell_lease()

    def _take_lease(self, view: str | None, take: bool) -> None:
        if take and view is not None:
            self.lease.take(view)
        elif view is not None:
            self.lease.release(view)
        self._tell_lease()

    def _say(self, text: str) -> None:
        if text.strip():
            self._session.start()
            self._session.say(text)

    def _ui(self, message: dict[str, Any]) -> None:
        surface, component = _short(message.get("surface")), _short(message.get("component"))
        if surface not in {known.id for known in self._session.surfaces}:
            self.counts["unknown_surface"] += 1
            return
        try:
            self._session.act(surface, component, message.get("value"))
        except SurfaceError:
            self.counts["refused_ui"] += 1

    def _share(self, on: bool, view: str | None) -> None:
        """A page switches sharing the notebook on, where it may speak for the person, or off, which any page may."""
        session = self._session
        if not isinstance(session, Shares):
            self.counts["unknown_control"] += 1
            return
        try:
            if not on or self.lease.holder in (None, view):
                session.notebook = on
        finally:
            self.sharing_changed()  # also when it could not be: the page shows what is

    def _shared(self) -> bool | None:
        """Whether the notebook is shared; None for a session that cannot share one."""
        return self._session.notebook if isinstance(self._session, Shares) else None

    def _fact(self, message: dict[str, Any], view: str | None) -> None:
        known = self.lease.views.get(view or self.lease.holder or "")
        if known is not None:
            known.note(message["type"], {name: value for name, value in message.items() if name != "type"})
        if message["type"] == "fault":
            self.counts["page_faults"] += 1

    def _show_surface(self, surface: Surface) -> None:
        self._show(surface)
        self.tell({"type": "surface", "id": surface.id, "title": surface.title, "kind": str(surface.kind)})

    def _tell_lease(self) -> None:
        self.approvals.lease_changed()
        holder = self.lease.holder
        for view in list(self.lease.views.values()):
            if view.port is not None:
                self.tell({"type": "lease", "holder": holder, "yours": view.id == holder}, view.port)
        if any(view.port is None for view in self.lease.views.values()):
            self.tell({"type": "lease", "holder": holder}, self._comm)

    # out

    def tell(self, message: dict[str, Any], target: Any = None) -> None:
        """Sends a message to one page, by its view or road, or to all. From any thread."""
        self.outbox.put(json_frame(Kind.CONTROL_DOWN, message), target)


def _short(value: object) -> str:
    return value[:80] if isinstance(value, str) else ""
