"""From nothing to a voice: ``python -m imkit.training.voice models/nano/voice.toml``.

Three stages: the vocoder alone, the acoustic decoder alone, then both as one, from words to sound. The run can be
stopped at any time and goes on from its last checkpoint. Its budget is minutes of one CPU's time, whoever else uses it.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imkit.model.acoustic import MOST_TICKS
from imkit.model.own_voice import VoiceConfig
from imkit.model.vocoder import DELAY, LogMel
from imkit.model.voice import Clips
from imkit.model.voice_network import VoiceNetwork, export_voice
from imkit.model.weights import save_weights
from imkit.stream import INPUT_SAMPLES
from imkit.voices import SAMPLE_RATE_HZ

from .clips import reply_words
from .language import SPANISH, SPECIALS, Language, vocabulary
from .train import keep_freed_memory, read_recipe
from .voice_data import Sound, Teacher, open_bank, random_crop, random_lines, spoken_texts
from .voice_losses import sound_loss

Arrays = dict[str, Tensor]
CHECKPOINT_EVERY_S = 60.0
REPORT_EVERY_S = 15.0


class Material:
    """The words of the vocabulary and whole sentences by the teacher, and crops of a bank of other voices."""

    def __init__(self, recipe: dict[str, Any]) -> None:
        self.teacher = Teacher(**recipe["teacher"])
        self.bank = open_bank(Path(recipe["bank"]) if "bank" in recipe else None)
        language = Language()
        self.replies = reply_words(language)
        spoken = [word for word in vocabulary() if word not in SPECIALS]
        self.names = self.replies + [word for word in spoken if word not in set(self.replies)]
        self.words: list[Sound] = [np.zeros(0, np.float32)]
        self.sentences = np.zeros(0, np.float32)
        self._speak(Path(recipe["work"]) / "teacher.npz", recipe, language)
        usual = np.array([0.0, *(4.0 if i < len(self.replies) else 1.0 for i in range(len(self.names)))])
        self.usual = usual / usual.sum()

    def _speak(self, path: Path, recipe: dict[str, Any], language: Language) -> None:
        """Have everything spoken, but for what was spoken before and kept in ``path``."""
        kept: dict[str, Sound] = {}
        if path.exists():
            with np.load(path) as held:
                pieces = np.split(held["audio"].astype(np.float32) / 32767, np.cumsum(held["lengths"])[:-1])
                kept = dict(zip((str(key) for key in held["keys"]), pieces, strict=True))
        ticks = known_ticks(Path(recipe["fit"])) if "fit" in recipe else {}
        foreign, spanish = Teacher(**recipe["spanish"]), set(SPANISH.values())
        by = {word: foreign if word in spanish else self.teacher for word in self.names}
        keys = {word: f"{by[word]!r} says {word} in {ticks.get(word, 'its')} micro-turns" for word in self.names}
        sentences = f"{self.teacher!r} says {recipe['sentences']} sentences"
        fresh = [word for word in self.names if keys[word] not in kept]
        kept |= {keys[word]: by[word].word(word, ticks.get(word)) for word in fresh}
        if sentences not in kept:
            rng = np.random.default_rng(recipe["seed"])
            texts = [language.request(rng) for _ in range(recipe["sentences"] // 2)]
            texts += [language.babble(rng) for _ in range(recipe["sentences"] // 2)]
            kept[sentences] = np.concatenate(spoken_texts(self.teacher, texts, rng))
            fresh.append("")
        if fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(
                path,
                keys=np.array(list(kept)),
                lengths=np.array([len(one) for one in kept.values()]),
                audio=np.round(np.concatenate(list(kept.values())) * 32767).astype("<i2"),
            )
        self.words += [kept[keys[word]] for word in self.names]
        self.sentences = kept[sentences]

    def clips(self) -> Clips:
        """What the teacher says, as word clips."""
        return Clips(SAMPLE_RATE_HZ, f"the teacher, {self.teacher}", dict(zip(self.names, self.words[1:], strict=True)))

    def lines(self, rng: np.random.Generator, batch: int, ticks: int) -> Arrays:
        """Words under way and their sound: word, age, cut [batch, ticks] and sound [batch, ticks * 3200]."""
        made = [random_lines(rng, self.words, ticks, self.usual) for _ in range(batch)]
        return {
            name: torch.from_numpy(np.stack([getattr(one, name) for one in made]).astype(kind))
            for name, kind in (("word", np.int64), ("age", np.int64), ("cut", np.int64), ("sound", np.float32))
        }

    def speech(self, rng: np.random.Generator, batch: int, ticks: int) -> Tensor:
        """Sound [batch, ticks * 3200] for the vocoder: half words, the rest sentences and other voices."""
        count = ticks * INPUT_SAMPLES
        out = []
        for i in range(batch):
            if i % 2 == 0:
                out.append(random_lines(rng, self.words, ticks, self.usual).sound)
            elif i % 4 == 1 or self.bank is None:
                start = int(rng.integers(0, len(self.sentences) - count))
                out.append(self.sentences[start : start + count] * np.float32(rng.uniform(0.6, 1.1)))
            else:
                out.append(random_crop(rng, self.bank, count))
        return torch.from_numpy(np.stack(out))


def known_ticks(folder: Path) -> dict[str, int]:
    """Micro-turns of each word clip in a model folder."""
    note = json.loads((folder / "clips.json").read_text(encoding="utf-8"))
    return {word: -(-n // INPUT_SAMPLES) for word, n in zip(note["words"], note["samples"], strict=True)}


def optimisers(module: nn.Module, settings: dict[str, float]) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of blocks, AdamW for everything else, faster for scores, which are seldom looked up."""
    matrices: list[Tensor] = []
    scores: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in module.named_parameters():
        chosen = matrices if "blocks." in name and parameter.ndim == 2 else scores if "score." in name else others
        chosen.append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": others, "lr": settings["adam_lr"]},
        {"params": scores, "lr": settings["score_lr"]},
    ]
    return [
        torch.optim.Muon(matrices, lr=settings["muon_lr"], weight_decay=0.0, adjust_lr_fn="original"),
        torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.8, 0.98), weight_decay=0.0),
    ]


