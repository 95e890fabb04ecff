"""Weights on disk: safetensors in bfloat16, never pickle."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from imkit.stream import ModelError


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the parameters as bfloat16, whole or not at all."""
    partial = path.with_suffix(".part")
    tensors = {
        name: value.detach().to("cpu", torch.bfloat16).contiguous() for name, value in network.named_parameters()
    }
    save_file(tensors, partial, metadata={"format": "pt"})
    partial.chmod(0o644)
    partial.replace(path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Read parameters into ``network`` as float32. A ``ModelError`` says what does not fit."""
    if path.suffix != ".safetensors":
        raise ModelError(f"{path}: imkit reads weights from .safetensors only, since pickle files can run code")
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: no readable weights ({error}); train them or fetch them again") from error
    wanted = dict(network.named_parameters())
    if missing := sorted(wanted.keys() - tensors.keys()):
        raise ModelError(f"{path}: lacks {missing[0]} and {len(missing) - 1} more; it belongs to another network")
    with torch.no_grad():
        for name, parameter in wanted.items():
            if tensors[name].shape != parameter.shape:
                raise ModelError(
                    f"{path}: {name} is {tuple(tensors[name].shape)}, config.json asks for {tuple(parameter.shape)}"
                )
            parameter.copy_(tensors[name].float())
