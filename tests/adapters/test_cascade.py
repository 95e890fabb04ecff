"""The turn-based way in the chair: hears a turn when it is over, answers by rule, speaks with an engine."""

import copy

import numpy as np
import pytest

pytest.importorskip("pocketsphinx", reason="imkit[cascade] is not installed")
pytest.importorskip("silero_vad", reason="imkit[cascade] is not installed")

from imkit.adapters import load
from imkit.scenes import SCENES, load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.trial import make_world, play_trial
from imkit.session import Session
from imkit.stream import OpenConfig, Percept


@pytest.fixture(scope="module")
def cascade():
    return load("cascade")


def test_a_typed_sum_is_answered_by_rule(cascade):
    session = Session(cascade)
    session.say("what is seven times eight")
    assert [word.text for word in session.run(seconds=4).words()] == ["fifty", "six"]


def test_silence_is_answered_with_silence(cascade):
    timeline = Session(cascade).run(seconds=3)
    assert not timeline.words()
    assert not timeline.model_audio().any()


def test_spoken_questions_are_heard_and_answered_after_the_silence_that_ends_a_turn(cascade):
    verdicts = []
    with Cast(load_suite("dev")) as cast:
        for number in range(0, 12, 2):
            world = make_world(cast.suite, cast, "smooth_turn_taking", number, cascade.spec.output_rate)
            verdicts.append(play_trial(SCENES["smooth_turn_taking"].play, world, cascade)[0].checks[0])
    assert sum(check.passed for check in verdicts) >= 3, verdicts
    assert all(check.latency_s >= 0.5 for check in verdicts if check.passed), "a turn ends with 0.6 s of silence"


def test_a_state_can_be_forked(cascade):
    state = cascade.open(OpenConfig())
    _, state = cascade.step(state, Percept(0, text="what is two plus three"))
    fork = copy.deepcopy(state)
    for index in range(1, 6):
        act, state = cascade.step(state, Percept(index))
        again, fork = cascade.step(fork, Percept(index))
        assert act.words == again.words
        assert np.array_equal(act.audio, again.audio)
