import colorsys
import time
from itertools import pairwise

import numpy as np
import pytest

from imkit.scenes.painters import LIGHTS, MOTIONS, light
from imkit.scenes.pictures import COLOURS, HUES, SHAPES, SIZES, Camera, Scenery, paint, seen_s, shapes
from imkit.stream import TICK_S
from imkit.training import language
from imkit.training import pictures as training_pictures

CYCLES = [(0.5 * k + 0.2, 0.5 * (k + 1)) for k in range(6)]
SHOWN = [((0.5, 2.0), "red", "square"), ((3.0, 4.0), "blue", "circle")]
PAINTERS = {
    **{name: (lambda rng, make=make: make(rng, CYCLES)) for name, make in MOTIONS.items()},
    "light": lambda rng: light(rng, [(1.0, 2.0)]),
    "shapes": lambda rng: shapes(rng, SHOWN),
}
TIMES = [k * TICK_S for k in range(25)]


def still(monkeypatch):
    """No one wanders about, no grain, no sway: what is left is what matters."""
    monkeypatch.setattr(Scenery, "picture", lambda self, still, time_s, front=None: _plain(still, front))


def _plain(image, front):
    image = image.copy()
    if front is not None:
        front(image)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", PAINTERS)
def test_a_picture_depends_on_its_moment_and_the_seed_alone(name):
    one, two = (PAINTERS[name](np.random.default_rng(3)) for _ in range(2))
    forward = [one(t) for t in TIMES]
    backward = [two(t) for t in reversed(TIMES)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))
    size = len(forward[0])
    assert size in SIZES
    assert all(frame.shape == (size, size, 3) and frame.dtype == np.uint8 for frame in forward)
    other = PAINTERS[name](np.random.default_rng(4))(0.0)
    assert other.shape != forward[0].shape or not np.array_equal(other, forward[0])


@pytest.mark.parametrize("name", PAINTERS)
def test_a_picture_costs_little(name):
    painter = PAINTERS[name](np.random.default_rng(1))
    costs = []
    for _ in range(4):  # the quickest of four runs: other programs may be at work
        before = time.thread_time()
        for t in TIMES:
            painter(t)
        costs.append((time.thread_time() - before) / len(TIMES))
    assert min(costs) < 0.002


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("seed", range(4))
def test_every_repeat_is_seen_at_five_pictures_a_second(name, seed, monkeypatch):
    still(monkeypatch)
    starts = np.cumsum([0.0, *np.random.default_rng(seed).uniform(0.51, 0.7, 8)]) + 0.24
    cycles = [(a, b - 0.24) for a, b in pairwise(starts)]
    painter = MOTIONS[name](np.random.default_rng(seed), cycles)
    at_rest = painter(0.0).astype(int)
    far = [np.abs(painter(k * TICK_S) - at_rest).sum() for k in range(round(starts[-1] / TICK_S))]
    away = np.array(far) > 0.5 * max(far)
    assert int(np.sum(np.diff(away.astype(int)) == 1)) == len(cycles)
    assert seen_s(cycles[0][1]) >= cycles[0][1]
    for _, end_s in cycles:
        assert np.array_equal(painter(seen_s(end_s)), at_rest), "the end of a repeat is seen when it is said to be"


@pytest.mark.parametrize("seed", range(8))
def test_the_light_is_bright_while_it_is_on(seed):
    painter = light(np.random.default_rng(seed), [(1.0, 2.0), (3.1, 3.5)])
    peaks = [np.sort(painter(t).astype(float).mean(2).ravel())[-150:].mean() for t in TIMES]
    means = [painter(t).astype(float).mean() for t in TIMES]
    lit = [1.0 <= t + 1e-6 < 2.0 or 3.1 <= t < 3.5 for t in TIMES]
    for values, least in ((peaks, 8), (means, 4)):
        on, off = (
            np.array([v for v, is_on in zip(values, lit, strict=True) if is_on == want]) for want in (True, False)
        )
        assert on.min() > off.max() + least
    assert len(LIGHTS) == 3


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_there_when_it_should_be_and_has_its_colour(colour, shape, monkeypatch):
    still(monkeypatch)
    painter = shapes(np.random.default_rng(5), [((1.0, 2.0), colour, shape)])
    empty = painter(0.0).astype(int)
    assert np.array_equal(painter(0.8), empty)
    assert np.array_equal(painter(2.0), empty)
    there = np.abs(painter(1.0) - empty).sum(2) > 0
    assert there.sum() > 150
    hue_deg = 360 * colorsys.rgb_to_hsv(*painter(1.0)[there].mean(0) / 255)[0]
    away = {name: min(abs((hue_deg - middle + 180) % 360 - 180) for middle in HUES[name]) for name in COLOURS}
    assert min(away, key=away.__getitem__) == colour
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    filled = there.sum() / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1))
    assert filled < 0.62 if shape == "triangle" else filled > 0.62


def test_seen_with_the_next_picture():
    assert seen_s(0.4) == pytest.approx(0.4)
    assert seen_s(0.41) == pytest.approx(0.6)
    assert seen_s(0.599999) == pytest.approx(0.6)


def test_training_renders_with_the_same_camera():
    assert training_pictures.Camera is Camera
    assert training_pictures.paint is paint
    assert list(COLOURS) == language.COLOURS
    assert list(SHAPES) == language.SHAPES
    frames, seen = training_pictures.album(np.random.default_rng(0), 6)
    assert frames.shape == (6, 120, 120, 3)
    assert all(0 <= c < training_pictures.SEEN_CLASSES for c in seen)
