"""Who speaks in a suite: draws a voice, and has it say a sentence with a start and an end for every word."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Self

import numpy as np
import soundfile

from imkit.voices import SAMPLE_RATE_HZ, EngineMissing, FreshSpeaker, Utterance, Voice, resample

from .recorded import Recorded, aligned
from .suite import Suite, SuiteError, SuiteVoice

REMEMBERED = 400
COMMAND_TIMEOUT_S = 60.0


class Cast:
    """The voices of a suite. The same voice and text give the same samples, in any order and in any process."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self._speaker = FreshSpeaker()
        self._commands = {v.name: v.command for v in suite.voices if v.engine == "command"}
        self._recorded: dict[str, Recorded] = {}
        self._said: OrderedDict[tuple[Voice, str], Utterance] = OrderedDict()

    def draw(self, rng: np.random.Generator) -> Voice:
        """A voice by weight, its rate, pitch and range drawn from its ranges."""
        voices = self.suite.voices
        weights = np.array([v.weight for v in voices], float)
        return self.vary(voices[int(rng.choice(len(voices), p=weights / weights.sum()))], rng)

    @staticmethod
    def vary(chosen: SuiteVoice, rng: np.random.Generator) -> Voice:
        """One of the suite's voices, its rate, pitch and range drawn from its ranges."""
        rate, pitch, span = (
            round(float(rng.uniform(*bounds)), 3) for bounds in (chosen.rate, chosen.pitch, chosen.range)
        )
        return Voice(chosen.engine, chosen.folder or chosen.name, rate, pitch, span)

    def speak(self, voice: Voice, text: str) -> Utterance:
        """A sentence, peak 0.5 at 16 kHz. Raises SuiteError that names the voice, the text and the reason."""
        key = (voice, text)
        if key in self._said:
            self._said.move_to_end(key)
            return self._said[key]
        try:
            said = self._speak(voice, text)
        except (EngineMissing, ValueError, OSError, subprocess.SubprocessError, soundfile.SoundFileError) as error:
            raise SuiteError(f"voice {voice.engine}:{voice.name} cannot say {text!r}: {error}") from error
        if said is None:
            raise SuiteError(f"voice {voice.engine}:{voice.name} gives no word times for {text!r}")
        self._said[key] = said
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return said

    def _speak(self, voice: Voice, text: str) -> Utterance | None:
        if voice.engine == "command":
            return self._by_command(voice, text)
        if voice.engine == "files":
            if voice.name not in self._recorded:
                self._recorded[voice.name] = Recorded(self.suite.home / voice.name)
            return self._recorded[voice.name].say(voice, text)
        return self._speaker.speak(voice, text)

    def _by_command(self, voice: Voice, text: str) -> Utterance:
        template = self._commands[voice.name]
        with tempfile.TemporaryDirectory(prefix="imkit-voice-") as folder:
            wav = Path(folder) / "said.wav"
            words = [part.replace("{text}", text).replace("{wav}", str(wav)) for part in shlex.split(template)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
            if done.returncode or not wav.exists():
                why = (done.stderr.strip() or done.stdout.strip() or "no message")[-300:]
                raise OSError(f"the command {words[0]} wrote no {{wav}} (exit status {done.returncode}: {why})")
            samples, rate_hz = soundfile.read(wav, dtype="float32", always_2d=True)
        return aligned(voice, text, resample(samples.mean(1), rate_hz, SAMPLE_RATE_HZ))

    def close(self) -> None:
        """End the engine's process."""
        self._speaker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
