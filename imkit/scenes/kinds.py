"""A kind of scene: how it is played, and how its verdicts become a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .scoring import Score, youden
from .world import Scene, World


@dataclass(frozen=True)
class SceneKind:
    """``play`` writes and judges one trial; ``score`` makes 0 to 100 of many verdicts."""

    play: Callable[[World], Scene]
    score: Score = youden

    @property
    def name(self) -> str:
        """The scene's name: that of the function."""
        return self.play.__name__
