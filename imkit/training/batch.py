"""Scenes to batches: what did not come is no token, so sequences are packed, then padded to the longest of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from imkit.model.config import (
    AUDIO_TOKENS,
    PROVENANCES,
    SLOT_ACT,
    SLOT_AUDIO,
    SLOT_FRAME,
    SLOT_WORD,
    SLOTS_PER_TICK,
    WORD_SLOTS,
    NanoConfig,
)
from imkit.model.frontend import MelLevels, mel_filterbank

from .phones import phone_track
from .pictures import SHAPES, seen_class
from .script import Scene

SHORTEST, LONGEST = 0.82, 1.22  # vocal tracts, as factors of frequency
FORMANT_SPREAD = 0.05  # how far a speaker's low, middle and high formants stray from that, each by itself
MASKED_SHARE, MASK_BINS = 0.4, 5  # of scenes, and what they lose of the band at most (Park et al. 2019, SpecAugment)
FRESH_SHARE = 0.4  # of scenes with nothing before them, which begin where a session does: at micro-turn 0
HEARD = PROVENANCES.index("heard")


@dataclass
class Batch:
    """One padded batch. Shapes: b scenes, t micro-turns, n packed tokens, w words, f frames.

    levels, own_levels  uint8 [b, t * mel_frames, bins], [b, 0, bins] where nothing is heard
    said, floor_in, call_in  int [b, t], what was done one micro-turn before
    words, provenance, word_tick  int [b, w]; micro-turns below 0 are what was said before the scene
    frames              uint8 [f, px, px, 3], frame_row int [f] = scene, seen int [f] = what is in it (see pictures)
    source              int [b, n]: index into the table audio (4t) | act (t) | words (w) | frames (f of the scene)
    position, tick_start, is_word  [b, n]
    heard, phase, phone int [b, 4t], -100 where nobody wrote down what is said
    word, floor, call, countdown int [b, t]: targets
    wanted, in_view     int [b, t]: what is watched for, what is seen (-100 without a camera)
    moment, promised, awaited  int [b, t]: see ``Scene``, -100 where nobody wrote it down
    slots               int [b, t, slots]: the class of every slot where a call is made, -100 where there is nothing
    match               int [b, t]: 1 what is wanted appears, 0 something else does, -100 nothing appears or is wanted
    tick0               int [b], age of the stream at its first micro-turn
    """

    levels: Tensor
    own_levels: Tensor
    said: Tensor
    floor_in: Tensor
    call_in: Tensor
    words: Tensor
    provenance: Tensor
    word_tick: Tensor
    frames: Tensor
    frame_row: Tensor
    frame_slot: Tensor
    seen: Tensor
    source: Tensor
    position: Tensor
    tick_start: Tensor
    is_word: Tensor
    heard: Tensor
    phase: Tensor
    phone: Tensor
    word: Tensor
    floor: Tensor
    call: Tensor
    countdown: Tensor
    wanted: Tensor
    in_view: Tensor
    match: Tensor
    moment: Tensor
    promised: Tensor
    awaited: Tensor
    slots: Tensor
    tick0: Tensor

    @property
    def deaf(self) -> bool:
        """Whether nothing is heard: what is said comes as words alone."""
        return self.levels.shape[1] == 0

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """As numpy arrays, to cross a process border."""
        return {f.name: getattr(self, f.name).numpy() for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[np.generic]]) -> Batch:
        """Back from ``arrays``."""
        return cls(**{name: torch.from_numpy(array) for name, array in arrays.items()})

    def to(self, device: torch.device) -> Batch:
        """On another device."""
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def feed_back(
    rng: np.random.Generator, heard: npt.NDArray[np.int64], words: int, error_rate: float
) -> npt.NDArray[np.int64]:
    """What a fallible listener would have written: words dropped, swapped, or made up now and then.

    Where nobody knows what was said (-100), nothing is written.
    """
    out = np.maximum(heard, 0)
    if error_rate:
        spoken = heard > 0
        draw = rng.random(len(heard))
        out[spoken & (draw < error_rate)] = 0
        swap = spoken & (draw > 1 - error_rate)
        out[swap] = rng.integers(5, words, int(swap.sum()))
        made_up = ~spoken & (draw < error_rate * 0.02)
        out[made_up] = rng.integers(5, words, int(made_up.sum()))
    return out


def vocal_tract(rng: np.random.Generator, bins: int) -> Tensor:
    """Factors of frequency [bins + 2] for the edges of the mel filters: somebody else's mouth and throat."""
    base = math.exp(rng.uniform(math.log(SHORTEST), math.log(LONGEST)))
    formants = base * np.exp(rng.normal(0, FORMANT_SPREAD, 4).clip(-2 * FORMANT_SPREAD, 2 * FORMANT_SPREAD))
    return torch.from_numpy(np.interp(np.linspace(0, 1, bins + 2), np.linspace(0, 1, 4), formants))


