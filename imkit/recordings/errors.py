"""What is wrong with a recording."""

from __future__ import annotations

from imkit.stream import ImkitError


class RecordingError(ImkitError):
    """A recording cannot be written or read. Names the folder and the reason."""
