"""What a session looks like on a page: panel, generated cells, and the lanes between them and the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from imkit.capture.browser import MediaStreamSource

from .cells import Cells, close_widget
from .demo import demo_voice
from .link import Link
from .roads import CommRoad
from .socket_lane import SocketLane
from .widget import Panel, keep_addressed, kernel_note

if TYPE_CHECKING:
    from .live import LiveSession


class Display:
    """Everything of one session that a page or a socket knows of. ``lane`` of "comm" opens no socket.

    Raises SessionError in a kernel that cannot work.
    """

    def __init__(self, session: LiveSession, lane: str = "") -> None:
        note = kernel_note()
        source = session.source
        self.panel = Panel(
            session_id=session.id,
            output_rate=session.model.spec.output_rate,
            media=source.widget if isinstance(source, MediaStreamSource) else None,
        )
        self.cells = Cells(act=session.act, order=lambda work: self.link.order(work))
        self.box = ipywidgets.VBox([self.panel, self.cells.box])
        for widget in (self.panel.layout, self.box, self.box.layout):
            keep_addressed(widget)
        self.socket: SocketLane | None = None
        self.link = Link(
            session,
            CommRoad(self.panel.send_frame),
            socket=lambda: self.socket.address() if self.socket else None,
            trust=self._trust,
            demo=demo_voice,
            show=self.cells.show,
            name=session.id,
            note=note,
        )
        if lane != "comm":
            try:
                self.socket = SocketLane(self.link.receive, self.link.left)
            except OSError:
                self.link.counts["no_socket"] += 1  # a machine without a loopback: the comm carries all
        self.panel.listen(lambda data, view: self.link.receive(data, view=view))

    def mimebundle(self, **options: Any) -> Any:
        """What a notebook shows: the panel with the generated cells below."""
        return self.box._repr_mimebundle_(**options)

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
        if self.socket is not None and len(self.socket.origins) < 16:
            self.socket.origins.add(origin[:200])