def mask_bands(levels: Tensor, rng: np.random.Generator) -> Tensor:
    """Levels [b, frames, bins] in which some scenes have lost a band."""
    for scene in levels:
        if rng.random() < MASKED_SHARE:
            first = int(rng.integers(0, scene.shape[1] - MASK_BINS))
            scene[:, first : first + int(rng.integers(1, MASK_BINS + 1))] = 0
    return levels


def pack(
    scenes: Sequence[Scene],
    config: NanoConfig,
    mel: MelLevels,
    rng: np.random.Generator,
    augment: bool = True,
    deaf: bool = False,
) -> Batch:
    """Turn scenes of equal length into a batch; ``augment`` warps the mel axis and corrupts what is fed back.

    ``deaf`` leaves all sound out, and with it four of five tokens: what to do about words is learned sooner so.
    """
    count, ticks = len(scenes), scenes[0].ticks
    pad = np.zeros((count, config.audio_history), np.float32)

    def levels(sounds: npt.NDArray[np.float32], filters: Tensor | None) -> Tensor:
        if deaf:
            return torch.zeros(count, 0, config.mel_bins, dtype=torch.uint8)
        with torch.no_grad():
            return mel.quantise(mel.log_mel(torch.from_numpy(np.concatenate([pad, sounds], 1)), filters)).to(
                torch.uint8
            )

    tracts = [vocal_tract(rng, config.mel_bins) if augment else 1.0 for _ in scenes]
    filters = torch.stack([mel_filterbank(config.mel_bins, config.mel_window, warp=warp) for warp in tracts])
    rows = []
    vocabulary = len(config.vocabulary)
    for scene in scenes:
        written = feed_back(rng, scene.heard, vocabulary, 0.05 if augment else 0.0)
        words: list[tuple[int, int, int, int]] = []  # tick, slot, id, provenance
        for k, word, prov in scene.before[-config.pinned :] if config.pinned else []:
            slot = words[-1][1] + 1 if words and words[-1][0] == k else 0
            if slot < WORD_SLOTS:
                words.append((k, slot, word, prov))
        waiting: list[tuple[int, int]] = []
        for k in range(ticks):
            before = written[max(0, k - 1) * AUDIO_TOKENS : k * AUDIO_TOKENS]
            now = [(int(w), HEARD) for w in before if w]
            waiting += scene.words_in.get(k, [])
            room = WORD_SLOTS - len(now)
            now, waiting = now + waiting[:room], waiting[room:]
            words += [(k, slot, word, prov) for slot, (word, prov) in enumerate(now)]
        kinds = [
            (k * SLOTS_PER_TICK + SLOT_AUDIO + i, k * AUDIO_TOKENS + i, 0)
            for k in range(0 if deaf else ticks)
            for i in range(AUDIO_TOKENS)
        ]
        base = ticks * AUDIO_TOKENS
        kinds += [(k * SLOTS_PER_TICK + SLOT_ACT, base + k, 0) for k in range(ticks)]
        base += ticks
        kinds += [(k * SLOTS_PER_TICK + SLOT_WORD + slot, base + i, 1) for i, (k, slot, _, _) in enumerate(words)]
        kinds += [(k * SLOTS_PER_TICK + SLOT_FRAME, -1 - i, 0) for i, k in enumerate(sorted(scene.frames))]
        rows.append((words, sorted(kinds)))
    widest = max(len(words) for words, _ in rows)
    longest = max(len(kinds) for _, kinds in rows)
    most_frames = max(len(scene.frames) for scene in scenes)

    def table(width: int) -> npt.NDArray[np.int64]:
        return np.zeros((count, width), np.int64)

    word_id, provenance, word_tick = table(widest), table(widest), table(widest)
    source, position, tick_start = table(longest), table(longest), table(longest)
    is_word = np.zeros((count, longest), bool)
    said, floor_in, call_in = table(ticks), table(ticks), table(ticks)
    frames: list[npt.NDArray[np.uint8]] = []
    frame_row: list[int] = []
    frame_slot: list[int] = []
    seen: list[int] = []
    tick0 = rng.integers(0, 500_000, count) if augment else np.zeros(count, np.int64)
    tick0[[rng.random() < FRESH_SHARE and not scene.before for scene in scenes]] = 0
    for b, (scene, (words, kinds)) in enumerate(zip(scenes, rows, strict=True)):
        for i, (k, _, word, prov) in enumerate(words):
            word_id[b, i], provenance[b, i], word_tick[b, i] = word, prov, k
        place = np.array([p for p, _, _ in kinds])
        origin = np.array([s for _, s, _ in kinds])
        frames_at = ticks * (AUDIO_TOKENS + 1) + widest
        n = len(kinds)
        source[b, :n] = np.where(origin >= 0, origin, frames_at - 1 - origin)
        position[b, :n] = place
        position[b, n:] = place[-1] + 1
        tick_of = place // SLOTS_PER_TICK
        tick_start[b, :n] = np.searchsorted(tick_of, tick_of)
        tick_start[b, n:] = n
        is_word[b, :n] = [w == 1 for _, _, w in kinds]
        said[b, 1:], floor_in[b, 1:], call_in[b, 1:] = scene.word[:-1], scene.floor[:-1], scene.call[:-1]
        for k, (word, floor, call) in scene.did.items():
            if k + 1 < ticks:
                said[b, k + 1], floor_in[b, k + 1], call_in[b, k + 1] = word, floor, call
        if augment:
            said[b, rng.random(ticks) < 0.02] = 0
        for i, k in enumerate(sorted(scene.frames)):
            frames.append(scene.frames[k])
            frame_row.append(b)
            frame_slot.append(i)
            seen.append(-100 if scene.shown is None else seen_class(scene.shown.get(k)))
    px = config.frame_px
    in_view = np.array(
        [
            [-100 if s.shown is None or not s.frames else seen_class(s.shown.get(k)) for k in range(ticks)]
            for s in scenes
        ],
        np.int64,
    )
    wanted = np.stack([s.wanted for s in scenes])
    moment, promised, awaited = (
        np.stack([np.full(ticks, -100) if track is None else track for track in tracks])
        for tracks in ([s.moment for s in scenes], [s.promised for s in scenes], [s.awaited for s in scenes])
    )
    slots = np.full((count, ticks, len(config.slots)), -100, np.int64)
    for b, scene in enumerate(scenes):
        for k, classes in scene.slots.items() if config.slots else ():
            slots[b, k] = classes
    pictures = np.stack(frames) if frames else np.zeros((0, px, px, 3), np.uint8)

    def ints(values: object) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.int64))

    assert most_frames == 0 or frames
    heard_levels = levels(np.stack([s.microphone for s in scenes]), filters)
    return Batch(
        mask_bands(heard_levels, rng) if augment else heard_levels,
        levels(np.stack([s.own for s in scenes]), None),
        ints(said),
        ints(floor_in),
        ints(call_in),
        ints(word_id),
        ints(provenance),
        ints(word_tick),
        torch.from_numpy(pictures),
        ints(frame_row),
        ints(frame_slot),
        ints(seen),
        ints(source),
        ints(position),
        ints(tick_start),
        torch.from_numpy(is_word),
        ints(np.stack([s.heard for s in scenes])),
        ints(np.stack([s.phase for s in scenes])),
        ints(np.stack([np.where(s.phase < 0, s.phase, phone_track(s.spans, len(s.phase))) for s in scenes])),
        ints(np.stack([s.word for s in scenes])),
        ints(np.stack([s.floor for s in scenes])),
        ints(np.stack([s.call for s in scenes])),
        ints(np.stack([s.countdown for s in scenes])),
        ints(wanted),
        ints(in_view),
        ints(matches(wanted, in_view)),
        ints(moment),
        ints(promised),
        ints(awaited),
        ints(slots),
        ints(tick0),
    )


