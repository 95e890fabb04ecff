"""A very small nano with random weights, whole in every part: for tests of the machinery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from imkit.model.config import NanoConfig
from imkit.model.network import Network
from imkit.model.stem import TimeDelay
from imkit.model.voice import Clips
from imkit.model.weights import save_weights

WORDS = ("<none>", "<unk>", "<send>", "<result>", "<fail>", "one", "two", "three", "plus", "plot", "okay", "is", "what")


def small_config(**changes: int) -> NanoConfig:
    sizes = {"width": 48, "layers": 2, "heads": 3, "window": 40, "pinned": 6, "patch_width": 16}
    return NanoConfig(WORDS, ("<none>", "plot", "describe"), **{**sizes, **changes})


def small_network(config: NanoConfig, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network = Network(config)
    for block in network.blocks:  # zero by design at the start of training; here they must matter
        torch.nn.init.normal_(block.out.weight, std=0.2)
        torch.nn.init.normal_(block.down.weight, std=0.2)
    for table in network.before:
        torch.nn.init.normal_(table.weight, std=0.3)
    for layer in network.ears.modules():
        if isinstance(layer, TimeDelay):
            torch.nn.init.normal_(layer.down.weight, std=0.2)
    for head in (network.heard_head, network.word_head, network.floor_head, network.call_head):
        torch.nn.init.normal_(head.weight, std=1.0)
    return network.eval()


def small_clips() -> Clips:
    rng = np.random.default_rng(0)
    sounds = {w: (rng.standard_normal(5000 + 900 * i) * 0.1).astype(np.float32) for i, w in enumerate(WORDS[5:])}
    return Clips(16_000, "noise", sounds)


def write_small(folder: Path, config: NanoConfig | None = None, graph: bool = False) -> NanoConfig:
    """A model folder as ``imkit train`` leaves it."""
    import json

    import soundfile

    config = config or small_config()
    config.save(folder / "config.json")
    save_weights(small_network(config), folder / "weights.safetensors")
    clips = small_clips()
    names = sorted(clips.sounds)
    soundfile.write(folder / "clips.flac", np.concatenate([clips.sounds[n] for n in names]), 16_000)
    note = {"rate": 16_000, "voice": "noise", "words": names, "samples": [len(clips.sounds[n]) for n in names]}
    (folder / "clips.json").write_text(json.dumps(note))
    if graph:
        from imkit.model.export import export_graph

        export_graph(config, folder / "tick.onnx")
    return config
