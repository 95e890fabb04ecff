"""Waiting for a stream without being held by it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from .endpoint import Piece, Reply

LOOK_S = 0.05
AHEAD = 64


class OutOfTime(Exception):
    """The deadline passed while a stream was awaited."""


def pumped(reply: Reply, check: Callable[[], None], deadline_s: float) -> Iterator[Piece]:
    """The pieces of a reply, read in a thread of its own, so that nothing it waits for can hold the caller.

    check       called every 50 ms and before every piece; what it raises ends the wait
    deadline_s  on the clock of ``time.monotonic``; past it OutOfTime is raised

    However it ends, the reply is closed, which makes its thread end too. Errors of the reply are raised here.
    """
    pieces: queue.Queue[tuple[Piece | None, BaseException | None]] = queue.Queue(AHEAD)
    over = threading.Event()

    def put(item: tuple[Piece | None, BaseException | None]) -> bool:
        while not over.is_set():
            try:
                pieces.put(item, timeout=LOOK_S)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for piece in reply:
                if not put((piece, None)):
                    return
        except BaseException as error:  # carried over to the thread that waits
            put((None, error))
        else:
            put((None, None))

    threading.Thread(target=read, name="imkit-reply", daemon=True).start()
    try:
        while True:
            check()
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise OutOfTime
            try:
                piece, error = pieces.get(timeout=min(LOOK_S, left_s))
            except queue.Empty:
                continue
            if piece is None:
                check()  # a stream that was closed because nobody wants it ends or fails, and that is no failure
                if error is not None:
                    raise error
                return
            yield piece
    finally:
        over.set()
        reply.close()


def pause(seconds: float, check: Callable[[], None], sleep: Callable[[float], Any] = time.sleep) -> None:
    """Waits ``seconds``, calling ``check`` every 50 ms; what it raises ends the wait."""
    until = time.monotonic() + seconds
    while True:
        check()
        left_s = until - time.monotonic()
        if left_s <= 0:
            return
        sleep(min(LOOK_S, left_s))
