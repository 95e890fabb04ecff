"""The realtime protocol as data: the events of OpenAI's Realtime API (GA, 2025) that imkit says and understands.

One JSON object a message, each with a ``type``. Sound is PCM16, little-endian, mono, in base64. This module knows names
and fields and nothing of sockets; both our client and our server speak through it. Field names are those of
``openai.types.realtime`` (openai-python 3.54), against which the tests read every event that is made here.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.stream import ImkitError

Json = dict[str, Any]

API_RATE: Final = 24_000
"""The one rate of the GA format ``audio/pcm``, in Hz."""
MAX_MESSAGE_BYTES: Final = 8 << 20

BETA_NAMES: Final = {
    f"response.{old}.{end}": f"response.output_{old}.{end}"
    for old in ("audio", "audio_transcript", "text")
    for end in ("delta", "done")
} | {"conversation.item.created": "conversation.item.added"}
"""What servers of before the GA call the same events."""

QUIET: Final = (
    "session.heartbeat_ack",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "input_audio_buffer.cleared",
    "input_audio_buffer.timeout_triggered",
    "conversation.created",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.deleted",
    "conversation.item.truncated",
    "conversation.item.input_audio_transcription.failed",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_audio_transcript.done",
    "response.output_text.done",
    "response.function_call_arguments.delta",
    "duplex.function_call.done",
    "playback.acknowledged",
    "overlap.decision",
    "turn.event",
    "rate_limits.updated",
    "imkit.warning",
)
"""What a server may say that a client need not heed."""


class WireError(ImkitError, ValueError):
    """A message is no event of the protocol. ``field`` names what is wrong with it."""

    def __init__(self, field: str, words: str) -> None:
        self.field = field
        super().__init__(f"{field}: {words}")


def read(message: str | bytes, limit_bytes: int = MAX_MESSAGE_BYTES) -> Json:
    """A message as an event, under its GA name. Raises WireError, and nothing else, whatever it is given."""
    if len(message) > limit_bytes:
        raise WireError("message", f"{len(message)} long, expected at most {limit_bytes}")
    try:
        event = json.loads(message, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise WireError("message", f"is not JSON ({type(error).__name__}); send one object a message") from None
    if not isinstance(event, dict):
        raise WireError("message", f"is a JSON {type(event).__name__}, expected an object")
    kind = event.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= 100:
        raise WireError("type", f"is {_short(kind)}, expected the name of an event")
    event["type"] = BETA_NAMES.get(kind, kind)
    return event


def write(event: Mapping[str, Any]) -> str:
    """An event as a message."""
    return _ENCODE(event)


_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def text_in(event: Mapping[str, Any], name: str, most: int = 200, default: str | None = None) -> str:
    """The string ``event[name]`` of at most ``most`` characters. Raises WireError for anything else."""
    value = event.get(name, default)
    if not isinstance(value, str) or len(value) > most:
        raise WireError(name, f"is {_short(value)}, expected a string of at most {most} characters")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise WireError(name, "holds half a character (a lone surrogate)")
    return value


def whole_in(event: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """The whole number ``event[name]``, from 0 to 2**53. Raises WireError for anything else."""
    value = event.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**53:
        raise WireError(name, f"is {_short(value)}, expected a whole number from 0")
    return value


def object_in(event: Mapping[str, Any], name: str) -> Json:
    """The object ``event[name]``, {} where there is none. Raises WireError for anything else."""
    value = event.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WireError(name, f"is {_short(value)}, expected an object")
    return value


def words_in(text: str) -> list[str]:
    """Whole words, and last the piece behind the last white space, which may go on."""
    words = text.split()
    return words if words and not text[-1].isspace() else [*words, ""]


# --- sound


def pcm16(audio: NDArray[np.float32]) -> str:
    """Sound in [-1, 1] as PCM16 in base64."""
    return in_base64(np.rint(np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes())


def in_base64(data: bytes) -> str:
    """Bytes as a message can hold them."""
    return base64.b64encode(data).decode("ascii")


def sound_of(text: object) -> NDArray[np.float32]:
    """PCM16 in base64 as float32 in [-1, 1]. Raises WireError."""
    if not isinstance(text, str):
        raise WireError("audio", f"is {_short(text)}, expected PCM16 in base64")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise WireError("audio", "is not base64; send PCM16 in base64") from None
    if len(data) % 2:
        raise WireError("audio", f"holds {len(data)} bytes, expected whole samples of two bytes")
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


# --- names that nobody has to guess


class Names:
    """Ids that are unique on this machine: ``names("item")`` gives "item_3f2a..._7"."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)
        self._count = itertools.count()

    def __call__(self, kind: str) -> str:
        return f"{kind}_{self._run}_{next(self._count)}"


# --- what a client says


def session_update(session: Mapping[str, Any]) -> Json:
    """Opens or changes the session."""
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def append(audio: NDArray[np.float32], **more: Any) -> Json:
    """Sound of the microphone, at the rate that the session was opened with."""
    return {"type": "input_audio_buffer.append", "audio": pcm16(audio), **more}


def user_message(*content: Mapping[str, Any]) -> Json:
    """An item of the user: texts and pictures."""
    item = {"type": "message", "role": "user", "content": [dict(part) for part in content]}
    return {"type": "conversation.item.create", "item": item}


def input_text(text: str) -> Json:
    """A text inside an item."""
    return {"type": "input_text", "text": text}


def input_image(jpeg: bytes) -> Json:
    """A picture inside an item, as a data address."""
    return {"type": "input_image", "image_url": f"data:image/jpeg;base64,{in_base64(jpeg)}"}


def call_output(call_id: str, output: str) -> Json:
    """What came of a function call."""
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    return {"type": "conversation.item.create", "item": item}


def truncate(item_id: str, content_index: int, audio_end_ms: int) -> Json:
    """So much of what the model said was heard; the rest was never said."""
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": audio_end_ms,
    }


# --- what a server says


def error(code: str, message: str, *, param: str | None = None, event_id: str | None = None, kind: str = "") -> Json:
    """Something that was asked could not be done; ``event_id`` names the event that asked."""
    told = {"type": kind or "invalid_request_error", "code": code, "message": message}
    return {"type": "error", "error": {**told, "param": param, "event_id": event_id}}


def response(response_id: str, status: str, output: Sequence[Json] = (), reason: str = "", **more: Any) -> Json:
    """A response as it stands in ``response.created`` and ``response.done``."""
    details: Json | None = None
    if status != "in_progress":
        details = {"type": status, **({"reason": reason} if reason else {})}
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": status,
        "status_details": details,
        "output": list(output),
        "output_modalities": ["audio"],
        **more,
    }


def spoken_item(item_id: str, status: str, transcript: str | None = None) -> Json:
    """What the model said, as an item; without a transcript it has no content yet."""
    content = [] if transcript is None else [{"type": "output_audio", "transcript": transcript}]
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def heard_item(item_id: str, transcript: str | None) -> Json:
    """What the user said, as an item."""
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": transcript}],
    }


def call_item(item_id: str, call_id: str, name: str, arguments: str, status: str) -> Json:
    """A function call, as an item."""
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }
