"""``imkit bench``: what this machine gives, beside what the design asks for. Not a test: nothing fails."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.capture import AudioArray, OrderedSource, Script
from imkit.recordings import Consent, Recorder, open_recording, replay
from imkit.stream import INPUT_RATE, TICKS_PER_S, ImkitError, Moment, Percept
from imkit.views.lanes import DEADLINE_MS

AUDIBLE = 1e-3
LEAD_S = 1.0
PAUSE_S = 3.0
BROWSER_ROWS = (
    ("browser to kernel to browser, p95 idle / busy cell", "20 / 60 ms"),
    ("end of turn to first sound in the browser, p50", "0.40 s"),
)


@dataclass(frozen=True)
class Row:
    """One measurement. ``target`` is the highest value that is good enough, None where nothing says what that is."""

    name: str
    measured: float
    target: float | None
    unit: str
    note: str = ""

    def __str__(self) -> str:
        if self.target is None:
            return f"{self.name:<52} {_number(self.measured, self.unit):>11} {'-':>11}         {self.note}".rstrip()
        ratio = f"{self.measured / self.target:6.2f}" if self.target else "   yes" if self.measured <= 0 else "    no"
        measured, target = _number(self.measured, self.unit), _number(self.target, self.unit)
        return f"{self.name:<52} {measured:>11} {target:>11} {ratio}  {self.note}".rstrip()


def bench(
    model: str,
    minutes: float,
    only: list[str] | None = None,
    hours: float = 8.0,
    ppm: float = 100.0,
    real: bool = False,
) -> int:
    """Prints the table row by row, as each is measured. What takes hours is only measured when it is named."""
    names = [*benchmarks(model, minutes), "soak", *(name for name, _ in BROWSER_ROWS)]
    unknown = [part for part in only or () if not any(part in name for name in names)]
    if unknown:
        raise ImkitError(f"no row is called {', '.join(unknown)}; there are {', '.join(names)}")
    print(f"{platform.platform()}, Python {platform.python_version()}, model {model}")
    print(f"{'what':<52} {'measured':>11} {'target':>11}  ratio")
    long = {"soak": lambda: _soak(model, minutes / 60 if real else hours, ppm, real)} if only else {}
    for name, measure in (benchmarks(model, minutes) | long).items():
        if only is None or any(part in name for part in only):
            for row in measure():
                print(row, flush=True)
    for name, target in BROWSER_ROWS:
        if only is None or any(part in name for part in only):
            print(f"{name:<52} {'-':>11} {target:>11}         run make bench-browser")
    return 0


def benchmarks(model: str, minutes: float) -> dict[str, Callable[[], Iterator[Row]]]:
    """What can be measured without a browser, by name."""
    return {
        "import and first session": lambda: _start(model),
        "compute idle": lambda: _compute(model, busy=False),
        "compute busy": lambda: _compute(model, busy=True),
        "reply time": lambda: _reply(model),
        "stop time": lambda: _stop(model),
        "replay": lambda: _replay(model),
        "open and close": lambda: _open_close(model),
        "delegate": lambda: _delegate(model),
        "recordings": _recordings,
        "views": lambda: _views(model),
        "probe": lambda: _probe(model, minutes),
        "streams": lambda: _streams(model),
        "serve": lambda: _serve(model),
        "isolate": lambda: _isolate(model),
        "long run": lambda: _long(model, minutes),
    }


@dataclass(frozen=True)
class Question:
    """A spoken question: float32 [samples] at 16 kHz, and where its last sound ends."""

    text: str
    audio: NDArray[np.float32]
    end_s: float


def questions() -> list[Question]:
    """The questions that come with the package."""
    import soundfile

    folder = Path(str(files("imkit.cli"))) / "spoken"
    audio, rate_hz = soundfile.read(folder / "questions.flac", dtype="float32")
    found = []
    for entry in json.loads((folder / "questions.json").read_text(encoding="utf-8")):
        part = audio[round(entry["start_s"] * rate_hz) : round(entry["end_s"] * rate_hz)]
        found.append(Question(entry["text"], part, len(part) / rate_hz))
    return found


class Again(OrderedSource):
    """The same ticks over and over, without end."""

    def __init__(self, ticks: list[NDArray[np.float32]]) -> None:
        super().__init__("again")
        self.ticks = ticks

    def _start(self) -> None:
        return None

    def _tick(self, index: int) -> Percept | None:
        return Percept(index, self.ticks[self._position % len(self.ticks)])


def conversation() -> Again:
    """All questions with three seconds of quiet after each, for ever."""
    quiet = np.zeros(round(PAUSE_S * INPUT_RATE), np.float32)
    whole = np.concatenate([part for question in questions() for part in (question.audio, quiet)])
    ticks: list[NDArray[np.float32]] = []
    with AudioArray(whole, INPUT_RATE) as source:
        while (percept := source.read(len(ticks))) is not None:
            ticks.append(percept.audio)
    return Again(ticks)


class _Watch:
    """A sink that notes times, and the memory at every minute."""

    def __init__(self) -> None:
        self.compute_ms: list[float] = []
        self.rss_mb: list[float] = []

    def put(self, moment: Moment) -> None:
        self.compute_ms.append(moment.compute_ms)
        if moment.index % (60 * TICKS_PER_S) == 0:
            self.rss_mb.append(rss_mb())

    def flush(self, epoch: int) -> None:
        """Nothing is queued here."""

    def close(self) -> None:
        """Nothing is held here."""


def _session(model: str, sink: Any = None) -> Any:
    from imkit.session import Session

    from .run import load_model

    return Session(load_model(model), sink=sink)


def _start(model: str) -> Iterator[Row]:
    yield Row("import imkit", min(_child("import imkit") for _ in range(3)), 0.5, "s")
    program = f"from imkit.cli.run import load_model; from imkit.session import Session; Session(load_model({model!r}))"
    yield Row("first Session(), import included", min(_child(program) for _ in range(2)), 5.0, "s")


def _child(program: str) -> float:
    """Seconds that ``program`` takes in a fresh interpreter, the interpreter's own start not counted."""
    timed = f"import time; t = time.perf_counter()\n{program}\nprint(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _compute(model: str, *, busy: bool, seconds: float = 60.0) -> Iterator[Row]:
    watch, stop = _Watch(), threading.Event()
    thread = threading.Thread(target=_python_work, args=(stop,), daemon=True)
    with _session(model, watch) as session:
        session.run(conversation(), seconds=2, tail_s=0)
        watch.compute_ms.clear()
        from imkit.session import switch

        switch.hold()  # as a live session does
        try:
            if busy:
                thread.start()
            session.run(conversation(), seconds=seconds, tail_s=0)
        finally:
            stop.set()
            switch.release()
            if busy:
                thread.join()
    when = "busy Python thread" if busy else "idle"
    note = f"n={len(watch.compute_ms)}"
    yield Row(f"tick compute, {when}, p50", rank(watch.compute_ms, 0.5), 40, "ms", note)
    yield Row(f"tick compute, {when}, p99", rank(watch.compute_ms, 0.99), 100, "ms", note)
    missed = 100 * sum(ms > DEADLINE_MS for ms in watch.compute_ms) / len(watch.compute_ms)
    yield Row(f"missed deadlines, {when}", missed, 0.1, "%", note)


