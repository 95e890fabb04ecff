"""What nnsight sees, beside what we see; run by ``test_parity.py`` in a process of its own."""

from __future__ import annotations

import nnsight
import test_parity
import torch
from looking import Guest, lived, percepts

from imkit.model.nano import Nano
from imkit.model.sites import HookPoint
from imkit.probe import ActivationCache, sites

nano, ours, inputs = test_parity.nano, test_parity.ours, test_parity.inputs  # fixtures


def test_as_nnsight_sees_it(nano: Nano, ours: ActivationCache, inputs: list[torch.Tensor]) -> None:
    graph, points = nano.eager().module, sites(nano).chosen(test_parity.plain)
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
