"""For tests that look into recordings: a session that is recorded and captured at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imkit.capture import OrderedSource
from imkit.probe import ActivationCache, capture
from imkit.recordings import Consent, Recorder, Recording, open_recording
from imkit.session import Session
from imkit.stream import Percept


class Given(OrderedSource):
    """Percepts, one after another."""

    def __init__(self, incoming: list[Percept]) -> None:
        super().__init__("given")
        self.incoming = incoming

    def _start(self) -> None:
        return None

    def _tick(self, index: int) -> Percept | None:
        return self.incoming[index] if index < len(self.incoming) else None


def recorder_for(model: Any, folder: Path, **more: Any) -> Recorder:
    spec = model.spec
    return Recorder(folder, output_rate=spec.output_rate, model=spec.name, consent=Consent("a test"), **more)


def recorded(model: Any, folder: Path, incoming: list[Percept]) -> tuple[Recording, ActivationCache]:
    """A recording of a session that a capture of everything watched, and what it kept."""
    with Session(model, namespace={}) as session, recorder_for(model, folder) as recorder:
        session.tap = recorder
        with capture(session) as kept:
            session.run(Given(incoming), tail_s=0)
    return open_recording(folder), kept.cache()
