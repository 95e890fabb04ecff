"""How servers of the realtime protocol differ: small tables, no classes of servers.

``openai`` is the Realtime API itself and whatever keeps to it, ``imkit serve`` included. ``vllm_omni`` adds the duplex
extensions of vLLM-Omni 0.30: sound at 16 kHz, pictures that ride on the sound, a playback acknowledgement, epochs,
resuming, a heartbeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from imkit.stream import ModelError

from .realtime_events import API_RATE, Json

BACKGROUND: Final = "ask_background"
"""The function that a remote model calls to hand work to the background model."""


@dataclass(frozen=True)
class Opening:
    """What a session is opened with.

    tools  function tools: {"name", "description", "parameters"}
    more   further fields of the session, as the server spells them; they win over all others
    """

    model: str = ""
    instructions: str = ""
    voice: str = ""
    tools: Sequence[Mapping[str, Any]] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """What is different.

    query         parameters that the address must have
    session       the session that ``session.update`` asks for
    frames_ride   pictures go with the sound, at most two an append; otherwise they are items of their own
    asks          a response must be asked for after a text or a result
    speech_stops  the server stops speaking when the user starts, and says so by ``speech_started``
    acks          it wants to know what was played
    heartbeat_s   it wants to hear from us so often; 0 never
    """

    name: str
    input_rate: int
    output_rate: int
    query: Mapping[str, str]
    session: Callable[[Opening], Json]
    frames_ride: bool = False
    asks: bool = True
    speech_stops: bool = True
    acks: bool = False
    heartbeat_s: float = 0.0


def function_tools(tools: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Tools as the protocol spells them; a tool without a schema takes no arguments."""
    nothing = {"type": "object", "properties": {}}
    return [
        {
            "type": "function",
            "name": str(tool["name"]),
            "description": str(tool.get("description", "")),
            "parameters": dict(tool.get("parameters") or nothing),
        }
        for tool in tools
    ]


def merged(session: Mapping[str, Any], more: Mapping[str, Any]) -> Json:
    """One nested object with another laid over it."""
    both: Json = dict(session)
    for name, value in more.items():
        old = both.get(name)
        both[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return both


def _openai_session(opening: Opening) -> Json:
    pcm = {"type": "audio/pcm", "rate": API_RATE}
    output: Json = {"format": pcm}
    if opening.voice:
        output["voice"] = opening.voice
    session: Json = {
        "output_modalities": ["audio"],
        "audio": {"input": {"format": pcm, "transcription": {"model": "gpt-4o-mini-transcribe"}}, "output": output},
        "tools": function_tools(opening.tools),
    }
    if opening.instructions:
        session["instructions"] = opening.instructions
    return merged(session, opening.more)


def _vllm_session(opening: Opening) -> Json:
    session: Json = {
        "modalities": ["text", "audio"],
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "sample_rate_hz": 16_000,
        "turn_detection": None,
        "playback_commit_policy": "ack",
        "tools": function_tools(opening.tools),
    }
    for name in ("model", "instructions", "voice"):
        if value := getattr(opening, name):
            session[name] = value
    return merged(session, opening.more)


DIALECTS: Final = {
    "openai": Dialect("openai", API_RATE, API_RATE, {}, _openai_session),
    "vllm_omni": Dialect(
        "vllm_omni",
        16_000,
        24_000,
        {"duplex": "1", "autostart": "0"},  # else a default session opens before ours is asked for
        _vllm_session,
        frames_ride=True,
        asks=False,
        speech_stops=False,
        acks=True,
        heartbeat_s=10.0,
    ),
}


def dialect_of(name: str) -> Dialect:
    """The dialect called ``name``. Raises ModelError."""
    if name not in DIALECTS:
        raise ModelError(f"dialect={name!r} is unknown; use {' or '.join(map(repr, DIALECTS))}")
    return DIALECTS[name]


def capabilities_of(session: Mapping[str, Any]) -> Json:
    """What a server says of itself in ``session.created`` or ``session.updated``: at most 64 names."""
    told = session.get("capabilities")
    if isinstance(told, Mapping):
        return dict(list(told.items())[:64])
    audio = session.get("audio")
    listens = audio.get("input") if isinstance(audio, Mapping) else None
    known = {name: session[name] for name in ("model", "output_modalities") if name in session}
    if isinstance(listens, Mapping):
        known |= {name: listens[name] for name in ("turn_detection", "transcription") if name in listens}
    return known
