"""The last hand at a scene: a murmur of other people, the camera's pictures, what the microphone hears of it all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from imkit.voices.sound import Sound, microphone

from .pictures import Camera
from .script import TICK, Scene, Script


def finished(
    script: Script, rng: np.random.Generator, video: bool, babble: Callable[[], npt.NDArray[np.int16]]
) -> Scene:
    """The scene that a script has become. ``babble`` gives somebody's sentence, int16 [samples], for the murmur."""
    n = script.ticks
    own = script.own[: n * TICK]
    murmur = _murmur(rng, n * TICK, babble) if rng.random() < 0.3 else None
    frames = _frames(script, rng) if video else {}
    return Scene(
        n,
        microphone(rng, script.voice, own, murmur),
        own,
        frames,
        script.words_in,
        script.heard,
        script.phase,
        script.spans,
        script.word[:n],
        script.floor[:n],
        script.call[:n],
        script.countdown[:n],
        script.wanted[:n],
        script.shown if video else {},
        script.slots,
        script.notes,
        promised=script.promised[:n],
        awaited=script.awaited[:n],
        moment=script.moment[:n],
    )


def _murmur(rng: np.random.Generator, samples: int, babble: Callable[[], npt.NDArray[np.int16]]) -> Sound:
    """Six people who say their sentence again and again."""
    murmur = np.zeros(samples, np.float32)
    for _ in range(6):
        said = babble().astype(np.float32) / 32767
        for at in range(int(rng.integers(0, 16000)), samples, len(said) + 4000):
            piece = said[: samples - at]
            murmur[at : at + len(piece)] += piece
    return murmur


def _frames(script: Script, rng: np.random.Generator) -> dict[int, npt.NDArray[np.uint8]]:
    """A picture for every micro-turn, of what is shown in it or of nothing."""
    frames: dict[int, npt.NDArray[np.uint8]] = {}
    camera, before = Camera(rng), None
    for k in range(script.ticks):
        now = script.shown.get(k)
        if now is not None and (now != before or script.shown.get(k - 1) is None):
            camera.appear(*now)
        frames[k] = camera.frame(now is not None)
        before = now
    return frames
