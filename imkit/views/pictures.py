"""Pictures as small JPEGs that stand inside a figure or a page."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import Timeline

MOST = 240


def jpeg(picture: NDArray[np.uint8], height: int = 48) -> bytes:
    """``picture`` [height, width, 3] as a JPEG of ``height`` px."""
    import av

    width = max(2, round(picture.shape[1] * height / picture.shape[0] / 2) * 2)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(
        width, height, "yuvj420p"
    )
    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.framerate = width, height, "yuvj420p", 1
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def jpeg_address(picture: NDArray[np.uint8], height: int = 48) -> str:
    """The same as a data address."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(picture, height)).decode("ascii")


def pictures_of(timeline: Timeline, every_s: float = 1.0, height: int = 48) -> dict[float, str]:
    """The pictures still held, as data addresses by time: ``every_s`` seconds apart or more, and at most 240."""
    seen = [moment for moment in timeline if moment.frame_count]  # those of a recording are decoded one by one
    first, last = (next((m for m in ordered if m.percept.frames), None) for ordered in (seen, reversed(seen)))
    if first is None or last is None:
        return {}
    every_s = max(every_s, (last.start_s - first.start_s) / MOST)
    shown: dict[float, str] = {}
    last_s = -1e9
    for moment in seen:
        if moment.start_s - last_s >= every_s - 1e-3 and (held := moment.percept.frames):
            last_s = moment.start_s
            shown[moment.start_s] = jpeg_address(held[-1], height)
    return shown
