"""Many replicas of a served model on Ray Serve: ``serve run imkit.serve.ray:app sessions=16 replicas=2``.

A replica holds one model and the states of its sessions, which are stepped together (``step_many``). A client's
WebSocket lives on the replica that took it in, from its first event to its last; nothing of a session is anywhere else.
So a session ends with its replica: with a reason when Serve takes the replica down, with a broken line when it dies.
Clients then connect again and begin anew. Placement, restarts and scaling are Ray Serve's; note that it replaces every
replica when an application is run again, but only adds or takes down some when ``num_replicas`` changes in a file given
to ``serve deploy``, or by itself up to ``max_replicas``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Final

from imkit.adapters import load
from imkit.adapters.realtime_events import error, write

from .beat import Beat
from .door import PATHS, Door, Refusal, chosen, offered
from .limits import Limits
from .seat import Seat
from .server import CLOSE_S, LEAST_TOKEN, TOKEN_VARIABLE, ServeError

try:
    from ray import serve
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect
except ImportError as missing:
    raise ServeError("serving on Ray needs Ray Serve; run: pip install 'imkit[ray]'") from missing

SPARE: Final = 4  # connections beyond the seats that Serve lets through, to be refused in words
WATCH_S: Final = 0.5
TAKEN_DOWN: Final = "this server is being taken down; connect again"
REPLICA_HEADER: Final = b"x-imkit-replica"  # of the answer to a client: where its session is
RESTART, TRY_LATER, FAILED, POLICY = 1012, 1013, 1011, 1008  # close codes of RFC 6455 and its registry


@dataclass(frozen=True)
class Wanted:
    """What ``app`` can be told. From ``serve run`` all of it comes as text.

    model         a name or a folder, as for ``imkit serve``; the folder must be on every machine
    sessions      at a time in one replica; ``imkit bench streams`` tells how many one core carries
    replicas      how many, each with ``cpus`` cores
    max_replicas  more than ``replicas`` lets Serve add some as sessions come, and take them down as they go
    grace_s       how long an answer may go on when its replica is taken down; silent sessions end at once
    origins       pages that may come in, separated by commas
    """

    model: str = "nano"
    sessions: int = 16
    replicas: int = 1
    max_replicas: int = 0
    cpus: float = 1.0
    grace_s: float = 10.0
    origins: str = ""
    token: str = field(default="", repr=False)

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Wanted:
        """From texts. Raises ServeError for what is unknown or does not fit."""
        known: dict[str, Any] = {one.name: type(getattr(cls, one.name)) for one in fields(cls)}
        if strangers := sorted(told.keys() - known.keys()):
            raise ServeError(f"{strangers[0]!r} cannot be set; expected some of {', '.join(known)}")
        try:
            wanted = cls(**{name: known[name](value) for name, value in told.items()})
        except ValueError as wrong:
            raise ServeError(f"{dict(told)}: {wrong}; sessions and replicas are whole numbers") from wrong
        if min(wanted.sessions, wanted.replicas, wanted.cpus) <= 0 or wanted.grace_s < 0:
            raise ServeError(f"{wanted}: sessions, replicas and cpus are more than 0, grace_s is no less")
        token = wanted.token or os.environ.get(TOKEN_VARIABLE, "")
        if len(token) < LEAST_TOKEN:
            raise ServeError(
                f"Ray Serve is reached from other machines: put a token of at least {LEAST_TOKEN} characters into the "
                f"variable {TOKEN_VARIABLE}, which clients send as their API key"
            )
        return replace(wanted, token=token)


def app(told: Mapping[str, Any]) -> Any:
    """The application, as ``serve.run`` and ``serve run`` take it; see ``Wanted`` for what it can be told."""
    wanted = Wanted.read(told)
    scale: dict[str, Any] = {"num_replicas": wanted.replicas}
    if wanted.max_replicas > wanted.replicas:
        scale = {
            "autoscaling_config": {
                "min_replicas": wanted.replicas,
                "max_replicas": wanted.max_replicas,
                "target_ongoing_requests": max(1.0, 0.75 * wanted.sessions),
            }
        }
    ingress: Any = serve.deployment(serve.ingress(web)(Replica))
    deployed = ingress.options(
        name="imkit",
        max_ongoing_requests=wanted.sessions + SPARE,
        graceful_shutdown_wait_loop_s=WATCH_S,
        graceful_shutdown_timeout_s=wanted.grace_s + 10,
        ray_actor_options={"num_cpus": wanted.cpus},
        **scale,
    )
    return deployed.bind(wanted)


class _Headers:
    """A request's headers, as the door asks for them."""

    def __init__(self, socket: WebSocket) -> None:
        self._headers = socket.headers

    def get_all(self, name: str) -> Sequence[str]:
        """All values of a header."""
        return self._headers.getlist(name)