def matches(wanted: npt.NDArray[np.int64], in_view: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """1 where what is wanted appears, 0 where something else does, -100 everywhere else; all int [b, t].

    Only the micro-turn of appearing counts: one later, what the model said or did not say gives the answer away.
    """
    colour, shape = wanted // (1 + len(SHAPES)), wanted % (1 + len(SHAPES))
    seen_colour, seen_shape = 1 + (in_view - 1) // len(SHAPES), 1 + (in_view - 1) % len(SHAPES)
    fits = ((colour == 0) | (colour == seen_colour)) & ((shape == 0) | (shape == seen_shape))
    before = np.concatenate([np.zeros_like(in_view[:, :1]), in_view[:, :-1]], 1)
    return np.where((wanted > 0) & (in_view > 0) & (before != in_view), fits.astype(np.int64), -100)


def in_reach(batch: Batch, window: int, pinned: int) -> Tensor:
    """Which token may look at which: bool [b, 1, n, n].

    A token sees itself and what is older; of the past before its micro-turn, the last ``window`` tokens and, beyond
    them, the last ``pinned`` words. This is what the ring cache holds when the stream is stepped.
    """
    n = batch.source.shape[1]
    rank = torch.arange(n, device=batch.source.device)
    edge = (batch.tick_start - window).clamp(min=0)  # [b, n]: ranks below have left the window
    older = rank[None, None, :] <= rank[None, :, None]
    near = rank[None, None, :] >= edge[:, :, None]
    words_before = torch.cumsum(batch.is_word.long(), 1) - batch.is_word.long()  # words of lower rank
    at_edge = words_before.gather(1, edge)
    kept = batch.is_word[:, None, :] & (words_before[:, None, :] >= at_edge[:, :, None] - pinned)
    return (older & (near | kept)).unsqueeze(1)


def hear(network: torch.nn.Module, batch: Batch) -> Tensor:
    """Audio tokens [b, 4t, width] of a batch, as if every scene began in silence; zeros where nothing is heard."""
    from imkit.model.network import Network

    assert isinstance(network, Network)
    if batch.deaf:
        return torch.zeros(*batch.heard.shape, network.config.width, device=batch.levels.device)
    past = torch.zeros(len(batch.levels), network.config.stem_state, device=batch.levels.device)
    return network.embed_audio(batch.levels.int(), batch.own_levels.int(), past)[0]


def embed(network: torch.nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Packed tokens [b, n, width] of a batch, and those of its audio alone [b, 4t, width]."""
    from imkit.model.network import Network

    assert isinstance(network, Network)
    ticks = batch.word.shape[1]
    device = batch.source.device
    clock = network.clock_features(batch.tick0[:, None] + torch.arange(ticks, device=device))
    audio = hear(network, batch)
    act = network.embed_act(batch.said, batch.floor_in, batch.call_in, clock)
    word_clock = network.clock_features(batch.tick0[:, None] + batch.word_tick)
    read = F.pad(batch.words, (network.config.context_words, 0))
    words = network.embed_words(read, batch.provenance, word_clock)
    parts = [audio, act, words]
    if len(batch.frames):
        pictures = batch.frames.permute(0, 3, 1, 2).float() / 255
        per_row = int(batch.frame_slot.max()) + 1
        rows = torch.zeros(len(batch.source), per_row, audio.shape[-1], device=device, dtype=audio.dtype)
        rows[batch.frame_row, batch.frame_slot] = network.patches(pictures).to(audio.dtype)
        parts.append(rows)
    table = torch.cat(parts, 1)
    return table.gather(1, batch.source[..., None].expand(-1, -1, table.shape[-1])), audio


def forward(network: torch.nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The whole batch at once: residuals of audio tokens [b, 4t or 0, width] and of act tokens [b, t, width].

    Third, the act tokens two thirds of the way up, where what is asked and what is seen must be known already; fourth,
    the audio tokens as the ears give them to the decoder.
    """
    from imkit.model.network import Network

    assert isinstance(network, Network)
    reach = in_reach(batch, network.config.window, network.config.pinned)
    positions = batch.position + (batch.tick0 * SLOTS_PER_TICK)[:, None]
    x, tokens = embed(network, batch)
    bias = torch.zeros(reach.shape, dtype=x.dtype, device=x.device).masked_fill_(~reach, float("-inf"))
    halfway: list[Tensor] = []

    def keep(_module: object, _inputs: object, output: tuple[Tensor, ...]) -> None:
        halfway.append(output[0])

    tap = network.blocks[2 * len(network.blocks) // 3 - 1].register_forward_hook(keep)
    out, _, _ = network.decode(x, positions, bias)
    tap.remove()
    ticks = batch.word.shape[1]
    slot = batch.position % SLOTS_PER_TICK
    audio = (slot >= SLOT_AUDIO) & (slot < SLOT_AUDIO + AUDIO_TOKENS) & (batch.source < ticks * AUDIO_TOKENS)
    act = (batch.source >= ticks * AUDIO_TOKENS) & (batch.source < ticks * (AUDIO_TOKENS + 1))
    width = out.shape[-1]
    below = network.norm(halfway[0])
    return (
        out[audio].reshape(len(out), 0 if batch.deaf else AUDIO_TOKENS * ticks, width),
        out[act].reshape(len(out), ticks, width),
        below[act].reshape(len(out), ticks, width),
        tokens,
    )
