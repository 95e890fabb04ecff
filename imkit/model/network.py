"""The network of nano: tokens of one micro-turn go through one causal decoder at once, outputs are read in parallel.

Tokens of a micro-turn, in this order: the newest camera frame (if one came), up to eight words (heard in the micro-turn
before, typed, or told by an event), four audio tokens of 50 ms (the microphone and the model's own sound, summed), and
one act token that carries what the model did last and the clock. What did not come is no token at all. Words heard are
read from the audio tokens; floor, next word and call from the act token.

Positions count ``16 * tick + slot``, so equal times are equal distances. Rotary frequencies are whole multiples of
``2 pi / 65536``: distances are exact at any age of the stream.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import FLOORS, PROVENANCES, NanoConfig
from .frontend import MelLevels
from .sites import BLOCK, Sites, below, written_out
from .stem import AudioStem, Levels

POSITIONS = 65_536


def rotary_steps(head_width: int) -> Tensor:
    """Whole rotary frequencies in units of ``2 pi / POSITIONS`` [head_width / 2], int64, from fast to slow."""
    fastest, slowest = POSITIONS / (2 * math.pi), 3.0
    count = head_width // 2
    steps = [round(fastest * (slowest / fastest) ** (i / (count - 1))) for i in range(count)]
    return torch.tensor(steps, dtype=torch.int64)


def rotary(positions: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine [..., head_width / 2] of integer positions [...]."""
    turns = (positions.unsqueeze(-1) * steps) % POSITIONS
    angle = turns.to(torch.float32) * (2 * math.pi / POSITIONS)
    return torch.cos(angle), torch.sin(angle)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of x [batch, pos, head, width] by angles [batch, pos, width / 2]."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos.unsqueeze(2), sin.unsqueeze(2)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Scaled dot-product attention, all [batch, head, pos, width]; ``bias`` is added to the scores.

    While gradients are taken on a CPU it is written out: torch's fused kernel needs twice the time backwards there.
    """
    if torch.is_grad_enabled() and query.device.type == "cpu":
        return written_out(query, key, value, bias, None)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis (Zhang & Sennrich 2019), in plain operators so that it exports."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """X [..., width] to unit mean square, scaled."""
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Block(nn.Module):
    """One pre-norm decoder layer."""

    def __init__(self, config: NanoConfig, layer: int = 0) -> None:
        super().__init__()
        self.sites = Sites(BLOCK.format(i=layer), below(BLOCK))
        width = config.width
        self.heads, self.head_width = config.heads, config.head_width
        self.norm_attention = RMSNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_mlp = RMSNorm(width)
        self.up = nn.Linear(width, config.expansion * width, bias=False)
        self.down = nn.Linear(config.expansion * width, width, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """X [batch, pos, width], bias [batch or 1, 1, pos, past + pos]; gives x, new keys, values.

        ``past`` are keys (already turned) and values [batch, past, head, head_width].
        """
        batch, length, width = x.shape
        at = self.sites
        x = at("hook_in", x)
        qkv = self.query_key_value(at("ln1.hook_out", self.norm_attention(x)))
        query, key, value = qkv.view(batch, length, 3, self.heads, self.head_width).unbind(2)
        query, key = at("attn.q.hook_out", query), at("attn.k.hook_out", key)
        value = at("attn.v.hook_out", value)
        query = at("attn.hook_rot_q", rotate(query, cos, sin))
        key = at("attn.hook_rot_k", rotate(key, cos, sin))
        keys, values = key, value
        if past is not None:
            keys, values = torch.cat([past[0], key], 1), torch.cat([past[1], value], 1)
        turned = query.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), bias
        watched = at.used("attn.hook_attn_scores", "attn.hook_pattern")
        mixed = written_out(*turned, at) if watched else attention(*turned)
        mixed = at("attn.o.hook_in", mixed.transpose(1, 2))
        x = x + at("attn.hook_out", self.out(mixed.reshape(batch, length, width)))
        x = at("ln2.hook_in", x)
        wide = at("mlp.in.hook_out", self.up(at("ln2.hook_out", self.norm_mlp(x))))
        wide = at("mlp.out.hook_in", F.gelu(wide, approximate="tanh"))
        x = at("hook_out", x + at("mlp.hook_out", self.down(wide)))
        return x, key, value


class Patches(nn.Module):
    """A frame to one token: independent 40-pixel patches through an hMLP stem (Touvron et al. 2022, arXiv 2203.09795).

    ``forward(frames [n, 3, 120, 120] in [0, 1]) -> [n, width]``. No patch sees its neighbour before they are joined.
    """

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        wide = config.patch_width
        count = (config.frame_px // config.patch_px) ** 2
        self.stem = nn.ModuleList(
            [
                nn.Conv2d(3, wide // 4, 4, stride=4),
                nn.Conv2d(wide // 4, wide // 2, 5, stride=5),
                nn.Conv2d(wide // 2, wide, 2, stride=2),
            ]
        )
        self.join = nn.Linear(count * wide, config.width)
        self.mix = nn.Linear(config.width, config.width)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames to tokens; see the class."""
        x = frames * 2 - 1
        for layer in self.stem:
            x = F.gelu(layer(x), approximate="tanh")
        out: Tensor = self.mix(F.gelu(self.join(x.flatten(1)), approximate="tanh"))
        return out


