"""Pictures small enough for a tick: RGB, at most 320 px on the longer side. Decoded by PyAV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import SourceError

from .source import media_path

MAX_SIDE = 320


def fitted(width: int, height: int) -> tuple[int, int]:
    """``width, height`` made smaller, in proportion, until neither is above 320; never below 1."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def rgb_of(frame: Any) -> NDArray[np.uint8]:
    """A decoded ``av.VideoFrame`` as uint8 [height, width, 3], scaled down, turned upright."""
    width, height = fitted(frame.width, frame.height)
    picture: NDArray[np.uint8] = frame.to_ndarray(width=width, height=height, format="rgb24")
    quarters = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, quarters)) if quarters else picture


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """The picture in a file (PNG, JPEG, BMP, WebP, ...) as uint8 [height, width, 3]. Raises SourceError."""
    import av

    path = media_path(path)
    try:
        with av.open(str(path)) as container:
            if container.streams.video:
                for frame in container.decode(video=0):
                    return rgb_of(frame)
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        raise SourceError(path, f"is no picture that can be read: {error}.", "Convert it to PNG or JPEG.") from error
    raise SourceError(path, "holds no picture.", "Give a PNG or JPEG file.")
