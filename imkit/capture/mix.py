"""Several sources as one: a voice from a file, a camera from a folder, typing from a script."""

from __future__ import annotations

from typing import Self

import numpy as np

from imkit.stream import INPUT_SAMPLES, Percept, Provenance, SourceError

from .source import ClockedSource, Source

_MAX_FRAMES = 2


class Mix:
    """Merges the ticks of ``sources``: sounds are added, pictures kept newest two, texts joined, events in order.

    It ends when all have ended; at most one source may be clocked, and then the mix keeps that source's time.
    """

    def __init__(self, *sources: Source) -> None:
        clocked = [source for source in sources if source.clocked]
        if not sources or len(clocked) > 1:
            reason = f"has {len(sources)} sources, {len(clocked)} of them clocked;"
            raise SourceError("mix", reason, "Expected one or more, at most one clocked.")
        self.sources = sources
        self._clock: Source | None = clocked[0] if clocked else None
        self.clocked = self._clock is not None
        self.provenance = self._clock.provenance if self._clock else Provenance.FILE
        self._running: list[Source] = []

    @property
    def ended(self) -> bool:
        """True when no further tick will come."""
        return self._clock.ended if isinstance(self._clock, ClockedSource) else not self._running

    def open(self) -> None:
        """Open every source; if one cannot be opened, close the others again."""
        try:
            for source in self.sources:
                source.open()
        except BaseException:
            self.close()
            raise
        self._running = list(self.sources)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the clocked source; True at once without one."""
        return self._clock.wait(timeout_s) if isinstance(self._clock, ClockedSource) else True

    def read(self, index: int) -> Percept | None:
        """The merged percept of tick ``index``."""
        lead = self._clock.read(index) if self._clock else None
        if self._clock and lead is None:
            return None
        parts = [lead] if lead else []
        for source in [source for source in self._running if source is not self._clock]:
            part = source.read(index)
            if part is None:
                self._running.remove(source)
            else:
                parts.append(part)
        return merge(index, parts) if parts else None

    def close(self) -> None:
        """Close every source."""
        self._running = []
        for source in self.sources:
            source.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Mix({', '.join(map(repr, self.sources))})"


def merge(index: int, parts: list[Percept]) -> Percept:
    """One percept of several of the same tick."""
    if len(parts) == 1:
        return parts[0]
    audio = np.zeros(INPUT_SAMPLES, np.float32)
    for part in parts:
        audio += part.audio
    return Percept(
        index,
        np.clip(audio, -1, 1),
        tuple(frame for part in parts for frame in part.frames)[-_MAX_FRAMES:],
        "\n".join(part.text for part in parts if part.text),
        next((part.draft for part in reversed(parts) if part.draft), ""),
        tuple(event for part in parts for event in part.events),
    )
