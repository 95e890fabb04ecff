"""What a client may set of a session, and what is said to it about the rest: nothing is ignored in silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from imkit.adapters import realtime_events as wire
from imkit.adapters.realtime_events import API_RATE, Json, WireError
from imkit.stream import TICK_S, ModelSpec

MAX_TOOLS: Final = 64
MAX_TOOL_CHARS: Final = 64_000
_DECIDES: Final = "the model decides by itself when to speak and when to stop; this setting changes nothing"
_IGNORED: Final = {
    "instructions": "the model that is served here reads no instructions",
    "prompt": "the model that is served here reads no prompts",
    "max_output_tokens": "an answer is as long as the model makes it",
    "temperature": "the model decides by itself",
    "reasoning": "the model has none to set",
    "truncation": "the model keeps its own bounded memory",
}
_PLAIN: Final = frozenset(
    {"type", "model", "tools", "audio", "include", "tracing", "parallel_tool_calls", "id", "object"}
)


class Settings:
    """The session as it is, not as it was asked for."""

    def __init__(self, spec: ModelSpec, session_id: str) -> None:
        self.spec, self.session_id = spec, session_id
        self.tools: dict[str, Json] = {}

    def told(self) -> Json:
        """The session in ``session.created`` and ``session.updated``."""
        pcm = {"type": "audio/pcm", "rate": API_RATE}
        decides = {"type": "semantic_vad", "create_response": True, "interrupt_response": True}
        heard = {"model": self.spec.name}
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self.session_id,
            "model": self.spec.name,
            "output_modalities": ["audio"],
            "audio": {
                "input": {"format": pcm, "turn_detection": decides, "transcription": heard, "noise_reduction": None},
                "output": {"format": pcm, "voice": self.spec.name, "speed": 1.0},
            },
            "tools": list(self.tools.values()),
            "tool_choice": "auto",
            "capabilities": {
                "model_decides_turns": True,
                "chunk_period_ms": round(TICK_S * 1000),
                "video": self.spec.sees,
                "text": self.spec.reads,
                "instructions": False,
                "resume": False,
            },
        }

    def update(self, session: Mapping[str, Any], begun: bool) -> list[tuple[str, str]]:
        """Takes what can be taken; (parameter, words) for all that cannot. Raises WireError, and changes nothing."""
        if session.get("type", "realtime") != "realtime":
            raise WireError("session.type", "expected 'realtime'; no other kind of session is served")
        told: list[tuple[str, str]] = []
        audio = wire.object_in(session, "audio")
        heard, said = wire.object_in(audio, "input"), wire.object_in(audio, "output")
        for side, part in (("input", heard), ("output", said)):
            form = wire.object_in(part, "format")
            if form and (form.get("type") != "audio/pcm" or form.get("rate", API_RATE) != API_RATE):
                raise WireError(
                    f"session.audio.{side}.format", f"expected audio/pcm at {API_RATE} Hz, no other is served"
                )
        tools = self._read_tools(session["tools"]) if session.get("tools") is not None else None
        if "turn_detection" in heard:
            told.append(("session.audio.input.turn_detection", _DECIDES))
        told += [
            (f"session.audio.{side}.{name}", "the model that is served here has no such setting")
            for side, part, known in (
                ("input", heard, {"format", "turn_detection", "transcription"}),
                ("output", said, {"format"}),
            )
            for name in sorted(map(str, part))[:20]
            if name not in known and part.get(name) is not None
        ]
        for name in sorted(map(str, session))[:40]:
            value = session.get(name)
            if name in _IGNORED and value:
                told.append((f"session.{name}", _IGNORED[name]))
            elif name == "output_modalities" and value != ["audio"]:
                told.append((f"session.{name}", "answers are sound with a transcript"))
            elif name == "tool_choice" and value not in (None, "auto"):
                told.append((f"session.{name}", "the model chooses by itself"))
            elif name not in _PLAIN and name not in _IGNORED and name not in ("output_modalities", "tool_choice"):
                told.append((f"session.{name[:40]}", "is not known here"))
        if tools is not None and tools != self.tools:
            if begun:
                told.append(("session.tools", "the stream has begun; tools are fixed before its first sound or text"))
            else:
                self.tools = tools
        return told

    def _read_tools(self, tools: object) -> dict[str, Json]:
        if not isinstance(tools, list) or len(tools) > MAX_TOOLS:
            raise WireError("session.tools", f"expected a list of at most {MAX_TOOLS} functions")
        if len(json.dumps(tools)) > MAX_TOOL_CHARS:
            raise WireError("session.tools", f"is over {MAX_TOOL_CHARS} characters of JSON")
        read: dict[str, Json] = {}
        for tool in tools:
            if not isinstance(tool, dict) or tool.get("type") != "function":
                raise WireError("session.tools", "holds what is no function; MCP servers are not served")
            read[wire.text_in(tool, "name", 64)] = tool
        return read
