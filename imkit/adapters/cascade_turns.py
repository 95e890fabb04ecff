"""Whose turn it is, by silence alone: where somebody starts and stops speaking, and the sound in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from imkit.stream import INPUT_RATE

from .cascade_ears import FRAME, Sound, VoiceDetector, VoiceState
from .cascade_echo import Echo

ON: Final = 0.5
OFF: Final = 0.35  # the detector's own hysteresis
FIRST_FRAMES: Final = 2  # a turn starts with so many frames of speech in a row
MARGIN_S: Final = 0.3  # sound around a turn that goes to the recogniser with it
LONGEST_S: Final = 15.0  # a turn is over then, whatever is said
ECHO_DB: Final = (10.0, 25.0)  # while the model sounds, what is fainter than the user by more starts, keeps no turn
ECHO_LASTS_S: Final = 0.3


@dataclass
class Turn:
    """What the user says, up to now. Positions are in samples of the stream.

    speech    samples of speech in the turn under way, 0 outside one
    first     where its first frame of speech starts
    last      where its last frame of speech ends
    user_db   how loud the user usually is; None before the first turn
    """

    echo: Echo = field(default_factory=Echo)
    voice: VoiceState = field(default_factory=VoiceState)
    sound: Sound = field(default_factory=lambda: np.zeros(0, np.float32))
    received: int = 0
    framed: int = 0
    streak: int = 0
    speech: int = 0
    first: int = 0
    last: int = 0
    power: float = 0.0
    user_db: float | None = None
    own_until: int = 0
    probability: float = 0.0

    @property
    def open(self) -> bool:
        """The user has the turn."""
        return self.speech > 0

    @property
    def quiet_s(self) -> float:
        """Silence since the last speech of the turn under way."""
        return (self.received - self.last) / INPUT_RATE

    @property
    def full(self) -> bool:
        """The turn under way is as long as one may be."""
        return self.received - self.first > LONGEST_S * INPUT_RATE

    def take(self, microphone: Sound, own: Sound, detector: VoiceDetector, deaf: bool) -> None:
        """One tick of sound, and what the model itself played in it; ``deaf`` says that nothing is to be heard."""
        sound = self.echo.remove(microphone, own)
        self.sound = np.concatenate([self.sound, sound])
        self.received += len(sound)
        if own.any():
            self.own_until = self.received + round(ECHO_LASTS_S * INPUT_RATE)
        probabilities, levels = detector.hear(self.voice, sound)
        self.probability = float(probabilities.max(initial=0.0))
        for probability, level_db in zip(probabilities.tolist(), levels.tolist(), strict=True):
            self._frame(probability, level_db, deaf)
        keep = round(2 * MARGIN_S * INPUT_RATE)
        if not self.open:
            self.sound = self.sound[-keep:]

    def _frame(self, probability: float, level_db: float, deaf: bool) -> None:
        self.framed += FRAME
        spoken = probability >= (OFF if self.open else ON) and not deaf
        if self.framed <= self.own_until and self.user_db is not None:
            spoken &= level_db > self.user_db - ECHO_DB[self.open]
        if not spoken:
            self.streak = 0
            return
        self.streak += 1
        if not self.open:
            if self.streak < FIRST_FRAMES:
                return
            self.first, self.power = self.framed - self.streak * FRAME, 0.0
            self.speech = (self.streak - 1) * FRAME
        self.speech += FRAME
        self.last = self.framed
        self.power += 10 ** (level_db / 10)

    def spoken_s(self) -> float:
        """How much speech the turn under way holds."""
        return self.speech / INPUT_RATE

    def said(self) -> tuple[Sound, slice]:
        """The sound of the turn with a margin before and after, and which part of it is the turn itself."""
        margin = round(MARGIN_S * INPUT_RATE)
        begin = self.received - len(self.sound)
        low, high = max(begin, self.first - margin), min(self.received, self.last + margin)
        return self.sound[low - begin : high - begin], slice(self.first - low, self.last - low)

    def close(self) -> None:
        """The turn is over."""
        level_db = float(10 * np.log10(self.power / max(1, self.speech // FRAME) + 1e-12))
        self.user_db = level_db if self.user_db is None else 0.5 * (self.user_db + level_db)
        self.speech = self.streak = 0
