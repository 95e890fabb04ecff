"""One generated cell on the pages that show it: all is told in messages, after a page asked, nothing in traits.

Where widgets may stand below each other, each is a widget; where they may not, the panel draws it.
"""

from __future__ import annotations

import time
import uuid
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

import anywidget

from imkit.surfaces import Surface

from .widget import asset, keep_addressed

CONFIRM_S: Final = 1.0

Take = Callable[["SurfaceTalk", dict[str, Any]], object]


class SurfaceTalk:
    """Draws one surface on every page that shows it.

    At most one message is on its way: the next is sent when a page has drawn the last, or after a second; what changed
    meanwhile goes with it. ``take(view, message)`` is called with what a page says, in the thread that the kernel
    handles messages in.
    """

    pins = True
    """Whether a picture of it can be put into the notebook."""

    def __init__(self, surface: Surface, take: Take, clock: Callable[[], float]) -> None:
        self.surface = surface
        self.pinned = False
        self.counts: Counter[str] = Counter()
        self._take: Take | None = take
        self._clock = clock
        self._lock = Lock()
        self._seen: dict[str, Any] | None = None
        self._pictures: dict[str, bytes] = {}
        self._number = 0
        self._sent_s: float | None = None
        self._waiting = False
        self._leave: Callable[[], object] = lambda: None

    def follow(self) -> None:
        """Draws each change of the surface from now on."""
        self._leave = self.surface.watch(lambda _: self.refresh())

    def say(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        """Sends a message to every page."""
        raise NotImplementedError

    def take(self, content: Any, buffers: list[Any]) -> None:
        """What a page said."""
        take = self._take
        if take is None or not isinstance(content, dict) or content.get("imkit") != 1:
            return
        if buffers or not isinstance(content.get("type"), str):
            self.counts["malformed"] += 1
            return
        take(self, content)

    def close(self) -> None:
        """Lets go of the surface."""
        self._take = None
        self._leave()

    def greet(self) -> None:
        """A page has come: tells it everything."""
        with self._lock:
            self._seen, self._pictures = {}, {}
            self._tell_pages()

    def drawn(self, number: object) -> None:
        """A page has drawn message ``number``; sends what has changed since."""
        with self._lock:
            if number != self._number:
                return
            self._sent_s = None
            if self._waiting:
                self._tell_pages()

    def refresh(self) -> None:
        """The surface changed. Nothing is sent while no page has come."""
        with self._lock:
            if self._seen is None:
                return
            if self._sent_s is not None and self._clock() - self._sent_s < CONFIRM_S:
                self._waiting = True
                return
            self._tell_pages()

    def tell_code(self) -> None:
        """Shows the pages the Python that makes this surface again."""
        self.say({"imkit": 1, "type": "code", "text": self.surface.to_code()}, [])

    def _tell_pages(self) -> None:
        """The lock is held."""
        plan = self.surface.layout
        now = {one.id: one.to_json() for one in plan.components.values()}
        seen = self._seen or {}
        pictures = {name: png for name, png in self.surface.images.items() if self._pictures.get(name) is not png}
        self._number += 1
        message = {
            "imkit": 1,
            "type": "draw",
            "n": self._number,
            "whole": not seen,
            "roots": list(plan.roots),
            "components": [line for id, line in now.items() if seen.get(id) != line],
            "gone": [id for id in seen if id not in now],
            "title": self.surface.title,
            "source": self.surface.source,
            "pinned": self.pinned if self.pins else None,
            "pictures": list(pictures),
        }
        self._seen, self._waiting, self._sent_s = now, False, self._clock()
        self._pictures |= pictures
        self.say(message, list(pictures.values()))


class SurfaceView(SurfaceTalk, anywidget.AnyWidget):
    """A widget of its own for one surface."""

    def __init__(self, surface: Surface, take: Take, clock: Callable[[], float] = time.monotonic) -> None:
        type(self)._esm = asset("surface.js")
        type(self)._css = asset("surface.css")
        SurfaceTalk.__init__(self, surface, take, clock)
        anywidget.AnyWidget.__init__(self)
        keep_addressed(self)
        keep_addressed(self.layout)
        self.on_msg(self._on_message)
        self.follow()

    def say(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        """Sends over the comm, while there is one."""
        if self.comm is not None:
            self.send(message, buffers=buffers)

    def close(self) -> None:
        """Lets go of the surface and takes the widget away."""
        SurfaceTalk.close(self)
        anywidget.AnyWidget.close(self)

    def _on_message(self, _: Any, content: Any, buffers: list[Any]) -> None:
        self.take(content, buffers)


class PanelSurface(SurfaceTalk):
    """A surface that the panel draws: its messages go the way of the session's own, ``tell(message)``.

    Pictures are base64 in them. There is no notebook to pin one into.
    """

    pins = False

    def __init__(
        self,
        surface: Surface,
        take: Take,
        tell: Callable[[dict[str, Any]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(surface, take, clock)
        self.id = uuid.uuid4().hex[:12]
        self._tell = tell
        self.follow()
        self.greet()

    def say(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        """Sends by the link."""
        pictures = [b64encode(png).decode("ascii") for png in buffers]
        self._tell({"type": "cell", "cell": self.id, "message": message, "pictures": pictures})

    def close(self) -> None:
        """Lets go of the surface and takes it off the pages."""
        super().close()
        self._tell({"type": "cell", "cell": self.id, "message": {"imkit": 1, "type": "gone"}, "pictures": []})
