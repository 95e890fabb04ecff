from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.capture.resample import MAX_RATE, Resampler, in_ticks
from imkit.stream import INPUT_RATE, INPUT_SAMPLES

RATES = st.sampled_from([1000, 8000, 11025, 12345, 16000, 22050, 24000, 32000, 44100, 44101, 48000, 96000])


def whole(samples, rate_hz):
    resampler = Resampler(rate_hz)
    return np.concatenate([resampler.push(samples), resampler.finish()])


def tone(rate_hz, frequency_hz, seconds):
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(rate_hz * seconds)) / rate_hz).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(
    rate_hz=RATES, length=st.integers(0, 5000), cuts=st.lists(st.integers(0, 5000), max_size=8), seed=st.integers(0, 9)
)
def test_pieces_give_what_the_whole_gives(rate_hz, length, cuts, seed):
    samples = np.random.default_rng(seed).uniform(-1, 1, length).astype(np.float32)
    resampler = Resampler(rate_hz)
    edges = [0, *sorted(min(cut, length) for cut in cuts), length]
    pieces = [resampler.push(samples[a:b]) for a, b in pairwise(edges)]
    joined = np.concatenate([*pieces, resampler.finish()])
    expected = whole(samples, rate_hz)
    assert len(joined) == len(expected) == -(-length * INPUT_RATE // rate_hz)
    np.testing.assert_allclose(joined, expected, atol=2e-6)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 44101, 48000, 192_000])
def test_a_tone_keeps_its_pitch_level_and_place(rate_hz):
    output = whole(tone(rate_hz, 1000, 0.5), rate_hz)
    expected = tone(INPUT_RATE, 1000, 0.5)
    inner = slice(400, -400)
    np.testing.assert_allclose(output[inner], expected[: len(output)][inner], atol=2e-4)


@pytest.mark.parametrize("rate_hz", [32_000, 44_100, 48_000])
def test_what_16_khz_cannot_hold_is_gone(rate_hz):
    output = whole(tone(rate_hz, 10_000, 0.5), rate_hz)
    assert np.abs(output[400:-400]).max() < 1e-3


def test_a_constant_passes_unchanged():
    np.testing.assert_allclose(whole(np.full(9000, 0.5, np.float32), 44_100)[300:-300], 0.5, atol=1e-5)


def test_16_khz_passes_bit_for_bit():
    samples = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    assert np.array_equal(whole(samples, INPUT_RATE), samples)


@pytest.mark.parametrize("rate_hz", [0, -1, MAX_RATE + 1])
def test_an_impossible_rate_is_refused(rate_hz):
    with pytest.raises(ValueError, match=str(rate_hz)):
        Resampler(rate_hz)


def test_the_bank_stays_small_at_the_highest_odd_rate():
    resampler = Resampler(MAX_RATE - 1)
    assert resampler._bank.nbytes < 20e6
    assert len(np.concatenate([resampler.push(np.zeros(MAX_RATE - 1, np.float32)), resampler.finish()])) == INPUT_RATE


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(0, 9000), max_size=6))
def test_ticks_hold_every_sample_in_order(sizes):
    samples = np.random.default_rng(1).uniform(-1, 1, sum(sizes)).astype(np.float32)
    blocks = np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []
    ticks = list(in_ticks(blocks, INPUT_RATE))
    assert all(tick.shape == (INPUT_SAMPLES,) and tick.dtype == np.float32 for tick in ticks)
    assert len(ticks) == -(-len(samples) // INPUT_SAMPLES)
    joined = np.concatenate([*ticks, np.zeros(0, np.float32)])
    assert np.array_equal(joined[: len(samples)], samples)
    assert not joined[len(samples) :].any()


def test_ticks_stay_in_range_where_the_filter_overshoots():
    square = np.sign(tone(48_000, 100, 0.5)) + np.float32(0)
    assert max(np.abs(tick).max() for tick in in_ticks([square], 48_000)) <= 1
