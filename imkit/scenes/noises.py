"""Noise of a cafe and of a kitchen, generated: steady enough to set a signal-to-noise ratio, uneven as such rooms are.

They stand in for the noises of Picovoice's speech-to-intent-benchmark, whose recordings are not part of imkit; scores
in them are ours and not comparable figure by figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from imkit.voices import SAMPLE_RATE_HZ
from imkit.voices.sound import Sound, fast_size, noise, rms, room

from .distractors import STATEMENT_S, burst, bystander
from .ear import Microphone
from .suite import Settings, SuiteError
from .world import World

TALKERS: Final = 6
CLINKS_PER_S: Final = 1.2
IMPACTS_PER_S: Final = 0.7
KNOT: Final = SAMPLE_RATE_HZ // 4  # samples from one turn of the water's loudness to the next


def cafe(world: World, length_s: float) -> Sound:
    """Six voices of the cast at once, 0 to 9 dB apart, in one room, and cups that clink.

    A voice's few sentences are repeated until the length is filled. A clink is four to six dying tones from 1.8 to
    7.5 kHz, as of glass or china; 1.2 a second (Poisson). Unit RMS.
    """
    rng, count = world.rng, round(length_s * SAMPLE_RATE_HZ)
    out = np.zeros(count, np.float32)
    for _ in range(TALKERS):
        voice = bystander(world)
        text = " ".join(world.line("statement") for _ in range(1 + int(length_s / STATEMENT_S / 2)))
        said = np.roll(np.resize(world.cast.speak(voice, text).audio, count), int(rng.integers(count)))
        out += said / np.float32(rms(said)) * np.float32(10 ** (rng.uniform(-9, 0) / 20))
    out = _in_room(out, room(rng))
    out /= np.float32(rms(out))
    for at in _moments(rng, count, CLINKS_PER_S):
        _add(out, _clink(rng) * np.float32(10 ** (rng.uniform(0, 12) / 20)), at)
    return _unit(out)


def kitchen(world: World, length_s: float) -> Sound:
    """Running water, a fan 0 to 12 dB softer, and things that are put down, 0.7 a second (Poisson).

    Water is noise from 200 to 600 Hz up that swells slowly, by up to 4 dB; the fan is ``noise``: coloured, with hum or
    with rattling. Unit RMS.
    """
    rng, count = world.rng, round(length_s * SAMPLE_RATE_HZ)
    hz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    gain = np.minimum(1, hz / rng.uniform(200, 600)) * (1 + hz / rng.uniform(800, 3000)) ** -rng.uniform(0.4, 1.0)
    even = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * gain, count)
    knots = np.arange(0, count + KNOT, KNOT)
    swell_db = np.interp(np.arange(count), knots, rng.uniform(-4, 0, len(knots)))
    water: Sound = (even * 10 ** (swell_db / 20)).astype(np.float32)
    out = water / np.float32(rms(water)) + noise(rng, count, None) * np.float32(10 ** (rng.uniform(-12, 0) / 20))
    for at in _moments(rng, count, IMPACTS_PER_S):
        sound = burst(rng).sound
        _add(out, sound / np.float32(rms(sound)) * np.float32(10 ** (rng.uniform(0, 9) / 20)), at)
    return _unit(out)


NOISES: Final[Mapping[str, Callable[[World, float], Sound]]] = {"cafe": cafe, "kitchen": kitchen}


@dataclass(frozen=True)
class Condition:
    """What noise there is in a trial, "clean" for none, and speech where it sounds against the noise's RMS, in dB."""

    noise: str
    snr_db: float

    @property
    def name(self) -> str:
        """Both, for a report."""
        return self.noise if self.noise == "clean" else f"{self.noise} {self.snr_db:02.0f} dB"

    def fill(self, world: World, length_s: float) -> None:
        """Have the noise sound from the start of a trial on."""
        if self.noise != "clean":
            world.sound(NOISES[self.noise](world, length_s), 0.0, -self.snr_db)


def condition(world: World, round_: int) -> Condition:
    """One of the scene's ``noises`` by turns, and once they were round the next of ``snr_db``. Raises SuiteError."""
    settings = world.settings
    noises, ratios = settings["noises"], settings["snr_db"]
    known = ("clean", *NOISES)
    if not isinstance(noises, list) or not noises or not set(noises) <= set(known):
        raise SuiteError(f"{settings.where}: noises = {noises!r}, expected a list of {', '.join(known)}")
    if not isinstance(ratios, list) or not ratios or not all(type(ratio) in (int, float) for ratio in ratios):
        raise SuiteError(f"{settings.where}: snr_db = {ratios!r}, expected a list of numbers")
    return Condition(str(noises[round_ % len(noises)]), float(ratios[round_ // len(noises) % len(ratios)]))


def scene_microphone(world: World) -> Microphone:
    """A microphone with the settings of the scene's own table ``microphone``. Raises SuiteError without one."""
    where, table = world.settings.where, world.settings["microphone"]
    if not isinstance(table, Mapping):
        raise SuiteError(f"{where}: microphone = {table!r}, expected a table")
    return Microphone(world.rng, Settings(f"{where}, microphone", table))


def _clink(rng: np.random.Generator) -> Sound:
    t = np.arange(round(0.25 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tones = [
        rng.uniform(0.3, 1) * np.sin(2 * np.pi * rng.uniform(1800, 7500) * t) * np.exp(-t / rng.uniform(0.015, 0.09))
        for _ in range(int(rng.integers(4, 7)))
    ]
    sound: Sound = np.sum(tones, 0).astype(np.float32)
    return sound


def _moments(rng: np.random.Generator, count: int, per_s: float) -> list[int]:
    return [int(at) for at in rng.integers(0, count, rng.poisson(per_s * count / SAMPLE_RATE_HZ))]


def _add(out: Sound, sound: Sound, at: int) -> None:
    piece = sound[: len(out) - at]
    out[at : at + len(piece)] += piece


def _in_room(sound: Sound, impulse: Sound) -> Sound:
    size = fast_size(len(sound) + len(impulse) - 1)
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(impulse, size), size)[: len(sound)].astype(np.float32)


def _unit(sound: Sound) -> Sound:
    return (sound / rms(sound)).astype(np.float32)
