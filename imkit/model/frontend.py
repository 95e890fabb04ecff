"""Sound as levels: a causal log-mel front end in a few levels, after dMel (Bai et al. 2024, arXiv 2407.15835).

Frame ``j`` of a micro-turn looks at the 25 ms that end with hop ``j``; nothing looks ahead. Levels are fixed, without
running normalisation, so a stream cut into pieces gives what the whole gives.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import NanoConfig

LOW_LOG10, HIGH_LOG10 = -6.0, 1.5
RATE = 16_000
MATMUL_FRAMES = 64


def mel_filterbank(
    bins: int, window: int, low_hz: float = 60.0, high_hz: float = 7600.0, warp: float | Tensor = 1.0
) -> Tensor:
    """Triangular mel filters [window // 2 + 1, bins].

    ``warp`` stretches their edges, all alike or each by its own factor [bins + 2] (vocal tract length perturbation,
    Jaitly & Hinton 2013).
    """

    def to_mel(hz: float) -> float:
        return 2595.0 * math.log10(1 + hz / 700.0)

    points = torch.linspace(to_mel(low_hz), to_mel(high_hz), bins + 2, dtype=torch.float64)
    edges = (700.0 * (10 ** (points / 2595.0) - 1) * warp).clamp(max=RATE / 2 - 1)
    hz = torch.arange(window // 2 + 1, dtype=torch.float64) * RATE / window
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    up = (hz[:, None] - left) / (centre - left).clamp(min=1e-3)
    down = (right - hz[:, None]) / (right - centre).clamp(min=1e-3)
    bank = torch.minimum(up, down).clamp(min=0)
    empty = bank.sum(0) < 0.5  # low filters narrower than one bin: take the nearest one
    nearest = (hz[:, None] - centre).abs().argmin(0)
    bank[nearest[empty], torch.nonzero(empty)[:, 0]] = 1.0
    return (bank / bank.sum(0)).float()


class MelLevels(nn.Module):
    """Waveform to mel levels.

    ``forward(samples [batch, history + n * hop]) -> levels [batch, n, bins]``, int64 in ``0 .. mel_levels - 1``.
    """

    basis: Tensor
    taper: Tensor
    filters: Tensor

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.window, self.hop, self.levels = config.mel_window, config.mel_hop, config.mel_levels
        n = torch.arange(self.window, dtype=torch.float64)
        taper = torch.hann_window(self.window, periodic=True, dtype=torch.float64)
        angle = 2 * math.pi * torch.outer(n, torch.arange(self.window // 2 + 1, dtype=torch.float64)) / self.window
        scale = 1.0 / math.sqrt(float((taper**2).sum()))
        basis = torch.cat([torch.cos(angle), torch.sin(angle)], 1) * taper[:, None] * scale
        self.register_buffer("taper", (taper * scale).float(), persistent=False)
        self.register_buffer("basis", basis.float(), persistent=False)
        self.register_buffer("filters", mel_filterbank(config.mel_bins, self.window), persistent=False)

    def log_mel(self, samples: Tensor, filters: Tensor | None = None) -> Tensor:
        """Log10 mel power [batch, n, bins] of samples [batch, history + n * hop]."""
        frames = samples.unfold(1, self.window, self.hop)
        half = self.window // 2 + 1
        if frames.shape[1] > MATMUL_FRAMES:  # the same numbers, faster for whole recordings
            turned = torch.fft.rfft(frames * self.taper)
            power = turned.real**2 + turned.imag**2
        else:
            spectrum = frames @ self.basis
            power = spectrum[..., :half] ** 2 + spectrum[..., half:] ** 2
        mel = power @ (self.filters if filters is None else filters)
        return torch.log10(mel + 1e-7)

    def quantise(self, log_mel: Tensor) -> Tensor:
        """Log10 mel power to the nearest of evenly spaced levels."""
        unit = (log_mel - LOW_LOG10) / (HIGH_LOG10 - LOW_LOG10)
        return (unit * (self.levels - 1)).round().clamp(0, self.levels - 1).long()

    def forward(self, samples: Tensor) -> Tensor:
        """Levels of samples; see the class."""
        return self.quantise(self.log_mel(samples))