class Run:
    """One training run: the two networks, their clock, their log and their checkpoint."""

    def __init__(self, recipe: dict[str, Any], material: Material) -> None:
        self.recipe, self.material = recipe, material
        self.work = Path(recipe["work"])
        torch.manual_seed(recipe["seed"])
        self.config = VoiceConfig(
            voice=f"own, learned from {material.teacher}",
            words=tuple(material.names),
            samples=tuple(len(one) + DELAY for one in material.words[1:]),
            **recipe["network"],
        )
        self.network = VoiceNetwork(self.config)
        self.mel = LogMel(self.config.bins)
        longest = MOST_TICKS * INPUT_SAMPLES
        said = np.stack([np.pad(one, (0, longest - len(one))) for one in material.words])
        self.network.acoustic.begin_with(self.mel(torch.from_numpy(said)))
        self.stage, self.stage_s, self.step, self.trained_s = 0, 0.0, 0, 0.0
        self.optimisers: list[torch.optim.Optimizer] = []
        self._begin_stage()

    @property
    def plan(self) -> dict[str, Any]:
        """The recipe's words on the current stage."""
        plan: dict[str, Any] = self.recipe["stage"][self.stage]
        return plan

    def _begin_stage(self) -> None:
        trained = {"vocoder": self.network.vocoder, "acoustic": self.network.acoustic, "both": self.network}
        self.optimisers = optimisers(trained[self.plan["learns"]], self.recipe["optimiser"])
        self.rates = [group["lr"] for o in self.optimisers for group in o.param_groups]

    def save(self) -> None:
        """Write the checkpoint, to resume."""
        state = {
            "network": self.network.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "clock": (self.stage, self.stage_s, self.step, self.trained_s),
        }
        partial = self.work / "checkpoint.part"
        torch.save(state, partial)
        partial.replace(self.work / "checkpoint.pt")

    def resume(self) -> bool:
        """Continue from the checkpoint if there is one."""
        path = self.work / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.stage, self.stage_s, self.step, self.trained_s = state["clock"]
        if self.stage < len(self.recipe["stage"]):
            self._begin_stage()
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
        return True

    def grade(self, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """Loss of one batch of the current stage, and numbers worth logging."""
        learns, batch, ticks = self.plan["learns"], self.plan["batch"], self.plan["ticks"]
        if learns == "vocoder":
            sound = self.material.speech(rng, batch, ticks)
            made = self.network.vocoder.whole(self.mel(sound))
            return sound_loss(made[:, DELAY:], sound[:, :-DELAY], self.mel)
        lines = self.material.lines(rng, batch, ticks)
        wanted = self.mel(lines["sound"])
        mel, _ = self.network.acoustic(lines["word"], lines["age"], lines["cut"], self.network.acoustic.empty(batch))
        loss = F.l1_loss(mel, wanted)
        log = {"acoustic": float(loss.detach())}
        if learns == "both":
            made = self.network.vocoder.whole(mel)
            heard, heard_log = sound_loss(made[:, DELAY:], lines["sound"][:, :-DELAY], self.mel)
            loss, log = loss + heard, log | heard_log
        return loss, log

    def learn(self, rng: np.random.Generator) -> dict[str, float]:
        """One step."""
        loss, log = self.grade(rng)
        share = self.stage_s / (60 * self.plan["minutes"])
        factor = self.plan["rate"] * min(1.0, (self.step + 1) / 50) * max(0.03, 1 - share)
        for group, rate in zip((g for o in self.optimisers for g in o.param_groups), self.rates, strict=True):
            group["lr"] = rate * factor
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        if math.isfinite(float(norm)):
            for optimiser in self.optimisers:
                optimiser.step()
        return log | {"loss": float(loss.detach())}

    def play_stage(self) -> None:
        """Run the current stage to its end."""
        rng = np.random.default_rng((self.recipe["seed"], self.step))
        total = 60 * self.plan["minutes"]
        sums: dict[str, list[float]] = {}
        shown = saved = before = time.process_time()
        while self.stage_s < total:
            for name, value in self.learn(rng).items():
                sums.setdefault(name, []).append(value)
            now = time.process_time()
            self.step += 1
            self.stage_s += now - before
            self.trained_s += now - before
            before = now
            if now - shown > REPORT_EVERY_S or self.stage_s >= total:
                shown = now
                self._report(sums)
                sums = {}
            if now - saved > CHECKPOINT_EVERY_S:
                saved = now
                self.save()
        self.stage, self.stage_s = self.stage + 1, 0.0
        if self.stage < len(self.recipe["stage"]):
            self._begin_stage()
        self.save()

    def _report(self, sums: dict[str, list[float]]) -> None:
        means = {name: round(float(np.mean(values)), 4) for name, values in sums.items()}
        row = {"stage": self.plan["name"], "step": self.step, "minutes": round(self.trained_s / 60, 2), **means}
        with (self.work / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(" ".join(f"{name}={value}" for name, value in row.items()), flush=True)

    def publish(self, out: Path) -> None:
        """Write the voice as nano loads it: voice.json, voice.safetensors, voice.onnx."""
        out.mkdir(parents=True, exist_ok=True)
        self.config.save(out / "voice.json")
        save_weights(self.network, out / "voice.safetensors")
        export_voice(self.config, out / "voice.onnx")


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m imkit.training.voice RECIPE [--fresh] [--publish]``."""
    parser = argparse.ArgumentParser(prog="python -m imkit.training.voice", description="Train nano's own voice.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--fresh", action="store_true", help="forget the checkpoint")
    parser.add_argument("--publish", action="store_true", help="write what the checkpoint holds and train no further")
    options = parser.parse_args(arguments)
    recipe = read_recipe(options.recipe)
    keep_freed_memory()
    torch.set_num_threads(1)
    run = Run(recipe, Material(recipe))
    if options.fresh:
        (run.work / "checkpoint.pt").unlink(missing_ok=True)
    print("resumed at step" if run.resume() else "from nothing", run.step, flush=True)
    while run.stage < len(recipe["stage"]) and not options.publish:
        run.play_stage()
    run.publish(Path(recipe["out"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
