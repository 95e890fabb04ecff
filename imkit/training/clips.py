"""Word clips: nano's interim voice. Each word it can say, spoken once by one synthetic voice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from imkit.model.voice import Clips
from imkit.stream import TICK_S
from imkit.voices import SAMPLE_RATE_HZ, Voice, synthesise

from .language import COLOURS, RESULT_REPLIES, SCENE_REPLIES, SHAPES, SPANISH, SPECIALS, Language, number_words

USUAL_TICKS, LONGEST_TICKS, FASTEST, SLOWEST = 2, 3, 1.5, 0.6
SPANISH_VOICE = Voice("espeak", "es+f2")
SHORTEST_S, AUDIBLE_DB = 0.32, -33.0


def reply_words(language: Language) -> list[str]:
    """Every word that some reply of the language needs."""
    words: list[str] = []
    for request in language.meaning.values():
        words += request.reply
        words += request.target
    for value in range(21):
        words += number_words(value)
    for reply in RESULT_REPLIES.values():
        words += reply.split()
    for value in range(20, 100, 10):
        words += number_words(value)
    words += ["now", "sorry", "that", "failed", "nothing"]
    words += COLOURS + SHAPES + SCENE_REPLIES + list(SPANISH.values())
    return sorted(set(words) - set(SPECIALS))


def _clip(voice: Voice, word: str) -> npt.NDArray[np.float32]:
    """One word without silence around it: slowed where it is very short, quickened where it needs a tick too many."""
    rate, ticks = voice.rate, USUAL_TICKS
    while True:
        made = next(synthesise(Voice(voice.engine, voice.name, rate, voice.pitch, voice.range), [word]))
        if made is None:
            raise RuntimeError(f"{voice} cannot say {word!r}; choose another voice")
        audio = _trimmed(made.audio)
        length_s = len(audio) / SAMPLE_RATE_HZ
        if length_s < SHORTEST_S and rate > SLOWEST * voice.rate:
            rate *= 0.9
        elif length_s <= ticks * TICK_S:
            break
        else:
            rate *= 1.05
            if rate > FASTEST * voice.rate and ticks < LONGEST_TICKS:
                rate, ticks = voice.rate, LONGEST_TICKS
    ramp = np.linspace(0, 1, 64, dtype=np.float32)
    audio[:64] *= ramp
    audio[-64:] *= ramp[::-1]
    return (audio * 0.8).astype(np.float32)


def _trimmed(audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Without what is more than ``AUDIBLE_DB`` below the loudest 10 ms at both ends; silence there only delays."""
    frame = SAMPLE_RATE_HZ // 100
    power = (audio[: len(audio) // frame * frame].reshape(-1, frame).astype(np.float64) ** 2).mean(1)
    loud = np.flatnonzero(power > power.max() * 10 ** (AUDIBLE_DB / 10))
    return audio[max(0, loud[0] - 1) * frame : (loud[-1] + 2) * frame].copy()


def render_clips(folder: Path, voice: Voice, language: Language) -> Clips:
    """Speak every reply word and write ``clips.flac`` and ``clips.json`` into ``folder``; Spanish by one of its own."""
    spanish = set(SPANISH.values())
    clips = {word: _clip(SPANISH_VOICE if word in spanish else voice, word) for word in reply_words(language)}
    names = sorted(clips)
    lengths = [len(clips[name]) for name in names]
    soundfile.write(folder / "clips.flac", np.concatenate([clips[n] for n in names]), SAMPLE_RATE_HZ, subtype="PCM_16")
    note = {"rate": SAMPLE_RATE_HZ, "voice": f"{voice.engine} {voice.name}", "words": names, "samples": lengths}
    (folder / "clips.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    return Clips.load(folder)
