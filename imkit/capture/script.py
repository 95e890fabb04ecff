"""What is typed, and what else happens, from a file of JSON lines with times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from imkit.stream import Event, Percept, Provenance, SourceError, tick_of
from imkit.stream.moment import EventKind

from .source import OrderedSource, media_path

MAX_BYTES = 16 * 2**20
_EVENT_KEYS = {"kind", "text", "provenance", "call_id", "payload"}


class Script(OrderedSource):
    """A typed script. Every line holds a time in seconds and one thing that happens then:

    ``{"t": 1.5, "text": "plot the prices"}``   sent by keyboard
    ``{"t": 1.1, "draft": "plot the"}``         what is typed but not sent, until the next draft or text
    ``{"t": 2, "ask": "compare price by region"}``  handed to the background model, as ``Session.ask`` does
    ``{"t": 3, "event": {"kind": "notebook", "text": "cell 3 failed"}}``

    Lines may come in any order; those of one tick keep theirs. ``lines`` may be a path or a list of such mappings.
    """

    def __init__(self, lines: str | Path | Iterable[Mapping[str, Any]]) -> None:
        self._path = Path(lines) if isinstance(lines, str | Path) else None
        super().__init__(self._path if self._path else "script")
        self._given = [] if isinstance(lines, str | Path) else list(lines)
        self.provenance = Provenance.TYPED
        self._ticks: dict[int, list[tuple[str, Any]]] = {}
        self._last = -1
        self._draft = ""

    def _start(self) -> None:
        lines = self._given if self._path is None else self._lines(media_path(self._path))
        self._ticks, self._draft = {}, ""
        for number, line in enumerate(lines, 1):
            if line is not None:
                tick, what, value = self._entry(number, line)
                self._ticks.setdefault(tick, []).append((what, value))
        if not self._ticks:
            raise SourceError(self.name, "holds no lines.", 'Expected lines such as {"t": 1.5, "text": "hello"}.')
        self._last = max(self._ticks)

    def _lines(self, path: Path) -> list[Any]:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(path, f"is {path.stat().st_size} bytes, expected at most {MAX_BYTES}.", "Split it.")
        try:
            texts = path.read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            raise SourceError(path, f"is not UTF-8 text: {error.reason}.", "Expected a file of JSON lines.") from error
        parsed: list[Any] = []
        for number, text in enumerate(texts, 1):
            try:
                parsed.append(json.loads(text) if text.strip() else None)
            except (json.JSONDecodeError, RecursionError) as error:
                raise self._error(number, f"is not JSON ({error})") from error
        return parsed

    def _entry(self, number: int, line: Any) -> tuple[int, str, Any]:
        """Tick, what (text, draft or event), and its value; a request is an event."""
        if not isinstance(line, Mapping):
            raise self._error(number, f"is {type(line).__name__}, expected an object")
        time_s = line.get("t")
        if isinstance(time_s, bool) or not isinstance(time_s, int | float) or not isfinite(time_s) or time_s < 0:
            raise self._error(number, f'has "t": {time_s!r}, expected seconds from 0 on')
        rest = set(line) - {"t"}
        if len(rest) != 1 or not rest <= {"text", "draft", "ask", "event"}:
            raise self._error(number, f'has {sorted(map(str, rest))}, expected one of "text", "draft", "ask", "event"')
        what = rest.pop()
        value = line[what]
        if what == "event":
            return tick_of(time_s), what, self._event(number, value)
        if not isinstance(value, str):
            raise self._error(number, f'has "{what}": {value!r}, expected a string')
        if what == "ask":
            return tick_of(time_s), "event", Event("system", Provenance.TYPED, value, payload={"ask": True})
        return tick_of(time_s), what, value

    def _event(self, number: int, value: Any) -> Event:
        if not isinstance(value, Mapping) or not set(value) <= _EVENT_KEYS:
            raise self._error(number, f'has "event": {value!r}, expected an object with {sorted(_EVENT_KEYS)}')
        kind, provenance = value.get("kind", "system"), value.get("provenance", Provenance.FILE.value)
        text, call_id, payload = value.get("text", ""), value.get("call_id", ""), value.get("payload", {})
        if kind not in get_args(EventKind):
            raise self._error(number, f"has the event kind {kind!r}, expected one of {get_args(EventKind)}")
        if provenance not in list(Provenance):
            raise self._error(number, f"has the provenance {provenance!r}, expected one of {[*map(str, Provenance)]}")
        if not isinstance(text, str) or not isinstance(call_id, str) or not isinstance(payload, Mapping):
            raise self._error(number, 'has an event whose "text" or "call_id" is no string or "payload" no object')
        return Event(kind, Provenance(provenance), text, call_id, dict(payload))

    def _error(self, number: int, reason: str) -> SourceError:
        return SourceError(self.name, f"line {number} {reason}.")

    def _tick(self, index: int) -> Percept | None:
        if self._position > self._last:
            return None
        sent: list[str] = []
        events: list[Event] = []
        for what, value in self._ticks.get(self._position, ()):
            if what == "event":
                events.append(value)
            elif what == "draft":
                self._draft = value
            else:
                sent.append(value)
                self._draft = ""
        return Percept(index, text="\n".join(filter(None, sent)), draft=self._draft, events=tuple(events))
