"""Nano's interim voice: words become sound by playing clips rendered in advance, under the model's floor decision.

The model decides when each word starts and when the floor ends; the clips only give it sound. The own-audio slots of
the token layout hear this sound back, as they will hear the model's own audio tokens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from imkit.stream import TICK_S, ModelError, samples_per_tick

FADE_SAMPLES = 160


class Speaker(Protocol):
    """What a voice can say: word to float32 sound at ``rate`` Hz, and how many micro-turns a word sounds for."""

    @property
    def rate(self) -> int: ...

    @property
    def voice(self) -> str: ...

    @property
    def sounds(self) -> Mapping[str, npt.NDArray[np.float32]]: ...

    def ticks(self, word: str, /) -> int: ...


@dataclass(frozen=True)
class Clips:
    """Word to float32 sound at ``rate`` Hz."""

    rate: int
    voice: str
    sounds: dict[str, npt.NDArray[np.float32]]

    def ticks(self, word: str) -> int:
        """How many micro-turns a word sounds for."""
        return max(1, math.ceil(len(self.sounds[word]) / (self.rate * TICK_S) - 1e-6))

    @classmethod
    def load(cls, folder: Path) -> Clips:
        """Read ``clips.flac`` and ``clips.json``."""
        try:
            note = json.loads((folder / "clips.json").read_text(encoding="utf-8"))
            samples, rate = soundfile.read(folder / "clips.flac", dtype="float32")
        except (OSError, ValueError, soundfile.LibsndfileError) as error:
            raise ModelError(f"{folder}: no readable word clips ({error})") from error
        if rate != note["rate"] or len(samples) != sum(note["samples"]):
            raise ModelError(f"{folder}: clips.flac does not fit clips.json; render them again with imkit train")
        edges = np.cumsum([0, *note["samples"]])
        sounds = {word: samples[a:b] for word, a, b in zip(note["words"], edges, edges[1:], strict=False)}
        return cls(rate, note["voice"], sounds)


@dataclass
class Mouth:
    """What is being said: sound that is still to come. ``say`` a word, then ``tick`` for one micro-turn of sound."""

    rest: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    def say(self, clips: Clips, word: str) -> None:
        """Start a word; one still sounding is cut short by a fade."""
        sound = clips.sounds.get(word)
        if sound is None:
            return
        tail = self.rest[:FADE_SAMPLES] * np.linspace(1, 0, len(self.rest[:FADE_SAMPLES]), dtype=np.float32)
        self.rest = sound.copy()
        self.rest[: len(tail)] += tail[: len(self.rest)]

    def tick(self, clips: Clips, speaking: bool) -> tuple[npt.NDArray[np.float32], bool]:
        """One micro-turn of sound, and whether sound was cut off because the floor was given up."""
        count = samples_per_tick(clips.rate)
        out = np.zeros(count, np.float32)
        if speaking:
            piece, self.rest = self.rest[:count], self.rest[count:]
            out[: len(piece)] = piece
            return out, False
        cut = len(self.rest) > FADE_SAMPLES
        tail = self.rest[:FADE_SAMPLES]
        out[: len(tail)] = tail * np.linspace(1, 0, len(tail), dtype=np.float32)
        self.rest = np.zeros(0, np.float32)
        return out, cut
