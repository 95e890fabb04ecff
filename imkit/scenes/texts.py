"""Which sentences a suite has spoken, found without speaking: its trials are played to a cast that only takes notes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from imkit.voices import SAMPLE_RATE_HZ, Utterance, Voice

from .cast import Cast
from .kinds import SceneKind
from .policies import RATE, Make, Oracle, Silent
from .suite import Suite
from .trial import make_world, play_trial

WORD_S = 0.12
LETTER_S = 0.05
MARGIN_S = 0.03


class Prompter(Cast):
    """A cast that notes what it is to say, and hums instead: every word takes 0.12 s and 0.05 s a letter."""

    def __init__(self, suite: Suite) -> None:
        super().__init__(suite)
        self.asked: dict[tuple[str, str, str], None] = {}

    def speak(self, voice: Voice, text: str) -> Utterance:
        """A hum with a span for every word."""
        self.asked.setdefault((voice.engine, voice.name, text))
        ends = MARGIN_S + np.cumsum([WORD_S + LETTER_S * len(word) for word in text.split()])
        words = tuple(
            (word, float(start), float(end))
            for word, start, end in zip(text.split(), [MARGIN_S, *ends[:-1]], ends, strict=True)
        )
        time_s = np.arange(round((ends[-1] + MARGIN_S) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        return Utterance(text, voice, (0.5 * np.sin(2 * np.pi * 150 * time_s)).astype(np.float32), words)


def spoken_texts(suite: Suite, kinds: Mapping[str, SceneKind], trials: int) -> list[tuple[str, str, str]]:
    """All that ``trials`` trials of each scene have spoken, each once: (engine, voice, text), in order of first use.

    Every trial is played to a model that never speaks and to one that does all that is expected: what a user says
    depends on the model only in whether and when it is said.
    """
    policies: tuple[Make, ...] = (Silent, Oracle)
    with Prompter(suite) as cast:
        for name, kind in kinds.items():
            for number in range(trials):
                for make in policies:
                    world = make_world(suite, cast, name, number, RATE)
                    world.looked_at = False
                    play_trial(kind.play, world, make(world))
        return list(cast.asked)
