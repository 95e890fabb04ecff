"""The fast lane: a WebSocket on the loopback, served by one daemon thread for all sessions of a kernel."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from imkit.adapters.realtime_address import is_loopback

from .capture_page import ROUTE, CapturePage
from .codec import HEADER_BYTES, MAX_UP_BYTES

HOST: Final = "127.0.0.1"
FULL_BYTES: Final = 1 << 20
MAX_CONNECTIONS: Final = 16
MAX_OPEN: Final = 64
HANDSHAKE_S: Final = 10.0
MAX_REQUEST_BYTES: Final = 1 << 16
JOIN_S: Final = 5.0

_quiet = logging.getLogger("imkit.socket")
_quiet.addHandler(logging.NullHandler())


class Port:
    """One open socket, as the rest sees it. ``view`` is set when the page says hello on it."""

    def __init__(self, handler: _Door, loop: asyncio.AbstractEventLoop) -> None:
        self._handler = handler
        self._loop = loop
        self._pending = 0
        self.view: str | None = None
        self.open = True

    def send(self, data: bytes) -> bool:
        """Sends from any thread, never waits. False, and nothing sent, when closed or when the page reads nothing."""
        if not self.open or self._pending + len(data) > FULL_BYTES:
            return False
        self._pending += len(data)
        try:
            self._loop.call_soon_threadsafe(self._write, data)
        except RuntimeError:  # the server went down meanwhile
            self.open = False
        return self.open

    def _write(self, data: bytes) -> None:
        try:
            written = asyncio.ensure_future(self._handler.write_message(data, binary=True))
        except WebSocketClosedError:
            self.open = False
            return
        written.add_done_callback(lambda done: self._written(done, len(data)))

    def _written(self, done: asyncio.Future[None], size: int) -> None:
        self._pending -= size
        if not done.cancelled() and done.exception() is not None:
            self.open = False


class SocketLane:
    """A session's own door in the kernel's server: an address nobody can guess.

    ``on_message(data, port)`` and ``on_close(port)`` are called in the server's thread and must only enqueue.
    ``traits`` are what the capture page is told in place of a widget's traits.
    """

    def __init__(
        self,
        on_message: Callable[[bytes, Port], None],
        on_close: Callable[[Port], None],
        traits: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.path = f"imkit/{secrets.token_urlsafe(8)}"
        self.token = secrets.token_urlsafe(24)
        self.origins: set[str] = set()
        self.on_message = on_message
        self.on_close = on_close
        self.traits = traits
        self.ports: set[Port] = set()
        self.refused = 0
        self._server = _Server.join(self)
        self.port = self._server.port

    def address(self) -> dict[str, Any]:
        """What the page must know to come in."""
        return {"port": self.port, "token": self.token, "path": self.path}

    def trust(self, origin: str) -> None:
        """A page of this origin may come in, too: of at most 16."""
        if len(self.origins) < 16:
            self.origins.add(origin[:200])

    def admits(self, origin: str) -> bool:
        """Whether a page of this origin may come in: from this machine, or one that said hello through Jupyter."""
        return is_loopback(_name_of(origin)) or origin in self.origins

    def called(self, host: str) -> bool:
        """Whether ``host`` is a name that this machine, or Jupyter's, goes by: no name of others that points here."""
        name = _name_of(f"//{host}")
        return is_loopback(name) or name in {_name_of(origin) for origin in self.origins}

    @property
    def page(self) -> str:
        """The address of the capture page, for a browser on this machine. Who has it can talk in this session."""
        return f"http://{HOST}:{self.port}/{self.path}/page?t={self.token}"

    def knows(self, token: str) -> bool:
        """Whether it is this session's token; a wrong one is counted."""
        right = hmac.compare_digest(token.encode(), self.token.encode())
        self.refused += not right
        return right

    def close(self) -> None:
        """Closes all sockets of this session; the last session to go takes the server with it. May be called twice."""
        self._server.leave(self)


