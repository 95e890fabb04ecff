"""The line to a realtime server: one thread, one connection at a time, and what waits on either side of it.

``put`` and ``drain`` never wait. When the connection is lost, the line says so, tries again after a while that grows
with every failure, and counts the ticks of sound that nobody could be told of.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, Protocol

from .realtime_events import Json, WireError, read, write

MAX_UNSENT_TICKS: Final = 10
MAX_UNSENT: Final = 256
MAX_UNREAD: Final = 4096
OPEN_S: Final = 10.0
IDLE_S: Final = 60.0
JOIN_S: Final = 5.0
STEADY_S: Final = 5.0
CONNECTED: Final = "imkit.connected"
SOUND: Final = "input_audio_buffer.append"
OPENED: Final = frozenset({"session.created", "session.updated", "session.resumed"})


class Connection(StrEnum):
    """How a line stands. ``refused`` and ``closed`` are for good."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"
    IDLE = "idle"
    REFUSED = "refused"
    CLOSED = "closed"


class Refused(Exception):
    """The server does not let us in, and trying again would change nothing. Holds words without secrets."""


class Wire(Protocol):
    """An open connection. Any error of ``send`` and ``recv`` means that it is gone."""

    async def send(self, message: str) -> None: ...

    async def recv(self) -> str | bytes: ...

    async def close(self) -> None: ...


