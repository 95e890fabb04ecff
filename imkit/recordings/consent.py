"""The say of a person that a session may be kept: the first thing a recording holds."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .journal import STREAMS


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name in a container
        return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Consent:
    """Who said yes, by what act, when (UTC, ISO 8601), and to which streams.

    ``how`` is what was called or typed: nothing is recorded but by such a call. ``who`` is the name of the account.
    """

    how: str
    who: str = field(default_factory=_user)
    when: str = field(default_factory=_now)
    streams: tuple[str, ...] = STREAMS

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"how": self.how, "who": self.who, "when": self.when, "streams": list(self.streams)}
