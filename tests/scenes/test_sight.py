from itertools import pairwise

import numpy as np
import pytest
from quick import CAST, play, score, words

from imkit.scenes import SuiteError
from imkit.scenes.cast import Cast
from imkit.scenes.pictures import COLOURS, SHAPES
from imkit.scenes.policies import TIMERS, TRIVIAL, Oracle, Silent
from imkit.scenes.scoring import Verdict
from imkit.scenes.sight import KINDS, claimed_spans, credit, cue_score, iou, judged, placed, said_besides_okay
from imkit.scenes.trial import make_world, play_trial
from imkit.stream import Floor

(KIND,) = KINDS
LIT = [(10.0, 12.0), (20.0, 23.0)]


@pytest.mark.parametrize("name", [*TRIVIAL, "timer-0.4s", "timer-3.0s"])
def test_who_does_not_look_gets_nothing(name):
    assert score(KIND, {**TRIVIAL, **TIMERS}[name]) <= 5


def test_the_oracle_gets_all_of_both_halves():
    played = [play(KIND, number, Oracle) for number in range(20)]
    verdicts = [verdict for verdict, _ in played]
    assert cue_score(verdicts) >= 95
    assert cue_score(verdicts[::2]) >= 95
    assert cue_score(verdicts[1::2]) >= 95
    assert {check.group for verdict in verdicts for check in verdict.checks} == {"light", "watch", "never"}
    never = [world for verdict, world in played[1::2] if verdict.checks[0].group == "never"]
    assert len(never) == 3
    assert all([wanted.words for wanted in world.expected] == [("okay",)] for world in never)


class Late(Oracle):
    """Right, but so many seconds late."""

    late_s = 0.0

    def decide(self, state, percept):
        for wanted in self.world.expected[1:]:
            wanted.due_s = wanted.cause_s + self.late_s
        return super().decide(state, percept)


def late(seconds):
    return type("Late", (Late,), {"late_s": seconds})


class Parrot(Oracle):
    """Says what it was asked for again and again."""

    def decide(self, state, percept):
        if percept.index % 8 == 0 and len(self.world.expected) > 1:
            state.mouth.waiting.extend((word, 2, Floor.SPEAK) for word in self.world.expected[-1].words)
        return ()


class Chatty(Oracle):
    """Right, and talks besides."""

    def decide(self, state, percept):
        calls = super().decide(state, percept)
        if percept.index % 8 == 0 and not state.mouth.waiting and state.mouth.rest <= 0:
            state.mouth.waiting.append(("nine", 1, Floor.SPEAK))
        return calls


@pytest.mark.parametrize(
    ("make", "least", "most"), [(late(1.0), 40, 90), (late(4.0), 0, 5), (Parrot, 0, 5), (Chatty, 0, 40)]
)
def test_late_or_too_much_is_worth_less(make, least, most):
    assert least <= score(KIND, make, trials=12) <= most


def test_events_are_short_and_lures_come_unannounced():
    asked = set()
    for number in range(12):
        verdict, world = play(KIND, number, Silent)
        measures = verdict.measures
        asked.add("spoken" if world.said else "typed")
        clip_s = world.now_s - world.expected[0].cause_s
        if number % 2 == 0:
            lights = range(1, int(measures["lights"]) + 1)
            spans = [(measures[f"light_{i}_on_s"], measures[f"light_{i}_off_s"]) for i in lights]
            assert sum(b - a for a, b in spans) <= 0.2 * clip_s
            assert spans[0][0] >= 2.0
        else:
            assert all(len(wanted.words) == 2 for wanted in world.expected[1:])
        assert all(check.passed for check in verdict.checks if check.kind == "hold")
    assert len(asked) == 2


@pytest.mark.parametrize("number", [0, 1])
def test_real_voices_and_pictures_play_it(number):
    with Cast(CAST.suite) as cast:
        world = make_world(cast.suite, cast, KIND.name, number, 16_000)
        verdict, timeline = play_trial(KIND.play, world, Oracle(world))
    assert all(check.passed for check in verdict.checks)
    changes = {round(wanted.cause_s / 0.2) for wanted in world.expected[1:]}
    frames = [moment.percept.frames[0].astype(int) for moment in timeline]
    steps = np.array([np.abs(b - a).mean() for a, b in pairwise(frames)])
    for k in changes:
        assert steps[k - 1] > np.median(steps) + 0.5, "the picture changes when the model is expected to know"


