"""A trial is a source and a sink at once: the session's own drive plays it, and the user answers to what was heard."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from imkit.capture.source import OrderedSource
from imkit.session.drive import Drive
from imkit.session.loop import Loop
from imkit.session.pacer import VirtualPacer
from imkit.stream import (
    ImkitError,
    InteractionModel,
    Moment,
    OpenConfig,
    Percept,
    Provenance,
    SourceError,
    Timeline,
)

from .cast import Cast
from .scoring import Verdict
from .suite import Suite, SuiteError
from .world import LONGEST_S, Scene, World

Play = Callable[[World], Scene]


class Trial(OrderedSource):
    """One play of a scene. Nothing in it depends on the wall clock or on trials before it."""

    provenance = Provenance.MICROPHONE

    def __init__(self, play: Play, world: World) -> None:
        super().__init__(f"{play.__name__} {world.number}")
        self.world, self._scene = world, play(world)
        self.verdict: Verdict | None = None

    def _start(self) -> None:
        assert self.verdict is None, "a trial is played once"

    def _tick(self, index: int) -> Percept | None:
        assert index == self.world.index
        try:
            next(self._scene)
        except StopIteration as ended:
            self.verdict = ended.value
            return None
        if self.world.now_s > LONGEST_S:
            raise SuiteError(f"{self.name}: still going after {LONGEST_S:.0f} s; a scene must come to an end")
        return self.world.percept()

    # --- the sink's side: what the model did is heard

    def put(self, moment: Moment) -> bool:
        """The model acted."""
        self.world.hear(moment.act)
        return True

    def flush(self, epoch: int) -> None:
        """A new epoch began: what a model cut short was never part of an act."""


def make_world(suite: Suite, cast: Cast, scene: str, number: int, output_rate: int) -> World:
    """The world of one trial; its randomness comes from the suite's seed, the scene's name and the number alone."""
    seed = [suite.seed, zlib.crc32(scene.encode()), number]
    tools = tuple(suite.scenes[scene].get("tools", ())) if scene in suite.scenes else ()
    return World(suite, suite.settings(scene), cast, np.random.default_rng(seed), number, output_rate, tools=tools)


def play_trial(
    play: Play, world: World, model: InteractionModel[Any], clock: Callable[[], float] | None = None
) -> tuple[Verdict, Timeline]:
    """Plays a scene to its end with a model in the chair, in virtual time, and gives the verdict and what happened.

    ``clock`` in seconds only measures the model, into ``compute_ms`` of each moment.
    """
    trial = Trial(play, world)
    timeline = Timeline(model.spec.output_rate, keep_frames_s=LONGEST_S + 1)
    loop = Loop(model, OpenConfig(seed=world.number, tools=world.tools), clock=clock)
    drive = Drive(loop, trial, VirtualPacer(), timeline, sink=trial, tail_s=0.0)
    while not drive.ended:
        try:
            drive.step()
        except SourceError as error:
            if isinstance(error.__cause__, ImkitError):  # what a scene raises is not about a device
                raise error.__cause__ from None
            raise
    assert trial.verdict is not None
    return trial.verdict, timeline
