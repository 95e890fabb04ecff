"""The panel: the widget that shows a session. Media never travels in its traits."""

from __future__ import annotations

import re
import sys
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import ipywidgets
import traitlets

from imkit.stream import SessionError

from .strings import broken_kernel, old_kernel

STATIC = Path(__file__).parent / "static"


@cache
def asset(name: str) -> str:
    """A built file of the front end as text: a path would tie every instance to the file and never let go of it."""
    path = STATIC / name
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise SessionError(
            f"{path} is missing: this copy of imkit was installed without its front end. "
            "Install a released package, or run `make widget` in a clone."
        ) from None


def kernel_note(version: str | None = None) -> str:
    """What this kernel cannot do, in a sentence; "" when all is well. Raises SessionError for a kernel that hangs.

    ``version`` is that of ipykernel; None looks at the one that runs, and knows nothing to say outside a kernel.
    """
    if version is None:
        if "ipykernel" not in sys.modules:
            return ""
        version = metadata.version("ipykernel")
    found = re.match(r"(\d+)\.(\d+)", version)
    major, minor = (int(part) for part in found.groups()) if found else (0, 0)
    if (major, minor) == (7, 0):
        raise SessionError(broken_kernel(version))
    if major < 7:
        return old_kernel(version)
    return ""


def keep_addressed(widget: ipywidgets.Widget) -> None:
    """Lets messages to ``widget`` go where the page addressed them.

    ipykernel 7.4 sends them to whichever thread spoke on the comm last, so a cell that has touched a widget would hold
    up all that the page says to it.
    """
    comm = widget.comm
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, addressed: addressed  # noqa: ARG005


def buffer_bytes(buffer: Any) -> bytes:
    """A binary buffer as a host hands it over: bytes in Jupyter, elsewhere also lists of numbers or base64.

    What is none of these becomes b"", which is malformed as a frame.
    """
    try:
        if isinstance(buffer, str):
            return b64decode(buffer, validate=True)
        return bytes(buffer) if isinstance(buffer, bytes | bytearray | memoryview | list | tuple) else b""
    except (ValueError, TypeError):
        return b""


class Panel(anywidget.AnyWidget):
    """The page's side of one session. Frames of the wire protocol travel as custom messages.

    ``show`` is "session" for all of it, "strip" for the running strip alone.
    """

    session_id = traitlets.Unicode("").tag(sync=True)
    media = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    output_rate = traitlets.Int(16_000).tag(sync=True)
    show = traitlets.Unicode("session").tag(sync=True)

    STYLES: ClassVar[tuple[str, ...]] = ("widget.css",)

    def __init__(self, **traits: Any) -> None:
        type(self)._esm = asset("widget.js")
        type(self)._css = "\n".join(asset(name) for name in self.STYLES)
        self._receive: Callable[[bytes, str | None], None] | None = None
        super().__init__(**traits)
        keep_addressed(self)
        self.on_msg(self._on_message)

    def listen(self, receive: Callable[[bytes, str | None], None] | None) -> None:
        """Hands every frame to ``receive(data, view)``, in the thread that the kernel handles messages in."""
        self._receive = receive

    def send_frame(self, data: bytes) -> None:
        """Sends one frame to every page that shows this panel. May be called from any thread."""
        if self.comm is None:
            raise SessionError("the panel is closed")
        self.send({"imkit": 1}, buffers=[data])

    def _on_message(self, _: Any, content: Any, buffers: list[Any]) -> None:
        if self._receive is None or not isinstance(content, dict) or content.get("imkit") != 1:
            return
        view = content.get("view")
        for buffer in buffers:
            self._receive(buffer_bytes(buffer), view if isinstance(view, str) else None)


class WholePanel(Panel):
    """A panel that draws generated cells too, for hosts that show single widgets only."""

    STYLES: ClassVar[tuple[str, ...]] = ("widget.css", "surface.css")
