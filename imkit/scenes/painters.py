"""What a camera sees in scenes of light and motion: a lamp that goes on and off, and three motions to count."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from .pictures import COLOURS, DARK, Frame, Image, Painter, Scenery, Span, bar, box, oval, paint

PALE: Final = np.array([0.95, 0.95, 0.9], np.float32)

# --- a light


def _table_lamp(image: Image, x: float, y: float, unit: float, glass: Image) -> None:
    bar(image, x, y, x, y + 2.6 * unit, 0.22 * unit, DARK)
    oval(image, x, y + 2.7 * unit, 0.9 * unit, 0.22 * unit, DARK)
    box(image, x - 1.26 * unit, y - 0.96 * unit, x + 1.26 * unit, y + 0.66 * unit, DARK, 0.4)
    box(image, x - 1.15 * unit, y - 0.85 * unit, x + 1.15 * unit, y + 0.55 * unit, glass, 0.4)


def _hanging_bulb(image: Image, x: float, y: float, unit: float, glass: Image) -> None:
    bar(image, x, 0, x, y - unit, 0.14 * unit, DARK)
    box(image, x - 0.4 * unit, y - 1.3 * unit, x + 0.4 * unit, y - 0.6 * unit, DARK)
    oval(image, x, y, 0.93 * unit, 0.98 * unit, DARK)
    oval(image, x, y, 0.8 * unit, 0.85 * unit, glass)


def _wall_signal(image: Image, x: float, y: float, unit: float, glass: Image) -> None:
    box(image, x - 1.25 * unit, y - 1.25 * unit, x + 1.25 * unit, y + 1.25 * unit, DARK)
    oval(image, x, y, unit, unit, DARK + np.float32(0.2))
    oval(image, x, y, 0.86 * unit, 0.86 * unit, glass)


LIGHTS: Final = (_table_lamp, _hanging_bulb, _wall_signal)
SHINE: Final = ((1.0, 0.93, 0.55), (1.0, 1.0, 0.9), (0.75, 0.95, 1.0))


def light(rng: np.random.Generator, lit: Sequence[Span]) -> Painter:
    """A lamp, a bulb or a signal on the wall that is on in the given spans (seconds) and dull otherwise."""
    scenery = Scenery(rng)
    size, kind = scenery.size, LIGHTS[int(rng.integers(len(LIGHTS)))]
    unit = float(rng.uniform(0.085, 0.13)) * size
    x, y = float(rng.uniform(0.25, 0.75)) * size, float(rng.uniform(0.28, 0.6)) * size
    shine = np.array(SHINE[int(rng.integers(len(SHINE)))], np.float32)
    dim = float(rng.uniform(0.45, 0.75))
    room = np.asarray(scenery.camera.base * np.float32(dim), np.float32)
    stills = []
    for on in (False, True):
        still = room.copy()
        if on:
            away = np.hypot(scenery.camera.x - x, scenery.camera.y - y) / unit
            glow = (0.75 * np.exp(-((away / 2.6) ** 2)) + 0.22 * np.exp(-((away / 6) ** 2))).astype(np.float32)
            still += (shine - still) * np.clip(glow, 0, 1)[..., None]
        kind(still, x, y, unit, shine if on else shine * np.float32(0.33))
        stills.append(still)

    def paint_at(time_s: float) -> Frame:
        return scenery.picture(stills[any(a <= time_s + 1e-6 < b for a, b in lit)], time_s)

    return paint_at


# --- motion to count


def _lift(cycles: Sequence[Span], time_s: float) -> float:
    """How far out the motion is, 0 at rest to 1: fast away, slow at the far end, fast back."""
    for start_s, end_s in cycles:
        if start_s < time_s < end_s:
            return float(math.sin(math.pi * (time_s - start_s) / (end_s - start_s)) ** 0.6)
    return 0.0


def ball(rng: np.random.Generator, cycles: Sequence[Span]) -> Painter:
    """A ball that jumps from the ground in each (take-off, landing) and lies squashed between."""
    scenery = Scenery(rng)
    size = scenery.size
    radius, reach = float(rng.uniform(0.08, 0.13)) * size, float(rng.uniform(0.4, 0.55)) * size
    x, ground = float(rng.uniform(0.25, 0.75)) * size, float(rng.uniform(0.8, 0.92)) * size
    tint = paint(rng, str(rng.choice(COLOURS)))
    still = scenery.camera.base.copy()
    still[int(ground) :] *= np.float32(0.5)

    def paint_at(time_s: float) -> Frame:
        lift = _lift(cycles, time_s)
        rx, ry = (radius * 1.25, radius * 0.75) if lift == 0 else (radius, radius)

        def front(image: Image) -> None:
            y = ground - ry - lift * reach
            oval(image, x, ground, rx * (1.1 - 0.5 * lift), 0.25 * radius, DARK)
            oval(image, x, y, rx + 1.5, ry + 1.5, DARK)
            oval(image, x, y, rx, ry, tint)
            oval(image, x - rx * 0.3, y - ry * 0.35, rx * 0.25, ry * 0.25, PALE)

        return scenery.picture(still, time_s, front)

    return paint_at


def figure(rng: np.random.Generator, cycles: Sequence[Span]) -> Painter:
    """A stick figure that raises both arms and lowers them again, once in each span."""
    scenery = Scenery(rng)
    size = scenery.size
    tall, x = float(rng.uniform(0.55, 0.7)) * size, float(rng.uniform(0.32, 0.68)) * size
    ground, width = 0.93 * size, float(rng.uniform(0.035, 0.05)) * size
    still = scenery.camera.base.copy()
    still[int(ground) :] *= np.float32(0.5)
    head, hip, shoulder, arm = 0.1 * tall, ground - 0.42 * tall, ground - 0.72 * tall, 0.4 * tall
    body = [(x, hip, x - 0.16 * tall, ground), (x, hip, x + 0.16 * tall, ground), (x, hip, x, shoulder)]

    def paint_at(time_s: float) -> Frame:
        angle = math.radians(25 + 130 * _lift(cycles, time_s))  # 0 hangs down
        hands = [(x + side * arm * math.sin(angle), shoulder + arm * math.cos(angle)) for side in (-1, 1)]

        def front(image: Image) -> None:
            for ink, more in ((DARK, 1.5), (PALE, 0.0)):
                for limb in (*body, *((x, shoulder, *hand) for hand in hands)):
                    bar(image, *limb, width + 2 * more, ink)
                for spot, radius in ((hands[0], width), (hands[1], width), ((x, ground - 0.87 * tall), head)):
                    oval(image, *spot, radius + more, radius + more, ink)

        return scenery.picture(still, time_s, front)

    return paint_at


def pendulum(rng: np.random.Generator, cycles: Sequence[Span]) -> Painter:
    """A weight on a rod that swings from the left to the right and back, once in each span."""
    scenery = Scenery(rng)
    size = scenery.size
    x, y = float(rng.uniform(0.46, 0.54)) * size, float(rng.uniform(0.06, 0.15)) * size
    length, weight = float(rng.uniform(0.5, 0.6)) * size, float(rng.uniform(0.08, 0.11)) * size
    wide = math.radians(float(rng.uniform(28, 40)))
    tint = paint(rng, str(rng.choice(COLOURS)))
    still = scenery.camera.base.copy()
    box(still, x - 0.2 * size, y - 0.05 * size, x + 0.2 * size, y, DARK)

    def paint_at(time_s: float) -> Frame:
        angle = wide * (2 * _lift(cycles, time_s) - 1)

        def front(image: Image) -> None:
            bx, by = x + length * math.sin(angle), y + length * math.cos(angle)
            bar(image, x, y, bx, by, 0.03 * size + 2, PALE)
            bar(image, x, y, bx, by, 0.03 * size, DARK)
            oval(image, bx, by, weight + 1.5, weight + 1.5, DARK)
            oval(image, bx, by, weight, weight, tint)

        return scenery.picture(still, time_s, front)

    return paint_at


MOTIONS: Final[Mapping[str, Callable[[np.random.Generator, Sequence[Span]], Painter]]] = {
    "ball": ball,
    "figure": figure,
    "pendulum": pendulum,
}
"""Motions by name; each span is one repeat, complete at its end."""
