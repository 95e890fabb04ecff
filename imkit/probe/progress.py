"""How far a long look is: tqdm where it is installed, else one printed line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
REDRAW_S = 0.2


class Bar(Protocol):
    """What shows progress while something is gone through; ``tqdm.auto.tqdm`` is one."""

    def __call__(self, things: Iterable[Any], /, *, total: int, desc: str) -> Iterable[Any]: ...


def bar(things: Iterable[T], /, *, total: int, desc: str) -> Iterable[T]:
    """The same things, with a line on stderr that says how many of ``total`` are gone through and how long is left."""
    try:
        found: Iterable[T] = import_module("tqdm").tqdm(things, total=total, desc=desc, mininterval=REDRAW_S)
    except ImportError:
        return printed(things, total, desc)
    return found


def quiet(things: Iterable[T], /, *, total: int, desc: str) -> Iterable[T]:  # noqa: ARG001
    """The same things, and nothing is shown."""
    return things


def printed(things: Iterable[T], total: int, desc: str) -> Iterator[T]:
    """What ``bar`` shows without tqdm. On a terminal the line is drawn again, elsewhere only the last is printed."""
    started_s = drawn_s = time.monotonic()
    terminal, done = sys.stderr.isatty(), 0
    for done, thing in enumerate(things, 1):
        yield thing
        now_s = time.monotonic()
        if terminal and now_s - drawn_s >= REDRAW_S:
            drawn_s = now_s
            left_s = (now_s - started_s) / done * (total - done)
            sys.stderr.write(f"\r{desc}: {done} of {total}, {left_s:.0f} s left ")
            sys.stderr.flush()
    took = f"{desc}: {done} of {total} in {time.monotonic() - started_s:.1f} s"
    sys.stderr.write(f"\r{took}     \n" if terminal else f"{took}\n")
