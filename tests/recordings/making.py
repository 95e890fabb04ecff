"""Recordings for tests: small ones of made-up moments, and one of a whole session of the fake model."""

import numpy as np
from fakes import FakeModel

from imkit.capture import OrderedSource
from imkit.recordings import Consent, Recorder
from imkit.session import Session
from imkit.stream import Act, Call, Event, Floor, Moment, Percept, Provenance, Word

RATE = 24_000


def moment(index, compute_ms=3.0, gap=False):
    """Sound of level index/1024 on both sides (on the 16-bit grid), a word every fifth tick, a picture every fourth."""
    said = (Word(f"said{index}", (index + 1) / 5, (index + 2) / 5),) if index % 5 == 0 else ()
    heard = (Word(f"héard{index}", index / 5, (index + 1) / 5),) if index % 5 == 1 else ()
    calls = (Call("delegate", f"c{index}", "plot", {"request": "plot it"}, index),) if index == 7 else ()
    events = (Event("system", Provenance.MICROPHONE, "gap", payload={"gap_ticks": 2}),) if gap else ()
    level = np.float32(index % 900) / 1024
    percept = Percept(
        index,
        np.full(3200, level, np.float32),
        frames=(picture(index),) if index % 4 == 0 else (),
        text="hi there" if index == 3 else "",
        events=events,
    )
    act = Act(index, np.full(RATE // 5, -level, np.float32), Floor.SPEAK, said, heard, calls, {"p": 0.5})
    return Moment(percept, act, compute_ms=compute_ms)


def picture(index):
    return np.full((12, 16, 3), [(40 * index) % 256, 90, 200], np.uint8)


def write(folder, indices, **options):
    """A recording of those ticks, admitted as a session admits them."""
    with Recorder(folder, output_rate=RATE, model="fake", seed=4, consent=Consent("a test"), **options) as recorder:
        put(recorder, indices)
    return folder


def put(recorder, indices):
    for index in indices:
        one = moment(index)
        recorder.put(Moment(recorder.admit(one.percept), one.act, compute_ms=one.compute_ms))


class Scene(OrderedSource):
    """Loud and quiet sound off the 16-bit grid, pictures, and typed text; the same for the same seed."""

    def __init__(self, ticks, seed=0):
        super().__init__("scene")
        self.ticks, self.seed = ticks, seed

    def _start(self):
        self.rng = np.random.default_rng(self.seed)

    def _tick(self, index):
        if self._position >= self.ticks:
            return None
        loud = 0.3 if self.rng.random() < 0.2 else 0.003
        audio = (loud * self.rng.standard_normal(3200)).clip(-1, 1).astype(np.float32)
        frames = (self.rng.integers(0, 255, (24, 33, 3)).astype(np.uint8),) if index % 5 == 0 else ()
        text = str(self.rng.choice(["", "", "", "one two three", "plot it"]))
        return Percept(index, audio, frames, text)


def session_recorded(folder, ticks=40, seed=0, **options):
    """Plays a scene to the fake model, recorded; the timeline."""
    recorder = Recorder(folder, output_rate=RATE, model="fake", seed=seed, consent=Consent("a test"), **options)
    with recorder, Session(FakeModel(RATE), seed=seed) as session:
        session.tap = recorder
        timeline = session.run(Scene(ticks, seed), tail_s=1.0)
        assert session.stats()["tap_errors"] == 0
    return timeline


def bytes_of(folder):
    """Every file's content, by its place in the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
