"""What is stored is what the model was given: sound on the 16-bit grid, pictures as JPEG, payloads as plain JSON.

A browser sends PCM16 and 16-bit sound files hold it, so their sound is stored as it is. Anything finer (a resampled
file, a mix) is rounded to the grid *before* the model hears it, by at most half a step (-96 dB), and a picture goes
through JPEG before the model sees it. Stored in full, float sound would be four times and pictures ten times as large.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.stream import Event, Percept, plain

from .errors import RecordingError
from .layout import MAX_PIXELS

SCALE: Final = 32768
QUALITY: Final = 3
"""Quantiser of the JPEGs, 1 (best) to 31: about 10 kB for 320 x 240 and a third of the noise of a webcam."""


def pcm_of(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """float32 in [-1, 1] as 16-bit samples, little-endian; what lies outside is clipped."""
    pcm: NDArray[np.int16] = np.clip(np.rint(audio * np.float32(SCALE)), -SCALE, SCALE - 1).astype("<i2")
    return pcm


def audio_of(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """16-bit samples as float32 in [-1, 1)."""
    return pcm.astype(np.float32) / np.float32(SCALE)


def jpeg_of(picture: NDArray[np.uint8]) -> bytes:
    """uint8 [height, width, 3] as a baseline JPEG, chroma at half size (what webcams send)."""
    import av

    height, width = picture.shape[:2]
    if height * width > MAX_PIXELS:
        step = -(-max(height, width) // 4096)
        return jpeg_of(np.ascontiguousarray(picture[::step, ::step]))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.framerate = width, height, "yuvj420p", 1
    codec.thread_count = 1
    codec.options = {"qmin": str(QUALITY), "qmax": str(QUALITY), "flags": "+qscale"}
    planes = frame.reformat(width, height, "yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG")
    return b"".join(bytes(packet) for packet in [*codec.encode(planes), *codec.encode(None)])


def picture_of(jpeg: bytes) -> NDArray[np.uint8]:
    """A JPEG as uint8 [height, width, 3]. RecordingError when it is none or says more than 16 megapixels."""
    import av

    width, height = _size(jpeg)
    if not 0 < width * height <= MAX_PIXELS:
        raise RecordingError(f"a picture of {width} x {height} pixels, expected at most {MAX_PIXELS} pixels")
    try:
        codec: Any = av.CodecContext.create("mjpeg", "r")
        codec.thread_count = 1
        picture: NDArray[np.uint8] = codec.decode(av.Packet(jpeg))[0].to_ndarray(format="rgb24")
    except (av.error.FFmpegError, ValueError, IndexError, MemoryError) as error:
        raise RecordingError(f"a picture cannot be decoded: {error}") from error
    return picture


def _size(jpeg: bytes) -> tuple[int, int]:
    """Width and height that the frame header of a JPEG declares (ITU-T T.81, B.2.2); 0, 0 without one."""
    at = 2
    while jpeg[:2] == b"\xff\xd8" and at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xC3:
            return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")
        at += 2 + length
    return 0, 0


def exact(percept: Percept, *, frames: bool = True) -> tuple[Percept, tuple[bytes, ...]]:
    """The percept as a recording gives it back, and its pictures as JPEG. The model is to be given this one."""
    jpegs = tuple(jpeg_of(frame) for frame in percept.frames) if frames else ()
    audio = audio_of(pcm_of(percept.audio))
    pictures = tuple(map(picture_of, jpegs)) if frames else percept.frames
    return replace(percept, audio=audio, frames=pictures, events=tuple(map(_plain, percept.events))), jpegs


def is_exact(percept: Percept, pcm: NDArray[np.int16]) -> bool:
    """Whether the stored sound is, to the bit, the sound of the percept."""
    return audio_of(pcm).tobytes() == percept.audio.tobytes()


def _plain(event: Event) -> Event:
    payload = plain(event.payload)
    return event if payload == event.payload else replace(event, payload=payload)
