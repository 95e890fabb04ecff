"""One micro-turn of many streams as one pure function: what ``graph.TickGraph`` does for one, without padding.

Tokens of all streams lie in one row, stream after stream, so whatever works on single tokens (embeddings, norms,
projections, perceptrons, heads) sees what is there and nothing else, however many tokens a stream has. Only attention
is by stream: queries are set out in as many rows as the longest stream of the call has, and a stream's own tokens are
scored beside its cache instead of being joined to it, so that no cache is ever copied.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import AUDIO_TOKENS
from .network import Block, Network, rotary

INPUTS = (
    "sound",
    "ears",
    "frames",
    "words",
    "provenance",
    "spoken_to",
    "done",
    "tick",
    "tokens",
    "positions",
    "rows",
    "places",
    "last",
    "bias",
)
OUTPUTS = ("heard", "word", "floor", "call", "new_keys", "new_values", "new_ears", "slots")


def cache_inputs(layers: int) -> list[str]:
    """Names of the inputs that hold the caches, after ``INPUTS``: keys and values, layer by layer."""
    return [f"{what}_{layer}" for layer in range(layers) for what in ("keys", "values")]


class BatchGraph(nn.Module):
    """One micro-turn of b streams that have t tokens together, no stream more than m, with caches of s seats.

    sound       float32 [2 * b, history + 3200], 16 kHz: every microphone, then every own sound
    ears        float32 [b, stem_state]
    frames      float32 [f, 3, px, px] in [0, 1], the frames that came; one of anything where none did
    words       int64 [w, context_words + 1], words of all streams, each behind those before it
    provenance, spoken_to  int64 [w], and the number of the stream that each is told to
    done        int64 [b, 3]: word, floor and call of the micro-turn before
    tick        int64 [b]
    tokens      int64 [t], which of frames, words, audio tokens (4 a stream) and acts, joined, each token is
    positions   int64 [t], ``(16 * tick + slot) % POSITIONS``
    rows        int64 [s, m], the token in each row of each seat; any token where there is none
    places      int64 [t], the row of each token, seat * m + row
    last        int64 [b], the act token of each stream; its audio tokens are the four before it
    bias        float32 [s, c], 0 where a cache holds something, -inf elsewhere
    keys, values  float32 [s, head, c, head_width], layer by layer
    gives       heard [b, 4, vocabulary], word [b, vocabulary], floor [b, 3], call [b, calls], new keys and values
                [layer, t, head, head_width], the new ears [b, stem_state]; slots [b, sum of classes] where there are
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        sound: Tensor,
        ears: Tensor,
        frames: Tensor,
        words: Tensor,
        provenance: Tensor,
        spoken_to: Tensor,
        done: Tensor,
        tick: Tensor,
        tokens: Tensor,
        positions: Tensor,
        rows: Tensor,
        places: Tensor,
        last: Tensor,
        bias: Tensor,
        *cache: Tensor,
    ) -> tuple[Tensor, ...]:
        """One micro-turn, in the order of ``OUTPUTS``; see the class."""
        net = self.network
        clock = net.clock_features(tick)
        levels = net.mel(sound)
        streams = tick.shape[0]
        sounds, new_ears = net.embed_audio(levels[:streams], levels[streams:], ears)
        pool = [
            net.patches(frames),
            net.embed_words(words, provenance.unsqueeze(1), clock[spoken_to].unsqueeze(1)).squeeze(1),
            sounds.flatten(0, 1),
            net.embed_act(done[:, 0], done[:, 1], done[:, 2], clock),
        ]
        x = torch.cat(pool, 0)[tokens]
        cos, sin = rotary(positions, net.rotary_steps)
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        longest = rows.shape[1]
        row = torch.arange(longest, device=rows.device)
        later = torch.zeros(longest, longest, device=x.device)
        later = later.masked_fill(row.unsqueeze(0) > row.unsqueeze(1), float("-inf"))
        reach = bias[:, None, None], later
        keys, values = [], []
        for i, block in enumerate(net.blocks):
            assert isinstance(block, Block)
            x, key, value = _layer(block, x, cos, sin, reach, rows, places, cache[2 * i], cache[2 * i + 1])
            keys.append(key)
            values.append(value)
        back = torch.arange(AUDIO_TOKENS, 0, -1, device=last.device)
        residual = net.norm(x)
        spoken, acted = residual[last.unsqueeze(1) - back], residual[last]
        out = (
            net.heard_head(spoken),
            net.word_head(acted),
            net.floor_head(acted),
            net.call_head(acted),
            torch.stack(keys),
            torch.stack(values),
            new_ears,
        )
        return out if net.slot_head is None else (*out, net.slot_head(acted))


def _layer(
    block: Block,
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    reach: tuple[Tensor, Tensor],
    rows: Tensor,
    places: Tensor,
    past_keys: Tensor,
    past_values: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens x [t, width] through one layer; gives x and the new keys and values [t, head, head_width]."""
    qkv = block.query_key_value(block.norm_attention(x))
    query, key, value = qkv.view(-1, 3, block.heads, block.head_width).unbind(1)
    query, key = _turn(query, cos, sin), _turn(key, cos, sin)
    asked = (query * block.head_width**-0.5)[rows].transpose(1, 2)  # [s, head, m, head_width]
    fresh_keys, fresh_values = key[rows].transpose(1, 2), value[rows].transpose(1, 2)
    past, later = reach
    scores = [asked @ past_keys.transpose(-1, -2) + past, asked @ fresh_keys.transpose(-1, -2) + later]
    pattern = torch.softmax(torch.cat(scores, -1), -1)
    held = past_keys.shape[2]
    mixed = pattern[..., :held] @ past_values + pattern[..., held:] @ fresh_values
    mixed = mixed.transpose(1, 2).flatten(0, 1)[places].flatten(1)
    x = x + block.out(mixed)
    wide = nn.functional.gelu(block.up(block.norm_mlp(x)), approximate="tanh")
    return x + block.down(wide), key, value


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Pairs of x [t, head, head_width] turned by angles [t, 1, head_width / 2]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
