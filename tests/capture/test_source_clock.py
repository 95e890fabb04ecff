"""Two clocks: skew is found though arrivals are late by chance; a page that slept is told from one that was late."""

import random

import numpy as np
import pytest
from fakes import FakeClock

from imkit.capture import BrowserSource
from imkit.capture.clock import SourceClock
from imkit.stream import INPUT_SAMPLES, TICK_S

SOUND = np.zeros(INPUT_SAMPLES, np.float32)


def arrivals(ticks, ppm, seed=0):
    """(count_s, now_s) of each tick of a page whose clock is fast by ``ppm``: late by chance, sometimes by a second."""
    rng, now_s = random.Random(seed), 0.0
    for tick in range(ticks):
        count_s = (tick + 1) * TICK_S
        late_s = 0.002 + rng.expovariate(1 / 0.004) + (rng.uniform(0.1, 1.2) if rng.random() < 0.01 else 0.0)
        now_s = max(now_s, 1e6 + count_s / (1 + ppm / 1e6) + late_s)  # in order, as a socket brings them
        yield count_s, now_s


@pytest.mark.parametrize("ppm", [100.0, -100.0, 0.0, 17.0])
def test_after_an_hour_a_tick_is_placed_within_20_ms_on_the_kernels_clock(ppm):
    clock = SourceClock()
    for count_s, now_s in arrivals(18_000, ppm):
        assert clock.note(count_s, now_s) == 0.0
    true_s = 1e6 + 3600.0 / (1 + ppm / 1e6)
    assert abs(clock.time_s(3600.0) - true_s) <= 0.020
    assert clock.ppm == pytest.approx(ppm, abs=3.0)
    assert clock.ahead_s == pytest.approx(3600.0 - (true_s - 1e6), abs=0.020)
    assert (clock.pauses, len(clock._low)) == (0, 360)


def test_the_first_minute_tells_nothing():
    clock = SourceClock()
    for count_s, now_s in arrivals(299, 100.0):
        clock.note(count_s, now_s)
    assert (clock.ppm, clock.time_s(60.0), clock.ahead_s) == (None, None, 0.0)


def fed(source, clock, seqs, every_s=TICK_S):
    for seq in seqs:
        clock.sleep(every_s)
        source.put_audio(seq, SOUND)


def percepts(source, first=0):
    found = []
    while source._ticks:
        found.append(source.read(first + len(found)))
    return found


@pytest.fixture
def page():
    clock = FakeClock(100.0)
    source = BrowserSource(clock)
    source.open()
    fed(source, clock, range(5))
    percepts(source)
    return source, clock


@pytest.mark.parametrize(("asleep_s", "told"), [(5.0, 25), (30.0, 150), (8 * 3600.0, 300)])
def test_a_page_that_slept_is_a_gap(page, asleep_s, told):
    source, clock = page
    clock.sleep(asleep_s)
    heard = []
    for seq in range(5, 15):
        fed(source, clock, [seq])
        heard += percepts(source)
    events = [event for percept in heard for event in percept.events]
    assert [event.payload for event in events] == [{"gap_ticks": told, "paused_s": asleep_s}]
    assert f"cut off for {asleep_s:.1f} s" in events[0].text
    assert heard.index(next(p for p in heard if p.events)) <= 6  # at most 1.2 s after it is back
    assert (source.counts["pauses"], source.lost_ticks) == (1, 0)


def test_what_was_only_delayed_is_no_pause(page):
    source, clock = page
    clock.sleep(10.0)
    fed(source, clock, range(5, 55), every_s=0.001)  # ten seconds of it in a burst
    fed(source, clock, range(55, 70))
    assert source.counts["pauses"] == 0
    assert source.counts["dropped_audio_ticks"] == 60  # all but the newest five, which is told as before


def test_a_start_counts_anew_and_is_no_pause(page):
    source, clock = page
    clock.sleep(60.0)
    fed(source, clock, range(20))
    source.silence()
    clock.sleep(60.0)
    fed(source, clock, range(20, 40))
    assert source.counts["pauses"] == 0
