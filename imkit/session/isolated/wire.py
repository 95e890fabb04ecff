"""What the kernel and the process apart say to each other: JSON values and plain arrays, never code or pickles.

A message is ``u8 version, u8 arrays, u16 0, u32 json_bytes``, the JSON object, and the bytes of its arrays in order, as
its "arrays" tell them: [dtype, shape]. Everything is checked when it is read.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.stream import ImkitError

VERSION: Final = 1
HEADER: Final = struct.Struct("<BBHI")
MAX_JSON_BYTES: Final = 16 << 20
MAX_ARRAY_BYTES: Final = 4 << 30
MAX_ARRAYS: Final = 8
_DTYPES: Final = {"<f4", "|u1"}


class WireError(ImkitError, ValueError):
    """A message between kernel and process apart breaks the format."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """``kind`` says what it is, ``values`` are plain JSON values, ``arrays`` float32 or uint8 of any shape."""

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: tuple[NDArray[Any], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays)


def bytes_of(message: Message) -> list[bytes | memoryview]:
    """The message in pieces, to be written one after another. Raises WireError for what is no JSON value."""
    arrays = [np.ascontiguousarray(array) for array in message.arrays]
    shapes = [[array.dtype.str, list(array.shape)] for array in arrays]
    try:
        head = json.dumps({"kind": message.kind, "arrays": shapes, "values": message.values}, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise WireError(f"{message.kind}: {error}; expected plain JSON values") from error
    if len(head) > MAX_JSON_BYTES or len(arrays) > MAX_ARRAYS:
        raise WireError(f"{message.kind}: {len(head)} bytes of JSON and {len(arrays)} arrays are too many")
    if any(array.dtype.str not in _DTYPES for array in arrays):
        raise WireError(
            f"{message.kind}: arrays of {[array.dtype.str for array in arrays]}, expected {sorted(_DTYPES)}"
        )
    buffers = [_bytes_in(array) for array in arrays if array.size]
    return [HEADER.pack(VERSION, len(arrays), 0, len(head)), head, *buffers]


def read_message(stream: BufferedReader) -> Message | None:
    """The next message; None where the stream ends. Raises WireError for anything that nobody here writes."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    version, count, zero, size = HEADER.unpack(header)
    if version != VERSION or zero or count > MAX_ARRAYS or size > MAX_JSON_BYTES:
        raise WireError(f"a message begins with {header.hex()}; expected version {VERSION}")
    head = stream.read(size)
    if len(head) < size:
        return None
    try:
        told = json.loads(head)
        kind, values, shapes = str(told["kind"]), dict(told["values"]), [_shape(one) for one in told["arrays"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WireError(f"a message is no JSON of ours: {type(error).__name__}: {error}") from error
    if len(shapes) != count:
        raise WireError(f"{kind}: {count} arrays announced and {len(shapes)} described")
    arrays = []
    for dtype, shape in shapes:
        array: NDArray[Any] = np.empty(shape, dtype)
        if array.size and stream.readinto(_bytes_in(array)) < array.nbytes:
            return None
        arrays.append(array)
    return Message(kind, values, tuple(arrays))


def _bytes_in(array: Any) -> memoryview:
    return memoryview(array.reshape(-1)).cast("B")


def _shape(told: Any) -> tuple[str, tuple[int, ...]]:
    dtype, shape = told
    if dtype not in _DTYPES or len(shape) > 3 or any(type(side) is not int or side < 0 for side in shape):
        raise ValueError(f"an array is {told!r:.80}")
    if math.prod(shape) * np.dtype(dtype).itemsize > MAX_ARRAY_BYTES:
        raise ValueError(f"an array has the shape {shape}")
    return dtype, tuple(shape)
