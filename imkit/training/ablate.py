"""Choices that were open: ``python -m imkit.training.ablate models/nano/ablation.toml`` writes ``ablation.json``.

Every variant is a short training of a small network on the same speech for the same minutes, one change from the first
(a choice is good when it buys more in the same time), then its word error on voices of the dev bank. Minutes are of the
processor with one thread (``--threads 1``), so that other work on the machine changes little. The choice of decoding
needs no training: the shipped weights are asked the same questions with noise on their logits, which is sampling
(Gumbel-max, Gumbel 1954), and without.
"""

from __future__ import annotations

import argparse
import copy
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imkit.model.nano import load_nano
from imkit.model.runtime import Arrays, Runtime
from imkit.stream import ModelError

from .evaluate import Bench
from .language import Language
from .speech import ensure_bank, plan_bank
from .train import train
from .workers import open_digits

DECODED = ("heard", "word", "floor", "call")


class Sampled:
    """A runtime whose outputs carry Gumbel noise times a temperature: the likeliest is then a sample."""

    def __init__(self, inner: Runtime, temperature: float, seed: int = 0) -> None:
        self._inner, self.temperature = inner, temperature
        self._rng = np.random.default_rng(seed)
        self.name, self.folder = f"{inner.name}, sampled at {temperature}", inner.folder

    def run(self, **inputs: np.ndarray[Any, Any]) -> Arrays:
        """One micro-turn."""
        out = self._inner.run(**inputs)
        for name in DECODED:
            out[name] = out[name] + self.temperature * self._rng.gumbel(size=out[name].shape).astype(np.float32)
        return out


def changed(recipe: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of a recipe with dotted names set: {"network.stem_width": 0}. ModelError for a table that is not there."""
    out = copy.deepcopy(recipe)
    for name, value in changes.items():
        *tables, last = name.split(".")
        place: Any = out
        for table in tables:
            place = place[int(table)] if isinstance(place, list) else place.get(table)
            if place is None:
                raise ModelError(f"the ablation changes {name}, but the recipe has no table {table!r}")
        place[last] = value
    return out


def hear(bench: Bench, count: int) -> dict[str, Any]:
    """Word error on ``count`` requests and as many random strings of each engine."""
    out: dict[str, Any] = {}
    for engine in sorted({engine for engine, _ in bench.rows}):
        requests = [u for family in bench.language.families for u in bench.pick(engine, family, 4)][:count]
        out[engine] = {
            "requests": bench.hearing(requests),
            "random_words": bench.hearing(bench.pick(engine, "babble", count)),
        }
    return out


def ablate(plan: dict[str, Any], folder: Path, count: int, threads: int) -> dict[str, Any]:
    """Train and measure what is not yet in ``ablation.json``, which is written after every variant."""
    path = folder / "ablation.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    base = plan["recipe"]
    shared = Path(base["work"]) / "bank"
    dev = plan_bank(base["bank_dev"], base["texts"], Language(), base["seed"] + 1, held_out=True)
    bank_dev = ensure_bank(Path(base["work"]) / "bank_dev", dev, 1, print)
    share = base["texts"]["held_out_share"]
    for variant in plan.get("variant", ()):
        name = variant["name"]
        if name in results.get("hearing", {}):
            continue
        work = Path(base["work"]) / name.replace(" ", "_").replace(",", "")
        recipe = changed(base, variant.get("set", {})) | {"work": str(work), "out": str(work / "out")}
        work.mkdir(parents=True, exist_ok=True)
        if not (work / "bank").exists():
            (work / "bank").symlink_to(shared.resolve(), target_is_directory=True)
        run = train(recipe, threads=threads)
        bench = Bench(load_nano(work / "out"), bank_dev, None, share)
        parameters = sum(p.numel() for p in run.network.parameters())
        row = {"parameters": parameters, "steps": run.step, "minutes": round(run.trained_s / 60, 1)}
        results.setdefault("hearing", {})[name] = row | hear(bench, count)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for temperature in plan.get("decode", {}).get("temperatures", ()):
        name = "greedy" if temperature == 0 else f"sampled, temperature {temperature}"
        if name in results.get("decoding", {}):
            continue
        model = load_nano(folder)
        model.runtime = Sampled(model.runtime, temperature)
        bench = Bench(model, bank_dev, open_digits(base, held_out=True), share)
        asked = [u for engine in ("espeak", "flite", "festival") for u in bench.pick(engine, "sum", count)]
        results.setdefault("decoding", {})[name] = bench.answers(asked)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing of an ablation plan; the results lie beside it."""
    parser = argparse.ArgumentParser(prog="python -m imkit.training.ablate", description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--count", type=int, default=40, help="dev utterances of each kind and engine")
    parser.add_argument("--threads", type=int, default=1, help="threads of the network; minutes are of all together")
    options = parser.parse_args(arguments)
    with options.plan.open("rb") as file:
        plan = tomllib.load(file)
    print(json.dumps(ablate(plan, options.plan.parent, options.count, options.threads), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
