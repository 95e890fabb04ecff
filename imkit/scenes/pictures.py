"""Rendered camera pictures: coloured shapes before plain or cluttered backgrounds, with a camera's faults.

A *painter* gives the picture of a moment in seconds, uint8 [size, size, 3], and depends on nothing but that moment and
the random numbers it was made with. What changes at a time is first seen in the next micro-turn's picture (``seen_s``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from imkit.stream import TICK_S

Frame = npt.NDArray[np.uint8]
Image = npt.NDArray[np.float32]
Painter = Callable[[float], Frame]
Span = tuple[float, float]

HUES: Final = {"red": (0.0, 8.0), "green": (95.0, 150.0), "blue": (205.0, 245.0), "yellow": (48.0, 62.0)}
COLOURS: Final = tuple(HUES)
SHAPES: Final = ("circle", "square", "triangle")
SIZES: Final = (96, 108, 120)
DARK: Final = np.array([0.09, 0.09, 0.11], np.float32)


def seen_s(time_s: float) -> float:
    """When something that happens at ``time_s`` is first in a picture: the next start of a micro-turn."""
    return math.ceil(time_s / TICK_S - 1e-6) * TICK_S


# --- coloured shapes before a camera


def _rgb(hue_deg: float, saturation: float, value: float) -> Image:
    k = (np.array([5.0, 3.0, 1.0]) + hue_deg / 60.0) % 6
    return (value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)).astype(np.float32)


def paint(rng: np.random.Generator, colour: str) -> Image:
    """A shade of a named colour, RGB in [0, 1]."""
    low, high = HUES[colour]
    hue = float(rng.uniform(low - 6 if colour == "red" else low, high)) % 360
    return _rgb(hue, float(rng.uniform(0.7, 1.0)), float(rng.uniform(0.6, 1.0)))


@dataclass(frozen=True)
class Thing:
    """A coloured shape: its tint, radius (px), place (px), turn (rad) and drift (px a frame)."""

    shape: str
    tint: Image
    radius: float
    at: npt.NDArray[np.float64]
    turn: float
    drift: npt.NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator, colour: str, shape: str, size: int) -> Thing:
        """One somewhere in a picture of ``size`` pixels."""
        tint = paint(rng, colour)
        radius = float(rng.uniform(14, 40))
        at = rng.uniform(radius * 0.8, size - radius * 0.8, 2)
        return cls(shape, tint, radius, at, float(rng.uniform(-0.25, 0.25)), rng.uniform(-1.0, 1.0, 2))


def _photograph(image: npt.NDArray[np.floating]) -> Frame:
    return np.asarray(np.clip(image, 0, 1) * 255, np.uint8)


class Camera:
    """A still background of ``size`` pixels and one place where a shape may appear; ``frame`` renders a micro-turn."""

    def __init__(self, rng: np.random.Generator, size: int = 120) -> None:
        self.rng, self.size = rng, size
        self.y, self.x = np.mgrid[0:size, 0:size].astype(np.float32)
        base = np.full((size, size, 3), rng.uniform(0.1, 0.9), np.float32)
        base += rng.uniform(-0.12, 0.12, 3).astype(np.float32)
        slope = rng.uniform(-0.2, 0.2, 2)
        base += ((self.x / size - 0.5) * slope[0] + (self.y / size - 0.5) * slope[1])[..., None]
        for _ in range(int(rng.integers(0, 9))):  # clutter: dull boxes and blobs, none of them a pure named colour
            tone = rng.uniform(0.1, 0.9) + rng.uniform(-0.1, 0.1, 3)
            cx, cy, w, h = rng.uniform(0, size, 2).tolist() + rng.uniform(6, 70, 2).tolist()
            if rng.random() < 0.5:
                mask = (abs(self.x - cx) < w / 2) & (abs(self.y - cy) < h / 2)
            else:
                mask = ((self.x - cx) / w) ** 2 + ((self.y - cy) / h) ** 2 < 0.25
            base[mask] = tone
        if rng.random() < 0.4:  # a skin-toned oval, as a face would be
            tone = np.array([0.85, 0.62, 0.5]) * rng.uniform(0.4, 1.1)
            cx, cy = rng.uniform(0.2, 0.8, 2) * size
            base[((self.x - cx) / (size * 0.16)) ** 2 + ((self.y - cy) / (size * 0.22)) ** 2 < 1] = tone
        self.base = base
        self.noise = float(rng.uniform(0.0, 0.04))
        self.light = rng.uniform(0.85, 1.1, 3).astype(np.float32)

    def appear(self, colour: str, shape: str) -> None:
        """Choose how the next shown shape looks and where it is."""
        self.thing = Thing.draw(self.rng, colour, shape, self.size)
        self.at = self.thing.at

    def show(self, image: Image, thing: Thing, at: npt.NDArray[np.float64]) -> None:
        """Put a shape into an image, at a place in pixels."""
        dx, dy = self.x - at[0], self.y - at[1]
        u = dx * np.cos(thing.turn) - dy * np.sin(thing.turn)
        v = dx * np.sin(thing.turn) + dy * np.cos(thing.turn)
        r = thing.radius
        if thing.shape == "circle":
            mask = u**2 + v**2 < r**2
        elif thing.shape == "square":
            mask = np.maximum(abs(u), abs(v)) < r * 0.88
        else:
            mask = (v < r * 0.75) & (v > -r + abs(u) * 1.9)
        image[mask] = thing.tint * (1 + 0.05 * (dx[mask] / self.size))[:, None]

    def moved(self, thing: Thing, frames: float, at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Where a shape that was at a place is so many frames later; it stays in the picture."""
        return np.clip(at + frames * thing.drift, 10, self.size - 10)

    def frame(self, shown: bool) -> Frame:
        """One frame, uint8 [size, size, 3], with the shape in it or without."""
        image = self.base.copy()
        if shown:
            self.at = self.moved(self.thing, 1, self.at)
            self.show(image, self.thing, self.at)
        return _photograph(image * self.light + self.rng.normal(0, self.noise + 1e-6, image.shape).astype(np.float32))


