"""Recorded wake words of people: a folder for each name, split for training and for scoring.

Two layouts are read: folders of recordings named ``smart_mirror``, and a clone of Picovoice's wake-word-benchmark
(Apache-2.0), with ``audio/smart mirror``. The files are WAV, FLAC or Ogg.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import soundfile

from imkit.voices import Voice, Words

from .people import SPLITS, Spoken, read_sound, speech_span, split_of, spoken
from .suite import Settings, SuiteError
from .world import Said, World

NAMES: Final = ("alexa", "computer", "jarvis", "smart mirror", "view glass")
ELSEWHERE: Final = "IMKIT_WAKEWORDS"
LAYOUTS: Final = ("", "audio")
SUFFIXES: Final = (".wav", ".flac", ".ogg")
BELOW_PEAK_DB: Final = 30.0  # many of these recordings are noisier than the orders are
APART_S: Final = 0.3
LENGTH_S: Final = (0.3, 1.5)  # of a name: what seems longer or shorter is noise, and the name's end is not known
HOW: Final = (
    "Get them with `git clone https://github.com/Picovoice/wake-word-benchmark` (Apache-2.0; the recordings are in its "
    f"audio) and set {ELSEWHERE} to the clone"
)


class Callers(Protocol):
    """People who say wake words."""

    def draw(self, rng: np.random.Generator, name: str, but: Collection[str] = ()) -> Spoken:
        """A recording of a name, with its words; one in ``but`` only where there is no other."""


class WakeRecordings:
    """The recordings of one split of a folder, by name. Raises SuiteError where a name has none."""

    def __init__(self, folder: Path, split: str) -> None:
        if split not in SPLITS:
            raise SuiteError(f"split = {split!r}, expected one of {', '.join(SPLITS)}")
        self.folder, self.files = folder, dict[str, tuple[Path, ...]]()
        for name in NAMES:
            folders = [folder / layout / called for layout in LAYOUTS for called in (name.replace(" ", "_"), name)]
            found = {path for place in folders if place.is_dir() for path in place.iterdir()}
            found = {path for path in found if path.suffix in SUFFIXES}
            if not found:
                raise SuiteError(f"{folder.absolute()}: no recorded wake words here (no {folders[0].name}). {HOW}")
            of_split = sorted(path for path in found if split_of(path.name) == split)
            if not of_split:
                raise SuiteError(f"{folder.absolute()}: no recording of {name!r} is of the split {split!r}")
            self.files[name] = tuple(of_split)

    def __len__(self) -> int:
        return sum(map(len, self.files.values()))

    def draw(self, rng: np.random.Generator, name: str, but: Collection[str] = ()) -> Spoken:
        """A recording of a name, each as often as any other; noisy ones, whose words' times are unknown, are left out.

        One in ``but`` is given only where there is no other. Raises SuiteError where none can be used, or a file cannot
        be read.
        """
        drawn = [self.files[name][number] for number in rng.permutation(len(self.files[name]))]
        for path in sorted(drawn, key=lambda path: path.name in but):
            if (said := self._load(name, path)) is not None:
                return said
        raise SuiteError(f"{self.folder}: none of {len(self.files[name])} recordings of {name!r} can be used")

    @staticmethod
    def _load(name: str, path: Path) -> Spoken | None:
        try:
            sound = read_sound(path)
            span = speech_span(sound, BELOW_PEAK_DB, APART_S)
            if not LENGTH_S[0] <= span[1] - span[0] <= LENGTH_S[1]:
                return None
            said = spoken(path.name, sound, {}, span)
        except (OSError, ValueError, soundfile.SoundFileError) as error:
            raise SuiteError(f"{path}: cannot be played: {error}") from error
        return replace(said, words=shared_out(name, said.start_s, said.end_s))

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of which recordings there are."""
        names = {name: [path.name for path in paths] for name, paths in self.files.items()}
        return hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()


def shared_out(name: str, start_s: float, end_s: float) -> Words:
    """(word, start_s, end_s) of a name that fills a span of time; its words share it by their letters."""
    words = name.split()
    edges = np.cumsum([0, *map(len, words)]) / sum(map(len, words)) * (end_s - start_s) + start_s
    return tuple(zip(words, edges[:-1].tolist(), [*edges[1:-1].tolist(), end_s], strict=True))


def call_out(world: World, said: Spoken, at_s: float) -> Said:
    """A person is heard, as loud as the user; the first word is at ``at_s``."""
    begin_s = at_s - said.start_s
    world.sound(said.sound, begin_s)
    words = tuple((word, begin_s + start, begin_s + end) for word, start, end in said.words)
    world.said.append(Said(" ".join(word for word, _, _ in words), words, Voice("files", said.name)))
    return world.said[-1]


@cache
def _recordings(folder: Path, split: str) -> WakeRecordings:
    return WakeRecordings(folder, split)


def wake_folder(settings: Settings) -> Path:
    """IMKIT_WAKEWORDS where it is set, else the settings' ``folder``, relative to the current directory."""
    return Path(os.environ.get(ELSEWHERE) or str(settings["folder"])).absolute()


def wake_recordings(settings: Settings) -> WakeRecordings:
    """The recordings that a scene's settings name by ``folder`` and ``split``; read once. Raises SuiteError."""
    return _recordings(wake_folder(settings), str(settings["split"]))
