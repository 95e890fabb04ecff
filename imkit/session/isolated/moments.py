"""Moments, events and configurations as values of a message and back, without loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from imkit.stream import Act, Call, Event, Floor, ModelSpec, Moment, OpenConfig, Percept, Provenance, Word, plain

from .wire import Message, WireError


def moment_message(moment: Moment, **more: Any) -> Message:
    """A moment with its sound and pictures, and ``more`` that is told with it."""
    percept, act = moment.percept, moment.act
    told = {
        "index": moment.index,
        "epoch": moment.epoch,
        "ms": moment.compute_ms,
        "late": moment.late,
        "media": moment.has_media,
        "level_db": moment.level_db,
        "own_db": moment.own_db,
        "frames": moment.frame_count,
        "sum": moment.fingerprint,
        "text": percept.text,
        "draft": percept.draft,
        "events": events_json(percept.events),
        "floor": str(act.floor),
        "words": [_word_json(word) for word in act.words],
        "heard": [_word_json(word) for word in act.heard],
        "calls": [_call_json(call) for call in act.calls],
        "diagnostics": plain(act.diagnostics),
    }
    arrays: tuple[Any, ...] = (percept.audio, act.audio, *percept.frames) if moment.has_media else ()
    return Message("moment", {**told, **more}, arrays)


def moment_of(message: Message) -> Moment:
    """The moment that a message tells. Raises WireError."""
    told = message.values
    try:
        index, media = told["index"], told["media"]
        heard, said = message.arrays[:2] if media else (np.zeros(0, np.float32),) * 2
        seen: dict[str, Any] = {"audio": heard, "frames": tuple(message.arrays[2:])} if media else {}
        percept = Percept(
            index, **seen, text=told["text"], draft=told["draft"], events=tuple(events_of(told["events"]))
        )
        act = Act(
            index,
            said,
            Floor(told["floor"]),
            tuple(map(_word_of, told["words"])),
            tuple(map(_word_of, told["heard"])),
            tuple(map(_call_of, told["calls"])),
            told["diagnostics"],
        )
        facts = (told["level_db"], told["own_db"], told["frames"], told["sum"])
        moment = Moment(percept, act, told["epoch"], told["ms"], told["late"], True, *facts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WireError(f"a message tells no moment: {type(error).__name__}: {error}") from error
    return moment if media else moment.without_media()


def let_go(message: Message) -> Message:
    """The same moment without what is largest: its pictures; where it has none, its sound."""
    if len(message.arrays) > 2:
        return Message(message.kind, message.values, message.arrays[:2])
    return Message(message.kind, {**message.values, "media": False})


def events_json(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Events as plain values."""
    return [
        {
            "kind": event.kind,
            "provenance": str(event.provenance),
            "text": event.text,
            "call_id": event.call_id,
            "payload": plain(event.payload),
            "epoch": event.epoch,
        }
        for event in events
    ]


def events_of(told: Iterable[Mapping[str, Any]]) -> list[Event]:
    """The events that plain values tell."""
    return [
        Event(one["kind"], Provenance(one["provenance"]), one["text"], one["call_id"], one["payload"], one["epoch"])
        for one in told
    ]


def config_json(config: OpenConfig) -> dict[str, Any]:
    """How a model is opened, as plain values."""
    return {"seed": config.seed, "tools": list(config.tools), "options": plain(config.options)}


def config_of(told: Mapping[str, Any]) -> OpenConfig:
    """How a model is to be opened."""
    return OpenConfig(told["seed"], tuple(told["tools"]), told["options"])


def spec_json(spec: ModelSpec) -> dict[str, Any]:
    """What a model says of itself, as plain values."""
    return {name: getattr(spec, name) for name in ModelSpec.__slots__}


def spec_of(told: Mapping[str, Any]) -> ModelSpec:
    """What a model in the process apart says of itself."""
    return ModelSpec(**told)


def _word_json(word: Word) -> list[Any]:
    return [word.text, float(word.start_s), float(word.end_s), str(word.provenance)]


def _word_of(told: Any) -> Word:
    text, start_s, end_s, provenance = told
    return Word(text, start_s, end_s, Provenance(provenance))


def _call_json(call: Call) -> list[Any]:
    return [call.kind, call.id, call.name, plain(call.arguments), call.tick, call.epoch, call.expires_tick]


def _call_of(told: Any) -> Call:
    return Call(*told)
