"""From nothing to weights: ``imkit train models/nano/recipe.toml``.

Scenes are composed in other processes while the network learns. The run can be stopped at any time and resumes from
its last checkpoint. Time is counted in minutes of training, so a faster machine simply sees more scenes; with
``processor_time = true`` in minutes of its processor, which other work on the machine changes little.
"""

from __future__ import annotations

import ctypes
import json
import math
import multiprocessing as mp
import queue
import time
import tomllib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imkit.model.export import export_graph
from imkit.model.network import Block, Network
from imkit.model.stem import TimeDelay
from imkit.model.weights import load_weights, save_weights
from imkit.stream import ModelError
from imkit.voices import SAMPLE_RATE_HZ, Voice

from .bank import Bank
from .batch import Batch, hear
from .clips import render_clips
from .curves import page, read_log
from .language import Language
from .losses import Helpers, grade, grade_ears, grade_frames
from .speech import ensure_bank, plan_bank
from .workers import compose_album, compose_batches, network_config, open_digits, open_orders

CHECKPOINT_EVERY_S = 180.0
SETTLING_STEPS = 120  # of a start from weights: the helpers' new heads learn alone, or they would shake what is there


def read_recipe(path: Path) -> dict[str, Any]:
    """The recipe as a dictionary; folders in it are relative to the current folder."""
    with path.open("rb") as file:
        return tomllib.load(file)


