"""When sessions are stepped: by the wall clock, or, for tests, whenever sound has come in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from imkit.stream import TICK_S


class Pace(Protocol):
    """Tells how many ticks have passed."""

    virtual: bool

    async def next(self) -> int:
        """Waits for the next tick; how many have passed since the last time."""
        ...

    def fed(self) -> None:
        """Something came in."""


class RealPace:
    """Every 200 ms. Never drifts: it counts from one start, so that ticks that were slept through are told."""

    virtual = False

    def __init__(
        self,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._start_s: float | None = None
        self._told = 0

    async def next(self) -> int:
        """Sleeps until the next tick has ended."""
        clock = self._clock or asyncio.get_running_loop().time
        if self._start_s is None:
            self._start_s = clock()
        wait_s = self._start_s + (self._told + 1) * TICK_S - clock()
        if wait_s > 0:
            await self._sleep(wait_s)
        passed = max(1, int((clock() - self._start_s) / TICK_S + 1e-6) - self._told)
        self._told += passed
        return passed

    def fed(self) -> None:
        """The clock does not care."""


class FedPace:
    """Time passes with the sound that clients send, as fast as the model thinks; silence has to be sent too."""

    virtual = True

    def __init__(self) -> None:
        self._came = asyncio.Event()

    async def next(self) -> int:
        """Waits until something came in."""
        await self._came.wait()
        self._came.clear()
        return 0

    def fed(self) -> None:
        """Something came in."""
        self._came.set()
