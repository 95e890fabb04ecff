"""How the graph of many streams is run: as one ONNX Runtime call, or in torch on a device of one's choice."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from imkit.stream import ModelError

from .batch_graph import INPUTS, OUTPUTS, BatchGraph, cache_inputs
from .config import NanoConfig
from .export import OPSET
from .network import Network
from .pool import SEATS, Pool
from .ring import fetched
from .weights import load_weights

Arrays = dict[str, npt.NDArray[Any]]
ON_DEVICE = ("new_keys", "new_values")  # what stays where the caches are
DEVICE_SEATS = 64


class BatchRuntime(Protocol):
    """Runs one micro-turn of the streams in one room: named arrays in (``batch_graph.INPUTS``), named arrays out."""

    @property
    def name(self) -> str: ...

    def pool(self) -> Pool: ...

    def run(self, inputs: Arrays, keys: Any, values: Any) -> dict[str, Any]: ...


class OnnxBatch:
    """ONNX Runtime on one thread: one native call that holds no GIL and reads the caches where they lie.

    The graph is traced from the weights when it is opened (2 to 3 s, once a process) rather than shipped beside
    ``tick.onnx``: so it fits whatever network lies in the folder.
    """

    name = "onnxruntime"

    def __init__(self, folder: Path, config: NanoConfig) -> None:
        import onnxruntime as ort

        self.config = config
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        traced = trace(open_graph(folder, config), config)
        self._session = ort.InferenceSession(traced, options, providers=["CPUExecutionProvider"])
        self._wanted = {node.name for node in self._session.get_inputs()}
        self._given = [node.name for node in self._session.get_outputs()]
        self._cache = cache_inputs(config.layers)

    def pool(self) -> Pool:
        """An empty pool of arrays."""
        return Pool(self.config, lambda shape: np.zeros(shape, np.float32), fetched)

    def run(self, inputs: Arrays, keys: Any, values: Any) -> dict[str, Any]:
        """One micro-turn over keys and values [layer, s, head, place, head_width]."""
        feed = {name: array for name, array in inputs.items() if name in self._wanted}
        caches = (memory[layer] for layer in range(self.config.layers) for memory in (keys, values))
        feed.update(zip(self._cache, caches, strict=True))
        return dict(zip(self._given, self._session.run(self._given, feed), strict=True))


class TorchBatch:
    """Torch on a device, caches and weights there; what goes in and what comes out of a micro-turn are arrays."""

    def __init__(self, folder: Path, config: NanoConfig, device: str = "cpu") -> None:
        self.config, self.name = config, f"torch on {device}"
        try:
            self.device = torch.device(device)
            self._graph = open_graph(folder, config).to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise ModelError(f"device={device!r}: torch cannot use it here ({error}); 'cpu' always works") from error

    def pool(self) -> Pool:
        """An empty pool of tensors on the device."""
        return Pool(
            self.config,
            lambda shape: torch.zeros(shape, device=self.device),
            lambda cache: torch.as_tensor(cache, device=self.device),
            SEATS if self.device.type == "cpu" else DEVICE_SEATS,
        )

    def run(self, inputs: Arrays, keys: Any, values: Any) -> dict[str, Any]:
        """One micro-turn over keys and values [layer, s, head, place, head_width]; new keys and values stay there."""
        given = [torch.from_numpy(inputs[name]).to(self.device) for name in INPUTS]
        caches = [memory[layer] for layer in range(self.config.layers) for memory in (keys, values)]
        with torch.no_grad():
            out = dict(zip(OUTPUTS, self._graph(*given, *caches), strict=False))
        return {name: value if name in ON_DEVICE else value.cpu().numpy() for name, value in out.items()}


def open_graph(folder: Path, config: NanoConfig) -> BatchGraph:
    """The graph with the weights of a folder."""
    network = Network(config)
    load_weights(network, folder / "weights.safetensors")
    return BatchGraph(network.eval()).eval()


def trace(graph: BatchGraph, config: NanoConfig) -> bytes:
    """The graph as ONNX, weights within."""
    samples, px, places = config.audio_history + 3200, config.frame_px, config.window + config.pinned
    cache = torch.zeros(2, config.heads, places, config.head_width)
    whole = torch.int64
    # Two streams of five tokens, so that no axis that may grow is 1.
    example = {
        "sound": torch.zeros(4, samples),
        "ears": torch.zeros(2, config.stem_state),
        "frames": torch.zeros(2, 3, px, px),
        "words": torch.zeros(2, config.context_words + 1, dtype=whole),
        "provenance": torch.zeros(2, dtype=whole),
        "spoken_to": torch.zeros(2, dtype=whole),
        "done": torch.zeros(2, 3, dtype=whole),
        "tick": torch.zeros(2, dtype=whole),
        "tokens": torch.tensor([4, 5, 6, 7, 12, 8, 9, 10, 11, 13]),
        "positions": torch.arange(10),
        "rows": torch.arange(10).reshape(2, 5),
        "places": torch.arange(10),
        "last": torch.tensor([4, 9]),
        "bias": torch.zeros(2, places),
    }
    by_first = {
        "sounds": ["sound"],
        "streams": ["ears", "done", "tick", "last"],
        "frames": ["frames"],
        "words": ["words", "provenance", "spoken_to"],
        "tokens": ["tokens", "positions", "places"],
        "seats": ["rows", "bias", *cache_inputs(config.layers)],
    }
    axes = {name: {0: axis} for axis, names in by_first.items() for name in names}
    axes["rows"][1] = "longest"
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # it says that it is the older of two exporters; see imkit.model.export
        torch.onnx.export(
            graph,
            (*(example[name] for name in INPUTS), *([cache] * 2 * config.layers)),
            buffer,  # type: ignore[arg-type] # a file object is taken too
            input_names=[*INPUTS, *cache_inputs(config.layers)],
            output_names=list(OUTPUTS if config.slots else OUTPUTS[:-1]),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()
