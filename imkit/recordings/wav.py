"""A WAV file that is valid after every second of writing, so that a killed session loses little."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 44


class WavWriter:
    """Writes mono 16-bit PCM at ``rate_hz``. The header's lengths are brought up to date by ``sync`` and ``close``."""

    def __init__(self, path: Path, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.samples = 0
        self._file = path.open("wb")
        self._file.write(self._header())

    def write(self, audio: NDArray[np.float32]) -> None:
        """Append float samples in [-1, 1]; what is beyond is clipped."""
        self._file.write((np.clip(audio, -1, 1) * 32767).round().astype("<i2").tobytes())
        self.samples += len(audio)

    def sync(self) -> None:
        """Make what was written so far a whole WAV file."""
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, 2)
        self._file.flush()

    def close(self) -> None:
        """Finish the file. May be called twice."""
        if not self._file.closed:
            self.sync()
            self._file.close()

    def _header(self) -> bytes:
        size = min(self.samples * 2, 0xFFFFFFFF - HEADER_BYTES)
        form = struct.pack("<IHHIIHH", 16, 1, 1, self.rate_hz, self.rate_hz * 2, 2, 16)
        return b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)
