"""Trials as text alone: what decides can be read, comes often, and is marked as what it is."""

import numpy as np
import pytest
import torch

from imkit.model.config import AUDIO_TOKENS
from imkit.training.drills import DENSE, UNTOLD, Mutes, dense
from imkit.training.language import NUMBERS, OWN_NAMES, Language, vocabulary
from imkit.training.losses import weighted
from imkit.training.rehearse import CUED, DECIDED, LAPSES, Rehearsal, agreed
from imkit.training.script import Script
from imkit.training.typed import TypedDrills

WORDS = vocabulary()


@pytest.fixture(scope="module")
def mutes(suite):
    with Mutes(suite, {"espeak": 1.0}) as made:
        yield made


def read_at(scene, k):
    """Words that micro-turn k reads as text."""
    return [WORDS[word] for word in scene.heard[max(0, (k - 1) * AUDIO_TOKENS) : k * AUDIO_TOKENS] if word > 0]


@pytest.mark.parametrize(
    ("instruction", "words"),
    [
        ("when i say red say blue", ("blue", "red")),
        ("say yellow when i say red", ("yellow", "red")),
        ("every time they say jarvis please say here", ("here", "jarvis")),
        ("listen for jarvis and say here", ("here", "jarvis")),
        ("say here after jarvis", ("here", "jarvis")),
        ("say wrong when i count wrong", ("wrong", "")),
        ("when you hear an animal say now", ("now", "animal")),
        ("nod along please", ("", "")),
    ],
)
def test_what_is_agreed_on_is_what_to_say_and_when(instruction, words):
    assert agreed(instruction) == words


def test_without_sound_nothing_is_done_before_it_can_be_read(suite, mutes, clips):
    """A count that ended before "stop" was a word would teach that counts end by themselves."""
    rehearsal = Rehearsal(suite, mutes, clips, deaf=True)
    stops = 0
    for seed in range(6):
        scene = rehearsal.scene(np.random.default_rng(seed), 40.0, {"user_interruption": 1.0})
        speaking = scene.floor > 0
        for k in np.flatnonzero((scene.moment == 1) & ~speaking):
            before = scene.did.get(int(k) - 1)
            last = int(scene.word[:k][scene.word[:k] > 0][-1])
            if (speaking[k - 1] or before is not None) and scene.awaited[k - 1] != last:
                said = [word for j in range(max(0, k - 14), k + 1) for word in read_at(scene, j)]
                assert said, f"silent at micro-turn {k}, and nobody had said a word"
                stops += 1
    assert stops > 5


def test_a_beep_is_no_cue_where_nothing_is_heard(suite, mutes, clips):
    rehearsal = Rehearsal(suite, mutes, clips, deaf=True)
    for seed in range(4):
        scene = rehearsal.scene(np.random.default_rng(seed), 60.0, {"cuespeak_synth": 1.0})
        assert "beep" not in {WORDS[word] for word in scene.heard if word > 0}
        assert "beep" not in {WORDS[word] for word in scene.word}


def test_cues_are_moments_and_what_was_promised_is_said_at_them(suite, mutes, clips):
    rehearsal = Rehearsal(dense(suite), mutes, clips, deaf=True)
    cues = lures = 0
    for seed in range(4):
        scene = rehearsal.scene(np.random.default_rng(seed), 40.0, {"cuespeak_synth": 1.0})
        for k in np.flatnonzero(scene.promised > 0):
            word = WORDS[scene.word[k]] if scene.word[k] else ""
            if scene.moment[k] == 1:
                assert word in ("okay", WORDS[scene.promised[k]])
                cues += word != "okay"
            elif scene.moment[k] == 0:
                assert not word
                assert read_at(scene, k)
                lures += 1
    assert cues >= 6
    assert lures > cues


def test_moments_are_marked_only_where_few_words_decide(suite, mutes, clips):
    scene = Rehearsal(suite, mutes, clips, deaf=True).scene(np.random.default_rng(0), 30.0, {"smooth_turn_taking": 1.0})
    assert set(scene.moment.tolist()) == {-100}
    assert set(CUED) < set(DECIDED)


def test_what_words_do_not_tell_is_not_drilled(suite):
    assert set(suite.scenes) >= UNTOLD - {"wake_other", "order_recording"}
    assert set(DENSE) <= set(suite.scenes)


def test_dense_trials_hold_more_cues_a_minute(suite, mutes, clips):
    def cues(which):
        scenes = [
            Rehearsal(which, mutes, clips, deaf=True).scene(np.random.default_rng(seed), 60.0, {"cuespeak_synth": 1.0})
            for seed in range(5)
        ]
        return sum(int(((s.moment == 1) & (s.promised > 0) & (s.word == s.promised)).sum()) for s in scenes)

    assert cues(dense(suite)) > 1.3 * cues(suite)


