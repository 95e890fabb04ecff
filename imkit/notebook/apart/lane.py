"""The kernel's side of sockets that a process apart serves: ports to answer on, and the microphone's way there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.capture import BrowserSource, MediaStreamSource
from imkit.notebook.codec import Kind
from imkit.session.isolated import Apart
from imkit.session.isolated.host import Host
from imkit.session.isolated.wire import Message
from imkit.stream import ImkitError

OPEN_S: Final = 5.0
_SENT_THERE: Final = frozenset({Kind.SPEECH, Kind.MOMENT})


class PortApart:
    """One open socket in the process apart, as the link sees it. Moments and speech go out there by themselves."""

    def __init__(self, host: Host, number: int) -> None:
        self._host = host
        self._number = number
        self.view: str | None = None
        self.open = True

    def send(self, data: bytes) -> bool:
        """Hands on a frame, never waits. False when closed."""
        if self.open and data[1] not in _SENT_THERE:
            self._host.line.send(Message("page", {"port": self._number}, (np.frombuffer(data, np.uint8),)))
        return self.open


class LaneApart:
    """As ``SocketLane``, with its server in the process of the session's model."""

    def __init__(
        self,
        place: Apart,
        on_message: Callable[[bytes, PortApart], None],
        on_close: Callable[[PortApart], None],
        traits: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._traits = dict(traits)
        self._place = place
        self._on_message, self._on_close = on_message, on_close
        self._ports: dict[int, PortApart] = {}
        self._open: tuple[Host, dict[str, Any]] | None = None
        place.heard |= {"page": self._page, "left": self._left, "lost": lambda _: self._gone()}
        self.address()

    def address(self) -> dict[str, Any] | None:
        """What the page must know to come in; None while there is no process to come to."""
        host = self._place.alive
        if host is None:
            return None
        if self._open is None or self._open[0] is not host:
            try:
                self._open = host, dict(host.ask("lane", timeout_s=OPEN_S, traits=self._traits))
            except (ImkitError, OSError):  # a machine without a loopback: the comm carries all
                return None
        return self._open[1]

    def trust(self, origin: str) -> None:
        """A page of this origin may come in, too."""
        host = self._place.alive
        if host is not None:
            host.tell("trust", origin=origin[:200])

    def lease(self, holder: str | None, capturing: bool) -> None:
        """Who captures and plays."""
        host = self._place.alive
        if host is not None:
            host.tell("lease", holder=holder, capturing=capturing)

    def close(self) -> None:
        """Pages are not heard any more; the sockets go with the process."""
        for kind in ("page", "left", "lost"):
            self._place.heard[kind] = _ignored
        self._gone()

    # in the thread that reads from the process

    def _page(self, message: Message) -> None:
        number, host = message.values["port"], self._place.alive
        if host is not None:
            port = self._ports.setdefault(number, PortApart(host, number))
            self._on_message(message.arrays[0].tobytes(), port)

    def _left(self, message: Message) -> None:
        port = self._ports.pop(message.values["port"], None)
        if port is not None:
            port.open = False
            self._on_close(port)

    def _gone(self) -> None:
        while self._ports:
            _, port = self._ports.popitem()
            port.open = False
            self._on_close(port)


class BrowserApart(BrowserSource):
    """The browser as a source of a process apart: what comes over the comm is handed on there."""

    host: Callable[[], Host | None] = staticmethod(lambda: None)
    """The process that it is read in, once there is one."""

    def expect(self) -> None:
        """A person pressed Start."""
        self._tell(Message("expect"))

    def put_audio(self, seq: int, pcm: NDArray[np.float32], gap: bool = False) -> None:
        """One tick of sound, float32 [3200] at 16 kHz."""
        self._tell(Message("audio", {"seq": seq, "gap": gap}, (np.ascontiguousarray(pcm, np.float32),)))

    def put_frame(self, jpeg: bytes, time_s: float) -> None:
        """A JPEG picture and when it was taken."""
        self._tell(Message("frame", {"time_s": time_s}, (np.frombuffer(jpeg, np.uint8),)))

    def put_draft(self, text: str) -> None:
        """What is typed by now and not sent."""
        self._tell(Message("draft", {"text": text}))

    def silence(self) -> None:
        """The page stopped capturing."""
        self._tell(Message("silence"))

    def _tell(self, message: Message) -> None:
        host = self.host()
        if host is not None:
            host.line.send(message)


class MediaStreamApart(BrowserApart, MediaStreamSource):
    """A ``MediaStream`` widget as a source of a process apart."""


def _ignored(_: Message) -> None:
    """What comes after the page was taken away."""
