from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from imkit.scenes import cues, ear, load_suite
from imkit.scenes.answers import SMALL
from imkit.scenes.cues import EARLY_S, KINDS, LATE_S, cuespeak_synth, spans
from imkit.scenes.policies import TIMERS, TRIVIAL, Oracle, Silent, Talking
from imkit.scenes.scoring import rates
from imkit.scenes.texts import Prompter
from imkit.scenes.trial import make_world, play_trial
from imkit.voices import Utterance

(KIND,) = KINDS
N = 16


@pytest.fixture(scope="module")
def cast():
    suite = load_suite("dev")
    with pytest.MonkeyPatch.context() as patch, Prompter(suite) as prompter:  # filters and noises take long
        for name in ("room", "tilt"):
            patch.setattr(ear, name, lambda rng: np.ones(1, np.float32))
        patch.setattr(ear, "noise", lambda rng, count, babble: rng.standard_normal(count, dtype=np.float32))
        yield prompter


class Hasty(Prompter):
    """Speaks at twice the speed."""

    def speak(self, voice, text):
        said = super().speak(voice, text)
        return Utterance(text, voice, said.audio[::2], tuple((word, a / 2, b / 2) for word, a, b in said.words))


class Altered(Oracle):
    """An oracle whose expectations are spoilt first."""

    def __init__(self, world, alter):
        super().__init__(world)
        self.alter = alter

    def decide(self, state, percept):
        if percept.index == 0:
            self.alter(self.world)
        return super().decide(state, percept)


class Cut(Oracle):
    """An oracle that stops 0.2 s into every word."""

    def step(self, state, percept):
        act, state = super().step(state, percept)
        state.mouth.sound = np.zeros(0, np.float32)
        return act, state


def play(cast, number, make):
    world = make_world(cast.suite, cast, "cuespeak_synth", number, 16_000)
    return play_trial(cuespeak_synth, world, make(world))[0], world


def played(cast, make, trials=N):
    return [play(cast, number, make)[0] for number in range(trials)]


def altered(cast, alter, trials=N):
    return played(cast, lambda world: Altered(world, alter), trials)


def asked_of(world):
    """The instruction, the talk after it, and the moments of the cues."""
    _okay, *replies = world.expected
    return world.said[0], world.said[1:], [wanted.cause_s for wanted in replies]


def test_only_who_hears_the_cues_scores(cast):
    assert KIND.score(played(cast, Oracle)) == 100
    for name, make in (TRIVIAL | dict(list(TIMERS.items())[::4])).items():
        assert KIND.score(played(cast, make)) <= 5, name


@pytest.mark.parametrize("every_s", [0.8, 3.2])
def test_the_right_word_all_the_time_is_worth_nothing(cast, every_s):
    def metronome(world):
        word = (*world.said[0].text.split(), *world.expected[-1].words)[-1]
        world.expected = [
            replace(world.expected[0], words=(word,), cause_s=float(t)) for t in np.arange(2, 40, every_s)
        ]

    verdicts = altered(cast, metronome)
    assert rates(verdicts)[0] > 0.1
    assert KIND.score(verdicts) <= 5


def test_who_is_taken_in_by_near_misses_loses_much(cast, monkeypatch):
    talk = cues._talk

    def blind(world, task, start_s, count):
        said = talk(world, task, start_s, count)
        for lure_s in said.lures_s:
            world.expect(task.reply, lure_s)
        return said

    monkeypatch.setattr(cues, "_talk", blind)
    verdicts = played(cast, Oracle)
    assert rates(verdicts)[0] == 1
    assert KIND.score(verdicts) < 60
    assert not any(value for v in verdicts for name, value in v.measures.items() if name.startswith("exact"))


@pytest.mark.parametrize("number", range(N))
def test_the_user_talks_on_without_a_pause(cast, number):
    verdict, world = play(cast, number, Silent)
    _, talk, cues_s = asked_of(world)
    assert 12 <= talk[-1].end_s - talk[0].start_s <= 40  # the speeds of these voices are not those of real ones
    assert all(0 <= later.start_s - earlier.end_s < 0.25 for earlier, later in pairwise(talk))
    assert all(talk[-1].end_s - cue_s >= 1.5 for cue_s in cues_s)
    assert all(later - earlier > LATE_S - EARLY_S for earlier, later in pairwise(cues_s))
    assert len(cues_s) == sum(check.kind == "act" for check in verdict.checks) <= 5
    assert (len(cues_s) == 0) == (number >= 12)
    assert verdict.measures[f"exact_{('word', 'category', 'count', 'beep')[number % 4]}"] == (not cues_s)
    assert play(cast, number, Talking)[1].said == world.said