def test_stress_is_how_many_times_a_target_counts():
    logits, target = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([[0, 2, -100]])
    twice = torch.cat([logits, logits[:, 1:2]], 1)
    stressed = weighted(logits, target, 0.3, torch.tensor([[1.0, 2.0, 5.0]]))
    assert torch.allclose(stressed, weighted(twice, torch.tensor([[0, 2, -100, 2]]), 0.3))
    assert not torch.allclose(stressed, weighted(logits, target, 0.3))


def test_lapses_are_moments_too(suite, mutes, clips):
    assert LAPSES > 0
    rehearsal = Rehearsal(suite, mutes, clips, deaf=True)
    scenes = [rehearsal.scene(np.random.default_rng(s), 40.0, {"user_backchannel": 1.0}) for s in range(4)]
    lapsed = [(scene, k) for scene in scenes for k in scene.did]
    assert len(lapsed) > 5
    assert all(scene.moment[k] == 1 and scene.word[k] == 0 and scene.floor[k] == 0 for scene, k in lapsed)


def test_what_is_due_at_a_time_is_promised_until_it_is_said(suite, mutes, clips):
    rehearsal = Rehearsal(suite, mutes, clips, deaf=True)
    said = 0
    for seed in range(4):
        scene = rehearsal.scene(np.random.default_rng(seed), 60.0, {"timespeak_synth": 1.0})
        for k in np.flatnonzero(scene.countdown == 1):
            assert scene.word[k] == scene.promised[k] > 0
            assert scene.promised[k - 1] == scene.promised[k]
            said += 1
    assert said > 5


def test_a_word_that_was_asked_for_by_keyboard_is_said_when_it_is_due(clips):
    typed_drills = TypedDrills(Language(), clips, 0.1)
    ids = {word: i for i, word in enumerate(WORDS)}
    at_once = later = 0
    for seed in range(20):
        script = Script(60, clips, ids, np.random.default_rng(seed))
        free = typed_drills._parrot(script, 10)
        typed = [WORDS[word] for word, _ in script.words_in[10]]
        (k,) = (k for k in np.flatnonzero(script.word) if WORDS[script.word[k]] != "okay" or "okay" in typed)
        assert WORDS[script.word[k]] == typed[typed.index("say") + 1]
        assert free > k
        if "seconds" in typed:
            seconds = ["zero", "one", "two", "three", "four"].index(typed[typed.index("in") + 1])
            assert k == 10 + 5 * seconds - 1
            assert script.countdown[k] == 1
            assert set(script.promised[10 : k + 1]) == {script.word[k]}
            later += 1
        else:
            assert k == 10
            at_once += 1
    assert at_once > 3
    assert later > 3


def test_typed_counts_end_at_the_number_asked_for_and_sums_for_others_are_left_alone(clips):
    drills, ids = TypedDrills(Language(), clips, 0.1), {word: i for i, word in enumerate(WORDS)}
    ends, owns = set(), set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        script = Script(120, clips, ids, rng)
        free = drills._count(script, 4)
        typed = [WORDS[word] for word, _ in script.words_in[4]]
        said = [WORDS[word] for word in script.word[script.word > 0]]
        numbers = [NUMBERS.index(word) for word in typed if word in NUMBERS]
        assert said == NUMBERS[(numbers[0] if len(numbers) == 2 else 1) : numbers[-1] + 1]
        assert set(script.awaited[4:free]) == {ids[said[-1]]}
        assert set(script.moment[free : free + 3]) == {1}
        ends.add(said[-1])
        script = Script(40, clips, ids, rng)
        drills._named(script, 4)
        own = WORDS[script.words_in[4][0][0]] in OWN_NAMES
        assert bool(script.word.any()) == own == bool(script.moment[4])
        owns.add(own)
    assert len(ends) > 8
    assert owns == {True, False}


def test_of_a_list_its_last_word_is_awaited_and_its_end_is_a_moment(suite, mutes, clips):
    scene = Rehearsal(suite, mutes, clips, deaf=True).scene(np.random.default_rng(1), 60.0, {"user_backchannel": 1.0})
    over = [k for k in range(1, scene.ticks) if scene.awaited[k - 1] > 0 and scene.awaited[k] == 0]
    ends = [k for k in over if scene.word[:k][scene.word[:k] > 0][-1] == scene.awaited[k - 1]]
    assert ends
    assert all(set(scene.moment[k : k + 3]) == {1} and not scene.floor[k : k + 3].any() for k in ends)
