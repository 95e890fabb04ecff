"""The outline of a segment's sound as a file beside it, so that hours are drawn and measured without decoding them.

Deflated (RFC 1950), little-endian, one array after another, [tick, ...]: the lowest sample of each fiftieth of a second
and the highest, i16 [10] each; the sum of the squared samples of each 10 ms, u48 [20], as six planes of bytes from the
lowest; of what came in also one mel spectrum from the middle of each tick, u8 [40]. About half a kilobyte a second. It
tells who sounded when and at which pitch, and is forgotten with the sound.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from imkit.measures.outline import FRAMES_PER_TICK, PARTS_PER_TICK, outline_of
from imkit.measures.spectrum import MEL_BINS
from imkit.stream import Outline
from imkit.stream.outline import Side

POWER_BYTES: Final = 6
TOLERANCE: Final = 1
"""How far apart two machines may be in a level of a spectrum, of 255; all else is exact."""


def levels_of(pcm: NDArray[np.int16], side: Side) -> bytes:
    """The file for a segment, int16 [tick, sample]."""
    low, high, power, bands = outline_of(pcm, side)
    planes = power.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :POWER_BYTES].T
    return zlib.compress(
        b"".join([low.astype("<i2").tobytes(), high.astype("<i2").tobytes(), planes.tobytes(), bands.tobytes()])
    )


def outline_of_levels(content: bytes, ticks: int, side: Side) -> Outline:
    """What such a file holds. Raises ValueError unless it is of exactly so many ticks."""
    parts, frames, bins = ticks * PARTS_PER_TICK, ticks * FRAMES_PER_TICK, MEL_BINS if side == "user" else 0
    expected = 4 * parts + POWER_BYTES * frames + ticks * bins
    try:
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(content, expected + 1)
    except zlib.error as error:
        raise ValueError(f"are no levels: {error}") from error
    if len(plain) != expected or not unpacking.eof or unpacking.unused_data:
        raise ValueError(f"are not the levels of {ticks} ticks")
    low, high = (np.frombuffer(plain, "<i2", parts, 2 * parts * number) for number in range(2))
    power = np.zeros((frames, 8), np.uint8)
    power[:, :POWER_BYTES] = np.frombuffer(plain, np.uint8, POWER_BYTES * frames, 4 * parts).reshape(-1, frames).T
    bands = np.frombuffer(plain, np.uint8, ticks * bins, expected - ticks * bins)
    return Outline(
        low.reshape(ticks, -1),
        high.reshape(ticks, -1),
        power.view("<i8").reshape(ticks, -1),
        bands.reshape(ticks, bins),
    )


def same(one: Outline, other: Outline) -> bool:
    """Whether both are of the same sound."""
    pairs = ((one.low, other.low), (one.high, other.high), (one.power, other.power))
    apart = np.abs(one.bands.astype(int) - other.bands)
    return all(np.array_equal(a, b) for a, b in pairs) and bool((apart <= TOLERANCE).all())
