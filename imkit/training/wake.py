"""People who say wake words, for training: short names by many voices, whose words are known."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from imkit.scenes.people import Spoken
from imkit.scenes.wake import NAMES, WakeRecordings
from imkit.scenes.wakewords import cue_by, other_by
from imkit.scenes.world import Scene, World

from .bank import BankUtterance
from .orders import SPEEDS, as_utterance, draw_speed, perturbed


class WakeWords:
    """Recorded wake words of one split of a folder (see ``imkit.scenes.wake``), at several speeds as ``PeopleOrders``.

    Raises SuiteError where there are none.
    """

    def __init__(self, folder: Path, split: str = "train", speeds: tuple[float, float] = SPEEDS) -> None:
        self.recordings, self.speeds = WakeRecordings(folder, split), speeds

    def __len__(self) -> int:
        return len(self.recordings)

    def draw(self, rng: np.random.Generator, name: str, but: Collection[str] = ()) -> Spoken:
        """A recording of a name, with its words; one in ``but`` only where there is no other."""
        return perturbed(self.recordings.draw(rng, name, but), draw_speed(rng, self.speeds))

    def say(self, rng: np.random.Generator) -> BankUtterance:
        """A name, each as often as any other, by somebody."""
        return as_utterance(self.draw(rng, NAMES[int(rng.integers(len(NAMES)))]))

    def play_cue(self, world: World) -> Scene:
        """A trial of ``wake_cue`` with these people."""
        return cue_by(world, self)

    def play_other(self, world: World) -> Scene:
        """A trial of ``wake_other`` with these people."""
        return other_by(world, self)
