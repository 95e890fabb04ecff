"""What a fork refuses, and what a look into a model does."""

from __future__ import annotations

from imkit.stream import ImkitError


class ForkError(ImkitError, ValueError):
    """A fork, or an edit of one, that cannot be made. Says what was passed, what was expected, what to do."""


class ProbeError(ImkitError, ValueError):
    """A look into a model, or a change inside it, that cannot be. Says what was passed, expected, and what to do."""


class UnknownSite(ProbeError, KeyError):
    """No site of that name; says which comes nearest."""

    def __str__(self) -> str:  # a KeyError shows its message quoted
        return str(self.args[0])
