"""nano's own voice as one pure function of a micro-turn: the word under way in, 200 ms of sound out, states beside.

``voice.onnx`` holds the graph without weights, like ``tick.onnx``; they come from ``voice.safetensors``, and what words
it says and how long they take from ``voice.json``.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from .acoustic import Acoustic
from .export import OPSET, write_graph
from .own_voice import INPUTS, OUTPUTS, VoiceConfig
from .vocoder import Vocoder

WEIGHTS = "voice.safetensors"


class VoiceNetwork(nn.Module):
    """Acoustic decoder and vocoder. ``forward`` takes ``INPUTS`` and gives ``OUTPUTS``, one micro-turn at a time.

    word, age, cut  int64 [1, 1], see ``Acoustic``
    sound           float32 [1, 3200]
    """

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        self.acoustic = Acoustic(
            len(config.words) + 1,
            config.bins,
            config.score_width,
            config.acoustic_width,
            config.acoustic_layers,
            config.expansion,
        )
        self.vocoder = Vocoder(config.bins, config.vocoder_width, config.vocoder_layers, config.expansion)

    def empty(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three states before the first word."""
        return (self.acoustic.empty(), *self.vocoder.empty())

    def forward(
        self, word: Tensor, age: Tensor, cut: Tensor, acoustic_state: Tensor, vocoder_state: Tensor, overlap: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Words under way to sound; see the class."""
        mel, acoustic_state = self.acoustic(word, age, cut, acoustic_state)
        sound, vocoder_state, overlap = self.vocoder(mel, vocoder_state, overlap)
        return sound, acoustic_state, vocoder_state, overlap


class _Named(nn.Module):
    """The network under the name that the weights have in a graph."""

    def __init__(self, network: VoiceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        out: tuple[Tensor, ...] = self.network(*inputs)
        return out


def export_voice(config: VoiceConfig, path: Path) -> None:
    """Write the graph of one micro-turn without its weights. Needs the ``onnx`` package."""
    network = VoiceNetwork(config).eval()
    for parameter in network.parameters():  # equal tensors would be merged and lose their names
        nn.init.normal_(parameter)
    one = torch.ones(1, 1, dtype=torch.int64)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # it says that it is the older of two exporters; see imkit.model.export
        torch.onnx.export(
            _Named(network),
            (one, one, one, *network.empty()),
            buffer,  # type: ignore[arg-type] # a file object is taken too
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            do_constant_folding=False,
            dynamo=False,
        )
    write_graph(buffer.getvalue(), [f"network.{name}" for name, _ in network.named_parameters()], path, WEIGHTS)