# --- drawing with soft edges; all lengths in pixels


def _stamp(
    image: Image, box: tuple[float, float, float, float], colour: Image, depth: Callable[[Image, Image], Image]
) -> None:
    """Paint where ``depth(x, y)``, the pixels to the edge from inside, is positive; ``box`` bounds it."""
    size = len(image)
    left, top = max(0, int(box[0]) - 1), max(0, int(box[1]) - 1)
    right, bottom = min(size, math.ceil(box[2]) + 1), min(size, math.ceil(box[3]) + 1)
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5)
    part = image[top:bottom, left:right]
    part += (colour - part) * np.clip(depth(x, y) + 0.5, 0, 1)[..., None]


def oval(image: Image, x: float, y: float, rx: float, ry: float, colour: Image) -> None:
    """An ellipse of half axes ``rx`` and ``ry``."""

    def depth(px: Image, py: Image) -> Image:
        return np.asarray((1 - np.sqrt(((px - x) / rx) ** 2 + ((py - y) / ry) ** 2)) * min(rx, ry), np.float32)

    _stamp(image, (x - rx, y - ry, x + rx, y + ry), colour, depth)


def bar(image: Image, x0: float, y0: float, x1: float, y1: float, width: float, colour: Image) -> None:
    """A straight stroke with round ends."""
    dx, dy = x1 - x0, y1 - y0
    length2 = max(1e-9, dx * dx + dy * dy)

    def depth(px: Image, py: Image) -> Image:
        along = np.clip(((px - x0) * dx + (py - y0) * dy) / length2, 0, 1)
        return np.asarray(width / 2 - np.hypot(px - x0 - along * dx, py - y0 - along * dy), np.float32)

    half = width / 2
    _stamp(image, (min(x0, x1) - half, min(y0, y1) - half, max(x0, x1) + half, max(y0, y1) + half), colour, depth)


