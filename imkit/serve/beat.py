"""One beat for all sessions of a process, and one thread in which the model thinks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from imkit.stream import InteractionModel

from .chairs import Chairs
from .limits import Limits
from .pace import Pace, RealPace
from .seat import Seat

MAX_ROUNDS: Final = 8
MAX_TAKEN: Final = 3_000  # ten minutes


class Beat:
    """Steps every session that is due, all of one round together. ``seats`` are the sessions; add and discard them.

    ``taken_ms`` says of the newest beats in which somebody was due how long it took until all had their act.
    """

    def __init__(
        self,
        model: InteractionModel[Any],
        limits: Limits,
        pace: Callable[[], Pace] = RealPace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.chairs, self.limits = Chairs(model), limits
        self.seats: set[Seat] = set()
        self.counts: Counter[str] = Counter()
        self.taken_ms: deque[float] = deque(maxlen=MAX_TAKEN)
        self._make_pace, self._clock = pace, clock
        self._somebody = asyncio.Event()
        self._pace = pace()

    @property
    def full(self) -> bool:
        """Whether every seat is taken."""
        return len(self.seats) >= self.limits.sessions

    def seat(self, wake: Callable[[], object]) -> Seat:
        """A new session, stepped from now on; ``wake`` is called when something waits to be sent."""
        pace = self._pace
        seat = Seat(
            self.chairs.spec, self.limits, self._clock, virtual=pace.virtual, wake=wake, fed=lambda: self._pace.fed()
        )
        self.seats.add(seat)
        self.counts["sessions"] += 1
        self._somebody.set()
        return seat

    def leave(self, seat: Seat) -> None:
        """A session is over. What went wrong in it is counted."""
        self.seats.discard(seat)
        self.counts.update(seat.counts + seat.intake.counts + seat.reply.counts)

    async def run(self) -> None:
        """Until cancelled."""
        with ThreadPoolExecutor(1, thread_name_prefix="imkit-serve-model") as worker:
            while True:
                if not self.seats and not self._pace.virtual:
                    self._somebody.clear()
                    await self._somebody.wait()
                    self._pace = self._make_pace()
                passed = await self._pace.next()
                now_s = self._clock()
                for seat in list(self.seats):
                    seat.pass_by(passed)
                    if now_s - seat.spoke_s > self.limits.idle_s:
                        seat.fail(f"nothing came in for {self.limits.idle_s:.0f} s")
                if await self._rounds(worker):
                    self.taken_ms.append(1000 * (self._clock() - now_s))

    async def _rounds(self, worker: ThreadPoolExecutor) -> int:
        rounds = 0
        while (due := [seat for seat in self.seats if seat.due]) and (rounds < MAX_ROUNDS or self._pace.virtual):
            rounds += 1
            work = [(seat, seat.percept()) for seat in due]
            results = await asyncio.get_running_loop().run_in_executor(worker, self._step, work)
            for seat, result in zip(due, results, strict=True):
                if isinstance(result, Exception):
                    self.counts["model_failures"] += 1
                    seat.fail("the model failed")  # what it was may hold what was said
                else:
                    seat.give(*result)
        return rounds

    def _step(self, work: list[tuple[Seat, Any]]) -> list[Any]:
        """In the model's thread: opens what is not open yet, then steps all."""
        results: dict[Seat, Any] = {}
        for seat, _ in work:
            if seat.state is None:
                try:
                    seat.state = self.chairs.open(seat.config())
                except Exception as failure:
                    results[seat] = failure
        able = [(seat, percept) for seat, percept in work if seat not in results]
        stepped = self.chairs.step([(seat.state, percept) for seat, percept in able])
        results.update(zip((seat for seat, _ in able), stepped, strict=True))
        return [results[seat] for seat, _ in work]
