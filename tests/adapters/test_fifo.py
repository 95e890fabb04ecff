"""Between clocks: nothing is lost, nothing is added but the silence before the first block."""

import numpy as np
import pytest

from imkit.adapters.fifo import Inlet, Outlet, lead
from imkit.adapters.rate import Past, Upsampler
from imkit.stream import ModelError


@pytest.mark.parametrize(("block", "tick", "silence"), [(1920, 4800, 960), (24_000, 4800, 19_200), (4800, 4800, 0)])
def test_blocks_under_ticks_come_out_whole_after_the_least_silence_that_does(block, tick, silence):
    assert lead(block, tick) == silence
    sound = np.arange(1, 20 * tick + 1, dtype=np.float32)
    inlet, outlet = Inlet(block), Outlet(tick, 4 * (block + tick), np.zeros(silence, np.float32))
    given, counts = [], []
    for begin in range(0, len(sound), tick):
        blocks = inlet.put(sound[begin : begin + tick])
        counts.append(len(blocks))
        for one in blocks:
            outlet.put(one)
        given.append(outlet.take()[0])
    expected = np.concatenate([np.zeros(silence, np.float32), sound])[: len(sound)]
    assert np.array_equal(np.concatenate(given), expected)
    if block == 1920:
        assert counts[:6] == [2, 3, 2, 3, 2, 3]


def test_an_outlet_that_runs_dry_is_silent_and_one_that_is_full_drops_the_oldest_and_counts_it():
    outlet = Outlet(10, 25)
    assert not outlet.take()[0].any()
    outlet.put(np.full(5, 1, np.float32))
    outlet.say(outlet.waiting, "late", 3)
    outlet.say(2, "now", 3)
    sound, words = outlet.take()
    assert sound.tolist() == [1] * 5 + [0] * 5
    assert words == [(5, "late", 3), (2, "now", 3)]
    outlet.say(3, "gone", 1)
    outlet.say(14, "kept", 1)
    outlet.put(np.arange(32, dtype=np.float32))
    assert outlet.dropped == 7
    assert outlet.waiting == 25
    sound, words = outlet.take()
    assert sound.tolist() == list(range(7, 17))
    assert words == [(7, "kept", 1)]


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_a_tone_is_the_same_tone_at_the_other_rate_a_millisecond_later(rate):
    upsampler, past = Upsampler(rate), Past()
    at = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * at)).astype(np.float32)
    out = np.concatenate([upsampler(past, tone[i : i + 3200]) for i in range(0, 16_000, 3200)])
    assert len(out) == rate
    late_s = 0.0 if rate == 16_000 else 16 / 16_000
    expected = 0.5 * np.sin(2 * np.pi * 1000 * (np.arange(rate) / rate - late_s))
    assert np.abs(out - expected)[rate // 100 :].max() < 1e-3


def test_rates_that_give_no_whole_samples_or_lose_sound_are_refused():
    for rate in (8000, 16_001):
        with pytest.raises(ModelError, match="expected 16000 Hz or more"):
            Upsampler(rate)
