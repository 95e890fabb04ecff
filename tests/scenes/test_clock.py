from itertools import pairwise

import numpy as np
import pytest

from imkit.scenes import ear, load_suite
from imkit.scenes.agent import Agent, take
from imkit.scenes.answers import number_words
from imkit.scenes.clock import CLASSES, KINDS, timespeak_synth
from imkit.scenes.policies import TIMERS, TRIVIAL, Oracle, Silent, Talking
from imkit.scenes.scoring import rates
from imkit.scenes.texts import Prompter
from imkit.scenes.trial import make_world, play_trial
from imkit.stream import Act, Floor, Word

(KIND,) = KINDS
N = 16
ONCE, EVERY, TWO, LASTED, CANCEL = range(5)  # of each class the first trial
CANCELLED, KEPT = 9, 4


@pytest.fixture(scope="module")
def cast():
    suite = load_suite("dev")
    with pytest.MonkeyPatch.context() as patch, Prompter(suite) as prompter:  # filters and noises take long
        for name in ("room", "tilt"):
            patch.setattr(ear, name, lambda rng: np.ones(1, np.float32))
        patch.setattr(ear, "noise", lambda rng, count, babble: rng.standard_normal(count, dtype=np.float32))
        yield prompter


class Altered(Oracle):
    """An oracle whose expectations are spoilt first."""

    def __init__(self, world, alter):
        super().__init__(world)
        self.alter = alter

    def decide(self, state, percept):
        if percept.index == 0:
            self.alter(self.world)
        return super().decide(state, percept)


def play(cast, number, make):
    world = make_world(cast.suite, cast, "timespeak_synth", number, 16_000)
    return play_trial(timespeak_synth, world, make(world))[0], world


def altered(cast, number, alter):
    return play(cast, number, lambda world: Altered(world, alter))[0]


def score(cast, make, trials=N):
    return KIND.score([play(cast, number, make)[0] for number in range(trials)])


def passed(verdict):
    return [check.passed for check in verdict.checks]


def dues(world):
    return [wanted for wanted in world.expected if wanted.due_s is not None]


def shifted(by_s):
    def alter(world):
        for wanted in dues(world):
            wanted.due_s += by_s

    return alter


def without_okay(world):
    world.expected = [wanted for wanted in world.expected if wanted.words != ("okay",)]


def test_only_who_keeps_time_scores(cast):
    assert score(cast, Oracle) == 100
    for name, make in (TRIVIAL | dict(list(TIMERS.items())[::3])).items():
        assert score(cast, make) <= 5, name


def test_a_fixed_delay_and_a_fixed_answer_are_worth_little(cast):
    def always_after_5_s(world):
        for wanted in dues(world):
            wanted.due_s, wanted.withdrawn = wanted.cause_s + 5, False

    def always_nine(world):
        for wanted in world.expected:
            if wanted.words[1:] == ("seconds",):
                wanted.words = ("nine", "seconds")

    delayed = [altered(cast, number, always_after_5_s) for number in range(40) if number % 5 != LASTED]
    assert rates(delayed, "every") == rates(delayed, "two") == (0, 0)
    assert rates(delayed, "once")[0] <= 0.25
    assert rates(delayed, "cancel")[1] == 0
    nine = [altered(cast, number, always_nine) for number in range(LASTED, 120, 5)]
    assert 0 < rates(nine)[0] <= 0.4  # of one class; three of fourteen waits take it


@pytest.mark.parametrize("number", range(2 * len(CLASSES)))
def test_every_class_is_played_and_what_the_user_says_is_the_same_to_all(cast, number):
    verdict, world = play(cast, number, Silent)
    assert {check.group for check in verdict.checks} == {("once", "every", "two", "lasted", "cancel")[number % 5]}
    assert play(cast, number, Talking)[1].said == world.said
    for earlier, later in pairwise(sorted(world.said, key=lambda said: said.start_s)):
        assert later.start_s > earlier.end_s


def test_cancel_has_both_sides(cast):
    kinds = [play(cast, number, Silent)[0].checks[0].kind for number in range(CANCEL, 40, 5)]
    assert kinds == ["act", "hold"] * 4


