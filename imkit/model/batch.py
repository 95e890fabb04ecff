"""Many streams in one native call: their inputs side by side, their outputs apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .batch_runtime import BatchRuntime, OnnxBatch, TorchBatch
from .config import AUDIO_TOKENS, NanoConfig
from .given import Given, Ints
from .network import POSITIONS
from .pool import Room
from .ring import Floats, Ring
from .runtime import OnnxRuntime, Runtime

BY_STREAM = ("heard", "word", "floor", "call", "slots")


class Batch:
    """A runtime and the pool that it reads caches from. One call at a time."""

    def __init__(self, config: NanoConfig, runtime: BatchRuntime) -> None:
        self.config, self.runtime = config, runtime
        self.pool = runtime.pool()

    def seat(self, rings: Sequence[Ring]) -> list[tuple[Room, list[int]]]:
        """Bring rings in; which of them are called together. Raises ModelError and does nothing where it cannot."""
        self.pool.check(rings)
        return self.pool.seat(rings)

    def run(self, room: Room, rings: Sequence[Ring], given: Sequence[Given]) -> list[dict[str, Any]]:
        """One micro-turn of rings that sit in one room, by rising seat. Outputs by stream, as ``graph.OUTPUTS``."""
        seats = np.array([ring.seat.number for ring in rings if ring.seat is not None])
        first, span = int(seats[0]), int(seats[-1] - seats[0] + 1)
        ends = np.cumsum([len(one.rows) for one in given])
        out = self.runtime.run(
            {
                **_contents(given, self.config.frame_px),
                **_layout(given, ends, seats - first, span),
                "bias": _bias(rings, seats - first, span),
            },
            room.keys[:, first : first + span],
            room.values[:, first : first + span],
        )
        apart = []
        for i, (own, end) in enumerate(zip(given, ends, strict=True)):
            one = {name: out[name][i] for name in BY_STREAM if name in out}
            for name in ("new_keys", "new_values"):
                one[name] = out[name][:, end - len(own.rows) : end]
            apart.append({**one, "new_ears": out["new_ears"][i : i + 1].copy()})
        return apart


def _contents(given: Sequence[Given], px: int) -> dict[str, npt.NDArray[Any]]:
    """What came in, stream after stream."""
    frames = [one.frame for one in given if one.frame is not None] or [np.zeros((3, px, px), np.float32)]
    most = len(given[0].before)
    read = [one.read[j : j + most + 1] for one in given for j in range(len(one.words))] or [[0] * (most + 1)]
    told = [(provenance, i) for i, one in enumerate(given) for _, provenance in one.words] or [(0, 0)]
    provenance, spoken_to = np.array(told, np.int64).T
    return {
        "sound": np.stack([one.microphone for one in given] + [one.own for one in given]),
        "ears": np.concatenate([one.ears for one in given]),
        "frames": np.stack(frames),
        "words": np.array(read, np.int64),
        "provenance": np.ascontiguousarray(provenance),
        "spoken_to": np.ascontiguousarray(spoken_to),
        "done": np.array([one.done for one in given], np.int64),
        "tick": np.array([one.tick for one in given], np.int64),
    }


def _layout(given: Sequence[Given], ends: Ints, seats: Ints, span: int) -> dict[str, Ints]:
    """Where each token comes from, what its position is, and in which row of which seat it asks."""
    frame = 0
    word = max(1, sum(one.frame is not None for one in given))
    audio = word + max(1, sum(len(one.words) for one in given))
    act = audio + AUDIO_TOKENS * len(given)
    longest = max(len(one.rows) for one in given)
    tokens: list[int] = []
    places: list[int] = []
    asked = np.zeros((span, longest), np.int64)
    for i, (one, end, seat) in enumerate(zip(given, ends, seats, strict=True)):
        if one.frame is not None:
            tokens.append(frame)
            frame += 1
        tokens += range(word, word + len(one.words))
        word += len(one.words)
        tokens += range(audio + AUDIO_TOKENS * i, audio + AUDIO_TOKENS * (i + 1))
        tokens.append(act + i)
        count = len(one.rows)
        asked[seat, :count] = np.arange(end - count, end)
        places += range(seat * longest, seat * longest + count)
    return {
        "tokens": np.array(tokens, np.int64),
        "positions": np.concatenate([one.positions for one in given]) % POSITIONS,
        "rows": asked,
        "places": np.array(places, np.int64),
        "last": ends - 1,
    }


def _bias(rings: Sequence[Ring], seats: Ints, span: int) -> Floats:
    """What of each seat's cache is in reach [span, place]; of a seat that is not called, nothing."""
    bias = np.full((span, len(rings[0].bias)), -np.inf, np.float32)
    for ring, seat in zip(rings, seats, strict=True):
        bias[seat] = ring.bias
    return bias


def open_batch(runtime: Runtime, config: NanoConfig, device: str) -> Batch:
    """For a model that steps in ONNX Runtime the same for many, for others and on other devices torch."""
    if isinstance(runtime, OnnxRuntime) and device == "cpu":
        return Batch(config, OnnxBatch(runtime.folder, config))
    return Batch(config, TorchBatch(runtime.folder, config, device))
