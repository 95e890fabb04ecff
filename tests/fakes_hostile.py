"""What all fuzz tests share: how many inputs, JSON that no honest side sends, and what must not happen beside.

``make fuzz`` sets IMKIT_FUZZ to 100,000 for every target; without it a test makes the few that it names.
"""

import contextlib
import logging
import os
import random
import threading

LOGGED = 20


def many(usual: int) -> int:
    """How many inputs to make."""
    return int(os.environ.get("IMKIT_FUZZ", usual))


SCALARS = (
    None, True, False, 0, -1, 1, 7, 2**31, 2**53 + 1, -(10**30), 10**300, 1.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "v1", "v2", "s1", "\ud800", "a\udfffb", "é" * 50, "A" * 3000, "\0", "\u202e", "../../etc/passwd",
    "__proto__", "<img src=x onerror=alert(1)>", "1e999", "null",
)  # fmt: skip


def anything(rng: random.Random, depth: int = 3):
    """A value that JSON can write, some of it as only Python's JSON can: NaN, infinity, half a character."""
    draw = rng.random()
    if depth == 0 or draw < 0.75:
        return rng.choice(SCALARS)
    if draw < 0.87:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {str(rng.choice(SCALARS)): anything(rng, depth - 1) for _ in range(rng.randrange(4))}


def torn(rng: random.Random, data: bytes) -> bytes:
    """The bytes with something cut off, put in, turned or doubled."""
    content = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(content) + 1)
        match rng.randrange(5):
            case 0:
                del content[at:]
            case 1:
                content[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 2 if at < len(content):
                content[at] ^= 1 << rng.randrange(8)
            case 3:
                content[at:at] = content[at : at + rng.randrange(1, 40)]
            case _:
                del content[at : at + rng.randrange(1, 9)]
    return bytes(content)


@contextlib.contextmanager
def nothing_breaks(logged: int = LOGGED):
    """Fails when a thread died of an exception meanwhile, or when more than ``logged`` warnings were written."""
    died: list[object] = []
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage()[:200])

    keep, before = Keep(logging.WARNING), threading.excepthook
    threading.excepthook = lambda told: died.append((told.thread, told.exc_value))
    logging.getLogger().addHandler(keep)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(keep)
        threading.excepthook = before
    assert not died
    assert len(lines) <= logged, lines[:5]
