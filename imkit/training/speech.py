"""Which texts are spoken by which voices: the plan of a speech bank, and the recorded digits beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from imkit.voices import SAMPLE_RATE_HZ, Voice, random_voice, resample

from .bank import Bank, BankUtterance, build_bank
from .language import UNITS, Language


def is_held_out(text: str, share: float) -> bool:
    """Whether a sentence belongs to the share that is never spoken in training (decided by its own hash)."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32 < share


def plan_bank(
    engines: Mapping[str, Mapping[str, int]],
    texts: Mapping[str, float],
    language: Language,
    seed: int,
    held_out: bool,
    left_out: Sequence[str] = (),
) -> list[tuple[Voice, str]]:
    """Voices and texts of a bank. ``held_out`` chooses requests only from, or only outside, the held-out share.

    Voices whose names end with one of ``left_out`` are not drawn.
    """
    rng = np.random.default_rng(seed)
    kinds = ("request", "babble", "digits")
    weights = np.array([texts[kind] for kind in kinds])
    plan: list[tuple[Voice, str]] = []
    for engine, wanted in engines.items():
        voice = random_voice(rng, engine)
        for i in range(wanted["utterances"]):
            if i % wanted["texts_per_voice"] == 0:
                voice = random_voice(rng, engine)
                while voice.name.endswith(tuple(left_out)):
                    voice = random_voice(rng, engine)
            kind = rng.choice(kinds, p=weights / weights.sum())
            if kind == "request":
                text = language.request(rng)
                while is_held_out(text, texts["held_out_share"]) != held_out and len(text.split()) > 3:
                    text = language.request(rng)
            else:
                text = language.babble(rng) if kind == "babble" else language.digits(rng)
            plan.append((voice, text))
    return plan


def ensure_bank(path: Path, plan: list[tuple[Voice, str]], processes: int, say: Callable[[str], None]) -> Bank:
    """Open the bank at ``path``, speaking it first if it is not there or was made from another plan."""
    stamp = hashlib.sha256(repr(plan).encode()).hexdigest()
    note = path / "plan.json"
    if note.exists() and json.loads(note.read_text())["sha256"] == stamp:
        return Bank(path)
    say(f"speaking {len(plan)} utterances into {path}")
    step = max(1, len(plan) // 20)
    last = [0]

    def progress(done: int, total: int) -> None:
        if done - last[0] >= step or done == total:
            last[0] = done
            say(f"  {done}/{total}")

    build_bank(path, plan, processes, progress)
    note.write_text(json.dumps({"sha256": stamp}))
    return Bank(path)


class Digits:
    """Recorded digits of people: ``say(rng, digits) -> BankUtterance`` joins single recordings of one speaker."""

    def __init__(self, folder: Path, speakers: Callable[[str], bool]) -> None:
        self.clips: dict[str, dict[int, list[npt.NDArray[np.int16]]]] = {}
        for path in sorted(folder.glob("*_*_*.wav")):
            digit, speaker, _ = path.stem.split("_")
            if not speakers(speaker):
                continue
            samples, rate = soundfile.read(path, dtype="float32")
            audio = resample(samples, rate, SAMPLE_RATE_HZ)
            loud = np.flatnonzero(np.abs(audio) > 0.03 * np.abs(audio).max())
            audio = audio[max(0, loud[0] - 160) : loud[-1] + 320]
            audio *= 0.5 / np.abs(audio).max()
            clips = self.clips.setdefault(speaker, {}).setdefault(int(digit), [])
            clips.append(np.round(audio * 32767).astype(np.int16))

    def say(self, rng: np.random.Generator, digits: list[int]) -> BankUtterance:
        """The digits one after another in one person's voice, with small gaps; word times are the clips' edges."""
        speaker = str(rng.choice(list(self.clips)))
        pieces: list[npt.NDArray[np.int16]] = []
        words: list[tuple[str, float, float]] = []
        at = 0
        for digit in digits:
            options = self.clips[speaker][digit]
            clip = options[int(rng.integers(len(options)))]
            gap = np.zeros(int(rng.uniform(0.02, 0.25) * SAMPLE_RATE_HZ), np.int16)
            words.append((UNITS[digit], at / SAMPLE_RATE_HZ, (at + len(clip)) / SAMPLE_RATE_HZ))
            pieces += [clip, gap]
            at += len(clip) + len(gap)
        audio = np.concatenate(pieces[:-1])
        return BankUtterance(" ".join(w for w, _, _ in words), Voice("people", speaker), audio, tuple(words))
