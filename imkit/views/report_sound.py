"""Both sides as one stereo file that a browser plays: the user left, the model right."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE, INPUT_SAMPLES, TICKS_PER_S, Timeline

FLAC_UP_TO_S = 120.0
BITS_PER_S = 48_000
_CHUNK_TICKS = 300


class Sound(NamedTuple):
    """A file, its media type, and where on the clock it starts."""

    file: bytes
    kind: str
    start_s: float


def both_sides(timeline: Timeline) -> Sound | None:
    """The sound that is still held; None where none is.

    Up to two minutes it is exact, as FLAC: 110 MB an hour. Longer sound is Opus in WebM, 10 to 21 MB an hour, which all
    current browsers play from one element, so that both sides stay on one clock; and nothing has to be decoded whole.
    """
    held = [moment.index for moment in timeline if moment.has_media]
    if not held:
        return None
    first, ticks = held[0], held[-1] + 2 - held[0]
    chunks = _chunks(timeline, first, ticks)
    exact = ticks / TICKS_PER_S <= FLAC_UP_TO_S
    return Sound(*((_flac(chunks), "audio/flac") if exact else (_opus(chunks), "audio/webm")), first / TICKS_PER_S)


def _chunks(timeline: Timeline, first: int, ticks: int) -> Iterator[NDArray[np.int16]]:
    """Stereo samples [n, 2] at 16 kHz, a minute at a time."""
    for begin in range(0, ticks, _CHUNK_TICKS):
        size = min(_CHUNK_TICKS, ticks - begin)
        sides = np.zeros((size, INPUT_SAMPLES, 2), np.float32)
        low = first + begin
        for moment in timeline.between((low - 1) / TICKS_PER_S, (low + size) / TICKS_PER_S):
            if moment.has_media and low <= moment.index < low + size:
                sides[moment.index - low, :, 0] = moment.percept.audio
            if moment.has_media and low <= moment.index + 1 < low + size:
                sides[moment.index + 1 - low, :, 1] = _at_input_rate(moment.act.audio)
        yield (np.clip(sides.reshape(-1, 2), -1, 1) * 32767).astype(np.int16)


def _at_input_rate(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """One tick of sound at 16 kHz, between its samples by straight lines; it is for listening only."""
    if len(audio) == INPUT_SAMPLES:
        return audio
    at = (np.arange(INPUT_SAMPLES) + 0.5) * len(audio) / INPUT_SAMPLES - 0.5
    return np.interp(at, np.arange(len(audio)), audio).astype(np.float32)


def _flac(chunks: Iterator[NDArray[np.int16]]) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate(list(chunks)), INPUT_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _opus(chunks: Iterator[NDArray[np.int16]]) -> bytes:
    import av

    buffer = io.BytesIO()
    container: Any = av.open(buffer, "w", format="webm")
    stream: Any = container.add_stream("libopus", rate=INPUT_RATE, layout="stereo", options={"compression_level": "0"})
    stream.bit_rate = BITS_PER_S
    position = 0
    for samples in chunks:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = INPUT_RATE, position
        position += len(samples)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    container.close()
    return buffer.getvalue()
