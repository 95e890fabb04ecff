"""The panel: the widget that shows a session. Media never travels in its traits."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from imkit.stream import SessionError

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
        raise SessionError(
            f"ipykernel {version} loses widget messages and cells that wait for them; expected 7.1 or later. "
            'Run: pip install "ipykernel>=7.4", then restart the kernel.'
        )
    if major < 7:
        return (
            f"ipykernel {version} hands over no widget messages while a cell runs: without the socket lane, "
            'a busy cell holds the conversation up. Cure: pip install "ipykernel>=7.4".'
        )
    return ""


def keep_addressed(widget: ipywidgets.Widget) -> None:
    """Lets messages to ``widget`` go where the page addressed them.

    ipykernel 7.4 sends them to whichever thread spoke on the comm last, so a cell that has touched a widget would hold
    up all that the page says to it.
    """
    comm = widget.comm
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, addressed: addressed  # noqa: ARG005


class Panel(anywidget.AnyWidget):
    """The page's side of one session. Frames of the wire protocol travel as custom messages.

    ``show`` is "session" for all of it, "strip" for the running strip alone.
    """

    session_id = traitlets.Unicode("").tag(sync=True)
    media = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    output_rate = traitlets.Int(16_000).tag(sync=True)
    show = traitlets.Unicode("session").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        type(self)._esm = asset("widget.js")
        type(self)._css = asset("widget.css")
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
            self._receive(bytes(buffer), view if isinstance(view, str) else None)
