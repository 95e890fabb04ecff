"""A bank of labelled speech on disk: made once by all cores, then mapped and drawn from at random."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imkit.voices import Voice, Words, synthesise

_CHUNK = 48
_AUDIO, _INDEX = "audio.i16", "index.npz"


def _speak_chunk(job: tuple[Voice, tuple[int, ...], tuple[str, ...]]) -> list[tuple[int, bytes, Words] | None]:
    voice, numbers, texts = job
    made: list[tuple[int, bytes, Words] | None] = []
    for number, utterance in zip(numbers, synthesise(voice, texts), strict=True):
        if utterance is None:
            made.append(None)
        else:
            pcm = np.round(utterance.audio * 32767.0).astype("<i2").tobytes()
            made.append((number, pcm, utterance.words))
    return made


def _jobs(plan: Sequence[tuple[Voice, str]]) -> list[tuple[Voice, tuple[int, ...], tuple[str, ...]]]:
    by_voice: dict[Voice, list[int]] = {}
    for number, (voice, _) in enumerate(plan):
        by_voice.setdefault(voice, []).append(number)
    return [
        (voice, tuple(numbers[at : at + _CHUNK]), tuple(plan[n][1] for n in numbers[at : at + _CHUNK]))
        for voice, numbers in by_voice.items()
        for at in range(0, len(numbers), _CHUNK)
    ]


def build_bank(
    path: Path,
    plan: Sequence[tuple[Voice, str]],
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Synthesise `plan` into a folder that `Bank` opens: audio.i16 (all utterances end to end) and index.npz.

    Utterances lie grouped by voice, in the same order for any number of processes; `Bank.plan_index` points back.
    (espeak lets the text before colour the next a little, so its samples are not the same in every run; the word times
    are those of the samples.) Utterances that could not be aligned are left out.
    `progress(done, total)` is called after every chunk of texts.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / _INDEX).unlink(missing_ok=True)
    jobs = _jobs(plan)
    voices = list(dict.fromkeys(voice for voice, _ in plan))
    voice_id = {voice: number for number, voice in enumerate(voices)}
    vocabulary: dict[str, int] = {}
    lengths: list[int] = []
    plan_index: list[int] = []
    word_counts: list[int] = []
    word_rows: list[tuple[int, float, float]] = []
    done = 0
    pool = multiprocessing.get_context("spawn").Pool(processes) if processes > 1 else None
    try:
        with (path / _AUDIO).open("wb") as audio:
            for job, made in zip(jobs, pool.imap(_speak_chunk, jobs) if pool else map(_speak_chunk, jobs), strict=True):
                for number, pcm, words in (entry for entry in made if entry is not None):
                    audio.write(pcm)
                    lengths.append(len(pcm) // 2)
                    plan_index.append(number)
                    word_counts.append(len(words))
                    word_rows += [(vocabulary.setdefault(w, len(vocabulary)), s, e) for w, s, e in words]
                done += len(job[1])
                if progress:
                    progress(done, len(plan))
    finally:
        if pool:
            pool.terminate()
            pool.join()
    times = np.array([row[1:] for row in word_rows], dtype=np.float32).reshape(-1, 2)
    partial = path / "index.part.npz"
    np.savez(
        partial,
        lengths=np.array(lengths, dtype=np.int32),
        plan_index=np.array(plan_index, dtype=np.int32),
        voice_ids=np.array([voice_id[plan[n][0]] for n in plan_index], dtype=np.int32),
        word_counts=np.array(word_counts, dtype=np.int32),
        word_ids=np.array([row[0] for row in word_rows], dtype=np.int32),
        word_times=times,
        vocabulary=np.array(list(vocabulary), dtype=np.str_),
        voices=np.array([json.dumps(asdict(voice)) for voice in voices], dtype=np.str_),
    )
    os.replace(partial, path / _INDEX)


@dataclass(frozen=True)
class BankUtterance:
    """An utterance of a bank; `audio` is a read-only int16 view into the memory-mapped file (divide by 32767)."""

    text: str
    voice: Voice
    audio: npt.NDArray[np.int16]
    words: Words


class Bank:
    """Utterances written by `build_bank`, memory-mapped: `bank[i]`, `len(bank)`, and flat arrays to choose by.

    Attributes: `voices` (list of Voice), `voice_ids`, `lengths` (samples) and `plan_index`, each of shape (len,);
    `vocabulary` (words in order of first use).
    """

    def __init__(self, path: Path) -> None:
        """Map the bank in folder `path`; FileNotFoundError where none was finished there."""
        if not (path / _INDEX).exists():
            raise FileNotFoundError(f"no finished speech bank in {path} (expected {_INDEX}); make one with build_bank")
        with np.load(path / _INDEX) as index:
            self.lengths: npt.NDArray[np.int32] = index["lengths"]
            self.plan_index: npt.NDArray[np.int32] = index["plan_index"]
            self.voice_ids: npt.NDArray[np.int32] = index["voice_ids"]
            self.voices = [Voice(**json.loads(str(text))) for text in index["voices"]]
            self.vocabulary = [str(word) for word in index["vocabulary"]]
            self._word_ids: npt.NDArray[np.int32] = index["word_ids"]
            self._word_times: npt.NDArray[np.float32] = index["word_times"]
            self._word_starts = np.concatenate([[0], np.cumsum(index["word_counts"], dtype=np.int64)])
        self._starts = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        size = (path / _AUDIO).stat().st_size
        if size != 2 * self._starts[-1]:
            raise ValueError(f"speech bank {path}: {_AUDIO} has {size} bytes, its index says {2 * self._starts[-1]}")
        self._audio: npt.NDArray[np.int16] = (
            np.memmap(path / _AUDIO, dtype="<i2", mode="r") if size else np.zeros(0, dtype=np.int16)
        )

    @classmethod
    def open(cls, path: Path) -> Bank:
        """Map the bank in folder `path`."""
        return cls(path)

    def __len__(self) -> int:
        """Number of utterances."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> BankUtterance:
        """Utterance `index`; negative counts from the end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"utterance {index} of a bank of {len(self)}")
        index %= len(self)
        words = tuple(
            (self.vocabulary[self._word_ids[row]], float(self._word_times[row, 0]), float(self._word_times[row, 1]))
            for row in range(self._word_starts[index], self._word_starts[index + 1])
        )
        return BankUtterance(
            " ".join(word for word, _, _ in words),
            self.voices[self.voice_ids[index]],
            self._audio[self._starts[index] : self._starts[index + 1]],
            words,
        )
