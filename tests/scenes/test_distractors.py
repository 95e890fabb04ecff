import numpy as np
import pytest

from imkit.scenes.distractors import PAUSE_S, TALKSPURT_S, burst, cough, spurt, talkspurts
from imkit.voices import Utterance, Voice


def test_talk_and_pauses_have_the_means_of_p59():
    spurts = talkspurts(np.random.default_rng(1), 20_000.0)
    talk_s, pause_s = np.array(spurts).T
    assert 20_000 < talk_s.sum() + pause_s.sum() < 20_100
    assert talk_s.mean() == pytest.approx(TALKSPURT_S, rel=0.03)
    assert pause_s.mean() == pytest.approx(PAUSE_S, rel=0.03)
    assert pause_s.min() > 0.2
    assert talk_s.std() == pytest.approx(TALKSPURT_S, rel=0.05)  # exponential: as wide as long
    assert talk_s.sum() / (talk_s.sum() + pause_s.sum()) == pytest.approx(0.385, abs=0.01)


@pytest.mark.parametrize("make", [burst, cough])
def test_noises_start_at_once_and_die_away(make):
    sounds = [make(np.random.default_rng(seed)).sound for seed in range(20)]
    assert len({sound.tobytes() for sound in sounds}) == 20
    for sound in sounds:
        assert sound.dtype == np.float32
        assert np.abs(sound).max() == pytest.approx(0.5, abs=1e-3)
        assert 0.2 <= len(sound) / 16_000 <= 1.5
        power = np.cumsum(sound.astype(np.float64) ** 2)
        assert power[round(0.1 * 16_000)] > 0.08 * power[-1]  # of at most three coughs, half of one
        assert np.abs(sound[-160:]).max() < 0.25


def test_a_talkspurt_ends_with_the_word_nearest_to_its_length():
    words = (("one", 0.1, 0.4), ("two", 0.5, 0.8), ("three", 0.9, 1.5))
    said = Utterance("one two three", Voice("espeak", "en-us"), np.full(25_000, 0.3, np.float32), words)
    ends_s = [len(spurt(said, length_s)) / 16_000 for length_s in (0.01, 0.45, 0.55, 1.1, 9.0)]
    assert ends_s == pytest.approx([0.4, 0.4, 0.8, 1.5, 1.5])
    assert spurt(said, 0.45)[-1] == 0
    assert said.audio[round(0.4 * 16_000) - 1] > 0  # the utterance, which others may use, is as it was
