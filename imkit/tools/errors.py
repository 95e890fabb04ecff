"""What can go wrong with a tool, each in words for the person."""

from __future__ import annotations

from imkit.stream import ImkitError


class ToolError(ImkitError, ValueError):
    """A tool was declared or called in a way that it does not allow."""


class ToolRefused(ImkitError):
    """A tool may not run. The message says why, in words for the person."""


class ToolStopped(ToolRefused):
    """A tool was told to stop while it ran or waited for leave to run: nobody waits for its result any more."""
