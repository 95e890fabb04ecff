"""Things to do that may take time, such as starting a session: done one after another, in a thread of their own."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from queue import Empty, Full, Queue
from threading import Thread
from typing import Final

MAX_ORDERS: Final = 256
LOOK_S: Final = 0.5
JOIN_S: Final = 5.0


class Orders:
    """At most 256 wait.

    failed   is told what an order raised
    between  is called after every order, and twice a second while there are none
    """

    def __init__(self, failed: Callable[[Exception], object], between: Callable[[], object]) -> None:
        self._failed, self._between = failed, between
        self._waiting: Queue[Callable[[], object] | None] = Queue(MAX_ORDERS)
        run = contextvars.copy_context().run
        self._thread = Thread(target=run, args=(self._work,), name="imkit-link", daemon=True)

    def start(self) -> None:
        """Begins to work."""
        self._thread.start()

    def put(self, order: Callable[[], object]) -> bool:
        """Takes an order and never waits. False when too many do already; then it is dropped."""
        try:
            self._waiting.put_nowait(order)
        except Full:
            return False
        return True

    def close(self) -> None:
        """Does what waits, then ends."""
        self._waiting.put(None)
        self._thread.join(JOIN_S)

    def _work(self) -> None:
        while True:
            try:
                order = self._waiting.get(timeout=LOOK_S)
                if order is None:
                    return
                order()
            except Empty:
                pass
            except Exception as error:
                self._failed(error)
            self._between()
