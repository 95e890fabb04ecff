"""Recorded orders of people: a folder of sound files with what each orders, split for training and for scoring.

Two layouts are read: ``labels.json`` beside the recordings, ``{"a.flac": {"coffeeDrink": "latte"}}``, and a clone of
Picovoice's speech-to-intent-benchmark (Apache-2.0), with ``data/label/label.json`` and ``data/speech/clean``. Neither
says which words are spoken, or when.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from imkit.voices import SAMPLE_RATE_HZ, Words, resample
from imkit.voices.sound import Sound

from .menu import MENU
from .suite import Settings, SuiteError

SLOTS: Final = {
    "coffeeDrink": "drink", "size": "size", "roast": "roast", "numberOfShots": "shots", "milkAmount": "milk",
    "sugarAmount": "sugar",
}  # fmt: skip
ELSEWHERE: Final = "IMKIT_ORDERS"
LAYOUTS: Final = (("labels.json", ""), ("data/label/label.json", "data/speech/clean"))
SPLITS: Final = ("dev", "train")
DEV_SHARE: Final = 0.4
FRAME: Final = 160
SMOOTH: Final = 5
BELOW_PEAK_DB: Final = 35.0
APART_S: Final = 1.5
ROOM_S: Final = (0.1, 0.25)
PEAK: Final = 0.5
HOW: Final = (
    "Get it with `git clone https://github.com/Picovoice/speech-to-intent-benchmark` (Apache-2.0; the recordings are "
    f"in its data/speech/clean) and set {ELSEWHERE} to the clone; `--scenes coffee_order` plays without it"
)


@dataclass(frozen=True)
class Spoken:
    """A recording, 16 kHz, peak 0.5, cut to the speech and a little room around it; when the speech starts and ends.

    ``words`` are (word, start_s, end_s) where somebody found them, "" for one that nobody wrote down.
    """

    name: str
    sound: Sound
    start_s: float
    end_s: float
    arguments: Mapping[str, str]
    words: Words = ()


def split_of(name: str) -> str:
    """Which split a recording is of: 40 % are "dev", by a hash of the name up to its first "-" or dot.

    The two layouts name a recording alike up to there, so both are split alike.
    """
    return "dev" if int(_digest(name)[:8], 16) < DEV_SHARE * 16**8 else "train"


def _digest(name: str) -> str:
    return hashlib.sha256(f"imkit {name.partition('.')[0].partition('-')[0]}".encode()).hexdigest()


def speech_span(sound: Sound, below_db: float = BELOW_PEAK_DB, apart_s: float = APART_S) -> tuple[float, float]:
    """Where the speech starts and ends, in seconds: where the sound is within ``below_db`` of its loudest part.

    Loudness is of 10 ms frames, averaged over five. Of stretches with more than ``apart_s`` between them the longest
    counts: a chair that is moved afterwards is no part of an order. Raises ValueError for silence.
    """
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = np.convolve(np.sqrt((frames**2).mean(1)), np.ones(SMOOTH) / SMOOTH, "same") if len(frames) else np.zeros(1)
    if level.max() < 1e-4:
        raise ValueError("it is silent")
    sounding = np.flatnonzero(level > level.max() * 10 ** (-below_db / 20))
    stretches = np.split(sounding, np.flatnonzero(np.diff(sounding) * FRAME > apart_s * SAMPLE_RATE_HZ) + 1)
    longest = max(stretches, key=lambda stretch: int(stretch[-1] - stretch[0]))
    return float(longest[0] * FRAME / SAMPLE_RATE_HZ), float((longest[-1] + 1) * FRAME / SAMPLE_RATE_HZ)


def spoken(name: str, sound: Sound, arguments: Mapping[str, str], span: tuple[float, float] | None = None) -> Spoken:
    """A recording cut to its speech (``span``, else where ``speech_span`` finds it) and brought to peak 0.5.

    Raises ValueError for silence.
    """
    start_s, end_s = speech_span(sound) if span is None else span
    begin = max(0, round((start_s - ROOM_S[0]) * SAMPLE_RATE_HZ))
    piece = sound[begin : round((end_s + ROOM_S[1]) * SAMPLE_RATE_HZ)]
    loudest, cut_s = float(np.abs(piece).max()), begin / SAMPLE_RATE_HZ
    return Spoken(name, (piece * (PEAK / loudest)).astype(np.float32), start_s - cut_s, end_s - cut_s, arguments)


def read_sound(path: Path) -> Sound:
    """A sound file as one channel at 16 kHz. Raises OSError, ValueError or soundfile.SoundFileError."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return resample(np.ascontiguousarray(samples.mean(1)), rate_hz, SAMPLE_RATE_HZ)


class People:
    """The recordings of one split of a folder, in an order that a hash of their names gives."""

    def __init__(self, folder: Path, split: str) -> None:
        if split not in SPLITS:
            raise SuiteError(f"split = {split!r}, expected one of {', '.join(SPLITS)}")
        found = [(folder / labels, folder / sounds) for labels, sounds in LAYOUTS if (folder / labels).is_file()]
        if not found:
            raise SuiteError(f"{folder.absolute()}: no recorded orders here (no {LAYOUTS[0][0]}). {HOW}")
        labels, self.folder = found[0]
        try:
            rows = json.loads(labels.read_text(encoding="utf-8"))
            self._orders = {str(name): _arguments(row) for name, row in rows.items() if split_of(str(name)) == split}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise SuiteError(f"{labels}: {error}") from error
        if not self._orders:
            raise SuiteError(f"{labels}: none of its recordings is of the split {split!r}")
        self.names = tuple(sorted(self._orders, key=_digest))

    def __len__(self) -> int:
        return len(self.names)

    def load(self, number: int) -> Spoken:
        """A recording by its number, which goes round. Raises SuiteError that names a file that cannot be used."""
        name = self.names[number % len(self)]
        try:
            return spoken(name, read_sound(self.folder / name), self._orders[name])
        except (OSError, ValueError, soundfile.SoundFileError) as error:
            raise SuiteError(f"{self.folder / name}: cannot be played: {error}") from error

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of which recordings there are and what they order."""
        return hashlib.sha256(json.dumps(self._orders, sort_keys=True).encode()).hexdigest()


def _arguments(row: Mapping[str, Any]) -> dict[str, str]:
    slots = row.get("slots", row)
    order = {}
    for key, value in slots.items():
        plain = " ".join(str(value).split())
        if plain not in MENU.get(SLOTS.get(key, ""), ()):
            raise ValueError(f"{key} = {value!r} is nothing that order_drink takes")
        order[SLOTS[key]] = plain
    if "drink" not in order:
        raise ValueError(f"an order without a drink: {dict(slots)}")
    return order


@cache
def _people(folder: Path, split: str) -> People:
    return People(folder, split)


def orders_folder(settings: Settings) -> Path:
    """IMKIT_ORDERS where it is set, else the settings' ``folder``, relative to the current directory."""
    return Path(os.environ.get(ELSEWHERE) or str(settings["folder"])).absolute()


def people_of(settings: Settings) -> People:
    """The recordings that a scene's settings name by ``folder`` and ``split``; read once. Raises SuiteError."""
    return _people(orders_folder(settings), str(settings["split"]))
