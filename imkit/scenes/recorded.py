"""Voices without word events: recordings with a manifest, and the alignment that is used where no times are given.

A folder of recordings holds ``manifest.jsonl``, one line a recording::

    {"file": "a.wav", "text": "what is two plus three"}
    {"file": "b.flac", "text": "stop", "words": [["stop", 0.12, 0.61]]}

A sentence that was not recorded whole is put together from recordings of its parts, the longest first.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from imkit.voices import SAMPLE_RATE_HZ, Utterance, Voice, Words, resample

FRAME = 160
BELOW_PEAK_DB = 35.0
MARGIN_S = 0.03
JOINT_S = 0.06
PEAK = 0.5


def aligned(voice: Voice, text: str, samples: npt.NDArray[np.float32]) -> Utterance:
    """An utterance from a recording without word times.

    The first word starts and the last word ends where the sound passes 35 dB below its peak (10 ms frames), which is
    what scenes depend on. Between them, words share the sounding time by their number of letters plus one: right to
    about a fifth of a second, no better. Raises ValueError for silence.
    """
    words = text.split()
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = np.sqrt((frames**2).mean(1)) if len(frames) else np.zeros(0)
    if not len(level) or level.max() < 1e-4:
        raise ValueError(f"the recording of {text!r} is silent")
    sounding = np.flatnonzero(level > level.max() * 10 ** (-BELOW_PEAK_DB / 20))
    first_s, last_s = sounding[0] * FRAME / SAMPLE_RATE_HZ, (sounding[-1] + 1) * FRAME / SAMPLE_RATE_HZ
    shares = np.cumsum([0, *(len(word) + 1 for word in words)])
    edges = first_s + (last_s - first_s) * shares / shares[-1]
    return _cut(voice, text, samples, tuple((w, float(edges[i]), float(edges[i + 1])) for i, w in enumerate(words)))


def _cut(voice: Voice, text: str, samples: npt.NDArray[np.float32], words: Words) -> Utterance:
    """Only the speech and a little room around it, at peak 0.5."""
    begin = max(0, round((words[0][1] - MARGIN_S) * SAMPLE_RATE_HZ))
    end = min(len(samples), round((words[-1][2] + MARGIN_S) * SAMPLE_RATE_HZ))
    audio = samples[begin:end]
    shift = begin / SAMPLE_RATE_HZ
    timed = tuple((word, start - shift, stop - shift) for word, start, stop in words)
    return Utterance(text, voice, (audio * (PEAK / max(1e-6, float(np.abs(audio).max())))).astype(np.float32), timed)


class Recorded:
    """A folder of labelled recordings of one voice."""

    def __init__(self, folder: Path) -> None:
        manifest = folder / "manifest.jsonl"
        if not manifest.is_file():
            raise OSError(f"{manifest} does not exist; expected one line of JSON a recording with file and text")
        self.folder = folder
        self._rows: dict[str, dict[str, object]] = {}
        for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                try:
                    row = json.loads(line)
                    self._rows.setdefault(" ".join(str(row["text"]).lower().split()), row | {"file": str(row["file"])})
                except (ValueError, KeyError, TypeError) as error:
                    raise OSError(f"{manifest}, line {number}: expected JSON with file and text ({error})") from error

    @property
    def texts(self) -> tuple[str, ...]:
        """What was recorded."""
        return tuple(self._rows)

    def say(self, voice: Voice, text: str) -> Utterance:
        """A recorded sentence, or one put together. Raises OSError that names the words nobody recorded."""
        parts = self._parts(text.split())
        if len(parts) == 1:
            return self._load(voice, parts[0])
        pieces, words, at_s = [], [], 0.0
        for part in parts:
            said = self._load(voice, part)
            words += [(word, at_s + start, at_s + end) for word, start, end in said.words]
            pieces += [said.audio, np.zeros(round(JOINT_S * SAMPLE_RATE_HZ), np.float32)]
            at_s += len(said.audio) / SAMPLE_RATE_HZ + JOINT_S
        return _cut(voice, text, np.concatenate(pieces), tuple(words))

    def _parts(self, words: list[str]) -> list[str]:
        parts: list[str] = []
        at = 0
        while at < len(words):
            ends = [end for end in range(len(words), at, -1) if " ".join(words[at:end]) in self._rows]
            if not ends:
                raise OSError(f"nobody recorded {words[at]!r} (of {' '.join(words)!r}) in {self.folder}")
            parts.append(" ".join(words[at : ends[0]]))
            at = ends[0]
        return parts

    def _load(self, voice: Voice, text: str) -> Utterance:
        row = self._rows[text]
        samples, rate_hz = soundfile.read(self.folder / str(row["file"]), dtype="float32", always_2d=True)
        audio = resample(np.ascontiguousarray(samples.mean(1)), rate_hz, SAMPLE_RATE_HZ)
        times = row.get("words")
        if not isinstance(times, list):
            return aligned(voice, text, audio)
        timed = tuple((str(w), float(s), float(e)) for w, s, e in times)
        if [word for word, _, _ in timed] != text.split():
            raise ValueError(f"{row['file']} has times for {' '.join(w for w, _, _ in timed)!r}, expected those words")
        return _cut(voice, text, audio, timed)
