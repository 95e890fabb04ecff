"""The server: connections, one beat for all sessions, and one thread in which the model thinks."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

from imkit.adapters.realtime_address import is_loopback
from imkit.adapters.realtime_events import Json, error, write
from imkit.stream import ImkitError, InteractionModel

from .beat import Beat
from .door import PATHS, Door, Refusal, chosen
from .limits import Limits
from .pace import Pace, RealPace
from .seat import Seat

START_S: Final = 10.0
JOIN_S: Final = 5.0
CLOSE_S: Final = 1.0
LEAST_TOKEN: Final = 16
TOKEN_VARIABLE: Final = "IMKIT_SERVE_TOKEN"

_quiet = logging.getLogger("imkit.serve")
_quiet.setLevel(logging.CRITICAL + 1)  # below it the library would write requests down, and tokens with them


class ServeError(ImkitError):
    """A server cannot be started as asked."""


class Server:
    """Serves ``model`` to clients of the OpenAI Realtime API.

    host     where to listen; other than the loopback only with a token of your own, 16 characters or more
    port     0 takes a free one
    token    what clients must know; None reads IMKIT_SERVE_TOKEN, and makes one where there is none
    origins  pages of other machines that may come in: "https://host:port"
    pace     makes what tells when to step; None is the wall clock

    ``start`` and ``close`` run it in a thread of its own, or use it as a context manager; ``run`` serves in this
    thread until it is interrupted. Nothing of what is said is kept or logged.
    """

    def __init__(
        self,
        model: InteractionModel[Any],
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        *,
        origins: Iterable[str] = (),
        limits: Limits | None = None,
        pace: Callable[[], Pace] = RealPace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if importlib.util.find_spec("websockets") is None:
            raise ServeError("serving needs the websockets package; run: pip install 'imkit[serve]'")
        given = (token or os.environ.get(TOKEN_VARIABLE, "")).strip()
        local = is_loopback(host)
        if not 0 <= port <= 65_535:
            raise ServeError(f"port={port}, expected a number from 0 (a free one) to 65535")
        if not local and len(given) < LEAST_TOKEN:
            raise ServeError(
                f"host={host!r} is reached from other machines: give a token of at least {LEAST_TOKEN} characters "
                f"(--token, or the variable {TOKEN_VARIABLE}), or listen on 127.0.0.1"
            )
        if given and not (given.isascii() and given.isprintable() and " " not in given):
            raise ServeError("the token holds a character that no header may hold; use letters, digits, - and _")
        self.token = given or secrets.token_urlsafe(24)
        self.made_token = not given
        """The token was made here, and somebody has to be told."""
        self.limits = limits or Limits()
        self.host, self.port = host, port
        self.door = Door(self.token, local, frozenset(origins))
        self.beat = Beat(model, self.limits, pace, clock)
        self.chairs, self.seats, self.counts = self.beat.chairs, self.beat.seats, self.beat.counts
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"Server({self.chairs.spec.name}, {self.url!r}, {len(self.seats)} of {self.limits.sessions} sessions)"

    @property
    def url(self) -> str:
        """The address, without the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{self.port}{PATHS[0]}"

    # --- from outside

    def start(self) -> Self:
        """Listens, in a thread of its own. Raises ServeError when it cannot."""
        self.chairs.ready()
        self._thread = threading.Thread(target=self._in_thread, name="imkit-serve", daemon=True)
        self._thread.start()
        self._listening.wait(START_S)
        if self._failure is not None:
            raise ServeError(
                f"{self.host}:{self.port}: {self._failure}; is the port taken? Port 0 takes a free one"
            ) from self._failure
        return self

    def close(self) -> None:
        """Ends all sessions and stops listening. May be called twice."""
        loop, stop, thread = self._loop, self._stop, self._thread
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
        if thread is not None:
            thread.join(JOIN_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def run(self, listening: Callable[[], object] = lambda: None) -> None:
        """Serves in this thread until interrupted; ``listening`` is called once clients can come."""
        self.chairs.ready()
        try:
            asyncio.run(self._serve(listening))
        except OSError as error:
            raise ServeError(
                f"{self.host}:{self.port}: {error.strerror or error}; is the port taken? Port 0 takes a free one"
            ) from error

    def _in_thread(self) -> None:
        try:
            asyncio.run(self._serve(lambda: None))
        except BaseException as error:
            self._failure = error
        finally:
            self._listening.set()

    # --- the loop

    async def _serve(self, listening: Callable[[], object]) -> None:
        from websockets.asyncio.server import ServerConnection, serve

        limits, server = self.limits, self
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()

        class Knock(ServerConnection):
            """A connection, refused before a byte is read when too many are at the door."""

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                if len(self.server.handlers) > limits.sessions + limits.handshakes:
                    server.counts["too_many_connections"] += 1
                    self.transport.abort()

        async with serve(
            self._attend,
            self.host,
            self.port,
            process_request=self._ask,
            select_subprotocol=lambda _, offers: chosen(offers),  # type: ignore[arg-type, return-value]
            compression=None,
            server_header=None,
            open_timeout=limits.handshake_s,
            close_timeout=CLOSE_S,
            ping_interval=20.0,
            ping_timeout=20.0,
            max_size=limits.message_bytes,
            max_queue=(8, 2),
            logger=_quiet,
            create_connection=Knock,
        ) as listener:
            self.port = next(iter(listener.sockets)).getsockname()[1]
            self._listening.set()
            listening()
            beat = asyncio.ensure_future(self.beat.run())
            try:
                await self._stop.wait()
            finally:
                beat.cancel()
                await asyncio.gather(beat, return_exceptions=True)

    def _ask(self, connection: Any, request: Any) -> Any:
        """The door, for one request: None lets in."""
        refusal = self.door.check(request.path, request.headers, self.beat.full)
        return None if refusal is None else _refused(connection, refusal)

    async def _attend(self, connection: Any) -> None:
        """One client, from the first event to the last."""
        if self.beat.full:  # two came in at once
            self.counts["turned_away"] += 1
            await connection.send(write(_event(error("session_limit", "all sessions of this server are taken"))))
            await connection.close(1013, "all sessions are taken")
            return
        wake = asyncio.Event()
        seat = self.beat.seat(wake.set)
        jobs = [
            asyncio.ensure_future(self._listen(connection, seat)),
            asyncio.ensure_future(_send(connection, seat, wake)),
        ]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.beat.leave(seat)
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            if seat.ended:
                await _say_goodbye(connection, seat)

    async def _listen(self, connection: Any, seat: Seat) -> None:
        async for message in connection:
            seat.take(message)
            if seat.ended:
                return
            await asyncio.sleep(0)  # a client that floods takes turns with the others


async def _send(connection: Any, seat: Seat, wake: asyncio.Event) -> None:
    while True:
        wake.clear()
        while (message := seat.sent()) is not None:
            await connection.send(message)
        if seat.ended:
            return
        await wake.wait()


async def _say_goodbye(connection: Any, seat: Seat) -> None:
    """What is left to be said, as far as it is read, and why it is over."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_S):
            while (message := seat.sent()) is not None:
                await connection.send(message)
    with contextlib.suppress(Exception):
        await connection.close(1008 if "model" not in seat.ended else 1011, seat.ended[:100])


def _event(event: Json) -> Json:
    return {"event_id": f"event_{secrets.token_hex(6)}", **event}


def _refused(connection: Any, refusal: Refusal) -> Any:
    """A refusal as an HTTP answer, told as the API tells errors."""
    body = {"error": {"type": "invalid_request_error", "code": str(refusal.status), "message": refusal.words}}
    answer = connection.respond(HTTPStatus(refusal.status), json.dumps(body) + "\n")
    del answer.headers["Content-Type"]
    answer.headers["Content-Type"] = "application/json"
    if refusal.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if refusal.status == 503:
        answer.headers["Retry-After"] = "10"
    return answer
