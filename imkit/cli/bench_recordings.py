"""``imkit bench recordings``: how large, how soon open, how much memory, and whether the model does the same again."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.recordings import Consent, Recorder, open_recording, replay
from imkit.session import Session
from imkit.stream import TICKS_PER_S, Act, Floor, ModelSpec, OpenConfig, Percept, Word
from imkit.views import figure

from .bench import Again, Row, conversation

HOURS = (1, 8)
RATE_HZ = 24_000
PICTURE_TICKS = 5
OPEN_S = 3.0


class Parrot:
    """A model that costs nothing: it says back the sound of three seconds ago, with a word for each tick of it."""

    def __init__(self) -> None:
        self.spec = ModelSpec("parrot", RATE_HZ, sees=True)

    def open(self, config: OpenConfig) -> tuple[NDArray[np.float32], ...]:  # noqa: ARG002
        """The sounds that it still has to say."""
        return (np.zeros(RATE_HZ // TICKS_PER_S, np.float32),) * 15

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        """One tick."""
        index, sound = percept.index, state[0]
        loud = float(np.abs(sound).max()) > 0.01
        words = (Word(f"word{index % 50}", (index + 1) / 5, (index + 2) / 5),) if loud and index % 2 else ()
        heard = (Word(f"word{index % 50}", index / 5, (index + 1) / 5),) if loud and index % 2 else ()
        again = np.repeat(percept.audio, 3)[::2].copy()  # 16 to 24 kHz, for its size only
        return Act(index, sound, Floor.SPEAK if loud else Floor.LISTEN, words, heard), (*state[1:], again)


class Watched(Again):
    """A conversation without end, with a moving picture a second."""

    def __init__(self) -> None:
        super().__init__(conversation().ticks)
        tall, wide = np.mgrid[0:240, 0:320]
        self._scene = np.stack([128 + 100 * np.sin(wide / 23 + tall / 40), 128 + 90 * np.cos(tall / 17), tall], -1)
        noise = np.random.default_rng(0).normal(0, 4, (8, 240, 320, 3))
        self._pictures = [np.clip(self._scene + one, 0, 255).astype(np.uint8) for one in noise]

    def _tick(self, index: int) -> Percept | None:
        percept = super()._tick(index)
        if percept is None or index % PICTURE_TICKS:
            return percept
        picture = np.roll(self._pictures[index // PICTURE_TICKS % 8], index % 320, axis=1)
        return Percept(index, percept.audio, (picture,))


def recordings(hours: tuple[float, ...] = HOURS, save: Path | None = None) -> Iterator[Row]:
    """Rows for each length; ``save`` is a JSON file for the numbers."""
    kept: dict[str, float] = {}
    for length_h in hours:
        for row in _of(length_h):
            kept[row.name] = row.measured
            yield row
    if save is not None:
        save.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _of(length_h: float) -> Iterator[Row]:
    name = f"recording of {length_h:g} h"
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "recording"
        model, watch = Parrot(), Stopwatch()
        recorder = Recorder(folder, output_rate=RATE_HZ, model="parrot", consent=Consent("imkit bench"))
        with recorder, Session(model) as session:
            session.tap = recorder
            session.run(Watched(), seconds=3600 * length_h, tail_s=0)
            ticks = len(session.timeline)
        yield Row(f"{name}: a tick, model included", watch.wall_s() / ticks * 1000, None, "ms", watch.cpu(ticks))
        size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        pictures_mb = sum(path.stat().st_size for path in (folder / "frames").iterdir()) / 1e6
        yield Row(f"{name}: size", size_mb, None, "MB", f"{pictures_mb:.0f} MB of it pictures, one a second")
        del session
        gc.collect()
        watch = Stopwatch()
        recording = open_recording(folder)
        timeline = recording.timeline()
        yield Row(f"{name}: open", watch.wall_s(), OPEN_S, "s", watch.cpu())
        yield Row(f"{name}: memory of it open", _memory_mb(folder), None, "MB", f"{len(timeline)} moments")
        watch, middle_s = Stopwatch(), timeline.end_s / 2
        timeline.between(middle_s, middle_s + 60).user_audio()
        yield Row(f"{name}: sound of a minute in the middle", watch.wall_s(), 1.0, "s", watch.cpu())
        watch = Stopwatch()
        figure(timeline)
        yield Row(f"{name}: figure", watch.wall_s(), OPEN_S, "s", watch.cpu())
        watch = Stopwatch()
        result = replay(recording, model)
        took = f"{result.compared} micro-turns in {watch.wall_s():.0f} s"
        yield Row(f"{name}: replay, logs that differ", float(not result.same), 0, "", took)


def _memory_mb(folder: Path) -> float:
    """What a fresh process holds more once it has opened a recording."""
    program = (
        "import sys, gc, imkit; from imkit.cli.bench import rss_mb; imkit.open_recording; before = rss_mb()\n"
        "kept = imkit.open_recording(sys.argv[1]).timeline(); gc.collect(); print(rss_mb() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    return float(done.stdout)


class Stopwatch:
    """Time since it was made, by the clock and of the processor: on a busy machine they differ."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def wall_s(self) -> float:
        """Seconds by the clock."""
        return time.perf_counter() - self._wall_s

    def cpu(self, of: int = 0) -> str:
        """Seconds of the processor, or milliseconds for each of so many, in words."""
        seconds = time.process_time() - self._cpu_s
        return f"{seconds / of * 1000:.2f} ms of processor, n={of}" if of else f"{seconds:.2f} s of processor"
