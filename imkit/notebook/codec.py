"""The one frame that both lanes carry: a 24 byte little-endian header and a payload.

``u8 version, u8 kind, u16 flags, u32 epoch, u32 seq, u32 payload_bytes, f64 time_s``. The TypeScript codec reads and
writes the same bytes; ``tests/fixtures/frames.json`` holds the vectors that both are tested with.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_SAMPLES, ImkitError

VERSION: Final = 1
HEADER: Final = struct.Struct("<BBHIIId")
HEADER_BYTES: Final = HEADER.size
MAX_UP_BYTES: Final = 1 << 20
MAX_DOWN_BYTES: Final = 4 << 20

FLAG_MICROPHONE_OFF: Final = 1
FLAG_GAP: Final = 2


class Kind(IntEnum):
    """What a frame holds. Below 16: browser to kernel; from 16 on: kernel to browser."""

    AUDIO = 1
    FRAME = 2
    TEXT = 3
    CONTROL_UP = 4
    SPEECH = 16
    MOMENT = 17
    CONTROL_DOWN = 18
    DEMO = 19

    @property
    def upward(self) -> bool:
        """Whether it travels from the browser to the kernel."""
        return self < Kind.SPEECH


JSON_KINDS: Final = frozenset({Kind.TEXT, Kind.CONTROL_UP, Kind.MOMENT, Kind.CONTROL_DOWN})
CONTROL_KINDS: Final = frozenset({Kind.CONTROL_UP, Kind.CONTROL_DOWN})
PCM_KINDS: Final = frozenset({Kind.AUDIO, Kind.SPEECH, Kind.DEMO})


class FrameError(ImkitError, ValueError):
    """A frame breaks the format. ``field`` names the part that does."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(f"frame {field}: {reason}")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of either lane. ``time_s`` is on the clock of whoever captured it; 0 where time means nothing."""

    kind: Kind
    payload: bytes = b""
    flags: int = 0
    epoch: int = 0
    seq: int = 0
    time_s: float = 0.0

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return HEADER_BYTES + len(self.payload)

    def pcm(self) -> NDArray[np.float32]:
        """The payload as float32 [samples] in [-1, 1). FrameError for kinds that hold no sound."""
        if self.kind not in PCM_KINDS:
            raise FrameError("kind", f"{self.kind.name} holds no sound; expected AUDIO, SPEECH or DEMO")
        return np.frombuffer(self.payload, "<i2").astype(np.float32) / np.float32(32768.0)

    def json(self) -> dict[str, Any]:
        """The payload as a JSON object, with "?" for half a character. FrameError when it is none.

        What it gives can be sent on: a number that is not finite is no JSON, and is refused.
        """
        if self.kind not in JSON_KINDS:
            raise FrameError("kind", f"{self.kind.name} holds no JSON")
        try:
            value = json.loads(self.payload.decode("utf-8"), parse_constant=_finite, parse_float=_finite)
            if b"\\u" in self.payload:
                value = json.loads(_utf8(value))
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise FrameError("payload", f"{self.kind.name} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise FrameError("payload", f"{self.kind.name} is a JSON {type(value).__name__}, expected an object")
        if self.kind in CONTROL_KINDS and not isinstance(value.get("type"), str):
            raise FrameError("payload", f"{self.kind.name} needs a type")
        if self.kind is Kind.TEXT and not isinstance(value.get("text", value.get("draft")), str):
            raise FrameError("payload", "TEXT needs a text or a draft")
        return value


def pcm16(audio: NDArray[np.float32]) -> bytes:
    """float32 [samples] in [-1, 1] as little-endian PCM16; what lies outside is clipped."""
    return bytes(np.clip(np.rint(audio * 32768.0), -32768, 32767).astype("<i2").tobytes())


def json_frame(kind: Kind, value: dict[str, Any], *, epoch: int = 0, seq: int = 0, time_s: float = 0.0) -> Frame:
    """A frame of one of the JSON kinds."""
    return Frame(kind, _utf8(value), epoch=epoch, seq=seq, time_s=time_s)


def _utf8(value: Any) -> bytes:
    """As compact JSON; half a character, which UTF-8 does not have, becomes "?"."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:20]} is not finite")
    return value


def encode(frame: Frame) -> bytes:
    """The bytes of a frame. FrameError where a field does not fit."""
    _check(frame)
    fields = (frame.flags, frame.epoch, frame.seq)
    for name, value, top in zip(("flags", "epoch", "seq"), fields, (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True):
        if not 0 <= value <= top:
            raise FrameError(name, f"{value} is outside 0..{top}")
    return HEADER.pack(VERSION, frame.kind, *fields, len(frame.payload), frame.time_s) + frame.payload


def decode(data: bytes | bytearray | memoryview, *, upward: bool | None = None) -> Frame:
    """The frame in ``data``, whole and exact. ``upward`` given: a kind that travels the other way is refused."""
    view = memoryview(data).cast("B")
    if len(view) < HEADER_BYTES:
        raise FrameError("header", f"{len(view)} bytes, expected at least {HEADER_BYTES}")
    version, kind_byte, flags, epoch, seq, payload_bytes, time_s = HEADER.unpack_from(view)
    if version != VERSION:
        raise FrameError("version", f"{version}, expected {VERSION}; reload the page so that both sides are the same")
    try:
        kind = Kind(kind_byte)
    except ValueError:
        raise FrameError("kind", f"{kind_byte} is unknown") from None
    if upward is not None and kind.upward != upward:
        raise FrameError("kind", f"{kind.name} does not travel {'to the kernel' if upward else 'to the browser'}")
    if payload_bytes != len(view) - HEADER_BYTES:
        raise FrameError("payload_bytes", f"says {payload_bytes}, {len(view) - HEADER_BYTES} follow")
    frame = Frame(kind, bytes(view[HEADER_BYTES:]), flags, epoch, seq, time_s)
    _check(frame)
    if kind in JSON_KINDS:
        frame.json()
    return frame


def _check(frame: Frame) -> None:
    size = len(frame.payload)
    limit = MAX_UP_BYTES if frame.kind.upward else MAX_DOWN_BYTES
    if size > limit:
        raise FrameError("payload_bytes", f"{size} is over the limit of {limit}")
    if not math.isfinite(frame.time_s) or frame.time_s < 0:
        raise FrameError("time_s", f"{frame.time_s}, expected a finite number of seconds from 0")
    if frame.kind is Kind.AUDIO and size != 2 * INPUT_SAMPLES:
        raise FrameError("payload", f"AUDIO has {size} bytes, expected {2 * INPUT_SAMPLES} (200 ms of 16 kHz PCM16)")
    if frame.kind in PCM_KINDS and size % 2:
        raise FrameError("payload", f"{frame.kind.name} has {size} bytes, expected whole PCM16 samples")
    if frame.kind is Kind.FRAME and frame.payload[:2] != b"\xff\xd8":
        raise FrameError("payload", "FRAME is no JPEG")
