"""The tail of a recording: the newest ticks as they came, until they fill a segment.

One record a tick, little-endian: ``TICK``, u32 length and u32 CRC-32 of what follows, u32 tick, u32 CRC-32 of its line
in ``events.jsonl``, u32 of that in ``machine.jsonl``, u8 number of pictures, for each u32 bytes and u32 CRC-32, then
what came in and what the model said as 16-bit samples. A tick counts as written once its record is whole, which comes
last.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_SAMPLES, samples_per_tick

from .journal import Part
from .layout import SEGMENT_TICKS

MAGIC: Final = b"TICK"
_HEAD: Final = struct.Struct("<4sII")
_FACTS: Final = struct.Struct("<IIIB")
_PART: Final = struct.Struct("<II")


@dataclass(frozen=True, slots=True, eq=False)
class TailTick:
    """One tick: sound on both sides (int16), its pictures' files, the checksums of its two lines."""

    tick: int
    line_crc: int
    machine_crc: int
    user: NDArray[np.int16]
    model: NDArray[np.int16]
    frames: tuple[Part, ...] = ()

    def to_bytes(self) -> bytes:
        """The record."""
        parts = b"".join(_PART.pack(part.size, part.crc) for part in self.frames)
        facts = _FACTS.pack(self.tick, self.line_crc, self.machine_crc, len(self.frames))
        body = facts + parts + self.user.tobytes() + self.model.tobytes()
        return _HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


def max_bytes(output_rate: int) -> int:
    """How long a tail can be."""
    return SEGMENT_TICKS * (_HEAD.size + _sizes(output_rate)[2])


def read_ticks(content: bytes, output_rate: int) -> Iterator[TailTick]:
    """The ticks of a tail in order, a last one that was cut left out. ValueError for anything else that is wrong."""
    sizes = _sizes(output_rate)
    at, before = 0, -1
    while at + _HEAD.size <= len(content):
        magic, length, crc = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        if magic != MAGIC or length not in sizes:
            raise ValueError(f"has no tick at byte {at - _HEAD.size}")
        body = content[at : at + length]
        at += length
        if len(body) < length:
            return
        if zlib.crc32(body) != crc:
            raise ValueError(f"does not match its checksum before byte {at}")
        one = _tick(body, output_rate)
        if one.tick <= before:
            raise ValueError(f"has tick {one.tick} after tick {before}")
        before = one.tick
        yield one


def _sizes(output_rate: int) -> tuple[int, int, int]:
    sound = 2 * (INPUT_SAMPLES + samples_per_tick(output_rate))
    none, one, two = (_FACTS.size + count * _PART.size + sound for count in range(3))
    return none, one, two


def _tick(body: bytes, output_rate: int) -> TailTick:
    tick, line_crc, machine_crc, count = _FACTS.unpack_from(body)
    if len(body) != _sizes(output_rate)[min(count, 2)] or count > 2:
        raise ValueError(f"says {count} pictures of tick {tick}")
    at = _FACTS.size
    frames = tuple(Part(*_PART.unpack_from(body, at + number * _PART.size)) for number in range(count))
    at += count * _PART.size
    user = np.frombuffer(body, "<i2", INPUT_SAMPLES, at)
    model = np.frombuffer(body, "<i2", samples_per_tick(output_rate), at + user.nbytes)
    return TailTick(tick, line_crc, machine_crc, user, model, frames)
