"""How the tick graph is run: eagerly in torch, or as one ONNX Runtime call.

``tick.onnx`` holds the graph without weights; they come from ``weights.safetensors`` for both runtimes, so there is one
source of truth and the graph file stays small.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from imkit.stream import ModelError

from .config import NanoConfig
from .graph import INPUTS, OUTPUTS

Arrays = dict[str, npt.NDArray[Any]]


class Runtime(Protocol):
    """Runs one micro-turn: named arrays in (``graph.INPUTS``), named arrays out (``graph.OUTPUTS``)."""

    @property
    def name(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    def run(self, **inputs: npt.NDArray[Any]) -> Arrays: ...


class EagerRuntime:
    """Torch, layer by layer: every activation can be hooked."""

    name = "eager"

    def __init__(self, folder: Path, config: NanoConfig) -> None:
        import torch

        from .graph import TickGraph
        from .network import Network
        from .weights import load_weights

        self.folder = folder
        network = Network(config)
        load_weights(network, folder / "weights.safetensors")
        self._torch = torch
        self.graph = TickGraph(network.eval())

    def twin(self) -> EagerRuntime:
        """The same weights in modules of its own: hooks on one are not on the other."""
        other = copy.copy(self)
        tensors = [*self.graph.parameters(), *self.graph.buffers()]
        other.graph = copy.deepcopy(self.graph, {id(tensor): tensor for tensor in tensors})
        return other

    def run(self, **inputs: npt.NDArray[Any]) -> Arrays:
        """One micro-turn."""
        torch = self._torch
        with torch.inference_mode():
            out = self.graph(*(torch.from_numpy(inputs[name]) for name in INPUTS))
        return {name: value.numpy() for name, value in zip(OUTPUTS, out, strict=False)}


class OnnxRuntime:
    """ONNX Runtime on one thread: the whole micro-turn is one native call that holds no GIL."""

    name = "onnxruntime"

    def __init__(self, folder: Path) -> None:
        import onnxruntime as ort

        self.folder = folder
        path = folder / "tick.onnx"
        if not path.exists():
            raise ModelError(
                f"{path} is missing; write it with imkit.model.export.export_graph or load with runtime='eager'"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        weights = float32_weights(folder / "weights.safetensors")
        names = list(weights)
        self._held = [ort.OrtValue.ortvalue_from_numpy(weights[name]) for name in names]
        options.add_external_initializers(names, self._held)
        try:
            self._session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(f"{path}: ONNX Runtime cannot load it with these weights ({error})") from error
        self._wanted = {node.name for node in self._session.get_inputs()}
        self._given = [node.name for node in self._session.get_outputs()]

    def run(self, **inputs: npt.NDArray[Any]) -> Arrays:
        """One micro-turn."""
        out = self._session.run(self._given, {k: v for k, v in inputs.items() if k in self._wanted})
        return dict(zip(self._given, out, strict=True))


def float32_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Weights by graph name. bfloat16 is the upper half of a float32, so no torch is needed to widen it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: no readable weights ({error}); train them or fetch them again") from error
    if set(metadata.values()) != {"BF16"}:
        raise ModelError(f"{path}: holds {sorted(set(metadata.values()))}, expected bfloat16 as imkit writes it")
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    import json

    header = json.loads(raw[8 : 8 + size])
    out: dict[str, npt.NDArray[np.float32]] = {}
    for name in metadata:
        begin, end = header[name]["data_offsets"]
        half = np.frombuffer(raw, "<u2", count=(end - begin) // 2, offset=8 + size + begin)
        wide = (half.astype(np.uint32) << 16).view(np.float32).reshape(header[name]["shape"])
        out[f"network.{name}"] = np.ascontiguousarray(wide)
    return out


def open_runtime(folder: Path, config: NanoConfig, runtime: Literal["onnx", "eager"]) -> Runtime:
    """The runtime asked for, over the weights in ``folder``."""
    if runtime == "onnx":
        return OnnxRuntime(folder)
    if runtime == "eager":
        return EagerRuntime(folder, config)
    raise ModelError(f"runtime={runtime!r} is unknown; use 'onnx' or 'eager'")