@pytest.mark.parametrize("number", [ONCE, EVERY, TWO, KEPT])
def test_a_word_may_be_off_by_a_little(cast, number):
    verdict, world = play(cast, number, Oracle)
    assert passed(verdict) == [True]
    assert abs(verdict.checks[0].latency_s) <= 0.11
    assert verdict.measures["f1"] == 1
    least_s = min(wanted.due_s - wanted.cause_s for wanted in dues(world))
    within_s = max(0.4, 0.1 * least_s)
    assert passed(altered(cast, number, shifted(within_s - 0.11))) == [True]
    late = altered(cast, number, shifted(1.8))
    assert passed(late) == [False]
    assert late.measures["f1"] < 1
    assert passed(altered(cast, number, shifted(-1.8))) == [False]


@pytest.mark.parametrize("number", [ONCE, EVERY, TWO, LASTED, KEPT])
def test_nothing_else_may_be_said(cast, number):
    def again(world):
        world.expect("okay", max(wanted.due_s or wanted.cause_s for wanted in world.expected) + 2.4)

    assert not all(passed(altered(cast, number, again)))


@pytest.mark.parametrize("number", [ONCE, EVERY, TWO, LASTED, KEPT])
def test_requests_need_no_okay(cast, number):
    assert all(passed(altered(cast, number, without_okay)))


def test_the_right_words_in_the_wrong_order_are_wrong(cast):
    def swapped(world):
        first, second = dues(world)
        first.words, second.words = second.words, first.words

    assert passed(altered(cast, TWO, swapped)) == [False]


def test_what_is_cancelled_is_acknowledged_and_not_said(cast):
    def deaf(world):
        for wanted in world.expected:
            wanted.withdrawn = False

    assert passed(play(cast, CANCELLED, Oracle)[0]) == [True]
    assert passed(play(cast, CANCELLED, Silent)[0]) == [False]
    assert passed(altered(cast, CANCELLED, without_okay)) == [False]
    assert passed(altered(cast, CANCELLED, deaf)) == [False]


def test_an_aside_cancels_nothing(cast):
    def any_voice_cancels(world):
        world.expect_quiet(world.said[1].end_s)

    assert passed(altered(cast, KEPT, any_voice_cancels)) == [False]


@pytest.mark.parametrize("number", range(LASTED, 40, 5))
def test_how_long_it_took(cast, number):
    def off_by(seconds, unit="seconds"):
        def alter(world):
            world.expected[-1].words = (*number_words(wait_s + seconds), unit)

        return altered(cast, number, alter)

    verdict, world = play(cast, number, Oracle)
    started, asked = world.said[:2]
    wait_s = round(asked.start_s - started.end_s)
    assert 2 <= wait_s <= 15
    assert asked.start_s - started.end_s == pytest.approx(wait_s)
    assert passed(verdict) == [True, True]
    assert passed(off_by(1)) == passed(off_by(-1)) == [True, True]
    assert passed(off_by(2)) == passed(off_by(0, "minutes")) == [True, False]
    assert off_by(2).measures["lasted_error_s"] == 2


def test_an_answer_may_not_come_late(cast):
    def late(world):
        world.expected[-1].cause_s += 1.6

    assert passed(altered(cast, LASTED, late)) == [True, False]


def test_utterances_know_their_words_and_whether_they_were_cut():
    agent = Agent(16_000)
    tone = (0.2 * np.sin(np.arange(3200))).astype(np.float32)
    silence = np.zeros(3200, np.float32)
    words = {0: ("red", 0.2, 0.6), 4: ("blue", 1.0, 1.4), 8: ("green", 1.8, 2.2), 10: ("silent", 2.8, 3.0)}
    for index in range(15):
        sounds = index in (0, 1, 4, 8, 9, 12)
        said = (Word(*words[index]),) if index in words else ()
        agent.add(Act(index, tone if sounds else silence, Floor.SPEAK, said))
    utterances = agent.utterances()
    assert [said.texts for said in utterances] == [["red"], ["blue"], ["green"], []]
    assert [said.whole for said in utterances] == [True, False, True, True]
    assert [said.is_just("blue") for said in utterances] == [False, True, False, False]
    assert take(utterances, "green", 0.0, 1.5) is None
    assert take(utterances, "green", 1.8, 1.8).end_s == pytest.approx(2.2)
    assert len(utterances) == 3
