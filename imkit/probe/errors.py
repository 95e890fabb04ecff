"""What a fork refuses."""

from __future__ import annotations

from imkit.stream import ImkitError


class ForkError(ImkitError, ValueError):
    """A fork, or an edit of one, that cannot be made. Says what was passed, what was expected, what to do."""
