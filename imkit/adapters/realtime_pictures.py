"""Pictures on the wire: RGB to JPEG and back, by PyAV. Nothing is ever fetched from an address."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.capture.picture import rgb_of

from .realtime_events import WireError

MAX_PICTURE_BYTES: Final = 4 << 20
MAX_PIXELS: Final = 4_000_000
_KINDS: Final = ("data:image/jpeg;base64,", "data:image/jpg;base64,", "data:image/png;base64,")
_CODECS: Final = {b"\xff\xd8\xff": "mjpeg", b"\x89PN": "png"}


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 [height, width, 3], as a JPEG of its own size (made even)."""
    import av

    height, width = (max(2, side // 2 * 2) for side in picture.shape[:2])
    whole = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.framerate = width, height, "yuvj420p", 1
    frame = whole.reformat(width, height, "yuvj420p")
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def picture_in(address: object) -> NDArray[np.uint8]:
    """The picture in a data address (JPEG or PNG), at most 320 px a side. Raises WireError for everything else."""
    import av

    kind = next((kind for kind in _KINDS if isinstance(address, str) and address[:40].lower().startswith(kind)), "")
    if not isinstance(address, str) or not kind:
        raise WireError("image_url", "is no data address of a JPEG or PNG; no other address is fetched")
    if len(address) > MAX_PICTURE_BYTES * 4 // 3 + 64:
        raise WireError("image_url", f"holds more than {MAX_PICTURE_BYTES >> 20} MB")
    try:
        data = base64.b64decode(address[len(kind) :], validate=True)
    except (binascii.Error, ValueError):
        raise WireError("image_url", "is not base64") from None
    codec = _CODECS.get(data[:3])
    if codec is None or _pixels(data) > MAX_PIXELS:
        raise WireError("image_url", f"is no JPEG or PNG of at most {MAX_PIXELS // 1_000_000} megapixels")
    try:
        decoder: Any = av.CodecContext.create(codec, "r")
        decoder.thread_count = 1
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
        return rgb_of(frames[0])
    except (av.error.FFmpegError, ValueError, IndexError, MemoryError):
        raise WireError("image_url", "cannot be decoded") from None


def _pixels(data: bytes) -> int:
    """How many pixels a picture says that it has, before anything is decoded; too many where it does not say."""
    if data.startswith(b"\x89PN"):
        return int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")
    stream = io.BytesIO(data[2:])
    while len(head := stream.read(4)) == 4 and head[0] == 0xFF:
        if head[1] in range(0xC0, 0xC4):  # a start of frame: precision, height, width
            size = stream.read(5)
            return int.from_bytes(size[1:3], "big") * int.from_bytes(size[3:5], "big")
        stream.seek(max(0, int.from_bytes(head[2:4], "big") - 2), io.SEEK_CUR)
    return MAX_PIXELS + 1