@pytest.mark.parametrize(
    ("said", "spans", "changes"),
    [
        ([("start", 10.3), ("stop", 12.4), ("start", 20.2), ("stop", 23.1)], LIT, 4),
        ([("start", 10.3), ("start", 10.9), ("stop", 12.4)], [LIT[0]], 2),
        ([("start", 11.0)], [(10.5, 30.0)], 1),
        ([("stop", 12.0), ("yes", 13.0)], [], 0),
        ([("start", 5.0), ("stop", 25.0)], [(5.0, 24.5)], 2),
    ],
)
def test_start_and_stop_claim_spans(said, spans, changes):
    claimed, count = claimed_spans(words(*said), LIT, 30.0)
    assert np.array(claimed) == pytest.approx(np.array(spans))
    assert count == changes


def test_iou():
    assert iou(LIT, LIT) == 1
    assert iou([], LIT) == 0
    assert iou([(11.0, 13.0)], [(10.0, 12.0)]) == pytest.approx(1 / 3)
    assert iou([(0.0, 30.0)], LIT) == pytest.approx(5 / 30)


@pytest.mark.parametrize(
    ("said", "told", "others", "again"),
    [
        ([("red", 5.3), ("square", 5.7)], 1.0, 0, 0),
        ([("red", 5.3)], 1.0, 0, 0),
        ([("square", 5.3)], 0.0, 1, 0),
        ([("red", 5.3), ("square", 5.7), ("red", 7.0)], 1.0, 1, 1),
        ([("red", 4.0), ("red", 6.25)], 0.5, 1, 0),
        ([("red", 7.1)], 0.0, 1, 0),
        ([("blue", 5.2), ("square", 5.6)], 0.0, 1, 0),
        ([], 0.0, 0, 0),
    ],
)
def test_telling_counts_in_time_and_once(said, told, others, again):
    found = judged(words(*said), 5.0, {("red",), ("red", "square")})
    assert found[:3] == (pytest.approx(told), others, again)
    assert judged(words(*said), None, {("red",)})[0] == 0


def test_credit_falls_to_nothing():
    assert [credit(late_s) for late_s in (-0.1, 0.0, 0.5, 2.0, 3.0)] == [0, 1, 1, 0, 0]
    assert credit(1.25) == pytest.approx(0.5)


@pytest.mark.parametrize(("at_s", "left"), [(1.4, ["now"]), (3.0, ["okay", "now"])])
def test_one_okay_is_free(at_s, left):
    _, world = play(KIND, 0, Silent)
    world.agent.words = lambda: words(("okay", at_s), ("now", 9.0))
    assert [word.text for word in said_besides_okay(world, 1.0)] == left


def test_places_fit_or_it_is_said_why():
    rng = np.random.default_rng(0)
    for _ in range(50):
        spans = placed(rng, [2.0, 3.0, 1.0], 15.0, 0.6)
        assert [b - a for a, b in spans] == pytest.approx([2.0, 3.0, 1.0])
        assert spans[0][0] >= 2.0
        assert spans[-1][1] <= 13.0
        assert all(c - b >= 0.6 - 1e-9 for (_, b), (c, _) in pairwise(spans))
    with pytest.raises(SuiteError, match="do not fit"):
        placed(rng, [5.0, 5.0], 12.0, 0.6)


def watched(told, false_alarms, appears_s=None):
    return Verdict(
        (), {"told": told, "false_alarms": false_alarms} | ({} if appears_s is None else {"appears_s": appears_s})
    )


def test_the_score_takes_out_a_fixed_delay():
    assert cue_score([]) == 0
    assert cue_score([watched(1, 0, 5.0), watched(1, 0, 9.0), watched(0, 0)]) == pytest.approx(100)
    blind = [watched(1, 0, 5.0), watched(0, 1, 9.0), watched(0, 1)]  # "at five seconds" in every trial
    assert cue_score(blind) == pytest.approx(0)
    assert cue_score([watched(0, 0, 5.0), watched(0, 0)]) == 0


def test_targets_use_the_words_of_the_suite():
    seen = set()
    for number in range(1, 40, 2):
        _, world = play(KIND, number, Silent)
        seen |= {word for wanted in world.expected[1:] for word in wanted.words}
    assert seen == {*COLOURS, *SHAPES}
