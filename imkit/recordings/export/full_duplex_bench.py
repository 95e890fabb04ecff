"""The files that Full-Duplex-Bench's scripts read of a run (arXiv 2503.04721): sound in, sound out, timed words.

What the sample's author annotated (``turn_taking.json``, ``interrupt.json`` and the like) is not made up here: put it
beside these files, with times from the start of ``input.wav``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE, Timeline, Word

from .files import ExportError


def encode(timeline: Timeline) -> dict[str, bytes]:
    """``input.wav``, ``output.wav`` (one clock, one length), ``output.json`` (the model's words) and ``input.json``
    (the user's, as the model recognised them). Times are seconds from the start of the sound. 16-bit PCM.
    """
    gone = sum(not moment.has_media for moment in timeline)
    if gone or not len(timeline):
        raise ExportError(
            f"{gone} of {len(timeline)} moments have let go of their sound, and Full-Duplex-Bench is about sound; "
            "export a slice that has it, or a recording"
        )
    output = timeline.model_audio()
    whole = -(-len(output) * INPUT_RATE // timeline.output_rate)
    return {
        "input.wav": _wav(np.pad(timeline.user_audio(), (0, whole - len(timeline.user_audio()))), INPUT_RATE),
        "output.wav": _wav(output, timeline.output_rate),
        "input.json": _chunks(timeline.heard(), timeline.start_s),
        "output.json": _chunks(timeline.words(), timeline.start_s),
    }


def _wav(audio: NDArray[np.float32], rate_hz: int) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, audio, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _chunks(words: Iterable[Word], start_s: float) -> bytes:
    timed = [(word.text, round(word.start_s - start_s, 3), round(word.end_s - start_s, 3)) for word in words]
    value: dict[str, Any] = {
        "text": " ".join(text for text, _, _ in timed),
        "chunks": [{"text": text, "timestamp": [begin, end]} for text, begin, end in timed],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")
