import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.scenes.scoring import Check, Verdict, interval, macro, rates, resampled, summary, weakest, wilson, youden

checks = st.builds(
    Check, st.sampled_from(["act", "hold"]), st.booleans(), st.just(""), st.none(), st.sampled_from("ab")
)
verdicts = st.lists(st.lists(checks, max_size=4).map(lambda c: Verdict(tuple(c))), max_size=8)


def act(passed=True, latency_s=None, group=""):
    return Verdict((Check("act", passed, "", latency_s, group),))


def hold(passed=True, group=""):
    return Verdict((Check("hold", passed, "", None, group),))


@settings(max_examples=40, deadline=None)
@given(verdicts, st.sampled_from([youden, macro, weakest]))
def test_scores_are_between_0_and_100(found, score):
    assert 0 <= score(found) <= 100


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 10), st.integers(1, 10))
def test_doing_the_same_in_every_trial_is_worth_nothing(acts, holds, more_acts, more_holds):
    acts, holds = acts + more_acts, holds + more_holds
    always = [act(True)] * acts + [hold(False)] * holds
    never = [act(False)] * acts + [hold(True)] * holds
    assert youden(always) == youden(never) == 0
    assert youden([act()] * acts + [hold()] * holds) == 100


def test_youden_is_the_sum_of_both_rates_less_one():
    found = [act()] * 3 + [act(False)] + [hold()] + [hold(False)]
    assert rates(found) == (0.75, 0.5)
    assert youden(found) == pytest.approx(25)
    assert youden([act()] * 3) == 0  # without holds nothing is shown


def test_macro_takes_every_group_alike():
    found = [act(group="a")] * 9 + [act(False, group="b")] + [hold(group="a")]
    assert macro(found) == pytest.approx(50)
    assert macro([]) == 0


@settings(max_examples=40, deadline=None)
@given(verdicts.filter(bool))
def test_an_interval_is_in_order_and_the_same_again(found):
    low, high = interval(found, youden, 3)
    assert 0 <= low <= high <= 100
    assert (low, high) == interval(found, youden, 3)


def test_no_resample_lacks_acts_or_holds():
    found = [act(), hold()]
    assert interval(found, youden) == (100.0, 100.0)
    assert set(resampled([act(), act(False), hold()], youden).tolist()) == {0.0, 50.0, 100.0}
    assert interval([], youden) == (0.0, 100.0)


def test_an_interval_narrows_with_trials():
    def width(n):
        low, high = interval(([act()] * 3 + [act(False)]) * n + [hold()] * 4 * n, youden)
        return high - low

    assert width(40) < width(4) / 2
    low, high = interval(([act()] * 3 + [act(False)]) * 25 + [hold()] * 100, youden)
    assert low == pytest.approx(75 - 8.5, abs=2)  # 1.96 sqrt(0.75 * 0.25 / 100)
    assert high == pytest.approx(75 + 8.5, abs=2)


def test_wilson_is_that_of_the_tables():
    assert wilson(8, 10) == (0.4902, 0.9433)
    assert wilson(0, 10) == (0.0, 0.2775)
    assert wilson(10, 10) == (0.7225, 1.0)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_summary_hides_rates_of_few_events():
    few = summary([act()] * 9 + [hold(False)] * 10, youden)
    assert (few["act_n"], few["hold_n"], few["n"]) == (9, 10, 19)
    assert "recall" not in few
    assert (few["hold_rate"], few["fp_rate"], few["hold_rate_ci"]) == (0.0, 1.0, (0.0, 0.2775))


def test_a_summary_tells_latencies_groups_and_measures():
    found = [act(latency_s=x / 10, group="a") for x in range(-1, 10)] + [hold(False, "b")]
    found += [Verdict((), {"mae": 1.0}), Verdict((), {"mae": 2.0, "obo": 1.0})]
    told = summary(found, macro)
    assert told["latency_s"] == {"p10": 0.0, "p50": 0.4, "p90": 0.8, "n": 11}
    assert told["groups"] == {"a": {"recall": 1.0}, "b": {"hold_rate": 0.0}}
    assert told["measures"] == {"mae": {"mean": 1.5, "n": 2}, "obo": {"mean": 1.0, "n": 1}}


@settings(max_examples=40, deadline=None)
@given(st.lists(checks, max_size=5), st.dictionaries(st.text(max_size=5), st.floats(-9, 9), max_size=3))
def test_a_verdict_goes_through_json(found, measures):
    verdict = Verdict(tuple(found), measures)
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
