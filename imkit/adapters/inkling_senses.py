"""What Inkling hears and sees, a micro-turn at a time: dMel tokens of 50 ms, and patches of 40 x 40.

Its encoder-free front end is the one published with it (transformers' ``models/inkling``). Sound: Hann windows of
100 ms every 50 ms that look back, magnitudes, 80 Slaney mels from 0 to 8 kHz, log10, the nearest of 16 evenly spaced
levels from -7 to 2. The 800 samples before a micro-turn are all that a stream has to keep; in pieces it gives what the
whole gives.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import InklingFeatureExtractor
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from imkit.stream import INPUT_RATE, INPUT_SAMPLES, ModelError

LOW, HIGH, LEVELS = -7.0, 2.0, 16
Sound = NDArray[np.float32]


class Ear:
    """Sound to levels. ``past`` samples before each micro-turn belong to its first token."""

    def __init__(self, extractor: InklingFeatureExtractor | None = None) -> None:
        self.extractor = extractor or InklingFeatureExtractor()
        hop, self.past = self.extractor.hop_length, self.extractor.n_fft - self.extractor.hop_length
        if self.extractor.sampling_rate != INPUT_RATE or INPUT_SAMPLES % hop or self.past % hop:
            raise ModelError(
                f"an Inkling that hears {self.extractor.sampling_rate} Hz in hops of {hop} samples cannot be fed "
                f"{INPUT_SAMPLES} samples at {INPUT_RATE} Hz; expected whole hops"
            )
        self._early = self.past // hop  # tokens of the past alone, which the micro-turn before has given
        self._centres = torch.linspace(LOW, HIGH, LEVELS, dtype=torch.float64).float()

    def __call__(self, past: Sound, audio: Sound) -> Tensor:
        """Levels [tokens, mels] of one micro-turn after ``past``, int64 in 0 to 15."""
        heard: Any = self.extractor(
            np.concatenate([past, audio]), sampling_rate=INPUT_RATE, return_tensors="pt", padding=True
        )
        mel = heard["input_features"][0, self._early :]
        return cast(Tensor, (mel.clamp(LOW, HIGH)[..., None] - self._centres).abs().argmin(-1))


def patches_of(frame: NDArray[np.uint8], patch: int, longest: int) -> Tensor:
    """A picture [height, width, 3] as patches [n, 2, patch, patch, 3], row by row, as Inkling's processor cuts them.

    Its longer side is made ``longest`` at most, smoothly. There is one column more than fits, filled like every part
    beyond the edge with -1 before scaling; the second axis is time, the same picture twice.
    """
    x = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
    if (most := max(x.shape[-2:])) > longest:
        size = [max(1, round(side * longest / most)) for side in x.shape[-2:]]
        x = F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
    height, width = x.shape[-2:]
    rows, columns = -(-height // patch), width // patch + 1
    x = F.pad(x[0], (0, columns * patch - width, 0, rows * patch - height), value=-1.0)
    mean, std = (torch.tensor(values)[:, None, None] for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    x = (x / 255 - mean) / std
    x = x.view(3, rows, patch, columns, patch).permute(1, 3, 2, 4, 0).reshape(-1, 1, patch, patch, 3)
    return x.expand(-1, 2, -1, -1, -1)
