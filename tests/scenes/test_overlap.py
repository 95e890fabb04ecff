from dataclasses import replace

import numpy as np
import pytest

from imkit.scenes import load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.overlap import KINDS
from imkit.scenes.policies import HALF_ORACLES, TIMERS, TRIVIAL, EnergyYields, NeverYields, Oracle, Silent
from imkit.scenes.scoring import Check, Verdict, weakest
from imkit.scenes.trial import make_world, play_trial
from imkit.voices import Utterance

N = 16
KIND = {kind.name: kind for kind in KINDS}
INTERRUPTED, NODDED = KIND
ASIDE, STOP, QUESTION = 0, 1, 3  # numbers of trials in which the user says such a thing over the list


class Hiss(Cast):
    """Voices that need no engine: every word is hiss, as long as it has letters."""

    def _speak(self, voice, text):
        at_s, words, pieces = 0.03, [], [np.zeros(480, np.float32)]
        for word in text.split():
            length_s = (0.1 + 0.05 * len(word)) / voice.rate
            hiss = np.random.default_rng(len(words)).uniform(-0.5, 0.5, round(length_s * 16_000)).astype(np.float32)
            words.append((word, at_s, at_s + len(hiss) / 16_000))
            pieces += [hiss, np.zeros(320, np.float32)]
            at_s += len(hiss) / 16_000 + 0.02
        return Utterance(text, voice, np.concatenate(pieces), tuple(words))


@pytest.fixture(scope="module")
def cast():
    suite = load_suite("dev")
    with Hiss(replace(suite, microphone={**suite.microphone, "reverb": 0.0})) as hiss:  # rooms take long to compute
        yield hiss


def play(cast, name, number, make):
    world = make_world(cast.suite, cast, name, number, 16_000)
    return play_trial(KIND[name].play, world, make(world))[0], world


def score(cast, name, make):
    return KIND[name].score([play(cast, name, number, make)[0] for number in range(N)])


def one(cast, name, number, make):
    verdict, _ = play(cast, name, number, make)
    (check,) = verdict.checks
    return check, verdict.measures


@pytest.mark.parametrize("name", KIND)
def test_only_who_knows_scores(cast, name):
    assert score(cast, name, Oracle) >= 95
    for policy, make in {**TRIVIAL, **HALF_ORACLES, **dict(list(TIMERS.items())[::2])}.items():
        assert score(cast, name, make) <= 5, policy


class LengthYields(NeverYields):
    """The oracle, but the user stops it by sounding for long enough, not by what is said."""

    ticks = 3

    def decide(self, state, percept):
        speaking = bool(state.mouth.waiting) or state.mouth.rest > 0
        self.run = getattr(self, "run", 0) + 1 if state.quiet_ticks == 0 else 0
        calls = super().decide(state, percept)
        if speaking and self.run >= self.ticks:
            state.mouth.hush()
        return calls


@pytest.mark.parametrize("name", KIND)
@pytest.mark.parametrize("ticks", [2, 4])
def test_how_long_the_user_sounds_is_no_clue(cast, name, ticks):
    assert score(cast, name, type("Yields", (LengthYields,), {"ticks": ticks})) <= 5


@pytest.mark.parametrize(("name", "number"), [(INTERRUPTED, STOP), (INTERRUPTED, QUESTION), (NODDED, ASIDE)])
def test_real_voices_play_it(name, number):
    with Cast(load_suite("dev")) as cast:
        check, measures = one(cast, name, number, Oracle)
    assert check.passed, check
    assert measures.get("stop_latency_s", 0.0) <= 1.0


def test_backchannels_are_short_and_stops_no_longer():
    suite = load_suite("dev")
    voices = [voice for voice in suite.voices if voice.name in ("en-us+f2", "slt")]
    rng = np.random.default_rng(0)
    with Cast(suite) as cast:

        def lengths_s(kind, end):
            said = [
                cast.speak(replace(cast.vary(v, rng), rate=v.rate[end]), t) for v in voices for t in suite.lines(kind)
            ]
            return [u.words[-1][2] - u.words[0][1] for u in said]

        slow = lengths_s("user_backchannel", 0)
        assert max(slow) <= 0.75
        assert min(lengths_s("user_backchannel", 1)) >= 0.17
        assert np.median(lengths_s("stop", 0)) <= max(slow)


def test_the_weakest_group_decides():
    def verdicts(**shares):
        kinds = {"stop": "act", "question": "act", "backchannel": "hold"}
        checks = [Check(kinds[g], i < share, group=g) for g, share in shares.items() for i in range(4)]
        return [Verdict((check,)) for check in checks]

    assert weakest(verdicts(stop=4, question=4, backchannel=4)) == 100
    assert weakest(verdicts(stop=4, question=3, backchannel=3)) == 50
    assert weakest(verdicts(stop=0, question=4, backchannel=4)) == 0
    assert weakest(verdicts(stop=4, question=4, backchannel=0)) == 0
    assert weakest(verdicts(stop=4)) == weakest([]) == 0


def test_what_the_user_says_does_not_depend_on_the_model(cast):
    for name in KIND:
        for number in range(4):
            texts = [[s.text for s in play(cast, name, number, make)[1].said] for make in (Oracle, NeverYields)]
            assert texts[0] == texts[1]
            assert [s.text for s in play(cast, name, number, Silent)[1].said] == texts[0][:1]


def test_an_answer_is_never_a_number_of_the_list(cast):
    for number in range(QUESTION, 64, 4):
        items, silence, reply = (wanted.words for wanted in play(cast, INTERRUPTED, number, Oracle)[1].expected)
        assert len(items) >= 14
        assert not silence
        assert reply[0] not in items