class _Server:
    """The thread, the loop and the listening socket. There is one while any lane is open, and none after."""

    _one: _Server | None = None
    _lock = Lock()

    @classmethod
    def join(cls, lane: SocketLane) -> _Server:
        with cls._lock:
            if cls._one is None:
                cls._one = cls()
            cls._one.lanes[lane.path] = lane
            return cls._one

    def __init__(self) -> None:
        self.lanes: dict[str, SocketLane] = {}
        self._loop = asyncio.new_event_loop()
        sockets = bind_sockets(0, HOST)
        self.port: int = sockets[0].getsockname()[1]
        self._sockets = sockets
        self._thread = Thread(target=self._serve, name="imkit-socket", daemon=True)
        self._thread.start()

    def leave(self, lane: SocketLane) -> None:
        cls = type(self)
        with cls._lock:
            if self.lanes.pop(lane.path, None) is None:
                return
            if self.lanes:
                self._loop.call_soon_threadsafe(_hang_up, lane)
                return
            cls._one = None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_S)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = Application(
            [(ROUTE, CapturePage, {"server": self}), (r"/(.*)", _Door, {"server": self, "loop": self._loop})],
            websocket_max_message_size=MAX_UP_BYTES + HEADER_BYTES,
            log_function=lambda _: None,  # an access log would write the token down
        )
        http = _Narrow(
            app,
            idle_connection_timeout=HANDSHAKE_S,  # and for the headers of a request that never ends
            body_timeout=HANDSHAKE_S,
            max_header_size=MAX_REQUEST_BYTES,
            max_body_size=0,
        )
        http.add_sockets(self._sockets)
        try:
            self._loop.run_forever()
        finally:
            http.stop()
            self._loop.run_until_complete(self._shut(http))
            self._loop.close()

    async def _shut(self, http: HTTPServer) -> None:
        await http.close_all_connections()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class _Narrow(HTTPServer):
    """At most 64 at the door at a time, which is for ten seconds each; who comes then is hung up on."""

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if len(self._connections) >= MAX_OPEN:
            stream.close()
        else:
            super().handle_stream(stream, address)


def _name_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _hang_up(lane: SocketLane) -> None:
    for port in list(lane.ports):
        port._handler.close(1001, "the session was closed")


class _Door(WebSocketHandler):
    """Lets in who knows the path and the token and comes from a page that may; then only passes messages on."""

    def initialize(self, server: _Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.loop = loop
        self.lane: SocketLane | None = None
        self.seat: Port | None = None

    def prepare(self) -> None:
        lane = self.server.lanes.get(self.path_args[0])
        token = self.get_query_argument("t", "")
        if lane is None or not lane.knows(token):
            self.set_status(403)
            self.finish("no session here, or not your token\n")
        elif len(hosts := self.request.headers.get_list("Host")) != 1 or not lane.called(hosts[0]):
            lane.refused += 1
            self.set_status(403)
            self.finish("this server is called by a name that is not its own\n")
        elif len(lane.ports) >= MAX_CONNECTIONS:
            lane.refused += 1
            self.set_status(503)
            self.finish("too many pages are connected to this session\n")
        else:
            self.lane = lane

    def check_origin(self, origin: str) -> bool:
        if self.lane is not None and self.lane.admits(origin):
            return True
        if self.lane is not None:
            self.lane.refused += 1
        return False

    def open(self, *_: str, **__: str) -> None:
        self.set_nodelay(True)
        self.seat = Port(self, self.loop)
        if self.lane is not None:
            self.lane.ports.add(self.seat)

    def on_message(self, message: str | bytes) -> None:
        if self.lane is not None and self.seat is not None:
            data = message.encode() if isinstance(message, str) else message
            self.lane.on_message(data, self.seat)

    def on_close(self) -> None:
        if self.lane is None or self.seat is None:
            return
        self.seat.open = False
        self.lane.ports.discard(self.seat)
        self.lane.on_close(self.seat)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        _quiet.debug("socket", exc_info=(typ, value, tb))
