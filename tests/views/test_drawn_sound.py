"""Outlines, spectrogram and turns against sound whose answer is known."""

import numpy as np
import pytest

from imkit.stream import Act, Moment, Percept, Timeline
from imkit.views.sound import MEL_BINS, envelope, mel
from imkit.views.turns import shares, sounding, turns

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


def test_stretches_of_sound():
    loud = np.zeros(200, np.float32)
    loud[10:40] = loud[45:60] = loud[100:103] = loud[150:] = 0.4
    assert sounding(loud, 2.0) == [(2.2, 3.2), (5.0, 6.0)]
    assert sounding(np.full(100, 0.004, np.float32), 0) == []
    assert sounding(np.zeros(0, np.float32), 0) == []


def test_a_noisy_room_is_no_turn():
    rng = np.random.default_rng(0)
    noise = 0.02 + 0.005 * rng.random(500).astype(np.float32)
    noise[200:260] = 0.5
    assert sounding(noise, 0) == [(4.0, 5.2)]


def test_overlaps_and_gaps_between_sides():
    found = turns([(0, 2), (5, 6), (9, 10)], [(1.5, 3), (3.5, 4), (6.2, 9.4)])
    assert found.overlaps == [(1.5, 2), (9, 9.4)]
    assert found.gaps == [(4, 5), (6, 6.2)]


def test_shares_add_up():
    share = shares([(0, 1.5), (3.5, 4)], 0, 1.0, 4)
    np.testing.assert_allclose(share, [1, 0.5, 0, 0.5])
