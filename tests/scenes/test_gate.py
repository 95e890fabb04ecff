"""What a score is worth: nothing for a policy that knows nothing, all for one that knows everything, on every scene."""

import pytest

from imkit.scenes import SCENES, load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.policies import HALF_ORACLES, RATE, TIMERS, TRIVIAL, Oracle
from imkit.scenes.trial import make_world, play_trial
from imkit.scenes.turns import KINDS as TURNS

TRIALS = 16
TURN_SCENES = {kind.name for kind in TURNS}
SOME_TIMERS = {name: TIMERS[name] for name in ("timer-0.4s", "timer-0.8s", "timer-1.5s", "timer-3.0s")}


@pytest.fixture(scope="module")
def cast():
    with Cast(load_suite("dev")) as cast:
        yield cast


def score(cast, kind, make):
    verdicts = []
    for number in range(TRIALS):
        world = make_world(cast.suite, cast, kind.name, number, RATE)
        world.looked_at = False  # no policy looks
        verdicts.append(play_trial(kind.play, world, make(world))[0])
    return kind.score(verdicts), [c for v in verdicts for c in v.checks if not c.passed]


@pytest.mark.parametrize("kind", SCENES.values(), ids=SCENES)
def test_the_scene_rewards_what_it_is_about(cast, kind):
    full, failed = score(cast, kind, Oracle)
    assert full >= 95, failed
    for name, make in TRIVIAL.items():
        assert score(cast, kind, make)[0] <= 5, name
    turns = kind.name in TURN_SCENES
    # Nothing is to be yielded to where only one speaks at a time, so half an oracle is a whole one there.
    for name, make in (TIMERS if turns else {**SOME_TIMERS, **HALF_ORACLES}).items():
        assert score(cast, kind, make)[0] <= (30 if turns else 5), name
