"""Labelled speech: texts spoken by many synthetic voices, with a start and an end for every word.

    voice = random_voice(numpy.random.default_rng(1), "espeak")
    for utterance in synthesise(voice, ["plot the data", "seven plus two"]): ...

All audio is mono at 16 kHz. Texts are lowercase words (a-z and ') separated by single spaces.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import engines, espeak
from .engines import EngineMissing, Spoken, Voice

SAMPLE_RATE_HZ = 16_000
PEAK = 0.5
_MARGIN_S = 0.03
_SILENT, _SOUNDING = 0.005, 0.016  # of the peak: -46 dB, the recording noise of some voices; -36 dB, surely speech
_SHORTEST_WORD_S = 0.015
_TEXT = re.compile(r"[a-z']+( [a-z']+)*")

ESPEAK_MEN = (
    "Alex", "Andy", "Denis", "Gene", "Gene2", "Henrique", "Jacky", "Lee", "Mario", "Michael", "Mike", "adam", "antonio",
    "benjamin", "boris", "david", "ed", "edward", "iven2", "iven3", "klatt", "klatt2", "klatt4", "m1", "m2", "m3", "m4",
    "m5", "m6", "m7", "m8", "marcelo", "max", "michel", "miguel", "pablo", "paul", "quincy", "rob", "robert", "travis",
    "victor",
)  # fmt: skip
ESPEAK_WOMEN = (
    "Alicia", "Andrea", "Annie", "anika", "aunty", "belinda", "f1", "f2", "f3", "f4", "f5", "grandma", "linda",
    "shelby", "steph", "steph2", "steph3",
)  # fmt: skip
"""Variants of espeak-ng that sound like a person; echoing, whispering and robot ones are left out."""

_SPEAK = {"espeak": espeak.speak_espeak, "flite": engines.speak_flite, "festival": engines.speak_festival}

_REQUIRE: dict[str, Callable[[str], object]] = {
    "espeak": espeak.require_espeak,
    "flite": engines.flite_voice,
    "festival": engines.require_festival,
}

Words = tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Utterance:
    """One spoken text: float32 audio at 16 kHz with peak 0.5, and (word, start_s, end_s) for each word in order."""

    text: str
    voice: Voice
    audio: npt.NDArray[np.float32]
    words: Words


@functools.cache
def _polyphase(rate_in_hz: int, rate_out_hz: int) -> tuple[npt.NDArray[np.float32], int, int]:
    """A matrix that turns one block of input samples into one of output samples; the input stride; the filter reach."""
    common = math.gcd(rate_in_hz, rate_out_hz)
    up, down = rate_out_hz // common, rate_in_hz // common
    times = max(1, -(-256 // up))
    outputs, stride = up * times, down * times
    cutoff = 0.94 * min(1.0, rate_out_hz / rate_in_hz)  # of the input's Nyquist frequency
    reach = math.ceil(32 / cutoff)
    taps = np.arange(-reach, stride + reach)[:, None] - np.arange(outputs)[None, :] * (down / up)
    window = np.where(np.abs(taps) <= reach, np.i0(9.0 * np.sqrt(np.clip(1 - (taps / reach) ** 2, 0, 1))), 0.0)
    matrix = cutoff * np.sinc(cutoff * taps) * window / np.i0(9.0)
    return (matrix / matrix.sum(axis=0)).astype(np.float32), stride, reach


def resample(samples: npt.NDArray[np.float32], rate_in_hz: int, rate_out_hz: int) -> npt.NDArray[np.float32]:
    """Resample float32 mono audio by a Kaiser-windowed sinc; n samples become ceil(n * out / in), times unchanged."""
    if rate_in_hz == rate_out_hz or len(samples) == 0:
        return samples
    matrix, stride, reach = _polyphase(rate_in_hz, rate_out_hz)
    blocks = -(-len(samples) // stride)
    padded = np.zeros(blocks * stride + 2 * reach, dtype=np.float32)
    padded[reach : reach + len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, stride + 2 * reach)[::stride]
    made = (frames @ matrix).reshape(-1)
    return made[: -(-len(samples) * rate_out_hz // rate_in_hz)]


def _sounding(level: npt.NDArray[np.float32], first_s: float, last_s: float) -> tuple[int, int]:
    """First and one-past-last sample of the speech.

    Diphone voices carry noise and stray sound in the pause before the first word, so the engine's own start of that
    word bounds the front; the last sound may ring on for a little after the engine's end.
    """
    heard, sure = np.flatnonzero(level > _SILENT), np.flatnonzero(level > _SOUNDING)
    begin = max(int(heard[0]), min(round(first_s * SAMPLE_RATE_HZ), int(heard[-1])))
    stop = min(int(heard[-1]), max(int(sure[-1]), round(last_s * SAMPLE_RATE_HZ))) + 1
    return begin, stop


def _finish(text: str, voice: Voice, spoken: Spoken) -> Utterance | None:
    """Resample, trim and normalise; None where the word spans do not fit the sound."""
    audio = resample(spoken.samples, spoken.rate_hz, SAMPLE_RATE_HZ)
    peak = float(np.abs(audio).max(initial=0.0))
    words = text.split()
    if peak < 1e-3 or len(spoken.spans) != len(words):
        return None
    begin, stop = _sounding((np.abs(audio) / peak).astype(np.float32), spoken.spans[0][0], spoken.spans[-1][1])
    margin = int(_MARGIN_S * SAMPLE_RATE_HZ)
    sound_s = (min(begin, margin) / SAMPLE_RATE_HZ, (stop - max(0, begin - margin)) / SAMPLE_RATE_HZ)
    begin, stop = max(0, begin - margin), min(len(audio), stop + margin)
    timed: list[tuple[str, float, float]] = []
    earliest_s = 0.0
    for word, (start, end) in zip(words, spoken.spans, strict=True):
        start_s = max(start - begin / SAMPLE_RATE_HZ, earliest_s, sound_s[0])
        end_s = min(end - begin / SAMPLE_RATE_HZ, sound_s[1])
        if end_s - start_s < _SHORTEST_WORD_S:
            return None
        timed.append((word, start_s, end_s))
        earliest_s = end_s
    return Utterance(text, voice, (audio[begin:stop] * (PEAK / peak)).astype(np.float32), tuple(timed))


def synthesise(voice: Voice, texts: Sequence[str]) -> Iterator[Utterance | None]:
    """Speak each text in order; None where the engine's word times cannot be matched to the words.

    Raises:
        ValueError: an unknown engine or voice, or a text that is not lowercase words.
        EngineMissing: the engine or voice is not installed; the message names the Debian package.
    """
    if voice.engine not in _SPEAK:
        raise ValueError(f"voice engine {voice.engine!r}: expected one of {', '.join(_SPEAK)}")
    for text in texts:
        if not _TEXT.fullmatch(text):
            raise ValueError(
                f"text {text!r}: expected words of a-z and ' separated by single spaces; spell numbers out"
            )
    for text, spoken in zip(texts, _SPEAK[voice.engine](voice, texts), strict=True):
        yield None if spoken is None else _finish(text, voice, spoken)


def require(voice: Voice) -> None:
    """Load what a voice needs, without speaking. Raises EngineMissing, or ValueError for an unknown engine or voice."""
    if voice.engine not in _REQUIRE:
        raise ValueError(f"voice engine {voice.engine!r}: expected one of {', '.join(_REQUIRE)}")
    _REQUIRE[voice.engine](voice.name)


def random_voice(rng: np.random.Generator, engine: str) -> Voice:
    """Draw a voice of one engine ("espeak", "flite", "festival"); half of the espeak voices are female."""
    if engine == "espeak":
        accent = rng.choice(list(espeak.ESPEAK_ACCENTS), p=[0.34, 0.08, 0.12, 0.12, 0.1, 0.08, 0.08, 0.08])
        variant = rng.choice(ESPEAK_WOMEN if rng.random() < 0.5 else ESPEAK_MEN)
        return Voice(
            engine,
            f"{accent}+{variant}",
            rate=round(float(rng.uniform(125, 235)) / 175, 3),
            pitch=round(float(rng.uniform(20, 85)) / 50, 2),
            range=round(float(rng.uniform(20, 80)) / 50, 2),
        )
    if engine == "flite":
        name = str(rng.choice(list(engines.FLITE_F0_HZ)))
        resampled = engines.FLITE_F0_HZ[name] is None
    elif engine == "festival":
        name = str(rng.choice(list(engines.FESTIVAL_VOICES)))
        resampled = name.endswith("_hts")
    else:
        raise ValueError(f"voice engine {engine!r}: expected one of {', '.join(_SPEAK)}")
    low, high = (0.88, 1.14) if resampled else (0.82, 1.25)
    return Voice(
        engine,
        name,
        rate=round(float(rng.uniform(0.8, 1.3)), 3),
        pitch=round(float(rng.uniform(low, high)), 2),
        range=round(float(rng.uniform(0.6, 1.6)), 2),
    )


@dataclass(frozen=True)
class EngineReport:
    """What is installed of one engine: its voices, and for each missing part the Debian package that brings it."""

    engine: str
    voices: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]


def installed_engines() -> tuple[EngineReport, ...]:
    """Look which engines and voices are installed, without speaking."""
    candidates = {
        "espeak": [*espeak.ESPEAK_ACCENTS, *(f"en-us+{variant}" for variant in ESPEAK_MEN + ESPEAK_WOMEN)],
        "flite": list(engines.FLITE_F0_HZ),
        "festival": list(engines.FESTIVAL_VOICES),
    }
    reports = []
    for engine, names in candidates.items():
        voices: list[str] = []
        missing: list[tuple[str, str]] = []
        for name in names:
            try:
                _REQUIRE[engine](name)
            except EngineMissing as error:
                missing.append((name, error.package))
            else:
                voices.append(name)
        reports.append(EngineReport(engine, tuple(voices), tuple(missing)))
    return tuple(reports)
