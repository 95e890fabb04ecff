from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from quick import CAST, play, score, words

from imkit.scenes import SuiteError
from imkit.scenes.cast import Cast
from imkit.scenes.motion import KINDS, count_score, judge, numbers_said, spoken_numbers
from imkit.scenes.policies import TIMERS, TRIVIAL, Oracle, Silent
from imkit.scenes.scoring import Verdict
from imkit.scenes.trial import make_world, play_trial

(KIND,) = KINDS
ENDS = [10.0, 11.0, 12.0, 12.5, 13.0]


@pytest.mark.parametrize("name", [*TRIVIAL, "timer-0.4s", "timer-3.0s"])
def test_who_does_not_count_gets_nothing(name):
    assert score(KIND, {**TRIVIAL, **TIMERS}[name]) <= 5


def test_the_oracle_gets_all():
    verdicts = [play(KIND, number, Oracle)[0] for number in range(16)]
    assert count_score(verdicts) >= 95
    assert {check.kind for verdict in verdicts for check in verdict.checks} == {"act", "hold"}
    counts = sorted(verdict.measures["count"] for verdict in verdicts)
    assert counts[0] <= 6
    assert counts[-1] >= 17
    assert max(np.mean(np.abs(np.array(counts) - guess) <= 1) for guess in range(3, 21)) <= 0.4


class Late(Oracle):
    """Counts right, a second and a half too late."""

    def decide(self, state, percept):
        for wanted in self.world.expected:
            wanted.due_s = wanted.cause_s + 1.6
        return super().decide(state, percept)


class Total(Oracle):
    """Says nothing but the total, at the right moment."""

    def decide(self, state, percept):
        state.done |= set(range(1, len(self.world.expected) - 1))
        return super().decide(state, percept)


class Doubling(Oracle):
    """Counts every repeat twice."""

    def say(self, state, wanted):
        super().say(state, wanted)
        super().say(state, wanted)


@pytest.mark.parametrize(("make", "least", "most"), [(Late, 0, 15), (Total, 5, 30), (Doubling, 30, 75)])
def test_half_of_it_is_worth_less(make, least, most):
    assert least <= score(KIND, make, trials=6) <= most


def test_trials_are_what_the_suite_says():
    motions, typed = set(), 0
    for number in range(12):
        verdict, world = play(KIND, number, Silent)
        asked = [said.text for said in world.said]
        typed += not asked
        motions |= {text.split()[2 + text.startswith(("please", "can"))] for text in asked}
        causes = [wanted.cause_s for wanted in world.expected[1:]]
        assert 3 <= verdict.measures["count"] <= 20
        assert causes[0] > world.expected[0].cause_s + 1.5
        assert all(b - a >= 0.4 - 1e-6 for a, b in pairwise(causes))
        assert verdict.measures["obo"] == 0.0
        assert verdict.measures["mae"] > 0.9
    assert 0 < typed < 12
    assert len(motions) > 1


def test_real_voices_and_pictures_play_it():
    with Cast(CAST.suite) as cast:
        world = make_world(cast.suite, cast, KIND.name, 6, 16_000)
        verdict, timeline = play_trial(KIND.play, world, Oracle(world))
    assert all(check.passed for check in verdict.checks)
    frames = [moment.percept.frames[0] for moment in timeline]
    assert len({frame.tobytes() for frame in frames}) > 5
    assert frames[0].shape[0] == frames[0].shape[1]


def test_a_motion_nobody_can_draw_is_an_error():
    suite = CAST.suite
    table = {**suite.scenes[KIND.name], "motions": {"dance": "steps"}}
    world = make_world(replace(suite, scenes={**suite.scenes, KIND.name: table}), CAST, KIND.name, 0, 16_000)
    with pytest.raises(SuiteError, match="dance"):
        next(KIND.play(world))


@pytest.mark.parametrize(
    ("said", "hits", "others", "missed", "last"),
    [
        ([("one", 10.2), ("two", 11.3), ("three", 12.1), ("four", 12.7), ("five", 13.4)], 5, 0, 0, 5),
        ([("one", 10.2), ("two", 11.3), ("four", 12.7), ("five", 13.4)], 4, 0, 0, 5),  # three was overtaken
        ([("one", 10.2), ("two", 11.3), ("three", 12.1), ("four", 12.7)], 4, 0, 1, 4),  # never the last
        ([("one", 9.9), ("two", 12.1), ("five", 13.5)], 1, 2, 2, 5),  # too early, too late
        ([("one", 10.2), ("one", 10.6), ("two", 11.2), ("six", 13.2)], 2, 2, 1, 6),
        ([("one", 10.2), ("well", 10.8), ("two", 11.2), ("five", 13.2)], 3, 1, 0, 5),
        ([], 0, 0, 3, 0),
    ],
)
def test_numbers_count_in_their_window(said, hits, others, missed, last):
    tally = judge(words(*said), ENDS)
    assert (tally.hits, tally.others, tally.missed, tally.last) == (hits, others, missed, last)


def test_two_words_can_be_one_number():
    said = words(("twenty", 1.0), ("one", 1.4), ("three", 2.0), ("twenty", 3.0), ("ten", 3.4), ("okay", 4.0))
    assert numbers_said(said) == [(21, 1.0), (3, 2.0), (20, 3.0), (10, 3.4), (None, 4.0)]


@pytest.mark.parametrize("period_s", [0.51, 0.55, 0.6, 0.75, 2.0])
def test_one_who_speaks_slowly_keeps_up(period_s):
    ends = [1.0 + period_s * k for k in range(20)]
    seen = [np.ceil(end / 0.2 - 1e-6) * 0.2 for end in ends]
    said, free_s = [], 0.0
    for number, at_s in spoken_numbers(seen):
        start_s = max(at_s, free_s) + 0.2
        free_s = start_s + 0.4
        said.append((number, start_s))
    assert [number for number, _ in said][-1] == 20
    assert len(said) >= 16
    if period_s >= 0.6:
        assert len(said) == 20
    assert all(0 <= start_s - ends[number - 1] <= 1.0 for number, start_s in said)


def verdict(count, said, hits, others=0, missed=0):
    return Verdict(
        (), {"count": count, "obo": float(abs(said - count) <= 1), "hits": hits, "others": others, "missed": missed}
    )


def test_the_score_takes_out_the_best_constant_guess():
    assert count_score([]) == 0
    perfect = [verdict(count, count, count) for count in (3, 8, 12, 20)]
    assert count_score(perfect) == 100
    assert count_score([verdict(count, 8, 1, 0, count - 1) for count in (3, 8, 12, 20)]) == 0
    halves = [verdict(3, 3, 3), verdict(8, 8, 8), verdict(12, 2, 12), verdict(20, 2, 20)]
    assert count_score(halves) == pytest.approx(100 * (0.5 - 0.25) / 0.75)
    assert count_score([verdict(5, 5, 5, others=5)]) == pytest.approx(100 * 10 / 15)
