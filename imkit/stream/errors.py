"""The errors imkit raises on purpose. Each says what was passed, what was expected, and what to do next."""

from __future__ import annotations


class ImkitError(Exception):
    """Base of every error that imkit raises itself."""


class ContractError(ImkitError, ValueError):
    """A percept, act, event or call does not keep the tick contract."""


class SourceError(ImkitError):
    """A source of percepts cannot be read. Names the source and the reason."""

    def __init__(self, source: object, reason: str, hint: str = "") -> None:
        self.source = str(source)
        self.reason = reason
        super().__init__(f"{self.source}: {reason}" + (f" {hint}" if hint else ""))


class ModelError(ImkitError):
    """A model cannot be loaded or stepped."""


class SessionError(ImkitError, RuntimeError):
    """A session was asked for something its state does not allow."""