@pytest.mark.parametrize("number", range(0, 25, 4))
def test_a_cue_is_the_word_that_was_named(cast, number):
    _, world = play(cast, number, Silent)
    asked, talk, cues_s = asked_of(world)
    words = asked.text.split()
    cue = words[len(words) - 1 - words[::-1].index("say") - 1] if words[0] != "say" else words[-1]
    cue = cue if cue != "please" else words[words.index("please") - 1]
    assert [end for said in talk for word, _, end in said.words if word == cue] == pytest.approx(cues_s)


@pytest.mark.parametrize("number", range(1, 25, 4))
def test_a_cue_is_of_the_category_that_was_named(cast, number):
    _, world = play(cast, number, Silent)
    asked, talk, cues_s = asked_of(world)
    members = cast.suite.scenes["cuespeak_synth"]["animals" if "animal" in asked.text else "plants"]
    assert [end for said in talk for word, _, end in said.words if word in members] == pytest.approx(cues_s)


@pytest.mark.parametrize("number", range(2, 25, 4))
def test_a_cue_is_where_the_count_is_wrong(cast, number):
    _, world = play(cast, number, Silent)
    _, talk, cues_s = asked_of(world)
    wrong_s = []
    for said in talk:
        counted = [(SMALL.index(word), end) for word, _, end in said.words if word in SMALL]
        assert counted[0][0] == 1
        wrong_s += [end for (before, _), (value, end) in pairwise(counted) if value != before + 1]
    assert wrong_s == pytest.approx(cues_s)


def test_beeps_and_hisses_are_heard_over_the_talk(cast, monkeypatch):
    heard = []
    world = make_world(cast.suite, cast, "cuespeak_synth", 3, 16_000)
    monkeypatch.setattr(world, "sound", lambda samples, at_s, _gain_db: heard.append((samples, at_s)))
    play_trial(cuespeak_synth, world, Silent(world))
    _, talk, cues_s = asked_of(world)

    def purity(samples):
        power = np.abs(np.fft.rfft(samples)) ** 2
        return power[max(0, power.argmax() - 5) : power.argmax() + 6].sum() / power.sum()

    beeps = [(samples, at_s) for samples, at_s in heard if purity(samples) > 0.9]
    assert [at_s + len(samples) / 16_000 for samples, at_s in beeps] == pytest.approx(cues_s)
    assert len(beeps) < len(heard)
    assert all(talk[0].start_s < at_s < talk[-1].end_s for _, at_s in heard)


def test_what_is_said_does_not_depend_on_how_long_it_takes(cast):
    with Hasty(cast.suite) as hasty:
        for number in range(4):
            texts = [[said.text for said in play(by, number, Silent)[1].said] for by in (cast, hasty)]
            assert texts[0] == texts[1]


@pytest.mark.parametrize("by_s", [-0.6, 1.2])
def test_a_reply_at_another_time_is_none(cast, by_s):
    def shifted(world):
        for wanted in world.expected[1:]:
            wanted.cause_s += by_s

    verdicts = altered(cast, shifted, 4)
    assert rates(verdicts)[0] == 0
    assert rates(verdicts)[1] < 1
    assert sum(v.measures["f1"] for v in verdicts) == 0


def test_a_reply_said_twice_or_with_more_words_is_none(cast):
    def twice(world):
        for wanted in world.expected[1:]:
            wanted.words *= 2

    verdicts = altered(cast, twice, 4)
    assert rates(verdicts) == (0, 1)
    assert sum(v.measures["f1"] for v in verdicts) == 0


def test_a_reply_cut_short_by_the_user_is_none(cast):
    assert rates(played(cast, Cut, 4)) == (0, 1)


def test_one_okay_to_the_instruction_is_free_and_none_is_needed(cast):
    def quiet(world):
        world.expected.pop(0)

    def late(world):
        world.expected[0].cause_s = world.said[0].end_s + 1.5

    assert KIND.score(altered(cast, quiet, 4)) == 100
    assert rates(altered(cast, late, 4))[1] < 1


def test_spans_are_all_the_time_without_a_cue():
    cues_s, lures_s = [10.0, 13.0], [5.0, 11.9, 17.0]
    found = spans(cues_s, lures_s, 25.0)
    assert found[0][0] == 0
    assert found[-1][1] == 25
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    gaps = [(before[1], after[0]) for before, after in pairwise(found) if after[0] > before[1]]
    assert sum(gaps, ()) == pytest.approx((9.9, 11.0, 12.9, 14.0))
    assert all(any(low - 1e-9 <= lure_s + EARLY_S and high >= lure_s for low, high in found) for lure_s in lures_s)
    assert all(high - low <= 4.5 for low, high in found)
    assert spans([], [], 9.0) == [(0, 3), (3, 6), (6, 9)]