def box(image: Image, x0: float, y0: float, x1: float, y1: float, colour: Image, slope: float = 0.0) -> None:
    """An upright box, or a shade whose sides lean in by ``slope`` pixels a pixel upwards."""

    def depth(px: Image, py: Image) -> Image:
        lean = slope * (y1 - py)
        inside = np.minimum(np.minimum(px - x0 - lean, x1 - lean - px), np.minimum(py - y0, y1 - py))
        return np.asarray(inside, np.float32)

    _stamp(image, (x0, y0, x1, y1), colour, depth)


# --- scenery: what stands, what wanders, and the camera


@dataclass(frozen=True)
class Wanderer:
    """Something dull that crosses the picture again and again on a slow wave; lengths in shares of the side."""

    at: Span
    speed: float
    wave: float
    wave_s: float
    half: Span
    tone: Image
    boxy: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Wanderer:
        """Any."""
        speed = float(rng.uniform(0.05, 0.25) * rng.choice([-1, 1]))
        tone = (rng.uniform(0.2, 0.8) + rng.uniform(-0.08, 0.08, 3)).astype(np.float32)
        x, y, wave, wave_s = (float(rng.uniform(*r)) for r in ((0, 1), (0.05, 0.9), (0.0, 0.12), (3, 8)))
        short, long = float(rng.uniform(0.025, 0.045)), float(rng.uniform(0.08, 0.13))  # no square, no circle
        half = (short, long) if rng.random() < 0.5 else (long, short)
        return cls((x, y), speed, wave, wave_s, half, tone, bool(rng.random() < 0.5))

    def show(self, image: Image, time_s: float) -> None:
        """Put it into an image."""
        size, (hx, hy) = len(image), self.half
        x = ((self.at[0] + self.speed * time_s) % 1.3 - 0.15) * size
        y = (self.at[1] + self.wave * math.sin(2 * math.pi * time_s / self.wave_s)) * size
        if self.boxy:
            box(image, x - hx * size, y - hy * size, x + hx * size, y + hy * size, self.tone)
        else:
            oval(image, x, y, hx * size, hy * size, self.tone)


class Scenery:
    """A background with up to two things that wander about, light that sways a little, and a camera's grain."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.camera = Camera(rng, int(rng.choice(SIZES)))
        self.size = self.camera.size
        self.wanderers = [Wanderer.draw(rng) for _ in range(int(rng.integers(0, 3)))]
        self._grain = rng.normal(0, self.camera.noise + 1e-6, (2 * self.size, 2 * self.size, 3)).astype(np.float32)
        self._sway, self._sway_s = float(rng.uniform(0, 0.05)), float(rng.uniform(5, 12))

    def picture(self, still: Image, time_s: float, front: Callable[[Image], None] | None = None) -> Frame:
        """The picture of a moment: what stands still, who wanders before it, and what ``front`` paints before all."""
        image = still.copy()
        for wanderer in self.wanderers:
            wanderer.show(image, time_s)
        if front is not None:
            front(image)
        tick = round(time_s / TICK_S)
        dx, dy = tick * 37 % self.size, tick * 53 % self.size
        image *= self.camera.light * np.float32(1 + self._sway * math.sin(2 * math.pi * time_s / self._sway_s))
        image += self._grain[dy : dy + self.size, dx : dx + self.size]
        return _photograph(image)


def shapes(rng: np.random.Generator, shown: Sequence[tuple[Span, str, str]]) -> Painter:
    """Coloured shapes, each (from and to in seconds, colour, shape), one at a time before a background."""
    scenery = Scenery(rng)
    camera = scenery.camera
    things = [(span, Thing.draw(rng, colour, shape, camera.size)) for span, colour, shape in shown]

    def paint_at(time_s: float) -> Frame:
        def front(image: Image) -> None:
            for (start_s, end_s), thing in things:
                if start_s <= time_s + 1e-6 < end_s:
                    camera.show(image, thing, camera.moved(thing, (time_s - start_s) / TICK_S, thing.at))

        return scenery.picture(camera.base, time_s, front)

    return paint_at
