"""What sounds around a user and is meant for nobody here: far voices in the rhythm of talk, babble, bursts, coughs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from imkit.voices import SAMPLE_RATE_HZ, Utterance, Voice
from imkit.voices.sound import Sound

from .answers import draw_sum
from .world import World

TALKSPURT_S: Final = 1.004
SHORTEST_PAUSE_S: Final = 0.2
PAUSE_S: Final = 1.587
FADE_S = 0.01
CROWD = 3
STATEMENT_S = 1.5  # less than what any of the suite's statements lasts


@dataclass(frozen=True)
class Distractor:
    """A sound, 16 kHz, that is not for the model. ``kind`` is voice, babble, burst, cough or filler."""

    kind: str
    sound: Sound

    @property
    def length_s(self) -> float:
        """How long it lasts."""
        return len(self.sound) / SAMPLE_RATE_HZ

    @property
    def vocal_tic(self) -> bool:
        """Whether a user makes it without saying anything."""
        return self.kind in ("cough", "filler")


@dataclass(frozen=True)
class Heard:
    """A distractor on the session's clock."""

    kind: str
    start_s: float
    end_s: float


def talkspurts(rng: np.random.Generator, length_s: float) -> list[tuple[float, float]]:
    """Talkspurts and the pauses after them, (seconds, seconds), until ``length_s`` is filled.

    One-way speech of ITU-T P.59, Table 1: talkspurts are exponential with a mean of 1.004 s; pauses are 0.2 s and an
    exponential rest, 1.587 s in the mean. Somebody talks for 38.5 % of the time.
    """
    out, filled_s = [], 0.0
    while filled_s < length_s:
        talk_s = float(rng.exponential(TALKSPURT_S))
        pause_s = SHORTEST_PAUSE_S + float(rng.exponential(PAUSE_S - SHORTEST_PAUSE_S))
        out.append((talk_s, pause_s))
        filled_s += talk_s + pause_s
    return out


def burst(rng: np.random.Generator) -> Distractor:
    """Something falls or scrapes: coloured noise with a sudden start that dies away, 0.2 to 0.6 s."""
    count = int(rng.uniform(0.2, 0.6) * SAMPLE_RATE_HZ)
    sound = _coloured(rng, count, peak_hz=rng.uniform(200, 3000), octaves=rng.uniform(1.0, 3.0))
    return Distractor("burst", _shaped(sound, _decay(count, 0.003, rng.uniform(0.3, 0.8) * count / SAMPLE_RATE_HZ)))


def cough(rng: np.random.Generator) -> Distractor:
    """One to three coughs: noise with the throat's broad resonance, sharp at first, then a weaker second phase."""
    pieces = []
    for _ in range(int(rng.integers(1, 4))):
        count = int(rng.uniform(0.25, 0.4) * SAMPLE_RATE_HZ)
        first = _decay(count, 0.01, rng.uniform(0.04, 0.08))
        second = np.roll(_decay(count, 0.05, 0.08), count // 3) * 0.4
        second[: count // 3] = 0
        noise = _coloured(rng, count, peak_hz=rng.uniform(400, 1200), octaves=1.2)
        pieces += [_shaped(noise, first + second), np.zeros(int(rng.uniform(0.02, 0.12) * SAMPLE_RATE_HZ), np.float32)]
    return Distractor("cough", np.concatenate(pieces[:-1]))


def _coloured(rng: np.random.Generator, count: int, peak_hz: float, octaves: float) -> Sound:
    hz = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ), 20)
    gain = np.exp(-0.5 * (np.log2(hz / peak_hz) / octaves) ** 2)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * gain, count).astype(np.float32)


def _decay(count: int, attack_s: float, decay_s: float) -> Sound:
    t = np.arange(count) / SAMPLE_RATE_HZ
    return (np.minimum(1, t / attack_s) * np.exp(-np.maximum(0, t - attack_s) / decay_s)).astype(np.float32)


def _shaped(noise: Sound, envelope: Sound) -> Sound:
    sound = noise * envelope
    return (sound * (0.5 / float(np.abs(sound).max()))).astype(np.float32)


def spurt(said: Utterance, length_s: float) -> Sound:
    """The first words of an utterance, up to the word whose end is nearest to ``length_s`` after the first's start."""
    first_s = said.words[0][1]
    end_s = min((end for _, _, end in said.words), key=lambda end: abs(end - first_s - length_s))
    sound = said.audio[: round(end_s * SAMPLE_RATE_HZ)].copy()
    fade = min(len(sound), round(FADE_S * SAMPLE_RATE_HZ))
    sound[len(sound) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return sound


def bystander(world: World) -> Voice:
    """A voice of the cast that is not the user's; the user's own name of voice only where the suite has no other."""
    for _ in range(20):
        voice = world.cast.draw(world.rng)
        if (voice.engine, voice.name) != (world.voice.engine, world.voice.name):
            break
    return voice


def near(world: World) -> Distractor:
    """What happens right at the user, as loud as the user: a filler word in the user's voice, a cough, a burst."""
    kind = int(world.rng.integers(3))
    if kind == 0:
        return Distractor("filler", world.cast.speak(world.voice, world.line("filler")).audio)
    return cough(world.rng) if kind == 1 else burst(world.rng)


def surround(world: World, length_s: float) -> list[Heard]:
    """Fill the world with far sounds up to ``length_s``, one after the other; gives what sounds when.

    One voice talks in the rhythm of ``talkspurts``; for some talkspurts a babble of three voices, a burst or a cough
    stands in. From the scene's settings: far_db (loudness against the user's, drawn for each source), babble_share,
    noise_share, and question_share: the share of the voice's talkspurts that are a question, said to its end whatever
    the rhythm.
    """
    rng, settings = world.rng, world.settings
    voice, voice_db = bystander(world), world.draw("far_db")
    crowd, crowd_db = [bystander(world) for _ in range(CROWD)], world.draw("far_db")
    babbles, noises = settings.number("babble_share"), settings.number("noise_share")
    at_s, out = float(rng.uniform(0, PAUSE_S)), []
    for talk_s, pause_s in talkspurts(rng, length_s):
        draw = rng.random()
        if draw < babbles:
            kind, sounds, gain_db = "babble", _babble(world, crowd, talk_s), crowd_db - 10 * np.log10(CROWD)
        elif draw < babbles + noises:
            noise = burst(rng) if rng.random() < 0.5 else cough(rng)
            kind, sounds, gain_db = noise.kind, [noise.sound], world.draw("far_db")
        else:
            kind, sounds, gain_db = "voice", [_far(world, voice, talk_s)], voice_db
        end_s = at_s + max(map(len, sounds)) / SAMPLE_RATE_HZ
        if end_s < length_s:
            for sound in sounds:
                world.sound(sound, at_s, gain_db)
            out.append(Heard(kind, at_s, end_s))
        at_s = max(end_s, at_s + talk_s) + pause_s
    return out


def _far(world: World, voice: Voice, talk_s: float) -> Sound:
    if world.rng.random() < world.settings.number("question_share"):
        return world.cast.speak(voice, world.line("question", sum=draw_sum(world.rng)[0])).audio
    return spurt(world.cast.speak(voice, _statements(world, talk_s)), talk_s)


def _babble(world: World, crowd: Sequence[Voice], talk_s: float) -> list[Sound]:
    return [spurt(world.cast.speak(voice, _statements(world, talk_s)), talk_s) for voice in crowd]


def _statements(world: World, talk_s: float) -> str:
    return " ".join(world.line("statement") for _ in range(1 + int(talk_s / STATEMENT_S)))
