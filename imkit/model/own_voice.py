"""nano's own voice in the chair: the words it decides become sound by a network of its own, one native call a tick.

It has the shape of ``Clips`` and ``Mouth`` (``ticks``, ``sounds``, ``say``, ``tick``), so that a folder with a
``voice.json`` speaks with it and any other with its clips.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imkit.stream import TICK_S, ModelError, samples_per_tick

from .runtime import float32_weights
from .voice import FADE_SAMPLES, Clips, Mouth, Speaker

Sound = npt.NDArray[np.float32]

INPUTS = ("word", "age", "cut", "acoustic_state", "vocoder_state", "overlap")
OUTPUTS = ("sound", "new_acoustic_state", "new_vocoder_state", "new_overlap")
HUSHED = 800  # samples after which nothing is left of a word that was cut


@dataclass(frozen=True)
class VoiceConfig:
    """What a voice says and its sizes.

    voice    where it comes from, in words
    words    what it can say; a word's number in the network is its place here plus one, 0 is silence
    samples  length of each word's sound at ``rate``, the vocoder's 20 ms of delay included
    """

    voice: str
    words: tuple[str, ...]
    samples: tuple[int, ...]
    rate: int = 16_000
    bins: int = 64
    score_width: int = 48
    acoustic_width: int = 160
    acoustic_layers: int = 4
    vocoder_width: int = 160
    vocoder_layers: int = 6
    expansion: int = 3

    def __post_init__(self) -> None:
        if len(self.words) != len(self.samples):
            raise ModelError(f"a voice of {len(self.words)} words and {len(self.samples)} lengths; give one for each")

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> VoiceConfig:
        """Read from JSON; an unknown or missing field is a ``ModelError`` that names it."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            data["words"], data["samples"] = tuple(data["words"]), tuple(data["samples"])
            return cls(**data)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not the configuration of a voice ({error})") from error


class OwnVoice:
    """A trained voice. One object serves any number of streams; each has its own ``OwnMouth``.

    rate    Hz of the sound; ``voice`` says where it comes from
    sounds  each word said alone, float32, as far as it is asked for
    """

    def __init__(self, folder: Path) -> None:
        """Load ``voice.json``, ``voice.onnx`` and ``voice.safetensors``; a ``ModelError`` says what does not fit."""
        import onnxruntime

        self.config = VoiceConfig.load(folder / "voice.json")
        self.rate, self.voice = self.config.rate, self.config.voice
        self.numbers = {word: i for i, word in enumerate(self.config.words, 1)}
        self.sounds: Mapping[str, Sound] = _Said(self)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        weights = float32_weights(folder / "voice.safetensors")
        self._held = [onnxruntime.OrtValue.ortvalue_from_numpy(one) for one in weights.values()]
        options.add_external_initializers(list(weights), self._held)
        path = folder / "voice.onnx"
        try:
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, ["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(f"{path}: ONNX Runtime cannot load it with these weights ({error})") from error
        shapes = {node.name: node.shape for node in self._session.get_inputs()}
        self._empty = tuple(np.zeros(shapes[name], np.float32) for name in INPUTS[3:])

    def __repr__(self) -> str:
        return f"<OwnVoice {len(self.numbers)} words, {self.voice}>"

    def empty(self) -> tuple[Sound, ...]:
        """The states of a mouth that has said nothing."""
        return self._empty

    def samples(self, word: str) -> int:
        """Length of a word's sound, without running anything."""
        return self.config.samples[self.numbers[word] - 1]

    def ticks(self, word: str) -> int:
        """How many micro-turns a word sounds for."""
        return max(1, math.ceil(self.samples(word) / (self.rate * TICK_S) - 1e-6))

    def run(self, word: int, age: int, cut: bool, states: tuple[Sound, ...]) -> tuple[Sound, tuple[Sound, ...]]:
        """One micro-turn of word number ``word``, ``age`` micro-turns after its onset: sound [3200] and new states."""
        whole = (np.array([[value]], np.int64) for value in (word, age, cut))
        out: list[Any] = self._session.run(OUTPUTS, dict(zip(INPUTS, (*whole, *states), strict=True)))
        return out[0][0], tuple(out[1:])


class _Said(Mapping[str, Sound]):
    """Words said alone, kept once they were asked for."""

    def __init__(self, voice: OwnVoice) -> None:
        self._voice = voice
        self._kept: dict[str, Sound] = {}

    def __getitem__(self, word: str) -> Sound:
        if word not in self._kept:
            count = self._voice.samples(word)  # a KeyError where it cannot be said
            mouth = OwnMouth()
            mouth.say(self._voice, word)
            pieces = [mouth.tick(self._voice, True)[0] for _ in range(self._voice.ticks(word))]
            self._kept[word] = np.concatenate(pieces)[:count]
        return self._kept[word]

    def __contains__(self, word: object) -> bool:
        return word in self._voice.numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._voice.numbers)

    def __len__(self) -> int:
        return len(self._voice.numbers)


@dataclass
class OwnMouth:
    """What is being said: the word under way, its age, and the voice's states. Used as ``Mouth`` is."""

    word: str = ""
    age: int = 0
    states: tuple[Sound, ...] = field(default_factory=tuple)

    def say(self, voice: OwnVoice, word: str) -> None:
        """Start a word; one still sounding is cut short by it. A word that the voice has not changes nothing."""
        if word in voice.numbers:
            self.word, self.age = word, 0
            self.states = self.states or voice.empty()

    def tick(self, voice: OwnVoice, speaking: bool) -> tuple[Sound, bool]:
        """One micro-turn of sound, and whether sound was cut off because the floor was given up.

        Silence is exact and costs nothing; the word after it starts afresh.
        """
        count = samples_per_tick(voice.rate)
        if not self.word:
            self.states = ()
            return np.zeros(count, np.float32), False
        sound, self.states = voice.run(voice.numbers[self.word], self.age, not speaking, self.states)
        if speaking:
            self.age += 1
            if self.age >= voice.ticks(self.word):
                self.word = ""
            return sound, False
        cut = voice.samples(self.word) - self.age * count > FADE_SAMPLES
        gone = sound * np.clip((HUSHED - np.arange(count)) / (HUSHED / 2), 0, 1).astype(np.float32)
        self.word, self.age, self.states = "", 0, ()
        return gone, cut


def open_voice(folder: Path) -> Clips | OwnVoice:
    """The voice of a model folder: its own where there is a ``voice.json``, else its clips."""
    return OwnVoice(folder) if (folder / "voice.json").exists() else Clips.load(folder)


def new_mouth(voice: Speaker) -> Mouth | OwnMouth:
    """A closed mouth for one stream of a voice."""
    return OwnMouth() if isinstance(voice, OwnVoice) else Mouth()
