"""What nano's own voice learns from: a speaker that exists nowhere else, made of one engine's voice.

The engine speaks at another pitch, and its sound is played slower by ``tract``, which lengthens the vocal tract by as
much; the rate makes up for the time. Words are trimmed and made to fit whole micro-turns, as nano says them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imkit.model.vocoder import DELAY
from imkit.stream import INPUT_SAMPLES
from imkit.voices import SAMPLE_RATE_HZ, Voice, resample, synthesise

from .bank import Bank

Sound = npt.NDArray[np.float32]

USUAL_TICKS, LONGEST_TICKS = 2, 3
SHORTEST_S, SLOWEST, FASTEST = 0.32, 0.6, 1.5  # a word is slowed or quickened within these to fit
AUDIBLE_DB, LOUDNESS, FADE = -33.0, 0.8, 160


@dataclass(frozen=True)
class Teacher:
    """The speaker to learn: an engine's voice, its pitch in Hz over the engine's usual one, and ``tract`` below 1 for a
    longer vocal tract (all formants times ``tract``, a multiple of 1/40).
    """

    engine: str
    name: str
    pitch: float = 1.0
    range: float = 1.0
    rate: float = 1.0
    tract: float = 1.0

    def __str__(self) -> str:
        return f"{self.engine} {self.name} at {self.pitch:g} of its pitch and {self.tract:g} of its formants"

    def speak(self, texts: Sequence[str], rate: float = 1.0, pitch: float = 1.0) -> list[Sound | None]:
        """Each text as float32 at 16 kHz with peak 0.5; None where the engine lost its words."""
        voice = Voice(
            self.engine, self.name, self.rate * rate / self.tract, self.pitch * pitch / self.tract, self.range
        )
        played_hz = round(SAMPLE_RATE_HZ * self.tract / 400) * 400
        return [
            None if made is None else resample(made.audio, played_hz, SAMPLE_RATE_HZ)
            for made in synthesise(voice, texts)
        ]

    def word(self, word: str, ticks: int | None = None) -> Sound:
        """One word without silence around it, slowed where it is short and quickened until it fits.

        It fits two micro-turns, or three where two would be too quick; or ``ticks``, where that is given.
        """
        rate, longest = 1.0, ticks or LONGEST_TICKS
        ticks = ticks or USUAL_TICKS
        while True:
            (made,) = self.speak([word], rate)
            if made is None:
                raise RuntimeError(f"{self} cannot say {word!r}; choose another voice")
            sound = trimmed(made)
            if len(sound) < SHORTEST_S * SAMPLE_RATE_HZ and rate > SLOWEST:
                rate *= 0.9
            elif len(sound) <= ticks * INPUT_SAMPLES - DELAY:
                break
            else:
                rate *= 1.05
                if rate > FASTEST and ticks < longest:
                    rate, ticks = 1.0, longest
        ramp = np.linspace(0, 1, 64, dtype=np.float32)
        sound[:64] *= ramp
        sound[-64:] *= ramp[::-1]
        return (sound * LOUDNESS).astype(np.float32)


def trimmed(sound: Sound) -> Sound:
    """Without what is more than ``AUDIBLE_DB`` below the loudest 10 ms at both ends."""
    frame = SAMPLE_RATE_HZ // 100
    power = (sound[: len(sound) // frame * frame].reshape(-1, frame).astype(np.float64) ** 2).mean(1)
    loud = np.flatnonzero(power > power.max() * 10 ** (AUDIBLE_DB / 10))
    return sound[max(0, loud[0] - 1) * frame : (loud[-1] + 2) * frame].copy()


@dataclass(frozen=True)
class Lines:
    """What is under way in each micro-turn of a stream and how it should sound.

    word   int64 [ticks], index of the word sounding, 0 where none does
    age    int64 [ticks], micro-turns since that word began
    cut    bool [ticks], the floor was given up while a word sounded: this micro-turn only fades
    sound  float32 [ticks * 3200]
    """

    word: npt.NDArray[np.int64]
    age: npt.NDArray[np.int64]
    cut: npt.NDArray[np.bool_]
    sound: Sound


def random_lines(rng: np.random.Generator, words: Sequence[Sound], ticks: int, usual: npt.NDArray[np.float64]) -> Lines:
    """Words one after the other, some after a pause, some cut short by the next word or by silence.

    ``words[0]`` is silence; ``usual`` is how often each is drawn.
    """
    word, age = np.zeros(ticks, np.int64), np.zeros(ticks, np.int64)
    cut, sound = np.zeros(ticks, np.bool_), np.zeros(ticks * INPUT_SAMPLES, np.float32)
    at = 0
    ramp = np.linspace(1, 0, FADE, dtype=np.float32)
    going_on = False
    while at < ticks:
        if not going_on and rng.random() < 0.2:
            at += int(rng.integers(1, 3))
            continue
        one = int(rng.choice(len(words), p=usual))
        made = words[one]
        length = -(-(len(made) + DELAY) // INPUT_SAMPLES)
        stay = int(rng.integers(1, length)) if length > 1 and rng.random() < 0.15 else length
        stay = min(stay, ticks - at)
        start, stop = at * INPUT_SAMPLES, (at + stay) * INPUT_SAMPLES
        kept = made[: stop - start + FADE].copy()
        if stay < length:
            tail = kept[stop - start :]
            tail *= ramp[: len(tail)]
        piece = sound[start : start + len(kept)]
        piece += kept[: len(piece)]
        word[at : at + stay], age[at : at + stay] = one, np.arange(stay)
        at += stay
        going_on = stay < length and rng.random() < 0.4
        if stay < length and not going_on and at < ticks:
            word[at], age[at], cut[at] = one, stay, True
            at += 1
    return Lines(word, age, cut, sound)


def random_crop(rng: np.random.Generator, bank: Bank, samples: int) -> Sound:
    """Some seconds of another voice, for a vocoder that knows more than one speaker."""
    audio = bank[int(rng.integers(len(bank)))].audio
    start = int(rng.integers(0, max(1, len(audio) - samples)))
    out = np.zeros(samples, np.float32)
    piece = audio[start : start + samples]
    out[: len(piece)] = piece.astype(np.float32) / 32767 * rng.uniform(0.4, 1.0)
    return out


def spoken_texts(teacher: Teacher, texts: Sequence[str], rng: np.random.Generator) -> list[Sound]:
    """The teacher saying whole sentences at several pitches and rates."""
    out = []
    for at in range(0, len(texts), 20):
        rate, pitch = float(rng.uniform(0.8, 1.2)), float(rng.uniform(0.85, 1.2))
        out += [made * LOUDNESS for made in teacher.speak(texts[at : at + 20], rate, pitch) if made is not None]
    return out


def open_bank(path: Path | None) -> Bank | None:
    """The bank of other voices, where there is one."""
    return Bank(path) if path is not None and (path / "index.npz").exists() else None
