from dataclasses import replace
from itertools import pairwise
from math import log

import numpy as np
import pytest

from imkit.scenes import load_suite
from imkit.scenes.agent import Agent
from imkit.scenes.cast import Cast
from imkit.scenes.listening import KINDS, ClauseEnd, divergence, judge, occupied
from imkit.scenes.policies import TIMERS, TRIVIAL, Oracle
from imkit.scenes.trial import make_world, play_trial
from imkit.stream import Act, Floor, Word
from imkit.voices import Utterance

N = 16
(KIND,) = KINDS
ENDS = [ClauseEnd(4.0, True), ClauseEnd(6.0, False), ClauseEnd(8.0, True), ClauseEnd(10.0, False)]
GOOD = [(4.2, 0.3, "mhm"), (8.2, 0.3, "uh huh")]


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


def silent_rooms(**scene):
    suite = load_suite("dev")
    table = {**suite.scenes["backchannel"], **scene}
    return Hiss(replace(suite, microphone={**suite.microphone, "reverb": 0.0}, scenes={"backchannel": table}))


@pytest.fixture(scope="module")
def cast():
    with silent_rooms() as hiss:
        yield hiss


@pytest.fixture(scope="module")
def brief():
    """Shorter stories, which take less time to play to every policy."""
    with silent_rooms(clauses=[4, 6]) as hiss:
        yield hiss


def play(cast, number, make):
    world = make_world(cast.suite, cast, "backchannel", number, 16_000)
    return play_trial(KIND.play, world, make(world))[0], world


def score(cast, make):
    return KIND.score([play(cast, number, make)[0] for number in range(N)])


def invites(suite, text):
    return any(text.endswith(f" {tag}") for tag in suite.lines("inviting_tag"))


def test_only_who_knows_scores(brief):
    assert score(brief, Oracle) >= 95
    within_pauses = {name: make for name, make in TIMERS.items() if name < "timer-1.5s"}
    assert len(within_pauses) == 5
    for name, make in {**TRIVIAL, **within_pauses}.items():
        assert score(brief, make) <= 5, name


class Nods(Oracle):
    """Nods at the ends that ``at_end`` picks, whatever is expected."""

    def decide(self, state, percept):
        story = self.world.said[1:]
        for i, said in enumerate(story):
            if said.end_s + 0.2 < percept.index * 0.2 and i not in state.done:
                state.done.add(i)
                if self.at_end(story, said):
                    state.mouth.waiting.append(("mhm", 2, Floor.BACKCHANNEL))
        return ()


class DeafToTheInstruction(Nods):
    def at_end(self, story, said):
        return invites(self.world.suite, said.text)


class DeafToTheWords(Nods):
    def at_end(self, story, said):
        return bool(self.world.expected)


def test_half_an_understanding_is_worth_nothing(brief):
    for make in (DeafToTheInstruction, DeafToTheWords):
        assert play(brief, 0, make)[0].measures["BC_F1"] >= 0.5
        assert score(brief, make) <= 5


def test_pauses_tell_nothing_and_the_instruction_changes_nothing_in_the_story(cast):
    invited = {True: [], False: []}
    for number in range(N):
        verdict, world = play(cast, number, TRIVIAL["silent"])
        story = world.said[1:]
        assert 8 <= len(story) <= 14
        assert len(verdict.checks) == len(story)
        gaps = {True: set(), False: set()}
        for said, after in pairwise(story):
            gaps[invites(cast.suite, said.text)].add(round(after.start_s - said.end_s, 4))
        assert len(gaps[True] ^ gaps[False]) <= 2  # the last clause has no pause, an odd one no twin
        assert all(0.25 <= gap_s <= 0.7 for gap_s in gaps[True] | gaps[False])
        invited[number % 2 == 0] += [invites(cast.suite, said.text) for said in story]
        assert bool(world.expected) == (number % 2 == 0)
    assert all(0.4 <= np.mean(flags) <= 0.5 for flags in invited.values())


def test_words_that_invite_are_also_heard_where_they_do_not(cast):
    lines = cast.suite.lines("story")
    assert not any(invites(cast.suite, line) for line in lines)
    assert all(any(tag in line for line in lines) for tag in cast.suite.lines("inviting_tag"))


