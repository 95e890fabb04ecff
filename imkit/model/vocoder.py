"""Mel frames to sound: causal ConvNeXt blocks and an inverse Fourier transform, after Vocos (Siuzdak 2023, 2306.00814).

A frame of 30 ms ends with each hop of 10 ms. Spectra are placed where their mel frames were taken and overlap, so a hop
is whole when two more frames have come: sound leaves 20 ms after its mel frame. What blocks remember and what still
overlaps is in explicit states, so a stream cut into pieces gives what the whole gives.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .frontend import mel_filterbank

HOP = 160
PIECES = 3  # hops in a frame
WINDOW = PIECES * HOP
DELAY_HOPS = PIECES - 1
DELAY = DELAY_HOPS * HOP
KERNEL = 7
FLOOR_LOG10 = -6.0


def _taper() -> Tensor:
    return torch.hann_window(WINDOW, periodic=True, dtype=torch.float64)


class LogMel(nn.Module):
    """``forward(samples [batch, n * 160]) -> [batch, n, bins]``: log10 mel power of the 30 ms up to each hop's end.

    About unit size; ``LogMel.silence`` is the value of silence.
    """

    silence = (FLOOR_LOG10 + 3) / 2
    taper: Tensor
    filters: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        taper = _taper()
        self.register_buffer("taper", (taper / taper.square().sum().sqrt()).float(), persistent=False)
        self.register_buffer("filters", mel_filterbank(bins, WINDOW), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Frames of samples; see the class."""
        frames = F.pad(samples, (DELAY, 0)).unfold(1, WINDOW, HOP)
        turned = torch.fft.rfft(frames * self.taper)
        power = (turned.real**2 + turned.imag**2) @ self.filters
        return (torch.log10(power + 10**FLOOR_LOG10) + 3) / 2


class CausalBlock(nn.Module):
    """A ConvNeXt block that looks back ``KERNEL - 1`` frames: depthwise convolution, norm, two layers, residual."""

    def __init__(self, width: int, expansion: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, KERNEL, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, expansion * width)
        self.down = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """X [batch, n, width] and the frames before it [batch, KERNEL - 1, width]; gives both anew."""
        joined = torch.cat([past, x], 1)
        mixed = self.depthwise(joined.transpose(1, 2)).transpose(1, 2)
        added = self.down(F.gelu(self.up(self.norm(mixed)), approximate="tanh"))
        return x + self.scale * added, joined[:, -(KERNEL - 1) :]


class CausalStack(nn.Module):
    """Causal blocks one after the other; their state is one tensor [layers, batch, KERNEL - 1, width]."""

    def __init__(self, width: int, layers: int, expansion: int) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        self.blocks = nn.ModuleList([CausalBlock(width, expansion, 1 / layers) for _ in range(layers)])

    def empty(self, batch: int = 1) -> Tensor:
        """The state before the first frame."""
        return torch.zeros(self.layers, batch, KERNEL - 1, self.width)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """X [batch, n, width] through all blocks; gives x and the new state."""
        after = []
        for i, block in enumerate(self.blocks):
            x, past = block(x, state[i])
            after.append(past)
        return x, torch.stack(after)


class Vocoder(nn.Module):
    """``forward(mel [batch, n, bins], state, overlap) -> sound [batch, n * 160], state, overlap``.

    The sound is 20 ms (``DELAY`` samples) behind the mel frames. ``overlap`` [batch, 3, 160] is what earlier frames add
    to hops that are not whole yet. Both start as ``empty()``.
    """

    basis: Tensor

    def __init__(self, bins: int = 64, width: int = 160, layers: int = 6, expansion: int = 3) -> None:
        super().__init__()
        half = WINDOW // 2 + 1
        self.read = nn.Linear(bins, width)
        self.stack = CausalStack(width, layers, expansion)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2 * half)
        nn.init.normal_(self.head.weight, std=0.02)
        with torch.no_grad():
            self.head.bias[:half] = -1.0
        n, k = torch.arange(WINDOW, dtype=torch.float64), torch.arange(half, dtype=torch.float64)
        angle = 2 * math.pi * torch.outer(k, n) / WINDOW
        weight = torch.full((half, 1), 2.0, dtype=torch.float64)
        weight[0] = weight[-1] = 1.0
        taper = _taper()
        gain = taper * math.sqrt(float(taper.square().sum())) / WINDOW / 1.125  # squared tapers overlap to 9 / 8
        inverse = torch.cat([torch.cos(angle) * weight, -torch.sin(angle) * weight]) * gain
        self.register_buffer("basis", inverse.float(), persistent=False)

    def empty(self, batch: int = 1) -> tuple[Tensor, Tensor]:
        """State and overlap before the first frame."""
        return self.stack.empty(batch), torch.zeros(batch, PIECES, HOP)

    def forward(self, mel: Tensor, state: Tensor, overlap: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mel frames to sound; see the class."""
        x, state = self.stack(self.read(mel), state)
        size, phase = self.head(self.norm(x)).chunk(2, -1)
        size = torch.exp(size.clamp(max=4.0))
        frames = torch.cat([size * torch.cos(phase), size * torch.sin(phase)], -1) @ self.basis
        first, second, third = frames.reshape(*frames.shape[:2], PIECES, HOP).unbind(2)
        second = torch.cat([overlap[:, :1], second], 1)
        third = torch.cat([overlap[:, 1:], third], 1)
        count = first.shape[1]
        sound = first + second[:, :count] + third[:, :count]
        overlap = torch.cat([second[:, -1:], third[:, -DELAY_HOPS:]], 1)
        return sound.flatten(1), state, overlap

    def whole(self, mel: Tensor) -> Tensor:
        """All of a recording's mel frames to its sound, from an empty state."""
        sound, _, _ = self(mel, *self.empty(mel.shape[0]))
        return torch.as_tensor(sound)