def optimisers(network: Network, helpers: Helpers, settings: dict[str, float]) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the layers, AdamW for everything else."""
    layers = [m for m in network.modules() if isinstance(m, Block | TimeDelay)]
    matrices = [p for layer in layers for p in layer.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in [*network.parameters(), *helpers.parameters()] if id(p) not in chosen]
    return [
        torch.optim.Muon(
            matrices, lr=settings["muon_lr"], weight_decay=settings["weight_decay"], adjust_lr_fn="original"
        ),
        torch.optim.AdamW(others, lr=settings["adam_lr"], betas=(0.9, 0.98), weight_decay=0.0),
    ]


def pace(elapsed: float, total: float, step: int, warmup_steps: int, cool: bool) -> float:
    """Learning rate factor: warm-up, flat, and on a stage that cools linear to 5 % over its second half."""
    warm = min(1.0, (step + 1) / warmup_steps)
    cooled = min(1.0, 2 * (1 - elapsed / total)) if cool else 1.0
    return warm * max(0.05, cooled)


def grown(
    saved: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], average: bool = True
) -> dict[str, torch.Tensor]:
    """Saved tensors in the shapes that are wanted now: a vocabulary that was added to has new rows at the end.

    A new row is the average of those that are there (untrained rows of a head outshout the trained ones, and what was
    learned is unlearned in minutes), or with ``average=False`` what it is in ``wanted``. So is a new head.
    """
    out = {}
    for name, blank in wanted.items():
        value = saved.get(name, blank)
        if value.shape != blank.shape:
            if value.shape[1:] != blank.shape[1:] or len(value) > len(blank):
                raise ModelError(
                    f"the checkpoint has {name} {tuple(value.shape)}, the recipe asks for {tuple(blank.shape)}; "
                    "words may only be added to the end, for anything else start anew with --fresh"
                )
            rows = blank[len(value) :]
            value = torch.cat([value, value.mean(0, keepdim=True).expand_as(rows) if average else rows])
        out[name] = value
    return out


class Run:
    """One training run: its weights, its clock, its log and its checkpoint."""

    def __init__(self, recipe: dict[str, Any], device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.work = Path(recipe["work"])
        self.config = network_config(recipe)
        torch.manual_seed(recipe["seed"])
        self.network, self.helpers = Network(self.config).to(device), Helpers(self.config).to(device)
        self.optimisers = optimisers(self.network, self.helpers, recipe["optimiser"])
        self.rates = [group["lr"] for o in self.optimisers for group in o.param_groups]
        self.stage, self.stage_s, self.step, self.trained_s, self.heard_s = 0, 0.0, 0, 0.0, 0.0
        self.warm_from = 0

    def save(self) -> None:
        """Write the checkpoint (to resume) and the weights (to use)."""
        state = {
            "network": self.network.state_dict(),
            "helpers": self.helpers.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "optimised": self._optimised(),
            "clock": (self.stage, self.stage_s, self.step, self.trained_s, self.heard_s),
            "warm_from": self.warm_from,
        }
        partial = self.work / "checkpoint.part"
        torch.save(state, partial)
        partial.replace(self.work / "checkpoint.pt")
        out = Path(self.recipe["out"])
        self.config.save(out / "config.json")
        save_weights(self.network, out / "weights.safetensors")
        note = {
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "steps": self.step,
            "minutes": round(self.trained_s / 60, 1),
            "audio_h": round(self.heard_s / 3600, 1),
            "bank_h": round(float(Bank(self.work / "bank").lengths.sum()) / SAMPLE_RATE_HZ / 3600, 2),
            "device": f"{torch.get_num_threads()} CPU threads" if self.device.type == "cpu" else "one GPU",
        }
        (out / "training.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")

    def _optimised(self) -> list[list[str]]:
        """Names of the parameters of each optimiser, in its order."""
        modules = (("network", self.network), ("helpers", self.helpers))
        names = {id(p): f"{owner}.{name}" for owner, module in modules for name, p in module.named_parameters()}
        return [[names[id(p)] for group in o.param_groups for p in group["params"]] for o in self.optimisers]

    def resume(self) -> bool:
        """Continue from the checkpoint if there is one."""
        path = self.work / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        for module, name in ((self.network, "network"), (self.helpers, "helpers")):
            module.load_state_dict(grown(state[name], module.state_dict()))
        told = zip(self.optimisers, self._optimised(), state["optimisers"], state["optimised"], strict=True)
        for optimiser, names, saved, names_saved in told:
            parameters = [p for group in optimiser.param_groups for p in group["params"]]
            moments = {}
            for i, values in saved["state"].items():  # by name: parameters may have been added
                place = names.index(names_saved[i])
                blank = {key: torch.zeros_like(parameters[place]) for key, value in values.items() if value.ndim}
                moments[place] = values | grown({key: values[key] for key in blank}, blank, average=False)
            optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
        self.stage, self.stage_s, self.step, self.trained_s, self.heard_s = state["clock"]
        self.warm_from = state["warm_from"]
        return True

    def start_from(self, folder: Path) -> None:
        """Go on from the weights of a model folder: what was counted goes on too, what helps learning starts anew."""
        load_weights(self.network, folder / "weights.safetensors")
        note = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        self.step = note["steps"]
        self.warm_from = self.step + SETTLING_STEPS
        self.trained_s, self.heard_s = 60.0 * note["minutes"], 3600.0 * note["audio_h"]

    def learn(self, arrays: dict[str, Any], plan: dict[str, Any], factor: float) -> dict[str, float]:
        """One step on a batch of scenes, or on pictures alone where the stage says so."""
        self.network.requires_grad_(self.step >= self.warm_from)
        if "pictures" in plan:
            frames, seen = (torch.from_numpy(arrays[name]).to(self.device) for name in ("frames", "seen"))
            loss, log = grade_frames(self.network, self.helpers, frames, seen)
        else:
            batch = Batch.from_arrays(arrays).to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16):
                acting, phones_weight = bool(plan.get("acting", True)), plan.get("phones_weight", 1.0)
                if plan.get("ears"):
                    loss, log = grade_ears(self.helpers, hear(self.network, batch), batch, phones_weight)
                else:
                    loss, log = grade(self.network, self.helpers, batch, acting, phones_weight)
            self.heard_s += 0 if batch.deaf else len(batch.word) * plan["scene_s"]
        groups = [group for o in self.optimisers for group in o.param_groups]
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"] = rate * factor
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_([*self.network.parameters(), *self.helpers.parameters()], 1.0)
        if math.isfinite(float(norm)):
            for optimiser in self.optimisers:
                optimiser.step()
        return log | {"loss": float(loss.detach())}

    def play_stage(self, workers: int) -> None:
        """Run the current stage to its end."""
        plan = self.recipe["stage"][self.stage]
        context = mp.get_context("spawn")
        fifo: Any = context.Queue(maxsize=3)
        base = self.recipe["seed"] * 1_000_003 + self.step * 101
        pool = [
            context.Process(
                target=compose_album if "pictures" in plan else compose_batches,
                args=(self.recipe, self.stage, base + i, fifo),
                daemon=True,
            )
            for i in range(workers)
        ]
        for worker in pool:
            worker.start()
        total, warmup_steps = plan["minutes"] * 60.0, self.recipe["optimiser"]["warmup_steps"]
        sums: dict[str, list[float]] = {}
        clock = time.process_time if self.recipe.get("processor_time") else time.monotonic
        saved = shown = time.monotonic()
        before = clock()
        try:
            while self.stage_s < total:
                try:
                    arrays = fifo.get(timeout=120)
                except queue.Empty:
                    if not any(worker.is_alive() for worker in pool):
                        raise RuntimeError(
                            "every process that composes scenes has died; see its message above"
                        ) from None
                    continue
                since = self.step - self.warm_from
                factor = plan["rate"] * pace(self.stage_s, total, since, warmup_steps, plan["cool"])
                if since < 0:
                    factor = 1.0
                log = self.learn(arrays, plan, factor)
                spent, before = clock() - before, clock()
                self.step += 1
                self.stage_s += spent
                self.trained_s += spent
                now = time.monotonic()
                for name, value in log.items():
                    sums.setdefault(name, []).append(value)
                if now - shown > 20:
                    shown = now
                    self._report(plan["name"], total, sums)
                    sums = {}
                if now - saved > CHECKPOINT_EVERY_S:
                    saved = now
                    self.save()
        finally:
            for worker in pool:
                worker.terminate()
            for worker in pool:
                worker.join()
            self.save()

    def _report(self, stage: str, total: float, sums: dict[str, list[float]]) -> None:
        means = {name: round(float(np.mean(values)), 4) for name, values in sums.items()}
        later = self.recipe["stage"][self.stage + 1 :]
        row = {
            "stage": stage,
            "step": self.step,
            "minutes": round(self.trained_s / 60, 2),
            "left_minutes": round((total - self.stage_s) / 60 + sum(plan["minutes"] for plan in later), 1),
            "audio_h": round(self.heard_s / 3600, 2),
            **means,
        }
        log = self.work / "log.jsonl"
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        (self.work / "training.html").write_text(page(read_log(log), row["left_minutes"]), encoding="utf-8")
        print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)


def keep_freed_memory() -> None:
    """Tell glibc to keep large freed blocks: handing them back at every step costs half of the time on a CPU."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library: slower, not wrong
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt(m_mmap_threshold, 1 << 30)
    mallopt(m_trim_threshold, (1 << 31) - 1)


