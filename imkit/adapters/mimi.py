"""Mimi (Défossez et al. 2024, arXiv 2410.00037) a few frames at a time, on the weights of transformers' ``MimiModel``.

Its encoder has a streaming mode of its own. Its decoder has none: given a cache it keeps that of the transformer and
forgets the convolutions, which gives noise. So the decoder's convolutions are run here, each with the end of its own
past: a convolution keeps the inputs that its kernel still reaches, a transposed one the tail that its next outputs are
added to. Streamed equals whole, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache, MimiModel
from transformers.models.mimi.modeling_mimi import MimiConv1d, MimiConvTranspose1d, MimiResnetBlock

from imkit.stream import ModelError


@dataclass
class CodecState:
    """Both halves of the codec in one stream. ``copy.deepcopy`` forks it.

    heard, padding  the encoder's keys and values, and the ends of what its convolutions saw; None before the first call
    said, tails     the decoder's keys and values, and the ends of its convolutions by their place
    """

    heard: Any = None
    padding: Any = None
    said: Any = None
    tails: dict[int, Tensor] = field(default_factory=dict)


class Codec:
    """A ``MimiModel`` that streams. One object serves any number of streams; each has its own ``CodecState``."""

    def __init__(self, mimi: MimiModel, codebooks: int) -> None:
        config = mimi.config
        if not config.use_causal_conv or config.trim_right_ratio != 1.0 or config.audio_channels != 1:
            raise ModelError(
                f"a Mimi with use_causal_conv={config.use_causal_conv}, trim_right_ratio={config.trim_right_ratio}, "
                f"audio_channels={config.audio_channels} cannot be streamed; expected True, 1.0 and 1"
            )
        if config.pad_mode != "constant":
            raise ModelError(f"a Mimi with pad_mode={config.pad_mode!r} cannot be streamed; expected 'constant'")
        self.mimi, self.codebooks = mimi, codebooks
        self.rate, self.block = int(config.sampling_rate), int(config.frame_size)
        self._decoder = cast(Any, mimi.decoder)
        self._places = {id(part): place for place, part in enumerate(self._decoder.modules())}

    def encode(self, state: CodecState, sound: Tensor) -> Tensor:
        """Sound [samples], whole blocks of it, to codes [codebooks, blocks]. Changes ``state``."""
        out = self.mimi.encode(
            sound[None, None],
            num_quantizers=self.codebooks,
            encoder_past_key_values=state.heard,
            padding_cache=state.padding,
            use_streaming=True,
        )
        state.heard, state.padding = out.encoder_past_key_values, out.padding_cache
        return cast(Tensor, out.audio_codes)[0]

    def decode(self, state: CodecState, codes: Tensor) -> Tensor:
        """Codes [codebooks, blocks] to sound [samples]. Changes ``state``."""
        decoder = self._decoder
        state.said = DynamicCache(config=decoder.config) if state.said is None else state.said
        x = self.mimi.quantizer.decode(codes[None]).to(self.mimi.dtype)
        x = self._overlapped(decoder.upsample, x, state.tails)
        x = decoder.decoder_transformer(x.mT, past_key_values=state.said, use_cache=True).last_hidden_state.mT
        return self._run(decoder.decoder_seanet.layers, x, state.tails)[0, 0]

    def _run(self, layers: Iterable[nn.Module], x: Tensor, tails: dict[int, Tensor]) -> Tensor:
        """The layers of a SEANet (Tagliasacchi et al. 2020, arXiv 2009.02095) on the next piece x [1, channels, n]."""
        for layer in layers:
            if isinstance(layer, MimiResnetBlock):
                x = self._run([layer.shortcut], x, tails) + self._run(layer.block, x, tails)
            elif isinstance(layer, MimiConv1d):
                x = self._joined(layer, x, tails)
            elif isinstance(layer, MimiConvTranspose1d):
                x = self._overlapped(layer, x, tails)
            else:
                x = layer(x)
        return x

    def _joined(self, layer: MimiConv1d, x: Tensor, tails: dict[int, Tensor]) -> Tensor:
        """A causal convolution of stride 1."""
        reach = layer.conv.dilation[0] * (layer.conv.kernel_size[0] - 1)
        if reach:
            past = tails.get(place := self._places[id(layer)])
            x = F.pad(x, (reach, 0)) if past is None else torch.cat([past, x], -1)
            tails[place] = x[..., -reach:].clone()
        return cast(Tensor, layer.conv(x))

    def _overlapped(self, layer: MimiConvTranspose1d, x: Tensor, tails: dict[int, Tensor]) -> Tensor:
        """A transposed convolution whose kernel is longer than its stride: outputs of neighbouring inputs add up."""
        over = layer.conv.kernel_size[0] - layer.conv.stride[0]
        y = layer.conv(x)
        past = tails.get(place := self._places[id(layer)])
        if past is not None:
            y[..., :over] += past
        tail = y[..., -over:]
        tails[place] = tail.clone() if layer.conv.bias is None else tail - layer.conv.bias[:, None]
        return cast(Tensor, y[..., :-over])