class Backoff:
    """How long to wait before the next try: 0.1 s, doubled each time up to 2 s, and of that a random 50 to 100 %."""

    def __init__(self, rng: random.Random, first_s: float = 0.1, most_s: float = 2.0) -> None:
        self._rng, self._first_s, self._most_s = rng, first_s, most_s
        self.failures = 0

    def next_s(self) -> float:
        """The wait after one more failure."""
        wait_s = min(self._most_s, self._first_s * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return wait_s * self._rng.uniform(0.5, 1.0)


class Line:
    """Keeps one session with a server up.

    dial      opens a connection; raises Refused, OSError, TimeoutError or what the socket library raises
    begin     what is said first on every new connection
    beat_s    a ``session.heartbeat`` so often, 0 for none
    idle_s    hangs up when nothing was put for so long; the next ``put`` calls again

    ``counts``: ticks of sound that were lost, other messages that were, connections that broke off.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[Wire]],
        begin: Callable[[], Iterable[Json]],
        *,
        beat_s: float = 0.0,
        idle_s: float = IDLE_S,
        rng: random.Random | None = None,
    ) -> None:
        self._dial, self._begin = dial, begin
        self._beat_s, self._idle_s = beat_s, idle_s
        self._backoff = Backoff(rng or random.Random())
        self.state = Connection.CONNECTING
        self.reason = ""
        self.counts: Counter[str] = Counter()
        self.ready = threading.Event()
        """Set once the server has opened a session, or never will."""
        self._lock = threading.Lock()
        self._unsent: deque[Json] = deque()
        self._unread: deque[Json] = deque()
        self._ticks = 0
        self._closing = threading.Event()
        self._puts = 0
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # --- from any thread, never waiting

    def put(self, events: Iterable[Json]) -> None:
        """Takes what is to be sent. Sound that finds no open line is lost and counted; the rest waits, bounded."""
        with self._lock:
            self._puts += 1
            for event in events:
                if event["type"] != SOUND:
                    self._unsent.append(event)
                elif self.state is not Connection.LIVE:
                    self.counts["lost_ticks"] += 1
                else:
                    self._unsent.append(event)
                    self._ticks += 1
            while self._ticks > MAX_UNSENT_TICKS:
                self._drop(next(i for i, event in enumerate(self._unsent) if event["type"] == SOUND))
            while len(self._unsent) > MAX_UNSENT:
                self._drop(0)
        self._rouse()

    def _drop(self, place: int) -> None:
        """Lets go of what waits at ``place``. The lock is held."""
        sound = self._unsent[place]["type"] == SOUND
        del self._unsent[place]
        self._ticks -= sound
        self.counts["lost_ticks" if sound else "lost_messages"] += 1

    def drain(self) -> list[Json]:
        """What came in since the last time, in order. ``imkit.connected`` stands where a session began."""
        with self._lock:
            came = list(self._unread)
            self._unread.clear()
        return came

    def start(self) -> None:
        """Begins to call, in a thread of its own."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self.attend()), name="imkit-realtime", daemon=True)
        self._thread.start()

    def close(self, wait: bool = True) -> None:
        """Hangs up for good. May be called twice, and from any thread."""
        self._closing.set()
        self._rouse()
        thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_S)

    def _rouse(self) -> None:
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(wake.set)

    # --- in the line's own loop

    async def attend(self) -> None:
        """Calls, talks, calls again; until closed or refused."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        try:
            while not self._closing.is_set():
                try:
                    async with asyncio.timeout(OPEN_S):
                        wire = await self._dial()
                except Refused as error:
                    self._enter(Connection.REFUSED, str(error))
                    return
                except Exception as error:  # whatever the network does is a reason to try again
                    self._enter(Connection.LOST, f"the server cannot be reached ({type(error).__name__})")
                    await self._pause(self._backoff.next_s())
                    continue
                began_s = self._loop.time()
                try:
                    await self._talk(wire)
                finally:
                    with suppress(Exception):
                        await wire.close()
                if self._closing.is_set():
                    return
                if self._loop.time() - began_s > STEADY_S:
                    self._backoff.failures = 0
                if self.state is Connection.IDLE:
                    await self._until_put()
                    self._enter(Connection.CONNECTING, "")
                else:
                    self.counts["lost_connections"] += 1
                    self._enter(Connection.LOST, "the connection broke off")
                    await self._pause(self._backoff.next_s())
        finally:
            if self.state is not Connection.REFUSED:
                self._enter(Connection.CLOSED, "")
            self.ready.set()

    def _enter(self, state: Connection, reason: str) -> None:
        with self._lock:
            self.state, self.reason = state, reason
            if state is not Connection.LIVE:
                for place in [i for i, event in enumerate(self._unsent) if event["type"] == SOUND][::-1]:
                    self._drop(place)  # sound of before is not said later

    async def _talk(self, wire: Wire) -> None:
        """One connection, until it is gone, the line is closed, or nobody has put anything for long."""
        try:
            for event in self._begin():
                await wire.send(write(event))
        except Exception:
            return
        jobs = [asyncio.ensure_future(job) for job in (self._listen(wire), self._speak(wire), self._watch(wire))]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _listen(self, wire: Wire) -> None:
        live = False
        while True:
            message = await wire.recv()
            try:
                event = read(message)
            except WireError:
                self.counts["malformed_messages"] += 1
                continue
            with self._lock:
                if not live and event["type"] in OPENED:
                    live = True
                    self._unread.append({"type": CONNECTED, "resumed": event["type"] == "session.resumed"})
                    self.state, self.reason = Connection.LIVE, ""
                if len(self._unread) < MAX_UNREAD:
                    self._unread.append(event)
                else:
                    self.counts["lost_messages_in"] += 1
            if live:
                self.ready.set()

    async def _speak(self, wire: Wire) -> None:
        wake = self._wake
        assert wake is not None
        while not self._closing.is_set():
            wake.clear()
            while self.state is Connection.LIVE:
                with self._lock:
                    if not self._unsent:
                        break
                    event = self._unsent.popleft()
                    self._ticks -= event["type"] == SOUND
                try:
                    await wire.send(write(event))
                except BaseException:
                    with self._lock:
                        self._unsent.appendleft(event)
                        self._ticks += event["type"] == SOUND
                    raise
            await self._nap(wake, 0.1)

    async def _watch(self, wire: Wire) -> None:
        """Beats the heart, opens in time, hangs up when idle."""
        loop = asyncio.get_running_loop()
        began_s = beaten_s = put_s = loop.time()
        puts = self._puts
        while True:
            await asyncio.sleep(0.25)
            if self._closing.is_set():  # whoever sends may be stuck
                return
            now_s = loop.time()
            if self.state is not Connection.LIVE and now_s - began_s > OPEN_S:
                return
            if self._puts != puts:
                puts, put_s = self._puts, now_s
            if now_s - put_s > self._idle_s:
                self._enter(Connection.IDLE, "nothing was said or played for a while")
                return
            if self._beat_s and self.state is Connection.LIVE and now_s - beaten_s >= self._beat_s:
                beaten_s = now_s
                await wire.send(write({"type": "session.heartbeat"}))

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + seconds
        while not self._closing.is_set() and (left_s := until_s - loop.time()) > 0:
            await asyncio.sleep(min(left_s, 0.25))

    async def _until_put(self) -> None:
        puts, wake = self._puts, self._wake
        assert wake is not None
        while not self._closing.is_set() and self._puts == puts:
            wake.clear()
            await self._nap(wake, 1.0)

    async def _nap(self, wake: Any, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()
