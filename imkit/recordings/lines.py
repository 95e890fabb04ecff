"""A line of the event log as a moment again, checked value by value: a log may come from anywhere."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args

from imkit.stream import Call, Event, Floor, Moment, Provenance, Word
from imkit.stream.moment import CallKind, EventKind

from .journal import whole
from .layout import MAX_TICK
from .media import Media, RecordedAct, RecordedPercept

MAX_ITEMS = 4096
_REQUIRED = {"i", "epoch", "floor", "level_db", "own_db", "media"}
_OPTIONAL = {"frames", "text", "draft", "events", "heard", "words", "calls", "yielded"}
_HEX = re.compile(r"[0-9a-f]{8}")
_FLOORS = tuple(Floor)
_YIELDED: Mapping[str, Any] = {"yielded": True}
_NOTHING: Mapping[str, Any] = {}
T = TypeVar("T")


def _refuse(name: str) -> Any:
    raise ValueError(f"holds {name}, which is no number")


_decoder = json.JSONDecoder(parse_constant=_refuse)


def parsed(line: bytes) -> dict[str, Any]:
    """A line of JSON that holds an object. Raises ValueError, for numbers that are not finite too."""
    try:
        text = line.decode()
        value, end = _decoder.raw_decode(text)
        if end != len(text):
            value = _decoder.decode(text)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("holds no object")
    return value


def moment_of(media: Media, line: Mapping[str, Any], machine: Mapping[str, Any]) -> Moment:
    """The moment that a line of ``events.jsonl`` and one of ``machine.jsonl`` tell. Raises ValueError."""
    keys = set(line)
    if not keys >= _REQUIRED or not keys <= _REQUIRED | _OPTIONAL:
        raise ValueError(f"has the keys {sorted(keys)!r:.200}")
    index = whole(line["i"], MAX_TICK)
    if machine.get("i") != index:
        raise ValueError(f"of tick {index} stands beside one of tick {machine.get('i')!r:.40}")
    events = _list(line, "events", _event)
    told = machine.get("act", _NOTHING)
    if not isinstance(told, dict) and told is not _NOTHING:
        raise ValueError(f"holds the act {told!r:.40}")
    if "inside" in machine or "hooks" in told:
        told = {name: value for name, value in told.items() if name not in ("eager", "hooks")}
    if "inside" in machine:
        hooks = _list(machine, "inside", _text)
        told = {**told, "eager": True, **({"hooks": list(hooks)} if hooks else {})}
    if line.get("yielded"):
        told = {**told, "yielded": True} if told else _YIELDED
    act = RecordedAct.of(
        media,
        index,
        _one_of(line["floor"], _FLOORS),
        _list(line, "words", _word),
        _list(line, "heard", _word),
        _list(line, "calls", _call),
        told,
    )
    media_sum = line["media"]
    if not isinstance(media_sum, str) or not _HEX.fullmatch(media_sum):
        raise ValueError(f"holds the media checksum {media_sum!r:.40}")
    return Moment(
        RecordedPercept.of(media, index, _text(line.get("text", "")), _text(line.get("draft", "")), events),
        act,
        whole(line["epoch"], MAX_TICK),
        number(machine.get("ms")),
        bool(machine.get("late")),
        True,
        number(line["level_db"]),
        number(line["own_db"]),
        whole(line.get("frames", 0), 2),
        int(media_sum, 16),
    )


def number(value: Any) -> float:
    """``value`` if it is a finite number; ValueError otherwise."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"holds {value!r:.40}, expected a number")
    return float(value)


def _list(line: Mapping[str, Any], name: str, of: Callable[[Any], T]) -> tuple[T, ...]:
    value = line.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise ValueError(f"holds no list of {name}")
    return tuple(map(of, value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"holds {value!r:.40}, expected a text")
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"holds {value!r:.40}, expected an object")
    return value


def _one_of(value: Any, known: tuple[T, ...]) -> T:
    for one in known:
        if one == value:
            return one
    raise ValueError(f"holds {value!r:.40}, expected one of {', '.join(map(str, known))}")


def _word(value: Any) -> Word:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError(f"holds the word {value!r:.40}")
    return Word(_text(value[0]), number(value[1]), number(value[2]))


def _event(value: Any) -> Event:
    value = _mapping(value)
    return Event(
        _one_of(value.get("kind"), cast("tuple[EventKind, ...]", get_args(EventKind))),
        _one_of(value.get("provenance"), tuple(Provenance)),
        _text(value.get("text")),
        _text(value.get("call_id", "")),
        _mapping(value.get("payload", {})),
        whole(value.get("epoch"), MAX_TICK),
    )


def _call(value: Any) -> Call:
    value = _mapping(value)
    expires = value.get("expires_tick")
    return Call(
        _one_of(value.get("kind"), cast("tuple[CallKind, ...]", get_args(CallKind))),
        _text(value.get("id")),
        _text(value.get("name")),
        _mapping(value.get("arguments")),
        whole(value.get("tick"), MAX_TICK),
        whole(value.get("epoch"), MAX_TICK),
        None if expires is None else whole(expires, 2 * MAX_TICK),
    )
