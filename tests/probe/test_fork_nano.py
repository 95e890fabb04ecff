"""Forks of the model that comes with imkit, on a recording that comes with imkit; and of an hour."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from fakes import FakeModel, FakeState

import imkit
from imkit.probe import fork
from imkit.session import Drive, Loop, Origin, Session, Snapshots, VirtualPacer
from imkit.session.snapshots import size_of
from imkit.stream import Act, InteractionModel, OpenConfig, Percept, Timeline


def log(timeline: Timeline) -> list[str]:
    return [json.dumps(moment.to_json(), sort_keys=True) for moment in timeline]


@pytest.fixture(scope="module")
def nano() -> InteractionModel[object]:
    return imkit.load("nano")


@pytest.fixture(scope="module")
def parent(nano: InteractionModel[object]) -> Timeline:
    question = files("imkit") / "scenes" / "spoken" / "what_is_seven_plus_four.flac"
    with Session(nano, "analyst", namespace={}, snapshots=Snapshots(every_s=1.0)) as session:
        session.say("plot the data")
        return session.run(str(question), tail_s=2.4)


def test_with_nothing_changed_nano_does_the_same_to_the_byte(parent: Timeline) -> None:
    assert parent.calls()
    for at_s in (0.0, 1.4, 2.2):
        branch = fork(parent, at_s).run()
        assert log(branch) == log(parent)
        assert branch.origin.fork.diverged_s is None
        assert branch.origin.fork.relived == round(at_s * 5) % 5
        np.testing.assert_array_equal(branch.model_audio(), parent.model_audio())


def test_a_branch_leaves_the_parent_s_states_alone(parent: Timeline) -> None:
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(16_000) * 0.2).clip(-1, 1).astype(np.float32)
    changed = fork(parent, 1.4).with_audio(noise).run(seconds=1.0)
    assert log(changed)[7:] != log(parent)[7:12]
    assert log(fork(parent, 1.4).run(seconds=1.0)) == log(parent)[:12]


def test_the_size_of_its_state_is_known(nano: InteractionModel[object]) -> None:
    size = size_of(nano.open(OpenConfig()))
    config = nano.config  # type: ignore[attr-defined]
    ring = 2 * 4 * config.layers * (config.window + config.pinned) * config.width
    assert ring < size < ring + 200_000


def test_minute_50_of_an_hour_does_not_take_50_minutes() -> None:
    class Counting(FakeModel):
        steps = 0

        def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
            self.steps += 1
            return Act(percept.index, SILENCE), state

    model, ticks = Counting(), 18_000
    timeline = Timeline(16_000, keep_media_s=3600)
    timeline.origin = Origin(model, OpenConfig(), Snapshots(5.0, max_bytes=2_000))
    kept = timeline.origin.snapshots
    loop = Loop(model)
    drive = Drive(loop, Hour(ticks), VirtualPacer(), timeline, tail_s=0)
    while drive.step() is not None:
        if kept.due(len(timeline)):
            kept.take(len(timeline), np.zeros(100, np.uint8), loop.ledger)  # as large as a model's would be of its cap
    assert len(timeline) == ticks
    assert len(kept) == 20
    model.steps = 0
    branch = fork(timeline, 3000.0).run(seconds=1.0)
    assert model.steps == branch.origin.fork.relived + 5
    assert branch.origin.fork.relived < 1500
    assert fork(timeline, 3000.0).run(seconds=1.0).origin.fork.relived == 0
    assert fork(timeline, 3599.0).run(seconds=1.0).origin.fork.relived < 25


SILENCE = np.zeros(3200, np.float32)


class Hour:
    """Silence that is not made anew each tick."""

    clocked = False
    provenance = "file"

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks

    def open(self) -> None:
        return None

    def read(self, index: int) -> Percept | None:
        return Percept(index, SILENCE) if index < self.ticks else None

    def close(self) -> None:
        return None
