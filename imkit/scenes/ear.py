"""What the microphone delivers in a scene: voices through a room, noise, and the model's own sound as an echo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imkit.stream import INPUT_SAMPLES
from imkit.voices import SAMPLE_RATE_HZ, resample
from imkit.voices.sound import fast_size, noise, rms, room, tilt

from .suite import Settings

Sound = npt.NDArray[np.float32]
NOISE_S = 4
BLOCK_S = 10
QUIETEST = 0.01  # RMS of the model's own sound below which it is not made louder


class Microphone:
    """Everything that sounds in the room of one trial. Written ahead of time, read micro-turn by micro-turn.

    From the suite's [microphone]: level_db (loudness of the user's speech, dBFS), snr_db, reverb and echo (shares of
    trials that have them), echo_db (the model's sound against the user's speech).
    """

    def __init__(self, rng: np.random.Generator, settings: Settings) -> None:
        self.level = 10 ** (settings.draw(rng, "level_db") / 20)
        self.noise_level = self.level * 10 ** (-settings.draw(rng, "snr_db") / 20)
        reverb = rng.random() < settings.number("reverb")
        self._impulse = np.convolve(room(rng) if reverb else np.ones(1, np.float32), tilt(rng)).astype(np.float32)
        echo_gain = 10 ** (settings.draw(rng, "echo_db") / 20)
        echoes = rng.random() < settings.number("echo")
        self._echo = tilt(rng) * np.float32(echo_gain if echoes else 0.0)
        self._echo_delay = int(rng.uniform(0.03, 0.12) * SAMPLE_RATE_HZ)
        self._noise = noise(rng, NOISE_S * SAMPLE_RATE_HZ, None) * np.float32(self.noise_level)
        self._sound = np.zeros(BLOCK_S * SAMPLE_RATE_HZ, np.float32)
        self._own_at = INPUT_SAMPLES  # the sound of act 0 begins one micro-turn in
        self._own_level = QUIETEST

    def add(self, samples: Sound, at_s: float, gain_db: float = 0.0, whole: Sound | None = None) -> None:
        """A sound (speech at peak 0.5) from ``at_s``, through the room, at the user's level.

        ``whole`` is what ``samples`` is a piece of: its loudness counts, so that pieces keep theirs to one another.
        """
        whole = samples if whole is None else whole
        loud = rms(whole[np.abs(whole) > 0.01]) if (np.abs(whole) > 0.01).any() else 1.0
        count = len(samples) + len(self._impulse) - 1
        size = fast_size(count)
        heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(self._impulse, size), size)[:count]
        gain = self.level * 10 ** (gain_db / 20) / loud
        self._mix((heard * gain).astype(np.float32), round(at_s * SAMPLE_RATE_HZ))

    def echo(self, own: Sound, rate_hz: int) -> None:
        """The next micro-turn of the model's own sound, as the loudspeaker plays it.

        Its loudest micro-turn so far comes back at the suite's echo_db, and what is softer comes back softer.
        """
        if self._echo.any() and own.any():
            heard = np.convolve(resample(own, rate_hz, SAMPLE_RATE_HZ)[:INPUT_SAMPLES], self._echo)
            self._own_level = max(self._own_level, rms(own))
            gain = np.float32(self.level / self._own_level)
            self._mix(heard.astype(np.float32) * gain, self._own_at + self._echo_delay)
        self._own_at += INPUT_SAMPLES

    def _mix(self, sound: Sound, at: int) -> None:
        sound, at = sound[max(0, -at) :], max(0, at)
        while at + len(sound) > len(self._sound):
            self._sound = np.concatenate([self._sound, np.zeros_like(self._sound)])
        self._sound[at : at + len(sound)] += sound

    def read(self, index: int) -> Sound:
        """The sound of micro-turn ``index``, float32 [3200]."""
        start = index * INPUT_SAMPLES
        heard = np.zeros(INPUT_SAMPLES, np.float32)
        piece = self._sound[start : start + INPUT_SAMPLES]
        heard[: len(piece)] = piece
        hum = np.take(self._noise, np.arange(start, start + INPUT_SAMPLES), mode="wrap")
        return np.clip(heard + hum, -1, 1).astype(np.float32)
