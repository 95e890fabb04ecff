from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from imkit.scenes import load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.distractors import surround
from imkit.scenes.others import KINDS
from imkit.scenes.policies import TIMERS, TRIVIAL, EnergyYields, Oracle, Silent, Talking
from imkit.scenes.texts import spoken_texts
from imkit.scenes.trial import make_world, play_trial
from imkit.stream import Floor
from imkit.voices import Utterance

N = 16
KIND = {kind.name: kind for kind in KINDS}
OTHER, NOISE = KIND


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


class Noting(Hiss):
    """Keeps what it was asked to say."""

    def __init__(self, suite):
        super().__init__(suite)
        self.texts = set()

    def _speak(self, voice, text):
        self.texts.add(text)
        return super()._speak(voice, text)


@pytest.fixture(scope="module")
def cast():
    suite = load_suite("dev")
    dry = replace(suite, microphone={**suite.microphone, "reverb": 0.0})  # rooms take long to compute
    with Hiss(dry) as hiss:
        yield hiss


def play(cast, name, number, make):
    world = make_world(cast.suite, cast, name, number, 16_000)
    verdict, timeline = play_trial(KIND[name].play, world, make(world))
    return verdict, world, timeline


def score(cast, name, make):
    return KIND[name].score([play(cast, name, number, make)[0] for number in range(N)])


def checks_of(verdict, kind):
    return [check for check in verdict.checks if check.kind == kind]


@pytest.mark.parametrize("name", KIND)
def test_only_who_knows_scores(cast, name):
    assert score(cast, name, Oracle) >= 95
    timers = dict(list(TIMERS.items())[::2])
    for policy, make in {**TRIVIAL, **timers, "energy-yield": EnergyYields}.items():
        assert score(cast, name, make) <= 5, policy


@pytest.mark.parametrize(("name", "number"), [(OTHER, 1), (NOISE, 0)])
def test_real_voices_play_it(name, number):
    with Cast(load_suite("dev")) as cast:
        verdict, _, timeline = play(cast, name, number, Oracle)
    assert {check.kind for check in verdict.checks} == {"act", "hold"}
    assert all(check.passed for check in verdict.checks), verdict
    assert max(np.abs(moment.percept.audio).max() for moment in timeline) > 0.03


class NameDeaf(Oracle):
    """Says something whenever somebody has said something, to whomever."""

    def decide(self, state, percept):
        calls = super().decide(state, percept)
        ended = {-i - 1 for i, said in enumerate(self.world.said) if said.end_s < self.world.now_s}
        wanted = {
            -i - 1 for i, said in enumerate(self.world.said) for e in self.world.expected if e.cause_s == said.end_s
        }
        if new := ended - wanted - state.done:
            state.done |= new
            state.mouth.waiting.append(("okay", 2, Floor.SPEAK))
        return calls


def test_who_does_not_hear_names_scores_nothing(cast):
    assert score(cast, OTHER, NameDeaf) <= 5


class Startled(Oracle):
    """Any sound while it speaks makes it pause, once, for a second."""

    pause_ticks = 5

    def decide(self, state, percept):
        if state.quiet_ticks == 0 and state.mouth.waiting and -1 not in state.done:
            state.done.add(-1)
            state.mouth.sound, state.mouth.rest = np.zeros(0, np.float32), self.pause_ticks
        return super().decide(state, percept)


@pytest.mark.parametrize(("name", "number"), [(OTHER, 1), (NOISE, 2)])
def test_a_pause_in_the_count_is_a_stop_even_if_it_goes_on(cast, name, number):
    verdict, _, _ = play(cast, name, number, Startled)
    assert [check.passed for check in checks_of(verdict, "act")] == [True]
    assert [check.passed for check in checks_of(verdict, "hold")] == [False]
    assert "stopped" in checks_of(verdict, "hold")[0].why
    assert verdict.measures["RESUME"] == 1.0


def test_noises_that_stop_it_are_counted(cast):
    calm = [play(cast, NOISE, number, Oracle)[0].measures for number in range(2, N, 3)]
    startled = [play(cast, NOISE, number, Startled)[0].measures for number in range(2, N, 3)]
    for name, good in (("NIR", 0.0), ("S_VT", 1.0)):
        assert {m[name] for m in calm if name in m} == {good}
        assert any(m[name] != good for m in startled if name in m)


