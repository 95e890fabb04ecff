"""A recording as the files that other programs like: WAV, and words with their times."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from soundfile import SoundFile

from imkit.stream import INPUT_RATE, INPUT_SAMPLES, Word, samples_per_tick

from .layout import MODEL, USER, created
from .recording import Recording


def write_plain(recording: Recording, folder: str | Path) -> None:
    """Writes ``user.wav``, ``model.wav``, ``words.json`` and ``heard.json`` into ``folder``.

    Both sounds are 16 bit, on one clock and of one length, from the first tick on: that of act k starts at
    (k + 1) * 0.2 s. Lost ticks are silence. The words are ``{"text": ..., "chunks": [{"text": ..., "timestamp":
    [start_s, end_s]}]}``. It is written tick by tick, so the length does not matter. As a recording, the files are for
    their owner only.
    """
    folder = Path(folder)
    rate = recording.facts["output_rate"]
    for name, rate_hz, samples, delay in (
        (USER, INPUT_RATE, INPUT_SAMPLES, 0),
        (MODEL, rate, samples_per_tick(rate), 1),
    ):
        with _private(folder / f"{name}.wav") as raw, SoundFile(raw, "w", rate_hz, 1, "PCM_16", format="WAV") as file:
            moments = list(recording)
            at = moments[0].index if moments else 0
            silence = np.zeros(samples, np.int16)
            for moment in moments[: len(moments) - delay]:
                while at < moment.index + delay:
                    file.write(silence)
                    at += 1
                file.write(recording.media.pcm(name, moment.index))
                at += 1
            while moments and at <= moments[-1].index:
                file.write(silence)
                at += 1
    for name, words in (("words", recording.words()), ("heard", recording.heard())):
        text = json.dumps(chunks(words), indent=1, sort_keys=True, ensure_ascii=False)
        with _private(folder / f"{name}.json") as raw:
            raw.write((text + "\n").encode())


def _private(path: Path) -> BinaryIO:
    """A file in the place of ``path`` that only its owner may read."""
    path.unlink(missing_ok=True)
    return created(path)


def chunks(words: Sequence[Word]) -> dict[str, Any]:
    """Words with their times in seconds: ``{"text": ..., "chunks": [{"text", "timestamp": [start_s, end_s]}]}``."""
    return {
        "text": " ".join(word.text for word in words),
        "chunks": [
            {"text": word.text, "timestamp": [round(float(word.start_s), 3), round(float(word.end_s), 3)]}
            for word in words
        ],
    }
