"""The turn-based way in the chair: hears a turn when it is over, answers by rule, speaks with an engine."""

import copy

import numpy as np
import pytest

pytest.importorskip("pocketsphinx", reason="imkit[cascade] is not installed")
pytest.importorskip("silero_vad", reason="imkit[cascade] is not installed")

from imkit.adapters import load
from imkit.capture import AudioArray
from imkit.scenes import SCENES, load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.trial import make_world, play_trial
from imkit.session import Session
from imkit.stream import OpenConfig, Percept
from imkit.voices import Voice, synthesise


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


def said(text, name="slt"):
    (spoken,) = synthesise(Voice("flite", name), [text])
    return np.concatenate([np.zeros(8_000, np.float32), spoken.audio, np.zeros(24_000, np.float32)])


def heard(model, text):
    timeline = Session(model).run(AudioArray(said(text), 16_000), tail_s=2.0)
    return [word.text for word in timeline.heard()], [word.text for word in timeline.words()]


def test_what_is_not_in_its_language_is_written_down_as_far_as_it_goes_and_not_answered(cascade):
    text = "my sister has a red table in the city"
    words, answer = heard(cascade, text)
    assert len(set(text.split()) & set(words)) >= 5, words
    assert answer == []


@pytest.fixture(scope="module")
def told(cascade):
    return cascade.with_phrases(load_suite("dev").phrases)


def test_who_is_told_the_sentences_of_a_suite_hears_them(cascade, told):
    assert cascade.language.read("can you count from two to six") is None
    assert told.language.read("can you count from two to six").last == 6
    assert told.language.read("computer please calculate three minus zero").reply == ("three",)
    assert told.language.read("anna please calculate three minus zero") is None
    assert told.manners == cascade.manners
    words, answer = heard(told, "can you count from two to six")
    assert " ".join(words) == "can you count from two to six"
    assert answer[:3] == ["two", "three", "four"]


def test_somebody_elses_name_is_heard_and_what_follows_is_not_answered(told):
    assert heard(told, "computer what is three plus four")[1] == ["seven"]
    assert heard(told, "anna what is three plus four")[1] == []