class Replica:
    """One model and its sessions."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.beat = Beat(load(wanted.model), replace(Limits(), sessions=wanted.sessions))
        self.beat.chairs.ready()  # Serve sends nobody here before
        origins = frozenset(filter(None, wanted.origins.split(",")))
        self.door = Door(wanted.token, local=False, origins=origins)
        self.leaving = False
        self._jobs: list[asyncio.Task[None]] = []

    def check_health(self) -> None:
        """Asked by Serve, which puts another replica in the place of one that raises."""
        for job in self._jobs:
            if job.done():
                raise RuntimeError("sessions are stepped no more")

    def health(self) -> dict[str, Any]:
        """For load balancers; tells nothing about what is said."""
        place = serve.get_replica_context().replica_tag
        return {"replica": place, "sessions": len(self.beat.seats), "of": self.wanted.sessions, "pid": os.getpid()}

    async def attend(self, socket: WebSocket) -> None:
        """One client, from the first event to the last."""
        if not self._jobs:
            self._jobs = [asyncio.ensure_future(job) for job in (self.beat.run(), self._watch())]
        headers, query = _Headers(socket), socket.scope.get("query_string", b"").decode("latin-1")
        refusal = self.door.check(f"{PATHS[0]}?{query}", headers, full=False)
        if refusal is not None:
            await _turn_away(socket, refusal)
            return
        if self.beat.full or self.leaving:  # said on the line, since not every proxy lets the words of a 503 through
            words = TAKEN_DOWN if self.leaving else "all sessions of this replica are taken; try again"
            await socket.accept(subprotocol=chosen(offered(headers)))
            await socket.send_text(write({"event_id": "event_0", **error("session_limit", words)}))
            await socket.close(RESTART if self.leaving else TRY_LATER, words)
            return
        wake = asyncio.Event()
        seat = self.beat.seat(wake.set)
        jobs: list[asyncio.Task[None]] = []
        try:
            told = [(REPLICA_HEADER, serve.get_replica_context().replica_tag.encode())]
            await socket.accept(chosen(offered(headers)), told)
            jobs = [asyncio.ensure_future(job) for job in (_listen(socket, seat), _send(socket, seat, wake))]
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.beat.leave(seat)
            for job in jobs:
                job.cancel()
        await asyncio.wait(jobs)
        for job in jobs:
            job.cancelled() or job.exception()  # a client that left in the middle of a message is no error
        if seat.ended:
            await self._say_goodbye(socket, seat)

    async def _say_goodbye(self, socket: WebSocket, seat: Seat) -> None:
        """What is left to be said, as far as it is read, and why it is over."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                while (message := seat.sent()) is not None:
                    await socket.send_text(message)
        code = RESTART if seat.ended == TAKEN_DOWN else FAILED if "model" in seat.ended else POLICY
        with contextlib.suppress(Exception):
            await socket.close(code, seat.ended[:100])

    async def _watch(self) -> None:
        """Ends the sessions when this replica is to go: the silent at once, others when they have finished."""
        place = serve.get_replica_context()
        ask = partial(is_stopping, place.app_name, place.deployment, place.replica_tag)
        while not await asyncio.to_thread(ask):
            await asyncio.sleep(WATCH_S)
        self.leaving = True
        left_s = self.wanted.grace_s
        while True:
            for seat in list(self.beat.seats):
                if seat.reply.active is None or left_s <= 0:
                    seat.fail(TAKEN_DOWN)
            await asyncio.sleep(WATCH_S)
            left_s -= WATCH_S


def _here() -> Any:
    """The replica in this process."""
    return serve.get_replica_context().servable_object


async def _attend(socket: WebSocket) -> None:
    await _here().attend(socket)


async def _health(_: Request) -> JSONResponse:
    return JSONResponse(_here().health())


web = Starlette(routes=[*(WebSocketRoute(path, _attend) for path in PATHS), Route("/health", _health)])


def is_stopping(app_name: str, deployment: str, replica: str) -> bool:
    """Whether Serve takes a replica down. It tells the replica itself only once nothing is under way there any more.

    Asked is what the documented address /api/serve/applications/ gives, without the dashboard that serves it.
    """
    from ray.serve.context import _get_global_client

    client = _get_global_client(raise_if_no_controller_running=False)
    if client is None:
        return False
    application = client.get_serve_details()["applications"].get(app_name, {})
    replicas = application.get("deployments", {}).get(deployment, {}).get("replicas", [])
    states = {one["replica_id"]: one["state"] for one in replicas}
    return states.get(replica) == "STOPPING"


async def _turn_away(socket: WebSocket, refusal: Refusal) -> None:
    """An HTTP answer instead of a connection, as the API tells errors; a bare 403 where the proxy knows no other."""
    if "websocket.http.response" not in socket.scope.get("extensions", {}):
        await socket.close(POLICY, refusal.words)
        return
    body = {"error": {"type": "invalid_request_error", "code": str(refusal.status), "message": refusal.words}}
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
    await socket.send_denial_response(JSONResponse(body, refusal.status, headers))


async def _listen(socket: WebSocket, seat: Seat) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while not seat.ended:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            seat.take(message.get("text") or message.get("bytes") or "")
            await asyncio.sleep(0)  # a client that floods takes turns with the others


async def _send(socket: WebSocket, seat: Seat, wake: asyncio.Event) -> None:
    while True:
        wake.clear()
        while (message := seat.sent()) is not None:
            await socket.send_text(message)
        if seat.ended:
            return
        await wake.wait()
