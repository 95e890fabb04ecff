"""A session as a folder of plain files, written while it runs.

``session.json``   what ran: format version, model, seed, rates, durations, counts, and the times the machine took
``events.jsonl``   one line a micro-turn, byte for byte the same for the same input, model and seed
``user.wav``       what came in, 16 kHz
``model.wav``      what the model said, on the same clock and of the same length
``words.json``     the model's words: ``{"text": ..., "chunks": [{"text": ..., "timestamp": [start_s, end_s]}]}``
``heard.json``     the user's words as the model recognised them, in the same form
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Self

import numpy as np

from imkit.stream import (
    INPUT_RATE,
    INPUT_SAMPLES,
    TICK_S,
    TICKS_PER_S,
    ImkitError,
    Moment,
    Timeline,
    Word,
    samples_per_tick,
)

from .wav import WavWriter

FORMAT = "imkit-recording"
VERSION = 1
FILES = ("session.json", "events.jsonl", "user.wav", "model.wav", "words.json", "heard.json")
_SYNC_TICKS = TICKS_PER_S


class RecordingError(ImkitError):
    """A recording cannot be written or read. Names the folder and the reason."""


class Recorder:
    """A sink that writes a session into ``folder``: ``put`` every moment, then ``close``.

    Nothing is kept in memory but words and counts. Every second the files are brought up to date on disk, so that after
    a crash they load. Ticks that a session lost are written as silence. The sound of act k starts at (k + 1) * 0.2 s.

    facts  what else ``session.json`` should say, JSON values
    force  write into a folder that holds something; only files of the names above are replaced
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        output_rate: int,
        model: str = "",
        seed: int = 0,
        facts: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> None:
        self.folder = _prepared(folder, force=force)
        self._tick_samples = samples_per_tick(output_rate)
        self._head = {
            "format": FORMAT,
            "version": VERSION,
            "model": model,
            "seed": seed,
            "tick_s": TICK_S,
            "input_rate": INPUT_RATE,
            "output_rate": output_rate,
            **(facts or {}),
        }
        self._words: list[Word] = []
        self._heard: list[Word] = []
        self._counts = dict.fromkeys(("moments", "frames", "texts", "calls", "events", "yields", "gaps"), 0)
        self._compute_ms = np.zeros(0, np.float32)
        self._late = 0
        self._first: int | None = None
        self._next = 0
        self._owed = np.zeros(0, np.float32)
        self._closed = False
        self.stopped = ""
        """Why the recording is not whole; set it before ``close``."""
        self._user = WavWriter(self.folder / "user.wav", INPUT_RATE)
        self._model = WavWriter(self.folder / "model.wav", output_rate)
        self._events = (self.folder / "events.jsonl").open("w", encoding="utf-8", newline="\n")
        self._write_head(complete=False)

    def put(self, moment: Moment) -> None:
        """Append one moment. Its sound is written to the tick after its own, where it is heard."""
        if self._closed:
            raise RecordingError(f"{self.folder}: the recording is closed; open a new one for further moments.")
        if self._first is None:
            self._first = self._next = moment.index
            self._owed = np.zeros(self._tick_samples, np.float32)
        for _ in range(self._next, moment.index):
            self._user.write(np.zeros(INPUT_SAMPLES, np.float32))
            self._pay(np.zeros(self._tick_samples, np.float32))
        self._user.write(moment.percept.audio)
        self._pay(moment.act.audio if moment.has_media else np.zeros(self._tick_samples, np.float32))
        self._events.write(json.dumps(moment.to_json(), sort_keys=True) + "\n")
        self._next = moment.index + 1
        self._count(moment)
        if self._counts["moments"] % _SYNC_TICKS == 0:
            self._sync()

    def _pay(self, audio: Any) -> None:
        """Write the sound that was owed from the tick before, and owe this one."""
        self._model.write(self._owed)
        self._owed = audio

    def _count(self, moment: Moment) -> None:
        counts = self._counts
        counts["moments"] += 1
        counts["frames"] += moment.frame_count
        counts["texts"] += bool(moment.percept.text)
        counts["calls"] += len(moment.act.calls)
        counts["events"] += len(moment.percept.events)
        counts["yields"] += moment.yielded
        counts["gaps"] += moment.gap
        self._words += moment.act.words
        self._heard += moment.act.heard
        self._late += moment.late
        number = counts["moments"] - 1
        if number >= len(self._compute_ms):
            self._compute_ms = np.resize(self._compute_ms, max(512, 2 * number))
        self._compute_ms[number] = moment.compute_ms

    def flush(self, epoch: int) -> None:
        """A new epoch began: what was generated stays in the recording, so there is nothing to drop."""

    def _sync(self) -> None:
        self._user.sync()
        self._model.sync()
        self._events.flush()

    def close(self) -> None:
        """Finish all files. May be called twice."""
        if self._closed:
            return
        self._closed = True
        for file in (self._user, self._model, self._events):
            file.close()
        _write_json(self.folder / "words.json", chunks(self._words))
        _write_json(self.folder / "heard.json", chunks(self._heard))
        self._write_head(complete=not self.stopped)

    def _write_head(self, *, complete: bool) -> None:
        count = self._counts["moments"]
        times = np.sort(self._compute_ms[:count])
        ticks = 0 if self._first is None else self._next - self._first
        head = self._head | {
            "complete": complete,
            **({"stopped": self.stopped} if self.stopped else {}),
            "start_s": (self._first or 0) / TICKS_PER_S,
            "duration_s": ticks / TICKS_PER_S,
            "counts": self._counts | {"words": len(self._words), "heard": len(self._heard)},
            "machine": {
                "python": platform.python_version(),
                "platform": platform.platform(),
                "late_ticks": self._late,
                "compute_ms": {
                    name: _rank(times, share) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
                },
            },
        }
        _write_json(self.folder / "session.json", head)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def record(timeline: Timeline, folder: str | Path, *, model: str = "", seed: int = 0, force: bool = False) -> Path:
    """Writes what a timeline still holds into ``folder`` and returns it. Sound it has let go of is silence."""
    with Recorder(folder, output_rate=timeline.output_rate, model=model, seed=seed, force=force) as recorder:
        for moment in timeline:
            recorder.put(moment)
    return recorder.folder


