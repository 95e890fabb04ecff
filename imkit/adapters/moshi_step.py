"""Moshi's own step, 80 ms at a time, on the weights of transformers' ``MoshiForConditionalGeneration``.

Its ``generate`` is not full duplex: behind the prompt the user is silence. Here the user's stream is what the
microphone heard. Positions are laid out as transformers lays them out (after Défossez et al. 2024, arXiv 2410.00037):
position 0 holds start tokens only; at position p stand text p - 1, the first codebook of frame p - 1 and the other
codebooks of frame p - 2, of both streams alike. So each frame of the user's gives a frame of its own, from the first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache, MoshiForConditionalGeneration
from transformers.cache_utils import DynamicSlidingWindowLayer

from imkit.stream import ModelError


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. Any of these may be given as an option of a session.

    greedy                         always the likeliest one, and the seed is unused
    temperature, text_temperature  of sound and of text
    top_k, text_top_k              only among so many of the likeliest; 0 is among all
    """

    greedy: bool = False
    temperature: float = 0.8
    text_temperature: float = 0.7
    top_k: int = 250
    text_top_k: int = 25

    def __post_init__(self) -> None:
        if min(self.temperature, self.text_temperature) <= 0 or min(self.top_k, self.text_top_k) < 0:
            raise ModelError(f"{self}: expected temperatures above 0 and top_k of 0 or more; or greedy=True")


@dataclass
class StepState:
    """One stream of tokens. ``copy.deepcopy`` forks it, keys and values and dice included.

    text, own, user  tokens of the position to come: [1, 1] and [1, codebooks] each
    late             the user's frame before, whose later codebooks are still to come [1, codebooks]
    """

    cache: Any
    text: Tensor
    own: Tensor
    user: Tensor
    late: Tensor
    dice: torch.Generator = field(default_factory=torch.Generator)
    begun: bool = False


