"""Word clips: nano's interim voice. Each word it can say, spoken once by one synthetic voice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from imkit.model.voice import Clips
from imkit.stream import TICK_S
from imkit.voices import SAMPLE_RATE_HZ, Voice, synthesise

from .language import COLOURS, RESULT_REPLIES, SHAPES, SPECIALS, Language, number_words

USUAL_TICKS, LONGEST_TICKS, FASTEST = 2, 3, 1.5


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
    words += ["now", "sorry", "that", "failed", "nothing"]
    words += COLOURS + SHAPES
    return sorted(set(words) - set(SPECIALS))


def render_clips(folder: Path, voice: Voice, language: Language) -> Clips:
    """Speak every reply word and write ``clips.flac`` and ``clips.json`` into ``folder``."""
    clips: dict[str, np.ndarray] = {}
    for word in reply_words(language):
        rate, ticks = voice.rate, USUAL_TICKS
        while True:
            made = next(synthesise(Voice(voice.engine, voice.name, rate, voice.pitch, voice.range), [word]))
            if made is None:
                raise RuntimeError(f"{voice} cannot say {word!r}; choose another voice")
            if len(made.audio) <= ticks * TICK_S * SAMPLE_RATE_HZ:
                break
            rate *= 1.05
            if rate > FASTEST * voice.rate and ticks < LONGEST_TICKS:
                rate, ticks = voice.rate, LONGEST_TICKS
        audio = made.audio.copy()
        ramp = np.linspace(0, 1, 64, dtype=np.float32)
        audio[:64] *= ramp
        audio[-64:] *= ramp[::-1]
        clips[word] = (audio * 0.8).astype(np.float32)
    names = sorted(clips)
    lengths = [len(clips[name]) for name in names]
    soundfile.write(folder / "clips.flac", np.concatenate([clips[n] for n in names]), SAMPLE_RATE_HZ, subtype="PCM_16")
    note = {"rate": SAMPLE_RATE_HZ, "voice": f"{voice.engine} {voice.name}", "words": names, "samples": lengths}
    (folder / "clips.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    return Clips.load(folder)