def chunks(words: Sequence[Word]) -> dict[str, Any]:
    """Words with their times in seconds: ``{"text": ..., "chunks": [{"text", "timestamp": [start_s, end_s]}]}``."""
    return {
        "text": " ".join(word.text for word in words),
        "chunks": [
            {"text": word.text, "timestamp": [round(float(word.start_s), 3), round(float(word.end_s), 3)]}
            for word in words
        ],
    }


def check_folder(folder: str | Path, *, force: bool = False) -> Path:
    """``folder`` as a Path. Raises RecordingError if it holds something (unless forced) or is no folder."""
    folder = Path(folder).expanduser()
    try:
        held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise RecordingError(
            f"{folder}: cannot be written: {error.strerror or error}. Choose another folder."
        ) from error
    if held and not force:
        shown = ", ".join(held[:3]) + (", ..." if len(held) > 3 else "")
        raise RecordingError(
            f"{folder}: is not empty (holds {shown}). Choose another folder, or add --force (force=True)."
        )
    return folder


def _prepared(folder: str | Path, *, force: bool) -> Path:
    """``folder``, made if need be, without files of an earlier recording."""
    folder = check_folder(folder, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise RecordingError(
            f"{folder}: cannot be written: {error.strerror or error}. Choose another folder."
        ) from error
    return folder


def _write_json(path: Path, value: Any) -> None:
    """Replace ``path`` in one step."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def _rank(ordered: Any, share: float) -> float | None:
    return round(float(ordered[max(0, ceil(share * len(ordered)) - 1)]), 3) if len(ordered) else None
