"""Inkling in the chair: it hears, sees and reads as a stream, and answers in text when something is typed and sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, DynamicCache, InklingFeatureExtractor, InklingForConditionalGeneration
from transformers.cache_utils import LinearAttentionAndSlidingWindowAttentionLayer

from imkit.model.hub import config_of, folder_of, weights_here
from imkit.stream import (
    INPUT_RATE,
    INPUT_SAMPLES,
    TICK_S,
    Act,
    Floor,
    ModelError,
    ModelSpec,
    OpenConfig,
    Percept,
    Word,
    heard_from_s,
)

from .inkling_senses import Ear, Sound, patches_of
from .words import Speller, Spelling

USER, MODEL, END, STOP = "<|message_user|>", "<|message_model|>", "<|end_message|>", "<|content_model_end_sampling|>"
TEXT, PICTURE, SOUND, SOUND_END = "<|content_text|>", "<|content_image|>", "<|content_audio_input|>", "<|audio_end|>"
MARKERS = (USER, MODEL, END, STOP, TEXT, PICTURE, SOUND, SOUND_END)


@dataclass(frozen=True)
class Pace:
    """How it reads and writes. Any of these may be given as an option of a session.

    tokens_per_tick  written in each micro-turn; each costs one pass through the network
    most_tokens      of one answer
    longest_px       longer side of what it sees: 160 by 120 are 15 tokens a picture
    """

    tokens_per_tick: int = 3
    most_tokens: int = 256
    longest_px: int = 160

    def changed(self, options: Mapping[str, Any]) -> Pace:
        """With some of them different. Raises ModelError for one that does not exist or is not sensible."""
        if unknown := sorted(set(options) - set(self.__dataclass_fields__)):
            raise ModelError(f"inkling: unknown options {unknown}; it has {', '.join(self.__dataclass_fields__)}")
        made = replace(self, **options)
        if min(made.tokens_per_tick, made.most_tokens, made.longest_px) < 1:
            raise ModelError(f"inkling: {made}; expected 1 or more of each")
        return made


@dataclass
class InklingState:
    """Everything one stream has. Copy it (``copy.deepcopy``) to fork; nothing of it lives in the model.

    next    the token to be written next, None while it listens
    hears   whether a message of sound is open
    """

    pace: Pace
    cache: Any
    past: Sound
    hears: bool = False
    next: Tensor | None = None
    written: int = 0
    spelling: Spelling = field(default_factory=Spelling)


class Inkling:
    """Thinking Machines' open model: the input half of their interaction model, turn-based, without a voice.

    What is said goes into its context as it is said, four dMel tokens a micro-turn, in a message of sound that stays
    open; a picture, the newest of a micro-turn, closes it and stands in a message of its own. What is typed and sent is
    the user's last word: then it writes its answer, some tokens a micro-turn, the likeliest ones, its thinking left out
    by opening a message of text. It neither hears nor sees while it writes, and typing again breaks an answer off. It
    never speaks up by itself, has no voice (its sound is silence, its words are text), calls nothing and is told no
    events.

    Streamed equals whole, tested for sound and for the network. Every layer's context is bounded: the full-attention
    layers reach back ``context`` tokens here (8,192; 6.8 minutes of sound alone), the others as far as they were
    trained to; what is older is forgotten, and positions go on counting.

    The published ones have 276 and 975 thousand million parameters and run on servers; this is for small ones of the
    same family, and for looking at the front end.
    """

    def __init__(
        self,
        model: InklingForConditionalGeneration,
        tokenizer: Any,
        extractor: InklingFeatureExtractor | None = None,
        *,
        context: int = 8192,
        name: str = "inkling",
        **pace: Any,
    ) -> None:
        config: Any = model.config
        known = tokenizer.get_vocab()
        if missing := [marker for marker in MARKERS if marker not in known]:
            raise ModelError(f"inkling: the tokeniser lacks {', '.join(missing)}; give that of an Inkling checkpoint")
        if context < config.text_config.sliding_window_size:
            least = config.text_config.sliding_window_size
            raise ModelError(f"inkling: context={context}, expected {least} (its sliding window) or more")
        self.model: Any = model
        model.train(False)
        self.pace, self.context = Pace().changed(pace), context
        self.ear, self.tokenizer = Ear(extractor), tokenizer
        self._text_config, self._patch = config.text_config, config.vision_config.patch_size
        self._ids = {marker: known[marker] for marker in MARKERS}
        self._speller = Speller(tokenizer, tuple(self._ids.values()))
        self._spec = ModelSpec(name, INPUT_RATE, sees=True)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        device: str = "cpu",
        dtype: str = "auto",
        **options: Any,
    ) -> Self:
        """From a folder or ``owner/name`` on the Hub. Raises ModelError where it is no Inkling, or cannot be had."""
        folder = folder_of(source, revision)
        kind = config_of(folder).get("model_type")
        if kind != "inkling_mm_model":
            raise ModelError(f"{folder}: config.json says model_type {kind!r}, expected 'inkling_mm_model'")
        weights_here(folder)
        try:
            model: Any = InklingForConditionalGeneration.from_pretrained(folder, dtype=dtype, use_safetensors=True)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"{folder}: transformers cannot load it as Inkling ({error})") from error
        return cls(model.to(device), tokenizer, **options)

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self._spec

    def __repr__(self) -> str:
        size = sum(one.numel() for one in self.model.parameters())
        return f"<Inkling {self.spec.name}: {size / 1e6:.4g}M parameters, {self.model.dtype}, {self.model.device}>"

    def open(self, config: OpenConfig) -> InklingState:
        """A fresh stream; ``config.options`` may hold fields of ``Pace``. It is greedy, so the seed is unused."""
        return InklingState(self.pace.changed(config.options), self._cache(), np.zeros(self.ear.past, np.float32))

    @torch.inference_mode()
    def step(self, state: InklingState, percept: Percept) -> tuple[Act, InklingState]:
        """One micro-turn. Changes ``state`` in place and gives it back."""
        levels = self.ear(state.past, percept.audio)
        state.past = percept.audio[-len(state.past) :].copy()
        words: list[Word] = []
        read = 0
        if percept.text:
            words += self._stop(state)
            read = self._read(state, percept.text)
        elif state.next is None:
            read = self._perceive(state, percept, levels)
        begun = state.written
        for place in range(state.pace.tokens_per_tick):
            if state.next is not None:
                words += self._write(state, percept.index, place)
        floor = Floor.SPEAK if state.next is not None or words else Floor.LISTEN
        told = {"read": read, "written": max(0, state.written - begun)}
        return Act(percept.index, np.zeros(INPUT_SAMPLES, np.float32), floor, tuple(words), diagnostics=told), state

    # --- in

    def _perceive(self, state: InklingState, percept: Percept, levels: Tensor) -> int:
        """A micro-turn of pictures and sound into the context; gives how many tokens it took."""
        parts: list[Tensor] = []
        if percept.frames:
            patches = patches_of(percept.frames[-1], self._patch, state.pace.longest_px).to(
                self.model.device, self.model.dtype
            )
            seen = self.model.get_image_features(patches).pooler_output.flatten(0, 1)
            parts += [*self._closed(state), self._marks(USER, PICTURE), seen, self._marks(END)]
        if not state.hears:
            parts.append(self._marks(USER, SOUND))
            state.hears = True
        parts.append(self.model.model.get_audio_features(levels[None].to(self.model.device)).last_hidden_state)
        return self._forward(state, torch.cat(parts))[0]

    def _read(self, state: InklingState, text: str) -> int:
        """What was typed into the context, and the floor to the model."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        typed = self._embedded(ids) if ids else self._marks()
        parts = [*self._closed(state), self._marks(USER, TEXT), typed, self._marks(END, MODEL, TEXT)]
        count, logits = self._forward(state, torch.cat(parts))
        state.next, state.written = logits.argmax(-1), 0
        return count

    def _closed(self, state: InklingState) -> list[Tensor]:
        """What ends a message of sound, where one is open."""
        hears, state.hears = state.hears, False
        return [self._marks(SOUND_END, END)] if hears else []

    # --- out

    def _write(self, state: InklingState, index: int, place: int) -> list[Word]:
        """One token of the answer; gives the word that is over with it."""
        assert state.next is not None
        token = int(state.next)
        if token in (self._ids[END], self._ids[STOP]) or state.written >= state.pace.most_tokens:
            return self._stop(state)
        state.written += 1
        start_s, each_s = heard_from_s(index), TICK_S / state.pace.tokens_per_tick
        done = self._speller.put(state.spelling, token, start_s + place * each_s, start_s + (place + 1) * each_s)
        state.next = self._forward(state, self._embedded([token]))[1].argmax(-1)
        return [Word(text, round(start, 3), round(end, 3)) for text, start, end in done]

    def _stop(self, state: InklingState) -> list[Word]:
        """The answer is over, or broken off: the model's message is closed, and it listens again."""
        if state.next is None:
            return []
        state.next = None
        self._forward(state, self._marks(END, STOP))
        return [Word(text, round(a, 3), round(b, 3)) for text, a, b in self._speller.finish(state.spelling)]

    # --- the network

    def _marks(self, *markers: str) -> Tensor:
        return self._embedded([self._ids[marker] for marker in markers])

    def _embedded(self, ids: list[int]) -> Tensor:
        """Embeddings [n, d] of tokens."""
        out: Tensor = self.model.get_input_embeddings()(torch.tensor(ids, dtype=torch.long, device=self.model.device))
        return out

    def _cache(self) -> Any:
        """Keys, values and the ends of the short convolutions, with every layer bounded."""
        cache = DynamicCache(config=self._text_config)
        for i, kind in enumerate(self._text_config.layer_types):
            if kind == "hybrid":
                states = self._text_config.number_of_conv_states
                cache.layers[i] = LinearAttentionAndSlidingWindowAttentionLayer(self.context, number_of_states=states)
        return cache

    def _forward(self, state: InklingState, x: Tensor) -> tuple[int, Tensor]:
        """Embeddings [n, d] after all before; gives n and the logits [vocabulary] behind the last one."""
        out = self.model(
            inputs_embeds=x[None],
            attention_mask=self._masks(state.cache, len(x)),
            past_key_values=state.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return len(x), out.logits[0, -1]

    def _masks(self, cache: Any, count: int) -> dict[str, Tensor | None]:
        """Who sees whom, by kind of layer: what came before, as far as the layer reaches. Additive [1, 1, count, n]."""
        masks: dict[str, Tensor | None] = {"linear_attention": None}
        windows = {"hybrid_sliding": self._text_config.sliding_window_size, "hybrid": self.context}
        for kind, name in (("hybrid_sliding", "sliding_attention"), ("hybrid", "full_attention")):
            if kind not in self._text_config.layer_types:
                masks[name] = None
                continue
            layer = self._text_config.layer_types.index(kind)
            length, offset = cache.get_mask_sizes(count, layer)
            keys = torch.arange(length, device=self.model.device) + offset
            queries = torch.arange(count, device=self.model.device)[:, None] + cache.get_query_offset(layer)
            hidden = (keys > queries) | (queries - keys >= windows[kind])
            zero = torch.zeros(hidden.shape, dtype=self.model.dtype, device=self.model.device)
            masks[name] = zero.masked_fill(hidden, torch.finfo(self.model.dtype).min)[None, None]
        return masks
