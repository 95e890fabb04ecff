"""Moshi in the chair: it hears and speaks at once, 80 ms at a time, through transformers' classes and our own step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoTokenizer, MoshiForConditionalGeneration

from imkit.model.hub import config_of, folder_of, weights_here
from imkit.stream import (
    Act,
    Floor,
    ModelError,
    ModelSpec,
    OpenConfig,
    Percept,
    Word,
    heard_from_s,
    level_db,
    samples_per_tick,
)

from .fifo import Inlet, Outlet, lead
from .mimi import Codec, CodecState
from .moshi_step import Sampling, Stepper, StepState
from .rate import Past, Upsampler
from .words import Speller, Spelling

NO_WORD = (0, 3)  # text tokens that say "a word begins next" and "no word"
AUDIBLE_DB = -45.0
KYUTAI = ("moshi_name", "mimi_name", "dep_q", "n_q", "depformer_dim")


@dataclass
class MoshiState:
    """Everything one stream has. Copy it (``copy.deepcopy``) to fork; nothing of it lives in the model.

    With 7B weights in bfloat16 and a full context it is 1.6 GB: a fork costs that much.
    """

    sampling: Sampling
    tokens: StepState
    inlet: Inlet
    outlet: Outlet
    past: Past = field(default_factory=Past)
    codec: CodecState = field(default_factory=CodecState)
    spelling: Spelling = field(default_factory=Spelling)


class Moshi:
    """A full-duplex speech model (Défossez et al. 2024, arXiv 2410.00037). One object serves any number of streams.

    It listens and speaks all the time and decides alone when. It reads nothing, sees nothing and calls nothing: typed
    text, pictures and events are not told to it. Its words are its inner monologue, which is known one frame ahead of
    its sound; a word is told once it is over, so that one of several pieces may begin some frames before its act.
    Without a tokeniser there are no words, and their tokens are in ``diagnostics["tokens"]`` all the same. The floor is
    ``speak`` where its sound is above -45 dBFS.

    Two or three frames of 80 ms run in each micro-turn; 40 ms of silence before the first one keep each act exactly one
    micro-turn long. Streamed equals whole: codec and transformers have caches, tested against one call for all. The
    context is ``context`` frames (3,000, that is four minutes, in the published configuration): what is older is
    forgotten, one frame for each that comes, and positions go on counting. The same seed, device and number of threads
    give the same bytes.

    The published 7B is 15 GB in bfloat16 and no work for a CPU. On a CPU with a small one, one torch thread
    (``torch.set_num_threads(1)``) is often faster than two where the machine is busy.
    """

    def __init__(
        self,
        model: MoshiForConditionalGeneration,
        tokenizer: Any = None,
        *,
        context: int | None = None,
        name: str = "moshi",
        **sampling: Any,
    ) -> None:
        self.model = model
        model.train(False)
        self.sampling = changed(Sampling(), sampling)
        self.stepper = Stepper(model, context)
        self.codec = Codec(model.audio_encoder, self.stepper.codebooks)
        self.speller = None if tokenizer is None else Speller(tokenizer, NO_WORD)
        self._upsampler = Upsampler(self.codec.rate)
        self._spec = ModelSpec(name, self.codec.rate, self.codec.block / self.codec.rate, reads=False)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        device: str = "cpu",
        dtype: str = "auto",
        context: int | None = None,
        **sampling: Any,
    ) -> Self:
        """From a folder or ``owner/name`` on the Hub, in transformers' format (such as ``kmhf/hf-moshika``).

        ``dtype`` "auto" is that of the weights; the codec runs in float32 whatever it is. Raises ModelError where the
        files are not of this format, are pickles, or cannot be had.
        """
        folder = folder_of(source, revision)
        check_format(folder)
        kind = dtype if dtype == "auto" else getattr(torch, dtype, None)
        if kind is None:
            raise ModelError(f"dtype={dtype!r} is unknown to torch; use 'auto', 'float32' or 'bfloat16'")
        try:
            model = MoshiForConditionalGeneration.from_pretrained(folder, dtype=kind, use_safetensors=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"{folder}: transformers cannot load it as Moshi ({error})") from error
        model.audio_encoder.float()
        written = any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))
        tokenizer = AutoTokenizer.from_pretrained(folder) if written else None
        moved: Any = model
        return cls(moved.to(device), tokenizer, context=context, **sampling)

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self._spec

    def __repr__(self) -> str:
        size = sum(one.numel() for one in self.model.parameters())
        return f"<Moshi {self.spec.name}: {size / 1e6:.4g}M parameters, {self.model.dtype}, {self.model.device}>"

    def open(self, config: OpenConfig) -> MoshiState:
        """A fresh stream; ``config.options`` may hold fields of ``Sampling``."""
        block, tick = self.codec.block, samples_per_tick(self.codec.rate)
        silence = np.zeros(lead(block, tick), np.float32)
        return MoshiState(
            changed(self.sampling, config.options),
            self.stepper.open(config.seed),
            Inlet(block),
            Outlet(tick, 2 * (tick + block), silence),
        )

    @torch.inference_mode()
    def step(self, state: MoshiState, percept: Percept) -> tuple[Act, MoshiState]:
        """One micro-turn. Changes ``state`` in place and gives it back."""
        blocks = state.inlet.put(self._upsampler(state.past, percept.audio))
        words: list[Word] = []
        tokens: list[int] = []
        if blocks:
            sound = torch.from_numpy(np.concatenate(blocks)).to(self.model.device)
            heard = self.codec.encode(state.codec, sound)
            steps = [self.stepper.step(state.tokens, frame, state.sampling) for frame in heard.T]
            said = self.codec.decode(state.codec, torch.stack([own for _, own in steps], 1))
            tokens = torch.cat([text for text, _ in steps]).tolist()
            words = self._words(state, percept.index, tokens, 1 + len(blocks) - len(tokens))
            state.outlet.put(said.cpu().numpy().clip(-1, 1))
        audio, _ = state.outlet.take()
        floor = Floor.SPEAK if level_db(audio) > AUDIBLE_DB else Floor.LISTEN
        told = {"frames": len(blocks), "tokens": " ".join(map(str, tokens))}
        return Act(percept.index, audio, floor, tuple(words), diagnostics=told), state

    def _words(self, state: MoshiState, index: int, tokens: list[int], first: int) -> list[Word]:
        """Words that are over with these tokens, one a frame, from the ``first`` frame on of those that are put out."""
        if self.speller is None:
            return []
        done = []
        for i, token in enumerate(tokens, first):
            start_s = heard_from_s(index) + (state.outlet.waiting + i * self.codec.block) / self.codec.rate
            done += self.speller.put(state.spelling, token, start_s, start_s + self.spec.native_period_s)
        return [Word(text, round(start_s, 3), round(end_s, 3)) for text, start_s, end_s in done]


def changed(sampling: Sampling, options: Mapping[str, Any]) -> Sampling:
    """With some of the settings different. Raises ModelError for one that does not exist or is not sensible."""
    known = [one.name for one in fields(Sampling)]
    if unknown := sorted(set(options) - set(known)):
        raise ModelError(f"moshi: unknown options {unknown}; it has {', '.join(known)}")
    return replace(sampling, **options)


def check_format(folder: Path) -> None:
    """Raises ModelError, saying what was found and what to do, where a folder is not Moshi in transformers' format."""
    names = {path.name for path in folder.iterdir()}
    config = config_of(folder) if "config.json" in names else {}
    kyutai = [key for key in KYUTAI if key in config]
    codecs = sorted(name for name in names if name.startswith("tokenizer") and name.endswith(".safetensors"))
    if "model_type" not in config and (kyutai or codecs):
        found = ", ".join([*kyutai, *codecs])
        codebooks = config.get("dep_q", 8)
        more = (
            f" Its depth transformer predicts {codebooks} codebooks (dep_q), as PersonaPlex's does, and transformers' "
            "class holds those of one side only: a converted one would be another model."
            if codebooks != 8
            else ""
        )
        raise ModelError(
            f"{folder}: a checkpoint in Kyutai's own format (found {found}); transformers' is needed.{more} Take one "
            "that is converted, such as kmhf/hf-moshika, or convert it with convert_moshi_transformers.py of "
            "transformers' source repository (src/transformers/models/moshi)."
        )
    if config.get("model_type") != "moshi":
        raise ModelError(f"{folder}: config.json says model_type {config.get('model_type')!r}, expected 'moshi'")
    weights_here(folder)