def _python_work(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(number * number for number in range(2000))


def _reply(model: str) -> Iterator[Row]:
    replies: list[float] = []
    asked = questions()
    quiet = np.zeros(round(LEAD_S * INPUT_RATE), np.float32)
    with _session(model) as session:
        for question in asked:
            timeline = session.run(AudioArray(np.concatenate([quiet, question.audio]), INPUT_RATE), tail_s=3.0)
            loud = np.flatnonzero(np.abs(timeline.model_audio()) > AUDIBLE)
            if len(loud):
                replies.append(loud[0] / timeline.output_rate - LEAD_S - question.end_s)
    if not replies:
        print(
            f"{'end of turn to first audible sample':<52} {'-':>11} {'0.40 s':>11}         answered 0 of {len(asked)}"
        )
        return
    early = sum(reply < 0 for reply in replies)
    note = f"answered {len(replies)} of {len(asked)}, {early} before the end; virtual clock"
    yield Row("end of turn to first audible sample, p50", statistics.median(replies), 0.40, "s", note)


def _stop(model: str) -> Iterator[Row]:
    """While the model counts aloud, a question is spoken over it: how long does it go on?"""
    lags, tried = [], 0
    with _session(model) as session:
        for number, question in enumerate(questions()):
            onset_s = 3.0 + 0.37 * number
            quiet = np.zeros(round(onset_s * INPUT_RATE), np.float32)
            sound = AudioArray(np.concatenate([quiet, question.audio]), INPUT_RATE)
            timeline = session.run([sound, Script([{"t": 0.5, "text": "count to twenty"}])], tail_s=1.0)
            loud = np.flatnonzero(np.abs(timeline.model_audio()) > AUDIBLE) / timeline.output_rate
            tried += bool(np.any(np.abs(loud - onset_s) < 0.3))
            pauses = np.flatnonzero(np.diff(loud) > 0.4)  # words follow one another faster than that
            ends = np.append(loud[pauses], loud[-1:])
            after = ends[ends > onset_s]
            if len(after) and after[0] < onset_s + question.end_s:
                lags.append(float(after[0]) - onset_s)
    if not lags:
        print(f"{'user onset to silent':<52} {'-':>11} {'0.40 s':>11}         stopped 0 of {tried}")
        return
    note = f"stopped {len(lags)} of {tried} while the user spoke; virtual clock"
    yield Row("user onset to silent, p95", rank(lags, 0.95), 0.40, "s", note)


def _replay(model: str) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, _session(model) as session:
        spec = session.model.spec
        with Recorder(
            folder, output_rate=spec.output_rate, model=spec.name, consent=Consent("imkit bench")
        ) as recorder:
            session.tap = recorder
            session.run(conversation(), seconds=30, tail_s=4)
        result = replay(open_recording(folder), session.model)
    note = f"{result.compared} micro-turns"
    yield Row("replay of 30 s: logs that differ", float(not result.same), 0, "", note)


def _open_close(model: str) -> Iterator[Row]:
    before = threading.active_count()
    with _session(model) as first:
        seated = first.model
    from imkit.session import Session

    for _ in range(100):
        with Session(seated) as session:
            session.start()
    time.sleep(0.2)
    yield Row("100 open/close: threads left", float(threading.active_count() - before), 0, "")


def _delegate(model: str) -> Iterator[Row]:
    from .bench_delegate import delegate

    return delegate(model)


def _recordings() -> Iterator[Row]:
    from .bench_recordings import recordings

    return recordings(save=Path("bench_recordings.json"))


def _views(model: str) -> Iterator[Row]:
    from .bench_views import views

    return views(model)


def _probe(model: str, minutes: float) -> Iterator[Row]:
    from .bench_probe import probe

    return probe(model, minutes=minutes)


def _streams(model: str) -> Iterator[Row]:
    from .bench_streams import streams

    return streams(model, table=Path("bench_streams.json"), picture=Path("bench_streams.html"))


def _serve(model: str) -> Iterator[Row]:
    from .bench_serve import load

    return load(model, table=Path("bench_serve.json"), picture=Path("bench_serve.html"))


def _isolate(model: str) -> Iterator[Row]:
    from .bench_isolate import isolate

    return isolate(model)


def _soak(model: str, hours: float, ppm: float, real: bool) -> Iterator[Row]:
    from .bench_soak import soak

    return soak(model, hours, ppm, real=real, save=Path("bench_soak.json"))


def _long(model: str, minutes: float) -> Iterator[Row]:
    watch = _Watch()
    with _session(model, watch) as session:
        session.run(conversation(), seconds=60 * minutes, tail_s=0)
    last = watch.compute_ms[-60 * TICKS_PER_S :]
    note = f"last minute of {minutes:g} simulated"
    yield Row(f"tick compute after {minutes:g} min, p50", rank(last, 0.5), 40, "ms", note)
    yield Row(f"tick compute after {minutes:g} min, p99", rank(last, 0.99), 100, "ms", note)
    warm = min(11, len(watch.rss_mb) // 3)  # a timeline keeps ten minutes of sound
    kept = watch.rss_mb[warm:]
    if len(kept) > 1:
        growth = (kept[-1] - kept[0]) / (len(kept) - 1) * 60
        yield Row(
            "memory growth in the kernel", max(0.0, growth), 10, "MB/h", f"minutes {warm} to {len(watch.rss_mb) - 1}"
        )


def rank(values: list[float], share: float) -> float:
    """The smallest value that ``share`` of all values do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def rss_mb() -> float:
    """The memory that this process holds now, in MB."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        psutil: Any = import_module("psutil")  # comes with ipykernel
        return float(psutil.Process().memory_info().rss / 1e6)
    import resource

    return pages * resource.getpagesize() / 1e6


def _number(value: float, unit: str) -> str:
    digits = 2 if unit in {"s", "%"} else 1 if unit else 0
    return f"{value:.{digits}f} {unit}".rstrip()
