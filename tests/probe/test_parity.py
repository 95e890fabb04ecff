"""The same numbers by three roads: our sites, PyTorch's own forward hooks on the same module, and nnsight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from looking import Guest, lived, percepts, small_nano

from imkit.model.graph import INPUTS
from imkit.model.nano import Nano
from imkit.model.sites import HookPoint
from imkit.probe import ActivationCache, sites

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


def test_as_nnsight_sees_it(nano: Nano, ours: ActivationCache, inputs: list[torch.Tensor]) -> None:
    nnsight = pytest.importorskip("nnsight", reason="nnsight is not installed; it is in the dev group")
    graph, points = nano.eager().module, sites(nano).chosen(plain)
    own = {part.name: path for path, part in graph.named_modules() if isinstance(part, HookPoint)}
    model, saved = nnsight.NNsight(graph), {}
    with torch.inference_mode(), model.trace(*inputs):
        for name in points:
            saved[name] = model.get(own[name]).output.save()
    assert len(saved) == len(points) > 40
    for name in points:
        held = ours[name]
        axis = ours.axes[name][1]
        there = saved[name][:, : held.shape[1]] if axis in ("word", "frame") else saved[name]
        assert torch.equal(there, held), name


def test_as_nnsight_sees_parts_of_a_guest() -> None:
    nnsight = pytest.importorskip("nnsight", reason="nnsight is not installed; it is in the dev group")
    guest = Guest()
    timeline, _ = lived(guest, percepts(1))
    _, cache = timeline.run_with_cache()
    sound = torch.from_numpy(timeline[0].percept.audio.reshape(1, 8, 400))
    model = nnsight.NNsight(guest.module)
    with torch.no_grad(), model.trace(sound, torch.zeros(1, 8, 8)):
        ears = model.ears.output.save()
        inner = model.cell.inner.input.save()
        cell = model.cell.output[0].save()
    assert torch.equal(cache["ears.hook_out"], ears)
    assert torch.equal(cache["cell.inner.hook_in"], inner)
    assert torch.equal(cache["cell.hook_out"], cell)


def test_attention_that_is_written_out_equals_the_fused_kernel(nano: Nano) -> None:
    """Looking at patterns takes another road through the same mathematics; other sites take the road of always."""
    timeline, _ = lived(nano, percepts(TICKS))
    _, without = timeline.run_with_cache("ln_final.hook_out")
    _, with_pattern = timeline.run_with_cache(["ln_final.hook_out", "blocks.0.attn.hook_pattern"])
    assert torch.allclose(without["ln_final.hook_out"], with_pattern["ln_final.hook_out"], atol=1e-5)
