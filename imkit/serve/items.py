"""What stands in an item that a client creates: read whole, before any of it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from imkit.adapters import realtime_events as wire
from imkit.adapters.realtime_events import Json, WireError, text_in
from imkit.adapters.realtime_pictures import picture_in

MAX_TEXT: Final = 20_000
MAX_CONTENT: Final = 16

Part = tuple[str, Any]
"""("text", str), ("system", str), ("picture", uint8 [height, width, 3]) or ("sound", float32 at 24 kHz)."""


def content_of(item: Json) -> Sequence[Any]:
    """The parts of a message as they came. Raises WireError."""
    if item.get("role") not in ("user", "system", "assistant"):
        raise WireError("item.role", "expected 'user', 'system' or 'assistant'")
    content = item.get("content")
    if not isinstance(content, list) or len(content) > MAX_CONTENT:
        raise WireError("item.content", f"expected a list of at most {MAX_CONTENT} parts")
    return content


def pictures_in(content: Sequence[Any]) -> int:
    """How many parts are to be decoded as pictures."""
    return sum(isinstance(part, dict) and part.get("type") == "input_image" for part in content)


def read_parts(role: str, content: Sequence[Any]) -> tuple[list[Json], list[Part]]:
    """What is kept of a message for ``conversation.item.retrieve``, and what the model is given. Raises WireError.

    A user sends text, pictures and sound, the application ("system") text alone.
    """
    kept: list[Json] = []
    given: list[Part] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "input_text":
            text = text_in(part, "text", MAX_TEXT)
            kept.append({"type": kind, "text": text})
            given.append(("text" if role == "user" else "system", text))
        elif kind == "input_image" and role == "user":
            given.append(("picture", picture_in(part.get("image_url"))))
            kept.append({"type": kind})
        elif kind == "input_audio" and role == "user":
            given.append(("sound", wire.sound_of(part.get("audio"))))
            kept.append({"type": kind, "transcript": None})
        else:
            raise WireError("item.content", "holds a part that this role cannot have")
    return kept, given
