"""People who order coffee, for training: recordings whose orders are known, and whose words only where aligned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from imkit.scenes.orders import take_order
from imkit.scenes.people import People, Spoken
from imkit.scenes.world import Scene, World
from imkit.voices import SAMPLE_RATE_HZ, Voice, Words, resample
from imkit.voices.sound import Sound

from .bank import BankUtterance

SPEEDS = (0.9, 1.1)
STEP = 0.05


def draw_speed(rng: np.random.Generator, speeds: tuple[float, float]) -> float:
    """A speed between the slowest and the fastest, in steps of 0.05."""
    low, high = (round(speed / STEP) for speed in speeds)
    return STEP * int(rng.integers(low, high + 1))


def perturbed(spoken: Spoken, speed: float) -> Spoken:
    """A recording played at another speed: tempo and pitch change together (Ko et al. 2015)."""
    if abs(speed - 1) < 1e-9:
        return spoken
    sound = resample(spoken.sound, round(speed * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
    words = tuple((word, start / speed, end / speed) for word, start, end in spoken.words)
    return replace(spoken, sound=sound, start_s=spoken.start_s / speed, end_s=spoken.end_s / speed, words=words)


def as_utterance(spoken: Spoken) -> BankUtterance:
    """A recording whose words are known as an utterance of a bank."""
    pcm = np.round(spoken.sound * 32767).astype(np.int16)
    text = " ".join(word or "…" for word, _, _ in spoken.words)
    return BankUtterance(text, Voice("people", spoken.name), pcm, spoken.words)


class PeopleOrders:
    """Recorded orders of one split of a folder (see ``imkit.scenes.people``), each drawn as often as any other.

    ``speeds`` are the slowest and the fastest that a recording is played, in steps of 0.05: its tempo and pitch change
    together (speed perturbation, Ko et al. 2015). ``words`` are what was found in recordings (see ``aligned``).
    """

    def __init__(
        self,
        folder: Path,
        split: str = "train",
        speeds: tuple[float, float] = SPEEDS,
        words: Mapping[str, Words] | None = None,
    ) -> None:
        self.people, self.speeds, self.words = People(folder, split), speeds, words or {}

    def __len__(self) -> int:
        return len(self.people)

    def __call__(self, rng: np.random.Generator) -> tuple[Sound, Mapping[str, str]]:
        """The sound of an order, float32 at 16 kHz, peak 0.5, and the arguments of ``order_drink``."""
        spoken = self.draw(rng)
        return spoken.sound, spoken.arguments

    def draw(self, rng: np.random.Generator) -> Spoken:
        """An order, with the start and the end of its speech."""
        spoken = self.people.load(int(rng.integers(len(self.people))))
        spoken = replace(spoken, words=self.words.get(spoken.name, ()))
        return perturbed(spoken, draw_speed(rng, self.speeds))

    def say(self, rng: np.random.Generator) -> BankUtterance:
        """An order whose words are known, as an utterance. ValueError where none is."""
        if not self.words:
            raise ValueError(f"{self.people.folder}: the words of no recording are known; align them first")
        while not (spoken := self.draw(rng)).words:
            pass
        return as_utterance(spoken)

    def play(self, world: World) -> Scene:
        """A trial as ``order_recording`` is, with any of the recordings and any noise."""
        return take_order(world, self.draw(world.rng), int(world.rng.integers(1 << 20)))
