"""What a score is worth: nothing for a policy that knows nothing, all for one that knows everything, on every scene.

The suite's own voices speak on the scenes of turns, where a timer listens for their pauses; elsewhere voices that hum
words of plausible length, since synthesis would take longer than all else.
"""

import pytest

from imkit.scenes import SCENES, load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.policies import RATE, TIMERS, TRIVIAL, Oracle
from imkit.scenes.texts import Prompter
from imkit.scenes.trial import make_world, play_trial
from imkit.scenes.turns import KINDS as TURNS

TRIALS = 16
TURN_SCENES = {kind.name for kind in TURNS}
SOME_TIMERS = {name: TIMERS[name] for name in ("timer-0.4s", "timer-0.6s", "timer-1.0s", "timer-2.0s")}


@pytest.fixture(scope="module")
def casts():
    suite = load_suite("dev")
    with Cast(suite) as cast, Prompter(suite) as prompter:
        yield cast, prompter


def scores(cast, kind, policies):
    """The score of each policy, all in one trial after the other: a cast remembers what it said a moment ago."""
    verdicts = {name: [] for name in policies}
    for number in range(TRIALS):
        for name, make in policies.items():
            world = make_world(cast.suite, cast, kind.name, number, RATE)
            world.looked_at = False  # no policy looks
            verdicts[name].append(play_trial(kind.play, world, make(world))[0])
    return {name: kind.score(of) for name, of in verdicts.items()}


@pytest.mark.parametrize("kind", SCENES.values(), ids=SCENES)
def test_the_scene_rewards_what_it_is_about(casts, kind):
    turns = kind.name in TURN_SCENES
    timers = TIMERS if turns else SOME_TIMERS
    found = scores(casts[0] if turns else casts[1], kind, {Oracle.name: Oracle, **TRIVIAL, **timers})
    assert found.pop(Oracle.name) >= 95
    allowed = dict.fromkeys(TRIVIAL, 5) | dict.fromkeys(timers, 30 if turns else 5)
    assert {name: score for name, score in found.items() if score > allowed[name]} == {}
