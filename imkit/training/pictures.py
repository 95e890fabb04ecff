"""Pictures to learn seeing from: what is in a rendered frame, as a number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imkit.scenes.pictures import Camera, Frame, paint

from .language import COLOURS, SHAPES

__all__ = [
    "COLOURS",
    "SEEN_CLASSES",
    "SHAPES",
    "WANTED_CLASSES",
    "Camera",
    "Frame",
    "album",
    "paint",
    "seen_class",
    "wanted_class",
]

SEEN_CLASSES = 1 + len(COLOURS) * len(SHAPES)
WANTED_CLASSES = (1 + len(COLOURS)) * (1 + len(SHAPES))


def seen_class(shown: tuple[str, str] | None) -> int:
    """What is in a frame as a number: 0 for nothing, else one for each colour and shape."""
    return 0 if shown is None else 1 + COLOURS.index(shown[0]) * len(SHAPES) + SHAPES.index(shown[1])


def wanted_class(target: tuple[str, ...]) -> int:
    """What is watched for as a number: 0 for nothing, else one for each colour, shape, and colour with shape."""
    colour = next((1 + COLOURS.index(word) for word in target if word in COLOURS), 0)
    shape = next((1 + SHAPES.index(word) for word in target if word in SHAPES), 0)
    return colour * (1 + len(SHAPES)) + shape


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
