"""What a client said, waiting for its tick: sound at 24 kHz, pictures, texts, results. Bounded; losses are counted."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from imkit.adapters.realtime_events import API_RATE
from imkit.capture.resample import Resampler
from imkit.stream import INPUT_RATE, INPUT_SAMPLES, TICKS_PER_S, Event, Percept, Provenance

MAX_TEXTS: Final = 16
MAX_EVENTS: Final = 64
MAX_FRAMES: Final = 2


@dataclass
class Waiting:
    """Samples at 16 kHz in pieces."""

    pieces: deque[NDArray[np.float32]]
    samples: int = 0

    def take(self, samples: int) -> NDArray[np.float32]:
        """The oldest ``samples``, or as many as there are."""
        taken: list[NDArray[np.float32]] = []
        left = min(samples, self.samples)
        self.samples -= left
        while left:
            piece = self.pieces.popleft()
            if len(piece) > left:
                self.pieces.appendleft(piece[left:])
                piece = piece[:left]
            taken.append(piece)
            left -= len(piece)
        return np.concatenate(taken) if taken else np.zeros(0, np.float32)


class Intake:
    """Becomes percepts, one tick at a time.

    ``counts``: samples for which there was no room, that were cleared or skipped, ticks that were filled with silence;
    texts, events and pictures that were dropped, the oldest first.
    """

    def __init__(self, audio_s: float) -> None:
        self._most = round(audio_s * INPUT_RATE)
        self._sound = Waiting(deque())
        self._resampler = Resampler(API_RATE)
        self._primed = False
        self._texts: deque[str] = deque(maxlen=MAX_TEXTS)
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._frames: deque[NDArray[np.uint8]] = deque(maxlen=MAX_FRAMES)
        self._gap = 0
        self.counts: Counter[str] = Counter()
        self.appended = False
        """Sound came in since it was last asked for an item of it."""

    @property
    def ticks(self) -> int:
        """Whole ticks of sound that wait."""
        return self._sound.samples // INPUT_SAMPLES

    def hear(self, sound: NDArray[np.float32]) -> int:
        """Sound at 24 kHz. Gives the samples, at 16 kHz, for which there was no room."""
        if not len(sound):
            return 0
        self.appended, given = True, len(sound)
        sound = self._resampler.push(sound)
        if not self._primed:  # what the resampler looks ahead (1 ms) is silence first, so that a tick in is a tick out
            self._primed = True
            sound = np.concatenate([np.zeros(given * INPUT_RATE // API_RATE - len(sound), np.float32), sound])
        room = self._most - self._sound.samples
        if len(sound) > room:
            self.counts["overflow_samples"] += len(sound) - room
        kept = np.clip(sound[:room], -1, 1)
        if len(kept):
            self._sound.pieces.append(kept)
            self._sound.samples += len(kept)
        return max(0, len(sound) - room)

    def clear(self) -> None:
        """Sound that was not heard yet is dropped."""
        self.counts["cleared_samples"] += self._sound.samples
        self._sound = Waiting(deque())
        self._resampler = Resampler(API_RATE)
        self._primed = self.appended = False

    def read(self, text: str) -> None:
        """A text of the user; white space alone is none."""
        if not text.strip():
            return
        self.counts["dropped_texts"] += len(self._texts) == MAX_TEXTS
        self._texts.append(text)

    def see(self, picture: NDArray[np.uint8]) -> None:
        """A picture; the newest two of a tick are seen."""
        self.counts["dropped_frames"] += len(self._frames) == MAX_FRAMES
        self._frames.append(picture)

    def tell(self, event: Event) -> None:
        """A result, or something else that happened."""
        self.counts["dropped_events"] += len(self._events) == MAX_EVENTS
        self._events.append(event)

    def skip(self, ticks: int) -> None:
        """So many ticks passed that nobody had time to live: their sound is lost, and the next percept says so."""
        self.counts["skipped_ticks"] += ticks
        self.counts["skipped_samples"] += len(self._sound.take(ticks * INPUT_SAMPLES))
        self._gap += ticks

    def percept(self, index: int) -> Percept:
        """The next tick, with silence where there is no sound."""
        sound = self._sound.take(INPUT_SAMPLES)
        if len(sound) < INPUT_SAMPLES:
            self.counts["silent_ticks"] += 1
            self.counts["torn_ticks"] += len(sound) > 0
            sound = np.concatenate([sound, np.zeros(INPUT_SAMPLES - len(sound), np.float32)])
        events = list(self._events)
        if self._gap:
            told = f"{self._gap / TICKS_PER_S:.1f} s of sound were lost before this"
            events.insert(0, Event("system", Provenance.MICROPHONE, told, payload={"gap_ticks": self._gap}))
        percept = Percept(index, sound, tuple(self._frames), "\n".join(self._texts), events=tuple(events))
        self._texts.clear()
        self._events.clear()
        self._frames.clear()
        self._gap = 0
        return percept
