"""Rendered camera frames: a coloured shape, or none, before a plain or cluttered background, with a camera's faults."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .language import COLOURS, SHAPES

Frame = npt.NDArray[np.uint8]

_HUES = {"red": (0.0, 8.0), "green": (95.0, 150.0), "blue": (205.0, 245.0), "yellow": (48.0, 62.0)}


SEEN_CLASSES = 1 + len(COLOURS) * len(SHAPES)


def seen_class(shown: tuple[str, str] | None) -> int:
    """What is in a frame as a number: 0 for nothing, else one for each colour and shape."""
    return 0 if shown is None else 1 + COLOURS.index(shown[0]) * len(SHAPES) + SHAPES.index(shown[1])


def album(rng: np.random.Generator, count: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Unrelated frames uint8 [count, 120, 120, 3] and what is in each, int [count]: for learning to see."""
    frames: list[Frame] = []
    seen: list[int] = []
    while len(frames) < count:
        camera = Camera(rng)
        for _ in range(4):
            shown = (str(rng.choice(COLOURS)), str(rng.choice(SHAPES)))
            camera.appear(*shown)
            there = bool(rng.random() < 0.8)
            frames.append(camera.frame(there))
            seen.append(seen_class(shown if there else None))
    return np.stack(frames[:count]), np.array(seen[:count], np.int64)


def _rgb(hue_deg: float, saturation: float, value: float) -> npt.NDArray[np.float32]:
    k = (np.array([5.0, 3.0, 1.0]) + hue_deg / 60.0) % 6
    return (value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)).astype(np.float32)


def paint(rng: np.random.Generator, colour: str) -> npt.NDArray[np.float32]:
    """A shade of a named colour, RGB in [0, 1]."""
    low, high = _HUES[colour]
    hue = float(rng.uniform(low - 6 if colour == "red" else low, high)) % 360
    return _rgb(hue, float(rng.uniform(0.7, 1.0)), float(rng.uniform(0.6, 1.0)))


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
        rng = self.rng
        self.shape, self.tint = shape, paint(rng, colour)
        self.radius = float(rng.uniform(14, 40))
        margin = self.radius * 0.8
        self.at = rng.uniform(margin, self.size - margin, 2)
        self.turn = float(rng.uniform(-0.25, 0.25))
        self.drift = rng.uniform(-1.0, 1.0, 2)

    def frame(self, shown: bool) -> Frame:
        """One frame, uint8 [size, size, 3], with the shape in it or without."""
        image = self.base.copy()
        if shown:
            self.at = np.clip(self.at + self.drift, 10, self.size - 10)
            dx, dy = self.x - self.at[0], self.y - self.at[1]
            u = dx * np.cos(self.turn) - dy * np.sin(self.turn)
            v = dx * np.sin(self.turn) + dy * np.cos(self.turn)
            r = self.radius
            if self.shape == "circle":
                mask = u**2 + v**2 < r**2
            elif self.shape == "square":
                mask = np.maximum(abs(u), abs(v)) < r * 0.88
            else:
                mask = (v < r * 0.75) & (v > -r + abs(u) * 1.9)
            image[mask] = self.tint * (1 + 0.05 * (dx[mask] / self.size))[:, None]
        image = image * self.light + self.rng.normal(0, self.noise + 1e-6, image.shape).astype(np.float32)
        return (np.clip(image, 0, 1) * 255).astype(np.uint8)
