"""Writes ``tick.onnx``: the graph of one micro-turn without its weights. Needs the ``onnx`` package."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch

from .config import WORD_SLOTS, NanoConfig
from .graph import INPUTS, OUTPUTS, ROW_ACT, ROW_AUDIO, TickGraph
from .network import Network

OPSET = 18


def example_inputs(config: NanoConfig, words: int = 1) -> tuple[torch.Tensor, ...]:
    """Inputs of the right shapes, for tracing."""
    samples, px, places = config.audio_history + 3200, config.frame_px, config.window + config.pinned
    cache = (config.layers, places, config.heads, config.head_width)
    return (
        torch.zeros(1, samples),
        torch.zeros(1, samples),
        torch.zeros(1, config.stem_state),
        torch.zeros(1, 3, px, px),
        torch.zeros(config.context_words + WORD_SLOTS, dtype=torch.int64),
        torch.zeros(WORD_SLOTS, dtype=torch.int64),
        torch.zeros(3, dtype=torch.int64),
        torch.tensor([3]),
        torch.tensor([*range(1, 1 + words), *range(ROW_AUDIO, ROW_ACT + 1)]),
        torch.zeros(cache),
        torch.zeros(cache),
        torch.zeros(places),
    )


def export_graph(config: NanoConfig, path: Path) -> None:
    """Trace the graph for ``config`` and write it to ``path`` with its weights left out, to be given at load time."""
    graph = TickGraph(Network(config).eval()).eval()
    for parameter in graph.parameters():  # equal tensors would be merged and lose their names
        torch.nn.init.normal_(parameter)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter keeps parameter names and plain operators, which is what is wanted; its warnings say that
        # it is the older of two, and that the one branch on a constant length was taken.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            example_inputs(config),
            buffer,  # type: ignore[arg-type] # a file object is taken too
            input_names=list(INPUTS),
            output_names=list(OUTPUTS if config.slots else OUTPUTS[:-1]),
            dynamic_axes={"present": {0: "tokens"}, "new_keys": {1: "tokens"}, "new_values": {1: "tokens"}},
            opset_version=OPSET,
            do_constant_folding=False,
            dynamo=False,
        )
    names = [f"network.{name}" for name, _ in graph.network.named_parameters()]
    write_graph(buffer.getvalue(), names, path, "weights.safetensors")


def write_graph(exported: bytes, parameters: Iterable[str], path: Path, weights: str) -> None:
    """Write an exported graph with its ``parameters`` left out: they lie in the file ``weights``."""
    import onnx

    model = onnx.load_from_string(exported)
    wanted, found = set(parameters), set()
    for tensor in model.graph.initializer:
        if tensor.name in wanted:
            found.add(tensor.name)
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            del tensor.external_data[:]
            for key, value in (("location", weights), ("offset", "0"), ("length", "0")):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value
    if missing := wanted - found:
        raise RuntimeError(
            f"the exported graph lost the names of {sorted(missing)[:3]}; imkit needs them to give weights"
        )
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    path.write_bytes(model.SerializeToString())
