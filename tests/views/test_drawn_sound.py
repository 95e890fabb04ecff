"""Outlines, spectrogram and turns against sound whose answer is known."""

import numpy as np
import pytest

from imkit.measures import Interval, Talk, gaps, measure, talk_of
from imkit.measures.spectrum import MEL_BINS
from imkit.stream import Act, Moment, Percept, Timeline
from imkit.views.lanes import lanes_of
from imkit.views.sound import envelope, mel
from imkit.views.turns import shares, turns_of

SILENT = np.zeros(3200, np.float32)


def timeline_of(sounds, own=None, **keep):
    timeline = Timeline(16_000 if own is None else 24_000, **keep)
    tick = 3200 if own is None else 4800
    for index, sound in enumerate(sounds):
        act = np.zeros(tick, np.float32) if own is None else own[index]
        timeline.append(Moment(Percept(index, sound), Act(index, act)))
    return timeline


def test_an_outline_holds_the_extremes_where_they_are_heard():
    sound, own = SILENT.copy(), np.zeros(4800, np.float32)
    sound[330], sound[340], own[4799] = 0.5, -0.25, 0.7
    timeline = timeline_of([SILENT, sound], [own, own * 0])
    mine = envelope(timeline, "user")
    assert (mine.high[11], mine.low[11], np.count_nonzero(mine.peaks)) == (0.5, -0.25, 1)
    theirs = envelope(timeline, "model")
    assert len(theirs.high) == 30
    assert np.flatnonzero(theirs.high).tolist() == [19]  # the end of act 0, heard from 0.2 s


def test_fewer_columns_keep_every_peak():
    rng = np.random.default_rng(1)
    timeline = timeline_of([(rng.normal(size=3200) * 0.1).astype(np.float32) for _ in range(50)])
    whole = envelope(timeline, "user")
    times, low, high = whole.seen(0, 10, 30)
    assert len(times) <= 30
    assert high.max() == whole.high.max()
    assert low.min() == whole.low.min()
    assert whole.seen(50, 60, 30)[0].size == 0


def test_where_sound_was_let_go_its_level_is_drawn():
    tone = (0.3 * np.sin(np.arange(3200))).astype(np.float32)
    outline = envelope(timeline_of([tone] * 10, keep_media_s=0.4), "user")
    assert outline.level[:80].all()
    assert not outline.level[80:].any()
    assert outline.peaks[0] == pytest.approx(0.3, abs=0.01)


def test_a_hole_in_time_is_silent():
    timeline = Timeline(16_000)
    for index in (0, 5):
        timeline.append(Moment(Percept(index, np.full(3200, 0.5, np.float32)), Act(index, SILENT)))
    assert np.flatnonzero(envelope(timeline, "user").peaks).tolist() == [*range(10), *range(50, 60)]


@pytest.mark.parametrize(("hz", "columns"), [(300, 200), (1000, 20), (5000, 3)])
def test_a_tone_lies_in_its_band(hz, columns):
    wave = (0.3 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)).astype(np.float32)
    times, levels = mel(timeline_of(wave.reshape(5, 3200)), 0, 1, columns)
    assert levels.shape == (MEL_BINS, len(times))
    assert 0 < len(times) <= columns
    in_mel = 2595 * np.log10(1 + np.array([60, hz, 7600]) / 700)
    expected = (in_mel[1] - in_mel[0]) / (in_mel[2] - in_mel[0]) * (MEL_BINS + 1) - 1
    assert abs(int(levels.mean(axis=1).argmax()) - expected) <= 1
    assert levels.max() > 200


def test_silence_and_forgotten_sound_have_no_spectrum():
    assert not mel(timeline_of([SILENT] * 3), 0, 0.6, 50)[1].any()
    assert mel(timeline_of([SILENT] * 3), 5, 6, 50)[0].size == 0


def test_a_long_spectrogram_is_read_from_front_to_back():
    read = []

    class Watched(Percept):  # the sound of a recording is decoded half a minute at a time, where it is read
        def __getattribute__(self, name):
            if name == "audio":
                read.append(self.index)
            return super().__getattribute__(name)

    timeline = Timeline(16_000)
    for index in range(400):
        timeline.append(Moment(Watched(index, SILENT), Act(index, SILENT)))
    read.clear()
    mel(timeline, 0, 80, 50)
    assert len(read) > 150
    assert read == sorted(read)


# --- turns


def bursts(rng, ticks, samples):
    """Sound of random loudness in random stretches, with short holes in it, silence between."""
    stretches = (rng.random(ticks) < 0.4) * 10 ** (rng.uniform(-55, -10, ticks) / 20)
    gain = np.repeat(stretches, 20) * (rng.random(20 * ticks) < 0.9)
    sound = np.repeat(gain, samples // 20).reshape(ticks, -1)
    sound = np.pad(sound, ((0, 0), (0, samples - sound.shape[1])), mode="edge")
    return (rng.standard_normal(sound.shape) * sound).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 24_000, 22_050])
def test_the_picture_draws_what_the_measures_count(rate):
    rng = np.random.default_rng(rate)
    timeline = Timeline(rate)
    user, own = bursts(rng, 200, 3200), bursts(rng, 200, rate // 5)
    for index in range(200):
        if index % 37:  # holes in time
            timeline.append(Moment(Percept(index, user[index]), Act(index, own[index])))
    for part in (timeline, timeline[7.0:22.0]):
        drawn, talk = lanes_of(part).turns, talk_of(part)
        assert drawn.user == [(u.start_s, u.end_s) for u in talk.user]
        assert drawn.model == [(u.start_s, u.end_s) for u in talk.model]
        assert min(map(len, drawn)) > 3
        counted = measure(part)
        assert len(drawn.gaps) == counted.gaps
        assert sum(b - a for a, b in drawn.gaps) == pytest.approx(sum(one.duration_s for one in gaps(talk)))
        assert sum(b - a for a, b in drawn.overlaps) == pytest.approx(counted.both_s)


def test_where_sound_was_let_go_its_level_in_each_tick_stands_for_it():
    tone = (0.3 * np.sin(np.arange(3200))).astype(np.float32)
    sounds = [SILENT, tone, tone, SILENT, SILENT, SILENT, tone, SILENT]
    assert lanes_of(timeline_of(sounds, keep_media_s=0.2)).turns.user == [(0.2, 0.6), (1.2, 1.4)]
    assert lanes_of(timeline_of(sounds)).turns.user == [(0.2, 0.6), (1.2, 1.4)]


def test_nothing_sounds_in_an_empty_timeline():
    assert lanes_of(Timeline()).turns == ([], [], [], [])


def test_overlaps_and_gaps_between_sides():
    user, model = (
        [Interval(*one) for one in side] for side in ([(0, 2), (5, 6), (9, 10)], [(1.5, 3), (3.5, 4), (6.2, 9.4)])
    )
    found = turns_of(Talk(tuple(user), tuple(model), 0, 10))
    assert found.overlaps == [(1.5, 2), (9, 9.4)]
    assert found.gaps == [(4, 5), (6, 6.2)]


def test_shares_add_up():
    share = shares([(0, 1.5), (3.5, 4)], 0, 1.0, 4)
    np.testing.assert_allclose(share, [1, 0.5, 0, 0.5])
