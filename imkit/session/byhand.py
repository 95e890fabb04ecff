"""Work that a person starts past the model in the chair: requests handed over, and controls of results used."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final, NamedTuple

from imkit.background.amend import is_correction
from imkit.background.intents import topic_of
from imkit.stream import Call, Percept

QUESTION: Final = "question"
ADJUST: Final = "adjust"
MAX_TOPIC: Final = 80


class ByHand(NamedTuple):
    """A call that a person makes: with the text as it was typed, or with what was done on a surface."""

    call: Call
    typed: str = ""
    action: Mapping[str, Any] | None = None


def by_hand(percept: Percept, epoch: int, last_topic: str, surfaces: Container[str]) -> list[ByHand]:
    """What a person starts in this micro-turn.

    A request's topic is told by its words, so that the model can say the right thing when the result comes; a
    correction has the topic of the work before it, and takes its place. ``surfaces`` are ids of those whose maker wants
    to know of what is done on them.
    """
    found: list[ByHand] = []
    for number, text in enumerate(percept.asked):
        last_topic = last_topic if last_topic and is_correction(text) else topic_of(text) or QUESTION
        call = Call("delegate", _id("ask", percept.index, number), last_topic, {}, percept.index, epoch)
        found.append(ByHand(call, typed=text))
    acted = [
        event.payload for event in percept.events if event.kind == "ui" and event.payload.get("surface") in surfaces
    ]
    for number, action in enumerate(acted):
        topic = f"{ADJUST} {action['surface']}"[:MAX_TOPIC]
        call = Call("delegate", _id(ADJUST, percept.index, number), topic, {}, percept.index, epoch)
        found.append(ByHand(call, action=action))
    return found


def _id(what: str, tick: int, number: int) -> str:
    return f"{what}-{tick}" + (f".{number}" if number else "")
