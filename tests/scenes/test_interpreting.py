"""Simultaneous speech: who translates word by word passes; who does anything simpler does not."""

import pytest

from imkit.scenes import ALL_SCENES, load_suite
from imkit.scenes.interpreting import KINDS, SPANISH
from imkit.scenes.policies import RATE, TIMERS, TRIVIAL, Oracle
from imkit.scenes.texts import Prompter
from imkit.scenes.trial import make_world, play_trial
from imkit.training.clips import reply_words
from imkit.training.language import Language, spoken_words, vocabulary

(KIND,) = KINDS
TRIALS = 9


class Afterwards(Oracle):
    """Knows every word, and waits until the user has said them all."""

    name = "afterwards"

    def decide(self, state, percept):
        if percept.index / 5 < self.world.said[-1].end_s:
            return ()
        return super().decide(state, percept)


class Parrot(Oracle):
    """Says the user's own words again, in time."""

    name = "parrot"

    def say(self, state, wanted):
        back = {spanish: word for word, spanish in SPANISH.items()}
        words = tuple(back.get(word, word) for word in wanted.words)
        state.mouth.waiting.extend((word, 2, "speak") for word in words)


@pytest.fixture(scope="module")
def cast():
    suite = load_suite("interpreting")
    with Prompter(suite) as prompter:
        yield prompter


def verdicts(cast, make):
    worlds = [make_world(cast.suite, cast, KIND.name, number, RATE) for number in range(TRIALS)]
    return [play_trial(KIND.play, world, make(world))[0] for world in worlds]


def test_word_by_word_passes_and_runs_beside_the_user(cast):
    found = verdicts(cast, Oracle)
    assert KIND.score(found) >= 95
    asked = [verdict for verdict in found if "spoken_while_listening" in verdict.measures]
    assert len(asked) == TRIALS - TRIALS // 3
    assert all(verdict.measures["spoken_while_listening"] > 0.3 for verdict in asked)
    assert all(0 < verdict.measures["lag_s"] < 1 for verdict in asked)


@pytest.mark.parametrize("make", [*TRIVIAL.values(), TIMERS["timer-0.6s"], Afterwards, Parrot])
def test_nothing_simpler_passes(cast, make):
    assert KIND.score(verdicts(cast, make)) <= 5


def test_the_words_are_nanos():
    """English is heard, Spanish is said and never heard, and each English word has one of its own."""
    assert set(SPANISH) <= set(spoken_words())
    assert set(SPANISH.values()) <= set(vocabulary()) - set(spoken_words())
    assert set(SPANISH.values()) <= set(reply_words(Language()))
    assert len(set(SPANISH.values())) == len(SPANISH)
    assert ALL_SCENES[KIND.name] is KIND
