"""Trials as text alone: nobody speaks, words come as if they had been heard, and what decides comes often.

What is to be done about words is learned from these, in a fifth of the tokens and without a synthesiser. Only trials
whose words say all are played: no voice tells who speaks, no sound says "stop" before the word can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from imkit.scenes.suite import Suite
from imkit.voices import SAMPLE_RATE_HZ, Utterance, Voice

from .rehearse import TrainingCast

WORD_S = (0.08, 0.16)  # a word takes so long, and so much for every letter
LETTER_S = (0.035, 0.06)
MARGIN_S = 0.03

UNTOLD = {"background_speech", "wake_other", "order_recording"}
"""Trials that words alone do not decide, or that are people's."""

DENSE: Mapping[str, Mapping[str, object]] = {
    "cuespeak_synth": {"talk_s": [10, 14], "cues": [7, 9], "lead_s": [0.2, 0.8], "talk_after_s": [0.8, 1.4]},
    "user_interruption": {"lead_s": [0.2, 0.6], "delay_s": [0.4, 3.0], "last": [6, 20]},
    "user_backchannel": {"lead_s": [0.2, 0.6], "delay_s": [0.4, 3.0], "last": [6, 20]},
}
"""Settings in which what matters comes more often than in the suite, and lists end anywhere."""


def dense(suite: Suite) -> Suite:
    """A suite in which what matters comes more often."""
    scenes = {name: {**table, **DENSE.get(name, {})} for name, table in suite.scenes.items()}
    return replace(suite, scenes=scenes)


class Mutes(TrainingCast):
    """A cast that makes no sound: words take as long as they might."""

    def _speak(self, voice: Voice, text: str) -> Utterance:
        rng = np.random.default_rng()
        word_s, letter_s = rng.uniform(*WORD_S), rng.uniform(*LETTER_S)
        words = text.split()
        ends = MARGIN_S + np.cumsum([(word_s + letter_s * len(word)) / voice.rate for word in words])
        spans = zip(words, [MARGIN_S, *ends[:-1]], ends, strict=True)
        noise = rng.standard_normal(round((ends[-1] + MARGIN_S) * SAMPLE_RATE_HZ)).astype(np.float32)
        return Utterance(text, voice, noise.clip(-0.5, 0.5), tuple((w, float(a), float(b)) for w, a, b in spans))