def main(arguments: Sequence[str]) -> int:
    """``imkit train RECIPE [--workers N] [--threads N] [--fresh]``."""
    import argparse

    parser = argparse.ArgumentParser(prog="imkit train", description="Train a model from nothing to weights.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--workers", type=int, default=1, help="processes that compose scenes")
    parser.add_argument("--threads", type=int, default=0, help="threads of the network, 0 = as torch likes")
    parser.add_argument("--fresh", action="store_true", help="forget the checkpoint")
    options = parser.parse_args(arguments)
    if find_spec("onnx") is None:
        raise ModelError("imkit train needs the onnx package to write its graph: pip install imkit[train]")
    if not options.recipe.is_file():
        raise ModelError(f"{options.recipe}: no such recipe; expected a file such as models/nano/recipe.toml")
    train(read_recipe(options.recipe), max(1, options.workers), options.threads, options.fresh)
    return 0


def train(recipe: dict[str, Any], workers: int = 1, threads: int = 0, fresh: bool = False) -> Run:
    """Play the stages of a recipe from its last checkpoint, or from nothing, and write the model folder."""
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    work, out = Path(recipe["work"]), Path(recipe["out"])
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    language = Language()
    plan = plan_bank(recipe["bank"], recipe["texts"], language, recipe["seed"], False, recipe.get("left_out", ()))
    ensure_bank(work / "bank", plan, workers, print)
    render_clips(out, Voice(**recipe["voice"]), language)
    if open_digits(recipe, held_out=False) is None:
        print(
            f"no recorded digits at {recipe['digits']['folder']}: training without them "
            "(the model card says where to get them)"
        )
    open_orders(work)  # once, before the processes that compose scenes
    if fresh:
        (work / "checkpoint.pt").unlink(missing_ok=True)
    run = Run(recipe, device)
    if run.resume():
        print("resumed at step", run.step)
    elif "start" in recipe:
        run.start_from(Path(recipe["start"]))
        print("from the weights in", recipe["start"])
    else:
        print("from nothing")
    count = sum(p.numel() for p in run.network.parameters())
    print(f"{count / 1e6:.2f}M parameters on {device}; curves: {work / 'training.html'}")
    while run.stage < len(recipe["stage"]):
        run.play_stage(workers)
        run.stage, run.stage_s = run.stage + 1, 0.0
        run.save()
    export_graph(run.config, out / "tick.onnx")
    return run