class Slow(Oracle):
    """Counts one a second."""

    def decide(self, state, percept):
        for wanted in self.world.expected:
            wanted.pace_s = 1.0 if wanted.pace_s else 0.0
        return super().decide(state, percept)


class OutOfOrder(Oracle):
    """Says every number twice from the fourth on."""

    def decide(self, state, percept):
        for wanted in self.world.expected:
            if wanted.words[:1] == ("one",) and len(wanted.words) == 20:
                wanted.words = (*wanted.words[:4], *(w for word in wanted.words[4:] for w in (word, word)))
        return super().decide(state, percept)


def test_a_slow_count_is_no_stop_but_a_wrong_one_is_no_count(cast):
    for number in (1, 3, 5):
        assert all(check.passed for check in play(cast, OTHER, number, Slow)[0].checks)
        assert not all(check.passed for check in play(cast, OTHER, number, OutOfOrder)[0].checks)


def test_a_count_that_never_began_fails_both_sides(cast):
    for name, number in ((OTHER, 1), (NOISE, 2)):
        for make in (Silent, Talking):
            verdict, _, _ = play(cast, name, number, make)
            assert [(check.kind, check.passed) for check in verdict.checks] == [("act", False), ("hold", False)]
            assert not verdict.measures


def test_who_is_spoken_to_is_told_by_a_name(cast):
    own, others = cast.suite.lines("own_name"), cast.suite.lines("other_name")
    bare = 0
    for number in range(N):
        _, world, _ = play(cast, OTHER, number, Oracle)
        answered = {wanted.cause_s for wanted in world.expected}
        for i, said in enumerate(world.said):
            name = said.text.split()[0]
            assert (name in others) == (said.end_s not in answered)
            assert i or number % 2 or name in own + others  # the first question of a conversation bears a name
            bare += name not in own + others
    assert bare >= 4


def test_what_is_said_does_not_depend_on_the_model(cast):
    for name, number in ((OTHER, 2), (NOISE, 0)):
        (_, quiet, heard), (_, _, also) = play(cast, name, number, Silent), play(cast, name, number, Silent)
        assert all(a.percept.audio.tobytes() == b.percept.audio.tobytes() for a, b in zip(heard, also, strict=True))
        assert [s.text for s in quiet.said] == [s.text for s in play(cast, name, number, Talking)[1].said]


def test_unsolicited_speech_is_measured_where_there_is_no_user(cast):
    lengths = set()
    for number in range(1, 28, 3):
        verdict, world, _ = play(cast, NOISE, number, Talking)
        lengths.add(round(world.now_s))
        assert not world.said
        assert verdict.measures["unsolicited_s_per_min"] == pytest.approx(59, abs=1.5)
        assert not verdict.checks[0].passed
    assert lengths == {20, 60}
    quiet = play(cast, NOISE, 1, Silent)[0]
    assert quiet.measures == {"unsolicited_s_per_min": 0.0}
    assert quiet.checks[0].passed


def test_what_is_far_keeps_its_rhythm_and_its_distance(cast):
    busy, kinds = [], set()
    for number in range(6):
        world = make_world(cast.suite, cast, NOISE, number, 16_000)
        heard = surround(world, 60.0)
        busy.append(sum(h.end_s - h.start_s for h in heard) / 60)
        kinds |= {h.kind for h in heard}
        assert all(after.start_s > before.end_s + 0.1 for before, after in pairwise(heard))
        ticks = np.stack([world.microphone.read(k) for k in range(300)])
        level = np.sqrt(np.mean(ticks.astype(np.float64) ** 2, 1))
        loud = np.quantile(level, 0.95) / world.microphone.level
        assert 0.1 < loud < 0.7
    assert kinds == {"voice", "babble", "burst", "cough"}
    assert 0.25 < np.mean(busy) < 0.5


def test_all_that_is_spoken_can_be_listed_ahead(cast):
    listed = {text for _, _, text in spoken_texts(cast.suite, KIND, 3)}
    with Noting(cast.suite) as noting:
        for name in KIND:
            for number in range(3):
                play(noting, name, number, Oracle)
    assert noting.texts <= listed
