"""The ears of nano: causal convolutions from mel levels to audio tokens, with a state that is plain data.

A token of 50 ms that is cut from the levels directly looks different for every place at which a sound can start in it;
convolutions before the cut need not learn each of them. Time-delay layers (Waibel et al. 1989; Peddinti et al. 2015) at
12.5 ms, then at 25 ms, together reach back about 0.8 s, a long word. The microphone and the own sound come in together,
so that echo can be told apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import AUDIO_TOKENS, STEM_DILATIONS, NanoConfig
from .sites import Sites, below

TAPS = 3


class TimeDelay(nn.Module):
    """One residual layer over its own input now and ``dilation`` and twice ``dilation`` frames ago."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation, self.back = dilation, (TAPS - 1) * dilation
        self.scale = nn.Parameter(torch.ones(width))
        self.up = nn.Linear(TAPS * width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """X [batch, frames, width] after past [batch, back, width]; gives x and the past of the next frames."""
        frames = x.shape[1]
        normed = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale
        whole = torch.cat([past.to(normed.dtype), normed], 1)
        taps = torch.cat([whole[:, i * self.dilation : i * self.dilation + frames] for i in range(TAPS)], -1)
        return x + self.down(F.gelu(self.up(taps), approximate="tanh")), whole[:, frames:]


class AudioStem(nn.Module):
    """Levels to audio tokens.

    ``forward(levels, own_levels [batch, ticks * mel_frames, bins], past [batch, stem_state]) -> tokens
    [batch, ticks * 4, width], past``. A stream begins with a past of zeros.
    """

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        wide = config.stem_width
        narrow = wide // 2
        self.level = nn.Embedding(config.mel_levels, config.level_width)
        self.own_level = nn.Embedding(config.mel_levels, config.level_width)
        self.sites = level_sites()
        self.levels_in = nn.Linear(config.mel_bins * config.level_width, narrow)
        self.own_in = nn.Linear(config.mel_bins * config.level_width, narrow, bias=False)
        self.fast = nn.ModuleList([TimeDelay(narrow, dilation) for dilation in STEM_DILATIONS[0]])
        self.halve = nn.Linear(2 * narrow, wide)
        self.slow = nn.ModuleList([TimeDelay(wide, dilation) for dilation in STEM_DILATIONS[1]])
        self.join = nn.Linear(2 * wide, config.width)

    def forward(self, levels: Tensor, own_levels: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and the past of the next micro-turn; see the class."""
        batch, frames = levels.shape[:2]
        heard, own = embedded(self.sites, self.level, self.own_level, levels, own_levels)
        x = self.levels_in(heard.flatten(2)) + self.own_in(own.flatten(2))
        at, kept = 0, []
        for layers in (self.fast, self.slow):
            if layers is self.slow:
                x = self.halve(x.reshape(batch, frames // 2, -1))
            for layer in layers:
                assert isinstance(layer, TimeDelay)
                size = layer.back * x.shape[-1]
                x, new = layer(x, past[:, at : at + size].reshape(batch, layer.back, -1))
                kept.append(new.reshape(batch, size))
                at += size
        return self.join(x.reshape(batch, frames // 4, -1)), torch.cat(kept, 1)


class Levels(nn.Module):
    """Levels cut straight into tokens, as ``AudioStem`` but without convolutions and without a past (dMel's way)."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.per_token = config.mel_frames // AUDIO_TOKENS
        self.level = nn.Embedding(config.mel_levels, config.level_width)
        self.own_level = nn.Embedding(config.mel_levels, config.level_width)
        self.sites = level_sites()
        token_levels = self.per_token * config.mel_bins * config.level_width
        self.audio_in = nn.Linear(token_levels, config.width)
        self.own_in = nn.Linear(token_levels, config.width, bias=False)

    def forward(self, levels: Tensor, own_levels: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens, and the past as it came."""
        batch, count = levels.shape[0], levels.shape[1] // self.per_token
        heard, own = embedded(self.sites, self.level, self.own_level, levels, own_levels)
        return self.audio_in(heard.reshape(batch, count, -1)) + self.own_in(own.reshape(batch, count, -1)), past


def level_sites() -> Sites:
    """Where the levels of microphone and own sound can be seen."""
    return Sites("audio.", [f"{side}.{name}" for side in ("mic", "own") for name in below("audio.mic.")])


def embedded(sites: Sites, level: nn.Module, own_level: nn.Module, *levels: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings [batch, frames, bins, level_width] of the levels of the microphone and of the own sound."""
    heard = sites("mic.hook_out", level(sites("mic.hook_in", levels[0])))
    return heard, sites("own.hook_out", own_level(sites("own.hook_in", levels[1])))