class Stepper:
    """The two transformers of Moshi. One object serves any number of streams; each has its own ``StepState``."""

    def __init__(self, model: MoshiForConditionalGeneration, context: int | None = None) -> None:
        """``context`` is how many frames stay in reach; as many as the model was trained with where it is None."""
        config: Any = model.config
        self.model, self.config = model, config
        self.codebooks = int(config.num_codebooks)
        self.context = context or config.sliding_window or config.max_position_embeddings
        if self.context < 2 or self.codebooks < 2:
            raise ModelError(f"context={self.context} frames, {self.codebooks} codebooks; expected 2 or more of each")
        self.depth = Depth(model)

    def open(self, seed: int) -> StepState:
        """Start tokens everywhere."""
        config, device = self.config, self.model.device
        cache = DynamicCache()
        cache.layers = [DynamicSlidingWindowLayer(self.context) for _ in range(config.num_hidden_layers)]
        start = torch.full((1, self.codebooks), config.audio_vocab_size, device=device)
        text = torch.full((1, 1), config.vocab_size, device=device)
        return StepState(cache, text, start, start, start, torch.Generator().manual_seed(seed))

    def step(self, state: StepState, user: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
        """The user's frame [codebooks] in; text tokens [n] and the model's own frame [codebooks] of that time out.

        The last text token is that of the next frame: it is known one frame before its sound. So there is one token a
        frame, and two with the first frame. Changes ``state``.
        """
        texts = []
        if not state.begun:
            state.text, codes = self._position(state, sampling)
            state.own = torch.cat(
                [codes[:, :1], state.own[:, 1:]], 1
            )  # the others would be of a frame before the first
            state.begun = True
            texts.append(state.text[0])
        user = user[None]
        state.user, state.late = torch.cat([user[:, :1], state.late[:, 1:]], 1), user
        first = state.own[:, :1]
        state.text, state.own = self._position(state, sampling)
        return torch.cat([*texts, state.text[0]]), torch.cat([first, state.own[:, 1:]], 1)[0]

    def _position(self, state: StepState, sampling: Sampling) -> tuple[Tensor, Tensor]:
        """One position: text [1, 1] and codes [1, codebooks] of the next. Nothing here waits for the device."""
        model, config = self.model, self.config
        text_noise = noise = None
        if not sampling.greedy:
            size = (config.vocab_size + self.codebooks * config.audio_vocab_size,)
            drawn = torch.empty(size).exponential_(generator=state.dice).log_().neg_()
            drawn = drawn.to(model.device, non_blocking=True)
            text_noise = drawn[: config.vocab_size]
            noise = drawn[config.vocab_size :].view(self.codebooks, -1)
        x = model.decoder.model.embed_tokens(state.text)
        for table, code in zip(model.embed_tokens, torch.cat([state.own, state.user], 1).T, strict=True):
            x = x + table(code[None])
        out = model.decoder(inputs_embeds=x, past_key_values=state.cache, use_cache=True)
        text = choose(out.logits[:, -1], text_noise, sampling.text_temperature, sampling.text_top_k)
        return text[:, None], self.depth(out.last_hidden_state[:, -1], text, noise, sampling)


class Depth:
    """The depth transformer: the codebooks of one frame, each given those before.

    Written out, with each codebook's own weights taken by a number that is known beforehand and dice that are thrown
    beforehand: every shape is fixed and nothing asks the device for a value, so that a CUDA graph could hold a call.
    transformers' own forward asks once a codebook.
    """

    def __init__(self, model: MoshiForConditionalGeneration) -> None:
        self.decoder = model.depth_decoder
        config = self.decoder.config
        self.codebooks, self.window = int(config.num_codebooks), int(config.sliding_window or config.num_codebooks)
        self.heads, self.groups, self.width = config.num_attention_heads, config.num_key_value_heads, config.head_dim

    def __call__(self, hidden: Tensor, text: Tensor, noise: Tensor | None, sampling: Sampling) -> Tensor:
        """Hidden [1, d], text [1], noise [codebooks, vocabulary] or None for the likeliest: codes [1, codebooks]."""
        decoder = self.decoder
        kept: list[tuple[list[Tensor], list[Tensor]]] = [([], []) for _ in decoder.layers]
        codes: list[Tensor] = []
        for k in range(self.codebooks):
            x = decoder.text_embed_tokens(text) if k == 0 else decoder.embed_tokens[k - 1](codes[-1])
            x = x + F.linear(hidden, decoder.input_projections.weight[k])
            for layer, (keys, values) in zip(decoder.layers, kept, strict=True):
                x = x + self._attend(layer.self_attn, layer.input_layernorm(x), k, keys, values)
                gate, up = F.linear(layer.post_attention_layernorm(x), layer.mlp.fc1.weight[k]).chunk(2, -1)
                x = x + F.linear(layer.mlp.activation_fn(gate) * up, layer.mlp.fc2.weight[k])
            logits = F.linear(x, decoder.lm_heads.weight[k])
            codes.append(choose(logits, None if noise is None else noise[k], sampling.temperature, sampling.top_k))
        return torch.stack(codes, 1)

    def _attend(self, attention: Any, x: Tensor, k: int, keys: list[Tensor], values: list[Tensor]) -> Tensor:
        def part(linear: Any, heads: int) -> Tensor:
            return F.linear(x, linear.linear.weight[k]).view(1, heads, 1, self.width)

        query = part(attention.q_proj, self.heads)
        keys.append(part(attention.k_proj, self.groups))
        values.append(part(attention.v_proj, self.groups))
        key, value = (torch.cat(one[-self.window :], 2) for one in (keys, values))
        mixed = F.scaled_dot_product_attention(query, key, value, scale=attention.scaling, enable_gqa=True)
        return F.linear(mixed.reshape(1, -1), attention.o_proj.linear.weight[k])


def choose(logits: Tensor, noise: Tensor | None, temperature: float, top_k: int) -> Tensor:
    """Logits [1, n] to a token [1]: the likeliest one, or with Gumbel noise [n] a sample (Gumbel-max).

    The same noise and logits give the same token, and nothing has to be asked of the device on the way.
    """
    if noise is None:
        return logits.argmax(-1)
    scores = logits.float() / temperature
    if 0 < top_k < logits.shape[-1]:
        least = scores.topk(top_k, -1).values[:, -1:]
        scores = scores.masked_fill(scores < least, float("-inf"))
    return (scores + noise).argmax(-1)
