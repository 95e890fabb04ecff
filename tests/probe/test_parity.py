"""The same numbers by three roads: our sites, PyTorch's own forward hooks on the same module, and nnsight."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from looking import lived, percepts, small_nano

from imkit.model.graph import INPUTS
from imkit.model.nano import Nano
from imkit.probe import ActivationCache

PARTS = {
    "audio.mic.hook_out": "network.ears.level",
    "audio.own.hook_out": "network.ears.own_level",
    "audio.hook_out": "network.ears",
    "vision.hook_out": "network.patches",
    "ln_final.hook_out": "network.norm",
    "heard.hook_out": "network.heard_head",
    "voice.hook_out": "network.word_head",
    "floor.hook_out": "network.floor_head",
    "call.hook_out": "network.call_head",
    **{
        f"blocks.{i}.{site}": f"network.blocks.{i}.{part}"
        for i in range(2)
        for site, part in {
            "ln1.hook_out": "norm_attention",
            "attn.hook_out": "out",
            "ln2.hook_out": "norm_mlp",
            "mlp.in.hook_out": "up",
            "mlp.hook_out": "down",
        }.items()
    },
    "blocks.0.hook_out": "network.blocks.0",
    "blocks.1.hook_out": "network.blocks.1",
}
"""Sites, and the part of the network whose output it is."""
TICKS = 6


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Nano:
    return small_nano(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def ours(nano: Nano) -> ActivationCache:
    _, cache = lived(nano, percepts(TICKS))[0].run_with_cache(plain)
    return cache.at((TICKS - 1) / 5)


@pytest.fixture(scope="module")
def inputs(nano: Nano) -> list[torch.Tensor]:
    """What went into the graph in the last micro-turn."""
    model, given = nano.eager(), {}
    run: Callable[..., Any] = model.runtime.run

    def noted(**arrays: Any) -> Any:
        given.update({name: np.copy(array) for name, array in arrays.items()})
        return run(**arrays)

    model.runtime.run = noted  # type: ignore[method-assign]
    lived(model, percepts(TICKS))
    return [torch.from_numpy(given[name]) for name in INPUTS]


def plain(name: str) -> bool:
    """Whether looking there leaves attention to torch's fused kernel."""
    return not name.endswith(("hook_pattern", "hook_attn_scores"))


def first(out: Any) -> torch.Tensor:
    return out if isinstance(out, torch.Tensor) else out[0]


def test_as_pytorch_s_own_hooks_see_it(nano: Nano, ours: ActivationCache, inputs: list[torch.Tensor]) -> None:
    graph, seen = nano.eager().module, {}
    for site, part in PARTS.items():
        graph.get_submodule(part).register_forward_hook(
            lambda module, given, out, site=site: seen.update({site: first(out).clone()})
        )
    with torch.inference_mode():
        graph(*inputs)
    for site in PARTS:
        if site == "vision.hook_out" and not len(ours.positions_of(site)):
            continue  # no picture came; the network looks at nothing there
        assert torch.equal(seen[site].reshape(ours[site].shape), ours[site]), site


@pytest.mark.skipif(find_spec("nnsight") is None, reason="nnsight is not installed; it is in the dev group")
def test_as_nnsight_sees_it() -> None:
    """In a process of its own: nnsight gives every object a method ``save``, which other libraries trip over."""
    file = Path(__file__).with_name("parity_with_nnsight.py")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
    assert b"2 passed" in done.stdout


def test_attention_that_is_written_out_equals_the_fused_kernel(nano: Nano) -> None:
    """Looking at patterns takes another road through the same mathematics; other sites take the road of always."""
    timeline, _ = lived(nano, percepts(TICKS))
    _, without = timeline.run_with_cache("ln_final.hook_out")
    _, with_pattern = timeline.run_with_cache(["ln_final.hook_out", "blocks.0.attn.hook_pattern"])
    assert torch.allclose(without["ln_final.hook_out"], with_pattern["ln_final.hook_out"], atol=1e-5)
