"""Asking a person: one call with its exact arguments, shown once, allowed once.

An ``Approval`` is what is asked. The ``Approvals`` desk holds the worker that asks until the person has answered, has
left, or the time is over; whatever is not a timely yes to these very arguments is a no. Who asks again and again is not
heard: after three noes in a row to one tool nobody is asked about it for five minutes.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import ToolError, ToolRefused, ToolStopped

TIMEOUT_S = 60.0
POLL_S = 0.05
MAX_ASKED = 8
MAX_ARGUMENT_CHARS = 20_000
MAX_DEPTH = 20
MAX_REMEMBERED = 256
MAX_NOES = 3
MUTE_S = 300.0
_TOO_LATE = frozenset({"expired", "left", "stopped", "muted"})
_NOES = frozenset({"refused", "expired", "altered"})


def freeze(tool: str, arguments: Mapping[str, Any]) -> str:
    """Arguments as canonical JSON: sorted names, no spaces, plain values only. Equal arguments give equal text.

    Raises ToolError for what is no JSON (NaN, objects, lone surrogates), is nested over 20 deep or over 20,000
    characters long: a person could not check it.
    """
    try:
        _only_json(arguments, 0)
        text = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolError(f"{tool}: the arguments are not plain JSON: {error}"[:400]) from None
    if len(text) > MAX_ARGUMENT_CHARS:
        raise ToolError(f"{tool}: the arguments have {len(text)} characters, at most {MAX_ARGUMENT_CHARS} are allowed")
    return text


def _only_json(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested over {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key is {type(key).__name__}, expected a string")
            _only_json(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _only_json(item, depth + 1)
    elif value is not None and type(value) not in (str, int, float, bool):
        raise TypeError(f"{type(value).__name__} has no JSON form")


@dataclass(frozen=True, slots=True)
class Approval:
    """One question to a person.

    tool       the tool's name
    arguments  canonical JSON of exactly what would run, see ``freeze``
    why        sentences: why this is asked
    expires_s  on the desk's clock; an answer after that is late
    id         unguessable, new for every question
    digest     SHA-256 of id, tool and arguments: an answer names it, so that it can belong to nothing else
    """

    tool: str
    arguments: str
    why: tuple[str, ...]
    expires_s: float
    id: str = field(default_factory=lambda: secrets.token_hex(12))

    @property
    def digest(self) -> str:
        """SHA-256 of id, tool and arguments, in hexadecimal."""
        return hashlib.sha256("\n".join((self.id, self.tool, self.arguments)).encode("utf-8")).hexdigest()

    def lines(self) -> list[tuple[str, str]]:
        """Every argument by name with its value as JSON text, complete, to be shown as it is."""
        values: dict[str, Any] = json.loads(self.arguments)
        return [(name, json.dumps(value, ensure_ascii=False)) for name, value in values.items()]


class Asks(Protocol):
    """Whoever can ask a person."""

    @property
    def present(self) -> bool: ...

    def ask(self, tool: str, arguments: str, why: tuple[str, ...], cancelled: Callable[[], bool]) -> None: ...


class _Waiting:
    def __init__(self, approval: Approval) -> None:
        self.approval = approval
        self.answered = threading.Event()
        self.reason = ""  # how it ended


class Approvals:
    """The desk where workers wait for a person. Any thread may call it.

    A person is not worn down: once a tool was refused, or left unanswered, three times without a yes between, all other
    questions about it end, and calls of it are refused unasked for five minutes. Each further no begins these anew; a
    yes, or ``unmute``, ends the count.

    show      shows a question; must not wait
    withdraw  takes a question away: ``withdraw(id, why)``
    present   whether somebody is there who could answer
    """

    def __init__(
        self,
        show: Callable[[Approval], object],
        withdraw: Callable[[str, str], object] = lambda *_: None,
        present: Callable[[], bool] = lambda: True,
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._show, self._withdraw, self._present = show, withdraw, present
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._settled: OrderedDict[str, str] = OrderedDict()  # id -> how it ended
        self._noes: Counter[str] = Counter()  # tool -> noes since the last yes
        self._muted_until_s: dict[str, float] = {}
        self._closed = False
        self.counts: Counter[str] = Counter()
        """asked, and how it ended: allowed, refused, altered, expired, left, stopped, muted, absent, full; and answers
        that did not count: late, replayed, unknown."""

    @property
    def present(self) -> bool:
        """Whether somebody is there who could answer."""
        return not self._closed and self._present()

    @property
    def waiting(self) -> tuple[Approval, ...]:
        """Questions without an answer yet, oldest first."""
        with self._lock:
            return tuple(entry.approval for entry in self._waiting.values())

    def left_s(self, approval: Approval) -> float:
        """Seconds that remain to answer it."""
        return max(0.0, approval.expires_s - self._clock())

    def ask(
        self, tool: str, arguments: str, why: tuple[str, ...], cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        """Asks and waits. Returns when this call is allowed; raises ToolRefused, in words, for every kind of no.

        ``arguments`` is canonical JSON. Raises ToolStopped when ``cancelled`` becomes true first.
        """
        entry = _Waiting(Approval(tool, arguments, why, self._clock() + self._timeout_s))
        question = entry.approval
        with self._lock:
            self.counts["asked"] += 1
            if self._closed or not self._present():
                self.counts["absent"] += 1
                raise ToolRefused(f"Nobody is there to allow {tool}, so I did not run it.")
            if self._clock() < self._muted_until_s.get(tool, -math.inf):
                self.counts["muted"] += 1
                raise ToolRefused(_muted(tool))
            if len(self._waiting) >= MAX_ASKED:
                self.counts["full"] += 1
                raise ToolRefused(f"You have {MAX_ASKED} questions to answer already, so I did not run {tool}.")
            self._waiting[question.id] = entry
        try:
            self._show(question)
            while not entry.answered.wait(min(POLL_S, self.left_s(question))):
                if cancelled():
                    self._settle(entry, "stopped")
                elif self._clock() >= question.expires_s:
                    self._settle(entry, "expired")
        finally:
            self._settle(entry, "stopped")  # showing it may have failed
        self._withdraw(question.id, entry.reason)
        match entry.reason:
            case "allowed":
                return
            case "stopped":
                raise ToolStopped(f"{tool} was stopped before you answered.")
            case "expired":
                raise ToolRefused(f"You did not answer within {self._timeout_s:.0f} seconds, so I did not run {tool}.")
            case "left":
                raise ToolRefused(f"The page where I asked about {tool} is gone, so I did not run it.")
            case "muted":
                raise ToolRefused(_muted(tool))
            case "altered":
                raise ToolRefused(f"The answer was about other arguments than I asked about, so I did not run {tool}.")
            case _:
                raise ToolRefused(f"You refused {tool}, so I did not run it.")

    def answer(self, id: str, digest: str, allow: bool) -> bool:
        """An answer of the person. False when it counts for nothing: late, replayed or unknown.

        An answer about other arguments (the digest is another) ends the question with a no.
        """
        with self._lock:
            entry = self._waiting.get(id)
            if entry is None:
                ended = self._settled.get(id, "unknown")
                self.counts["late" if ended in _TOO_LATE else ended if ended == "unknown" else "replayed"] += 1
                return False
        if self._clock() >= entry.approval.expires_s:
            self.counts["late"] += 1
            self._settle(entry, "expired")
            return False
        if not secrets.compare_digest(digest.encode(), entry.approval.digest.encode()):
            return self._settle(entry, "altered") and False
        return self._settle(entry, "allowed" if allow is True else "refused")

    def unmute(self, tool: str = "") -> None:
        """The person wants to be asked again, about this tool or, with "", about all."""
        with self._lock:
            for name in [tool] if tool else list(self._noes):
                self._noes.pop(name, None)
                self._muted_until_s.pop(name, None)

    def leave(self) -> None:
        """The person is gone: whatever was asked is a no."""
        with self._lock:
            entries = list(self._waiting.values())
        for entry in entries:
            self._settle(entry, "left")

    def close(self) -> None:
        """Ends every question with a no, and all later ones too."""
        with self._lock:
            self._closed = True
        self.leave()

    def _settle(self, entry: _Waiting, reason: str) -> bool:
        """Ends a question; the first end counts. True when this was it."""
        with self._lock:
            ended = self._end(entry, reason)
            if ended and self._weary(entry.approval.tool, reason):
                for other in [one for one in self._waiting.values() if one.approval.tool == entry.approval.tool]:
                    self._end(other, "muted")
        return ended

    def _end(self, entry: _Waiting, reason: str) -> bool:
        """The lock is held."""
        if self._waiting.pop(entry.approval.id, None) is None:
            return False
        self._settled[entry.approval.id] = reason
        if len(self._settled) > MAX_REMEMBERED:
            self._settled.popitem(last=False)
        self.counts[reason] += 1
        entry.reason = reason
        entry.answered.set()
        return True

    def _weary(self, tool: str, reason: str) -> bool:
        """Counts noes in a row. True when there were too many: then the tool is muted. The lock is held."""
        if reason == "allowed":
            self._noes.pop(tool, None)
        if reason not in _NOES:
            return False
        self._noes[tool] += 1
        if self._noes[tool] < MAX_NOES:
            return False
        self._muted_until_s[tool] = self._clock() + MUTE_S
        return True


def _muted(tool: str) -> str:
    return (
        f"I asked about {tool} {MAX_NOES} times or more without a yes, so I do not ask again for {MUTE_S / 60:.0f} "
        "minutes, and did not run it."
    )