def test_it_is_spoken_to_after_it_was_heard_to_start(cast):
    class Slow(Oracle):
        def decide(self, state, percept):
            for wanted in self.world.expected[:1]:
                wanted.cause_s = self.world.said[0].end_s + 0.9
            return super().decide(state, percept)

    for make in (Oracle, Slow):
        for number in range(4):
            check, _ = one(cast, INTERRUPTED, number, make)
            world = play(cast, INTERRUPTED, number, make)[1]
            onset = world.agent.onset(world.said[0].end_s)
            assert 0.8 <= world.said[1].start_s - onset <= 4.0
            assert check.passed


def test_who_does_not_start_fails_and_is_counted_as_never_stopping(cast):
    for name in KIND:
        for number in (ASIDE, STOP, QUESTION):
            check, measures = one(cast, name, number, Silent)
            assert not check.passed
            assert check.why == "did not start in time"
            assert measures.get("stop_latency_s", 5.0) == 5.0
            assert not any(value for key, value in measures.items() if key != "stop_latency_s")


class Before(Oracle):
    """Says another word before the list."""

    def decide(self, state, percept):
        for wanted in self.world.expected[:1]:
            wanted.words = wanted.words if wanted.words[0] == "okay" else ("okay", *wanted.words)
        return super().decide(state, percept)


def test_only_the_list_is_the_list(cast):
    check, _ = one(cast, NODDED, ASIDE, Before)
    assert not check.passed
    assert "instead of the list" in check.why


class Late(Oracle):
    """Stops and answers so many seconds later than it could."""

    late_s = 1.0

    def decide(self, state, percept):
        for wanted in self.world.expected[1:]:
            if wanted.floor == "speak":
                wanted.floor, wanted.cause_s = "backchannel", wanted.cause_s + self.late_s
        return super().decide(state, percept)


def test_a_late_stop_is_none_but_is_measured(cast):
    check, measures = one(cast, INTERRUPTED, STOP, Late)
    assert not check.passed
    assert "went on for 1." in check.why
    assert 1.0 < check.latency_s == measures["stop_latency_s"] == measures["L_Y_s"] < 2.0
    assert measures["R_Y"] == 1.0
    check, measures = one(cast, NODDED, STOP, type("Later", (Late,), {"late_s": 2.0}))
    assert not check.passed
    assert measures["R_Y"] == 0.0
    assert "L_Y_s" not in measures


def answers(words):
    class Answers(Oracle):
        def decide(self, state, percept):
            for wanted in self.world.expected[2:]:
                wanted.words = words or (*wanted.words, "okay")
            return super().decide(state, percept)

    return Answers


@pytest.mark.parametrize("words", [("okay",), ("twenty",), ()])
def test_a_wrong_answer_is_no_response(cast, words):
    check, measures = one(cast, INTERRUPTED, QUESTION, answers(words))
    assert not check.passed
    assert measures["RESPOND"] == 0.0


def test_who_only_stops_is_asked_in_vain(cast):
    check, measures = one(cast, INTERRUPTED, QUESTION, EnergyYieldsForGood)
    assert not check.passed
    assert measures["RESPOND"] == 0.0
    assert measures["R_Y"] == 1.0


class EnergyYieldsForGood(EnergyYields):
    def decide(self, state, percept):
        state.done |= {2}
        return super().decide(state, percept)


class Chatty(Oracle):
    """Says "okay" when it has been told to stop."""

    def decide(self, state, percept):
        for wanted in self.world.expected[1:]:
            if not wanted.words and self.world.now_s > wanted.cause_s + 1.2 and -1 not in state.done:
                state.done.add(-1)
                state.mouth.waiting.append(("okay", 2, "speak"))
        return super().decide(state, percept)


def test_told_to_stop_means_silence(cast):
    check, _ = one(cast, INTERRUPTED, STOP, Chatty)
    assert not check.passed
    assert "after it was told to stop" in check.why
    assert one(cast, NODDED, STOP, Chatty)[0].passed  # there it is the list that counts


class Startled(Oracle):
    """When the user first speaks over it, it waits so many micro-turns and goes on; or says again what it said last."""

    ticks, again = 4, False

    def decide(self, state, percept):
        calls = super().decide(state, percept)
        mouth = state.mouth
        if state.quiet_ticks == 0 and mouth.waiting and self.world.said[1:] and -1 not in state.done:
            state.done.add(-1)
            if self.again:
                mouth.waiting.appendleft(("one", 3, mouth.floor))
            else:
                mouth.sound, mouth.rest = np.zeros(0, np.float32), self.ticks
        return calls


def test_a_pause_under_a_backchannel_stops_the_voice_but_not_the_list(cast):
    check, measures = one(cast, INTERRUPTED, ASIDE, Startled)
    assert not check.passed
    assert "fell silent" in check.why
    assert measures == {"S_BC": 0.0, "RESUME": 1.0}


def skipping(cut):
    class Skips(Oracle):
        """Says the second half of the list otherwise."""

        def decide(self, state, percept):
            for wanted in self.world.expected[:1]:
                if len(wanted.words) == self.length():
                    wanted.words = cut(wanted.words)
            return super().decide(state, percept)

        def length(self):
            self.first = getattr(self, "first", len(self.world.expected[0].words))
            return self.first

    return Skips


@pytest.mark.parametrize(
    "cut",
    [
        lambda w: (*w[:9], *w[10:]),
        lambda w: (*w[:9], w[8], *w[9:]),
        lambda w: w[:-1],
        lambda w: (*w, w[-1]),
        lambda w: (*w[:8], w[9], w[8], *w[10:]),
        lambda w: (*w[:9], *w),
    ],
)
def test_nothing_of_the_list_may_be_lost_repeated_or_moved(cast, cut):
    check, _ = one(cast, NODDED, ASIDE, skipping(cut))
    assert not check.passed
    assert "expected" in check.why