class Network(nn.Module):
    """Embeddings, decoder and heads. It keeps no state: the caller says what is in reach."""

    rotary_steps: Tensor

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.config = config
        width, words = config.width, len(config.vocabulary)
        self.mel = MelLevels(config)
        self.ears = AudioStem(config) if config.stem_width else Levels(config)
        self.word = nn.Embedding(words, width)
        self.before = nn.ModuleList([nn.Embedding(words, width) for _ in range(config.context_words)])
        self.provenance = nn.Embedding(len(PROVENANCES), width)
        self.said = nn.Embedding(words, width)
        self.floor = nn.Embedding(len(FLOORS), width)
        self.call = nn.Embedding(len(config.calls), width)
        self.clock = nn.Linear(2 * config.clock_octaves, width)
        self.patches = Patches(config)
        self.blocks = nn.ModuleList([Block(config, layer) for layer in range(config.layers)])
        self.norm = RMSNorm(width)
        self.heard_head = nn.Linear(width, words)
        self.word_head = nn.Linear(width, words)
        self.floor_head = nn.Linear(width, len(FLOORS))
        self.call_head = nn.Linear(width, len(config.calls))
        self.slot_head = nn.Linear(width, sum(config.slot_sizes)) if config.slots else None
        self.register_buffer("rotary_steps", rotary_steps(config.head_width), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.5 if module.embedding_dim < 16 else 0.2)
            elif isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        for table in self.before:
            assert isinstance(table, nn.Embedding)
            nn.init.zeros_(table.weight)
        for block in self.blocks:
            assert isinstance(block, Block)
            nn.init.zeros_(block.out.weight)
            nn.init.zeros_(block.down.weight)

    def embed_audio(self, levels: Tensor, own_levels: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Levels [batch, ticks * mel_frames, bins], microphone and own, after a past [batch, stem_state].

        Gives tokens [batch, ticks * 4, width] and the past of the next micro-turn; zeros are the past of a beginning.
        """
        tokens, now = self.ears(levels, own_levels, past)
        return tokens, now

    def clock_features(self, ticks: Tensor) -> Tensor:
        """Phases of micro-turn numbers [...] at periods of 2, 4, 8 ... ticks: [..., 2 * octaves]."""
        periods = 2 ** torch.arange(1, self.config.clock_octaves + 1, device=ticks.device)
        phase = (ticks.unsqueeze(-1) % periods).float() / periods * (2 * math.pi)
        return torch.cat([torch.sin(phase), torch.cos(phase)], -1)

    def embed_words(self, words: Tensor, provenance: Tensor, clock: Tensor) -> Tensor:
        """Word ids [..., context_words + n] and provenance ids [..., n] with clock features [..., n, 2 * octaves].

        Gives tokens [..., n, width]. The first ``context_words`` are those before; each token knows the words that came
        right before its own, whenever that was: "what follows say" is then read off one token, where attention would
        have to find the neighbour at an offset that is never the same. 0 stands for no word.
        """
        most, count = self.config.context_words, provenance.shape[-1]
        out: Tensor = self.word(words[..., most:]) + self.provenance(provenance) + self.clock(clock)
        for i, table in enumerate(self.before, 1):
            out = out + table(words[..., most - i : most - i + count])
        return out

    def embed_act(self, said: Tensor, floor: Tensor, call: Tensor, clock: Tensor) -> Tensor:
        """What was done in the micro-turn before [...] with the clock of this one to tokens [..., width]."""
        out: Tensor = self.said(said) + self.floor(floor) + self.call(call) + self.clock(clock)
        return out

    def decode(
        self, x: Tensor, positions: Tensor, bias: Tensor, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens x [batch, pos, width] at integer positions [batch, pos] through all layers.

        bias [batch or 1, 1, pos, past + pos]; past keys and values [layer, batch, past, head, head_width].
        Gives the normed residual and the new keys and values [layer, batch, pos, head, head_width].
        """
        cos, sin = rotary(positions, self.rotary_steps)
        keys, values = [], []
        for i, block in enumerate(self.blocks):
            x, key, value = block(x, cos, sin, bias, None if past is None else (past[0][i], past[1][i]))
            keys.append(key)
            values.append(value)
        return self.norm(x), torch.stack(keys), torch.stack(values)
