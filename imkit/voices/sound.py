"""What happens to a voice before a microphone delivers it: rooms, distance, noise, bands, and the model's own echo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE = 16_000
Sound = npt.NDArray[np.float32]


def rms(x: Sound) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(x.astype(np.float64) ** 2) + 1e-12))


def fast_size(count: int) -> int:
    """The next length whose Fourier transform is fast: a power of two times 1, 1.25, 1.5 or 1.75."""
    power = 1 << max(3, (count - 1).bit_length() - 3)
    return -(-count // power) * power


def _filter(x: Sound, impulse: Sound) -> Sound:
    size = fast_size(len(x) + len(impulse) - 1)
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(impulse, size), size)[: len(x)].astype(np.float32)


def room(rng: np.random.Generator) -> Sound:
    """A short random room: direct sound and an exponentially decaying tail of noise."""
    t60 = rng.uniform(0.08, 0.5)
    count = int(t60 * 0.7 * RATE)
    tail = rng.standard_normal(count, dtype=np.float32) * 10 ** (-3 * np.arange(count) / (t60 * RATE))
    tail[: int(rng.uniform(0.001, 0.01) * RATE)] = 0
    tail *= 10 ** (rng.uniform(-18, -2) / 20) / (np.sqrt(np.sum(tail**2)) + 1e-9)
    tail[0] = 1.0
    return tail.astype(np.float32)


def tilt(rng: np.random.Generator) -> Sound:
    """A short filter with a random spectral tilt and sometimes a telephone's or a laptop's band."""
    hz = np.fft.rfftfreq(512, 1 / RATE)
    gain_db = rng.uniform(-6, 6) * np.log2(np.maximum(hz, 100) / 1000) * 0.5
    gain_db += np.interp(hz, np.linspace(0, 8000, 9), rng.uniform(-4, 4, 9))
    if rng.random() < 0.3:
        low, high = rng.uniform(80, 350), rng.uniform(3000, 7000)
        gain_db = gain_db - 40 * (hz < low) - 40 * (hz > high)
    impulse = np.fft.irfft(10 ** (gain_db / 20))
    return (np.roll(impulse, 32)[:256] * np.hanning(512)[256:]).astype(np.float32)


def noise(rng: np.random.Generator, count: int, babble: Sound | None) -> Sound:
    """A few seconds of one of several noises, at unit RMS: coloured, hum, murmur of other voices, clicks."""
    kind = rng.integers(0, 5)
    if kind == 4 and babble is not None:
        out = babble
    else:
        size = 1 << 16  # four seconds, repeated: its ends meet
        white = rng.standard_normal(size, dtype=np.float32)
        slope = rng.choice([0.0, -0.5, -1.0, -1.4])
        hz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 30)
        loop = np.fft.irfft(np.fft.rfft(white) * (hz**slope).astype(np.float32), size).astype(np.float32)
        out = np.resize(loop, count)
        if kind == 2:
            t = np.arange(count) / RATE
            base = rng.choice([50.0, 60.0, 100.0, 120.0])
            hum = sum(np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) / k for k in range(1, 6))
            out = out / rms(out) * 0.3 + hum.astype(np.float32)
        elif kind == 3:
            clicks = np.zeros(count, np.float32)
            for at in rng.integers(0, count - 400, max(1, count // RATE)):
                clicks[at : at + 400] += rng.standard_normal(400) * np.exp(-np.arange(400) / rng.uniform(20, 120))
            out = out / rms(out) * 0.2 + clicks * 4
    return (out / rms(out)).astype(np.float32)


def microphone(rng: np.random.Generator, voice: Sound, own: Sound, babble: Sound | None) -> Sound:
    """What the microphone delivers of the user's ``voice`` and the model's ``own`` sound, both float32 [n]."""
    impulse = np.ones(1, np.float32)
    if rng.random() < 0.45:
        impulse = room(rng)
    if rng.random() < 0.7:
        impulse = np.convolve(impulse, tilt(rng))
    out = _filter(voice, impulse) if len(impulse) > 1 else voice
    level = 10 ** (rng.uniform(-34, -14) / 20)
    speech = out[np.abs(voice) > 0.01]
    out = out * (level / (rms(speech) if len(speech) else 1.0))
    if rng.random() < 0.5 and own.any():
        delay = int(rng.uniform(0.02, 0.15) * RATE)
        echo = np.concatenate([np.zeros(delay, np.float32), own[: len(own) - delay]])
        out = out + _filter(echo, tilt(rng)) * (level * 10 ** (rng.uniform(-24, 0) / 20) / rms(own[own != 0]))
    snr_db = rng.uniform(8, 50)
    out = out + noise(rng, len(out), babble) * (level * 10 ** (-snr_db / 20))
    return np.clip(out, -1, 1).astype(np.float32)