@pytest.mark.parametrize("number", [0, 1])
def test_real_voices_play_it(number):
    with Cast(load_suite("dev")) as cast:
        verdict, world = play(cast, number, Oracle)
    assert all(check.passed for check in verdict.checks), verdict
    assert {check.kind for check in verdict.checks} == ({"act", "hold"} if number == 0 else {"hold"})
    assert world.said[-1].end_s - world.said[1].start_s >= 10


def heard(*said):
    """A model that was heard to say (start_s, seconds a word, words)."""
    agent, sound, words = Agent(16_000), np.zeros(14 * 16_000, np.float32), []
    for start_s, length_s, text in said:
        for i, word in enumerate(text.split()):
            at_s = start_s + i * length_s
            words.append(Word(word, at_s, at_s + length_s))
        a, b = round(start_s * 16_000), round((start_s + len(text.split()) * length_s) * 16_000)
        sound[a:b] = 0.2 * np.sin(np.arange(b - a) / 10)
    for k in range(69):
        piece = sound[(k + 1) * 3200 : (k + 2) * 3200]
        own = tuple(w for w in words if int(w.start_s * 5 + 1e-6) == k + 1)
        agent.add(Act(k, piece, Floor.BACKCHANNEL if piece.any() else Floor.LISTEN, own))
    return agent


def judged(*said, told_to_nod=True):
    return judge(heard(*said), 2.0, ENDS, told_to_nod, ("mhm", "okay", "uh huh"))


def passed(verdict):
    return [check.passed for check in verdict.checks]


def test_a_short_word_at_each_inviting_end_is_perfect():
    verdict = judged(*GOOD)
    assert passed(verdict) == [True] * 4
    assert [check.latency_s for check in verdict.checks if check.kind == "act"] == [0.2, 0.2]
    assert verdict.measures["BC_F1"] == 1.0
    assert verdict.measures["TOR"] == 0.0
    assert verdict.measures["Freq"] == pytest.approx(2 / 10.2, abs=1e-3)
    assert verdict.measures["JSD"] < 0.35


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        ((3.7, 0.3, "mhm"), 0),  # before the clause is at its end
        ((5.1, 0.3, "mhm"), 0),  # late
        ((4.2, 0.3, "okay mhm okay"), 0),  # too many words
        ((4.2, 0.3, "seven"), 0),
        ((6.2, 0.3, "mhm"), 1),  # nobody invited it
        ((7.7, 0.05, "mhm mhm"), 1),
    ],
)
def test_what_is_wrong_at_an_end_is_wrong_there_only(said, broken):
    others = [good for good in GOOD if not (broken == 0 and good[0] == 4.2)]
    verdict = judged(*others, said)
    assert passed(verdict) == [i != broken for i in range(4)], verdict
    assert verdict.measures["BC_F1"] < 1


def test_twice_at_one_end_is_once_too_often():
    assert passed(judged(*GOOD, (4.9, 0.2, "mhm"))) == [False, True, True, True]


@pytest.mark.parametrize("said", [(6.2, 0.2, "okay okay okay okay"), (4.2, 0.6, "okay okay")])
def test_taking_the_turn_fails_the_whole_trial(said):
    verdict = judged(GOOD[1], said)
    assert passed(verdict) == [False] * 4
    assert verdict.measures["TOR"] == 1.0
    assert verdict.measures["BC_F1"] == 0.0


def test_asked_to_just_listen_every_end_is_a_hold():
    assert passed(judged(told_to_nod=False)) == [True] * 4
    verdict = judged(*GOOD, told_to_nod=False)
    assert {check.kind for check in verdict.checks} == {"hold"}
    assert passed(verdict) == [False, True, False, True]


def test_a_model_without_any_backchannel_diverges_fully():
    measures = judged().measures
    assert measures["JSD"] == measures["JSD_bits"] == 1.0
    assert measures["BC_F1"] == measures["Freq"] == 0.0


def test_divergence_of_histograms():
    left, right = occupied([(0.1, 0.5)], 1.0), occupied([(0.6, 1.0)], 1.0)
    assert left.tolist() == pytest.approx([0.1, 0.2, 0.1, 0, 0])
    assert divergence(left, left) == 0
    assert divergence(left, right) == pytest.approx(log(2))
    assert divergence(np.array([1.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(0.2157615)
