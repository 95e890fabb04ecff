"""What the kernel holds in the place of a model, a loop and a source that live in a process apart."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from imkit.capture import BrowserSource, Source
from imkit.session.delegation import Delegation
from imkit.stream import Ledger, ModelSpec, OpenConfig, Percept, SessionError

from .host import Host

if TYPE_CHECKING:
    from .drive import DriveApart


class ModelApart:
    """What the kernel knows of a model that lives in a process apart: its spec."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def open(self, config: OpenConfig) -> Any:
        """Raises SessionError."""
        raise SessionError(_reach(config))

    def step(self, state: Any, percept: Percept) -> Any:
        """Raises SessionError."""
        raise SessionError(_reach(state, percept))

    def __repr__(self) -> str:
        return f"ModelApart({self.spec.name!r}, in a process apart)"


def _reach(*_: object) -> str:
    return (
        "the model of this session lives in a process apart (isolate=True) and cannot be stepped or looked into from "
        "the kernel; use a session without isolate, or imkit.load(...) for a model of your own here"
    )


class LoopApart:
    """Stands for the loop there: what it was opened with, and the work that is done here for it."""

    def __init__(self, config: OpenConfig, delegation: Delegation | None, ledger: Ledger) -> None:
        self.config = config
        self.delegation = delegation
        self.ledger = ledger
        self.state: Any = None
        self.host: Host | None = None
        """The process in which it is open."""


class SourceApart:
    """A source that is read there. ``open`` and ``close`` do nothing here; the drive does."""

    def __init__(self, source: Source) -> None:
        self.clocked, self.provenance = source.clocked, source.provenance
        self._own = source
        self.browser = isinstance(source, BrowserSource)
        self.packed = np.zeros(0, np.uint8) if self.browser else packed(source, "source")
        self.drive: DriveApart | None = None

    def learn(self, told: Mapping[str, Any]) -> None:
        """Keeps the kernel's own source up to what was counted there."""
        counts = getattr(self._own, "counts", None)
        if isinstance(counts, dict):
            counts.update(told["source_counts"])
        if isinstance(self._own, BrowserSource):
            self._own.last_seq = int(told.get("last_seq", self._own.last_seq))

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self.drive is not None and self.drive.ended

    def wait(self, timeout_s: float) -> bool:  # noqa: ARG002
        """It is waited for there."""
        return False

    def open(self) -> None:
        """It is opened when it is driven."""

    def read(self, index: int) -> Percept | None:  # noqa: ARG002
        """It is read there."""
        return None

    def close(self) -> None:
        """Ends the drive that reads it."""
        drive, self.drive = self.drive, None
        if drive is not None:
            drive.close()


def packed(thing: object, what: str) -> Any:
    """A thing as bytes, uint8 [n], for the process apart. Raises SessionError where it cannot be sent."""
    try:
        return np.frombuffer(pickle.dumps(thing), np.uint8)
    except Exception as error:
        more = (
            'pass its name or its folder, such as model="nano"'
            if what == "model"
            else "pass a path, arrays, or a source from imkit.capture"
        )
        raise SessionError(
            f"isolate=True: the {what} {type(thing).__name__} cannot be sent to a process apart "
            f"({type(error).__name__}: {error}); {more}"
        ) from error
