"""Reading a surface as it is written: one JSON line a component, from text that comes in any pieces."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from .catalog import Component, component_id, component_of, data_name, data_value, fault
from .spec import SurfaceError

MAX_LINES: Final = 2_000
MAX_LINE: Final = 256_000
MAX_CHARS: Final = 1_000_000
MAX_FAULTS: Final = 8
BURST_LINES: Final = 500
LINES_PER_S: Final = 100.0

Line = Component | Mapping[str, Any]


class Rate:
    """How fast lines may come: 500 at once and 100 a second after that, on a clock in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tokens = float(BURST_LINES)
        self._at_s = clock()

    def take(self) -> bool:
        """One more line; False when it comes too soon. A clock that was set back counts from where it is."""
        now_s = self._clock()
        self._tokens = min(BURST_LINES, self._tokens + max(0.0, now_s - self._at_s) * LINES_PER_S)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Reader:
    """Gives what each line holds once it is whole: a component, or data values of a line ``["$", {name: value}]``.

    Any chunking gives the same. A line that cannot be read becomes a placeholder: under its own id where it has one,
    else under "!n"; after eight of the latter they are only counted. At most 2,000 lines of 256,000 characters and
    1,000,000 characters in all are read. With a ``rate``, what comes faster is dropped, and a placeholder says so.
    ``counts`` says how much of each was lost.
    """

    def __init__(self, rate: Rate | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._parts: list[str] = []
        self._held = 0
        self._chars = 0
        self._lines = 0
        self._rate = rate

    def feed(self, text: str) -> list[Line]:
        """Takes a piece of text and gives what its whole lines hold. Never raises for what the text says."""
        found: list[Line] = []
        room = MAX_CHARS - self._chars
        over = max(0, len(text) - room)
        self._chars += len(text) - over
        pieces = text[:room].split("\n")
        for piece in pieces[:-1]:
            self._hold(piece)
            self._line(found)
        self._hold(pieces[-1])
        if over:
            self._parts, self._held = [], 0
            if not self.counts["dropped_chars"]:
                self._lost(found, f"a surface may have {MAX_CHARS} characters; the rest was dropped")
            self.counts["dropped_chars"] += over
        return found

    def end(self) -> list[Line]:
        """The text is complete: its last line needs no line break."""
        found: list[Line] = []
        self._line(found)
        return found

    # --- inside

    def _hold(self, piece: str) -> None:
        self._held += len(piece)
        if self._held > MAX_LINE:
            self._parts = []
        elif piece:
            self._parts.append(piece)

    def _line(self, found: list[Line]) -> None:
        line, held = "".join(self._parts).strip(), self._held
        self._parts, self._held = [], 0
        if not held or (held <= MAX_LINE and (not line or line.startswith("```"))):
            return
        self._lines += 1
        if self._lines > MAX_LINES:
            self.counts["dropped_lines"] += 1
            if self._lines == MAX_LINES + 1:
                self._lost(found, f"a surface may have {MAX_LINES} lines; the rest was dropped")
            return
        if self._rate is not None and not self._rate.take():
            self.counts["dropped_rate"] += 1
            if self.counts["dropped_rate"] == 1:
                self._lost(found, f"lines came faster than {LINES_PER_S:.0f} a second; some were dropped")
            return
        if held > MAX_LINE:
            self._malformed(found, f"a line has {held} characters, at most {MAX_LINE} are allowed")
            return
        try:
            value = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError):
            self._malformed(found, f"line {self._lines} is not JSON: {line[:60]}")
            return
        self._value(value, found)

    def _value(self, value: Any, found: list[Line]) -> None:
        try:
            if isinstance(value, list) and len(value) == 2 and value[0] == "$" and isinstance(value[1], Mapping):
                found.append(
                    {data_name(name): data_value(one, name[:80]) for name, one in list(value[1].items())[:200]}
                )
            else:
                found.append(component_of(value))
        except SurfaceError as error:
            try:
                id = component_id(value[0])
            except (SurfaceError, TypeError, LookupError):
                self._malformed(found, f"line {self._lines}: {error}")
            else:
                self.counts["faults"] += 1
                found.append(fault(id, str(error)))

    def _malformed(self, found: list[Line], why: str) -> None:
        self.counts["malformed"] += 1
        if self.counts["malformed"] <= MAX_FAULTS:
            found.append(fault(f"!{self.counts['malformed']}", why))

    def _lost(self, found: list[Line], why: str) -> None:
        found.append(fault("!lost", why))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
