"""A desk that remembers what was done at it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from imkit.background import Desk
from imkit.stream import Utterance

TALK = (
    Utterance("user", "plot the prize", 1.0, 2.0),
    Utterance("model", "Okay, one moment.", 2.4, 3.2),
    Utterance("typed", "plot unit_price by Region", 4.0, 4.2),
)


class FakeDesk:
    """Tools, and lists of what was told, shown and reported. ``cancel`` is what a session does."""

    def __init__(self, tools: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self.told: list[str] = []
        self.shown: list[Mapping[str, Any]] = []
        self.reported: list[str] = []
        self.callbacks: list[Callable[[], object]] = []
        self._stop = threading.Event()
        self.desk = Desk(
            dict(tools or {}),
            self._stop.is_set,
            self.reported.append,
            self.told.append,
            self.shown.append,
            self._on_cancel,
        )

    def _on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def cancel(self) -> None:
        self._stop.set()
        for callback in list(self.callbacks):
            callback()
