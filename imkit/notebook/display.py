"""What a session looks like on a page: panel, generated cells, and the lanes between them and the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from imkit.capture.browser import MediaStreamSource
from imkit.session.isolated import Apart

from .apart.lane import LaneApart
from .apart.link import LinkApart
from .cells import Cells, close_widget
from .demo import demo_voice
from .link import Link
from .roads import CommRoad
from .socket_lane import SocketLane
from .surface_view import PanelSurface, SurfaceView
from .widget import Panel, WholePanel, keep_addressed, kernel_note

if TYPE_CHECKING:
    from .live import LiveSession


class Display:
    """Everything of one session that a page or a socket knows of. ``lane`` of "comm" opens no socket.
    ``boxed=False`` is for hosts that show single widgets only: the panel draws the generated cells itself.

    Raises SessionError in a kernel that cannot work.
    """

    def __init__(self, session: LiveSession, lane: str = "", *, boxed: bool = True) -> None:
        note = kernel_note()
        source = session.source
        self.panel = (Panel if boxed else WholePanel)(
            session_id=session.id,
            output_rate=session.model.spec.output_rate,
            media=source.widget if isinstance(source, MediaStreamSource) else None,
        )
        self.cells = Cells(
            act=session.act,
            order=lambda work: self.link.order(work),
            make=SurfaceView if boxed else lambda surface, take: PanelSurface(surface, take, self.link.tell),
        )
        self.box = ipywidgets.VBox([self.panel, self.cells.box])
        for widget in (self.panel.layout, self.box, self.box.layout):
            keep_addressed(widget)
        self.socket: SocketLane | LaneApart | None = None
        self.link: Link = (LinkApart if session.isolated else Link)(
            session,
            CommRoad(self.panel.send_frame),
            socket=lambda: self.socket.address() if self.socket else None,
            trust=self._trust,
            demo=demo_voice,
            show=self.cells.show,
            cell=self.cells.take,
            name=session.id,
            note=note,
        )
        if lane != "comm":
            try:
                self.socket = self._joined(session)
            except OSError:
                self.link.counts["no_socket"] += 1  # a machine without a loopback: the comm carries all
        self.panel.listen(lambda data, view: self.link.receive(data, view=view))

    def mimebundle(self, **options: Any) -> Any:
        """What a notebook shows: the panel with the generated cells below."""
        return self.box._repr_mimebundle_(**options)

    def _joined(self, session: LiveSession) -> SocketLane | LaneApart:
        place = session._place
        traits = {"session_id": session.id, "output_rate": session.model.spec.output_rate, "show": "session"}
        if isinstance(self.link, LinkApart) and isinstance(place, Apart):
            return self.link.join(place, traits)
        return SocketLane(self.link.receive, self.link.left, traits)

    def close(self) -> None:
        """Takes all of it away."""
        self.panel.listen(None)
        self.link.close()
        if self.socket is not None:
            self.socket.close()
        self.cells.close()
        close_widget(self.panel)
        close_widget(self.box)

    def _trust(self, origin: str) -> None:
        if self.socket is not None:
            self.socket.trust(origin)
