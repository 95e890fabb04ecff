"""For tests that look into a model: a small random nano, sound for it, and a guest that knows nothing of sites."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model.small import small_config, write_small
from torch import nn

from imkit.model.nano import Nano, load_nano
from imkit.session import Origin
from imkit.stream import Act, Event, ModelSpec, Moment, OpenConfig, Percept, Provenance, Timeline

TYPED = "what is 1 + 2 plot three one two three plus one two three"
GAP_TICKS = 3


def small_nano(folder: Path, graph: bool = False, **changes: int) -> Nano:
    """A nano whose window wraps within a few micro-turns and whose pins are few."""
    write_small(folder, small_config(**changes), graph=graph)
    return load_nano(folder, "onnx" if graph else "eager")


def percepts(count: int, *, gap_at: int | None = None, seed: int = 0) -> list[Percept]:
    """Sound, a picture every third, typed words, results of tools and of the background; maybe a hole of 3 ticks."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(count):
        index = k + (GAP_TICKS if gap_at is not None and k >= gap_at else 0)
        sound = (rng.standard_normal(3200) * (0.3 if k % 7 < 4 else 0.001)).astype(np.float32).clip(-1, 1)
        frames = (rng.integers(0, 255, (130, 120, 3), dtype=np.uint8),) if k % 3 == 0 else ()
        told = [Event("result", Provenance.BACKGROUND, payload={"topic": "plot"})] if k == 9 else []
        if k == gap_at:
            told.insert(0, Event("system", Provenance.MICROPHONE, "gap", payload={"gap_ticks": GAP_TICKS}))
        made.append(Percept(index, sound, frames, TYPED if k in (5, 20) else "", events=tuple(told)))
    return made


def lived(model: Any, incoming: list[Percept], state: Any = None) -> tuple[Timeline, Any]:
    """The timeline of a model that took in some percepts, and its state after."""
    timeline = Timeline(model.spec.output_rate)
    timeline.origin = Origin(model, OpenConfig())
    state = model.open(OpenConfig()) if state is None else state
    for percept in incoming:
        act, state = model.step(state, percept)
        timeline.append(Moment(percept, act))
    return timeline, state


def weights_sum(model: Any) -> str:
    """A checksum of every weight and buffer of a model that can be looked into."""
    whole = hashlib.sha256()
    module = model.eager().module if hasattr(model, "eager") else model.module
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        whole.update(name.encode() + tensor.detach().numpy().tobytes())
    return whole.hexdigest()


def hooks_on(module: nn.Module) -> int:
    """How many forward hooks there are, of both kinds."""
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


class Pair(nn.Module):
    """Gives a tuple, and takes its second argument by name."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, *, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = torch.tanh(self.inner(x) + past)
        return out, out.mean()


class GuestModule(nn.Module):
    """Samples [1, 8, 400] to loudness; as of somebody who has never heard of sites."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.ears = nn.Linear(400, 8)
        self.cell = Pair()
        self.out = nn.Linear(8, 1)

    def forward(self, sound: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        heard, mean = self.cell(self.ears(sound), past=past)
        return self.out(heard), heard + mean


class Guest:
    """A third party's model in the chair: it has a torch module as ``.module`` and no ``eager()``."""

    def __init__(self) -> None:
        self.spec = ModelSpec("guest", 16_000)
        self.module = GuestModule().eval()

    def open(self, config: OpenConfig) -> torch.Tensor:
        return torch.zeros(1, 8, 8)

    def step(self, state: torch.Tensor, percept: Percept) -> tuple[Act, torch.Tensor]:
        with torch.no_grad():
            loud, state = self.module(torch.from_numpy(percept.audio.reshape(1, 8, 400)), state)
        level = float(loud.mean())
        return Act(percept.index, np.full(3200, np.float32(np.tanh(level)) * np.float32(0.1))), state
