"""The last micro-turns of a stream as one function of what came in, through which gradients can be taken.

What was before them is held as it was: keys and values in the ring, and what the ears keep. So are the model's own
choices in between: the words that it heard and what it did stand as they were chosen, and no gradient goes through the
choosing. Within that, it is the same computation as tick by tick, what has left the ring included.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imkit.model.config import AUDIO_TOKENS
from imkit.stream import Act, ModelSpec, OpenConfig, Percept

from .decisions import Decision, decision_of, network_of
from .inside import Inside
from .positions import Positions, of_parts, of_tokens

if TYPE_CHECKING:
    from torch import Tensor

Ints = npt.NDArray[np.int64]
SOURCES = ("microphone", "own", "words", "acts", "pictures", "clock")


@dataclass(slots=True, eq=False)
class Given:
    """What went into the network in one micro-turn; keys, values and ears of the first one only."""

    index: int
    at: dict[str, Any]
    reached: Ints


@dataclass(eq=False)
class Recorder:
    """A model in the chair that keeps what goes into its network."""

    inside: Inside
    ticks: list[Given] = field(default_factory=list)

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self.inside.spec

    def open(self, config: OpenConfig) -> Any:
        """A fresh state, as the model's own; what was before it is of no more use."""
        self.ticks.clear()
        return self.inside.open(config)

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        """One micro-turn; what goes in is kept."""
        network_of(self.inside.points)
        handle = self.inside.points.module.register_forward_pre_hook(self._take)
        ring = state.ring
        self.ticks.append(Given(percept.index, {}, ring.position[ring.bias == 0].copy()))
        try:
            return self.inside.step(state, percept)
        finally:
            handle.remove()

    def _take(self, _: Any, given: tuple[Any, ...]) -> None:
        from imkit.model.graph import INPUTS

        large = {"keys", "values", "cache_bias", "ears"} if len(self.ticks) > 1 else set()
        # Tensors of inference mode know no gradients; as arrays they come out of it.
        found = zip(INPUTS, given, strict=True)
        self.ticks[-1].at = {name: tensor.numpy().copy() for name, tensor in found if name not in large}


class Unrolled:
    """Some micro-turns in a row as one function, ``unrolled(*tensors) -> logits [batch, class]`` of their end.

    inputs     by name, each [1, ...], what came in: level embeddings of "microphone" and "own" [1, mel, bin, d_level],
               "words" [1, word, d_model] and "acts" (what was done before each) [1, tick, d_model], embedded,
               "pictures" [1, picture, 3, px, px] from 0 to 1, "clock" [1, tick, phase]; without what did not come
    baselines  by name alike: silence, words that say nothing, nothing done, grey, no clock
    positions  by name, when and of which stream the second axis of each is
    """

    def __init__(self, recorder: Recorder, output: str = "floor", part: int = 0) -> None:
        """``part`` is the audio token (0 to 3) that words heard are read from."""
        import torch

        self.network = network_of(recorder.inside.points)
        self.decision: Decision = decision_of(self.network, output)
        self.ticks = recorder.ticks
        self.index: Ints = np.array([tick.index for tick in self.ticks], np.int64)
        self.words: list[str] = []
        with torch.no_grad():
            self._collect()
            self._lay_out(part)

    def __call__(self, *tensors: Tensor, names: tuple[str, ...] = ()) -> Tensor:
        """Logits [batch, class]; ``names`` are those of the tensors (else of all inputs, in order), others are held."""
        import torch

        given = dict(zip(names or tuple(self.inputs), tensors, strict=True))
        batch = len(tensors[0])
        at = {name: given.get(name, held.expand(batch, *held.shape[1:])) for name, held in self.inputs.items()}
        network = self.network
        clock = network.clock(at["clock"])
        parts = [self._heard(at["microphone"], at["own"], batch), at["acts"] + clock]
        if "words" in at:
            parts.append(at["words"] + clock[:, self._word_tick])
        if "pictures" in at:
            pictures = at["pictures"]
            parts.append(network.patches(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2]))
        x = torch.cat(parts, 1)[:, self._order]
        past = tuple(one.unsqueeze(1).expand(-1, batch, -1, -1, -1) for one in self._past)
        residual, _, _ = network.decode(x, self._position, self._bias, past)
        decision = self.decision
        logits: Tensor = residual[:, self._row] @ decision.weight.T + decision.bias
        return logits

    def _heard(self, microphone: Tensor, own: Tensor, batch: int) -> Tensor:
        """Audio tokens of given level embeddings."""
        sites = self.network.ears.sites.points
        handles = [
            sites[f"{side}.hook_out"].register_forward_hook(lambda *_, made=made: made)
            for side, made in (("mic", microphone), ("own", own))
        ]
        try:
            levels = [one.expand(batch, -1, -1) for one in self._levels]
            tokens: Tensor = self.network.embed_audio(*levels, self._ears.expand(batch, -1))[0]
        finally:
            for handle in handles:
                handle.remove()
        return tokens

    def _collect(self) -> None:
        import torch

        network, ticks = self.network, self.ticks
        ears = network.ears
        self._levels = [
            torch.cat([network.mel(torch.from_numpy(tick.at[name])) for tick in ticks], 1)
            for name in ("microphone", "own")
        ]
        self._ears = torch.from_numpy(ticks[0].at["ears"])
        done = torch.from_numpy(np.stack([tick.at["done"] for tick in ticks]))
        embed = (network.said, network.floor, network.call)
        number = torch.from_numpy(np.concatenate([tick.at["tick"] for tick in ticks]))
        mel = of_parts(self.index, self._levels[0].shape[1] // len(ticks))
        self.inputs: dict[str, Tensor] = {
            "microphone": ears.level(self._levels[0]),
            "own": ears.own_level(self._levels[1]),
            "acts": sum(table(done[:, i]) for i, table in enumerate(embed))[None],
            "clock": network.clock_features(number)[None],
        }
        silent = torch.zeros_like(self._levels[0])
        self.baselines: dict[str, Tensor] = {
            "microphone": ears.level(silent),
            "own": ears.own_level(silent),
            "acts": sum(table(torch.zeros_like(done[:, i])) for i, table in enumerate(embed))[None],
            "clock": torch.zeros_like(self.inputs["clock"]),
        }
        self.positions: dict[str, Positions] = {
            "microphone": mel,
            "own": mel,
            "acts": of_parts(self.index, 1, "act"),
            "clock": of_parts(self.index, 1),
        }

    def _lay_out(self, part: int) -> None:
        """Which token stands where, what it may look at, and where the decision is read."""
        import torch

        from imkit.model.config import SLOTS_PER_TICK
        from imkit.model.graph import ROW_ACT, ROW_AUDIO, ROW_FRAME, SLOT_OF_ROW
        from imkit.model.network import POSITIONS

        rows = [(number, int(row)) for number, tick in enumerate(self.ticks) for row in tick.at["present"]]
        kinds: list[list[int]] = [[], [], [], []]  # sound, acts, words, pictures: as their tokens are joined
        for i, (_, row) in enumerate(rows):
            kinds[1 if row == ROW_ACT else 0 if row >= ROW_AUDIO else 3 if row == ROW_FRAME else 2].append(i)
        self._add_words([rows[i] for i in kinds[2]])
        self._add_pictures([rows[i][0] for i in kinds[3]])
        self._order = torch.from_numpy(np.argsort(np.concatenate(kinds).astype(np.int64)))
        number = np.array([n for n, _ in rows])
        slot = np.array([SLOT_OF_ROW[row] for _, row in rows])
        step = np.array([int(tick.at["tick"][0]) for tick in self.ticks])[number]
        self._position = torch.from_numpy((step * SLOTS_PER_TICK) % POSITIONS + slot)[None]
        self._bias = torch.from_numpy(self._reach(number, step * SLOTS_PER_TICK + slot))[None, None]
        self._row = len(rows) - 1 if self.decision.rows == "act" else len(rows) - 1 - AUDIO_TOKENS + part

    def _reach(self, number: Ints, place: Ints) -> npt.NDArray[np.float32]:
        """What each token may look at [token, past + token]: 0 where it may, -inf where not; it also picks the past."""
        import torch

        first = self.ticks[0]
        kept = first.at["cache_bias"] == 0
        self._past = [torch.from_numpy(first.at[name][:, kept]) for name in ("keys", "values")]
        keys = np.concatenate([first.reached, place])
        allowed = np.stack([np.isin(keys, tick.reached) for tick in self.ticks])[number]
        own = (number[None] == number[:, None]) & np.tri(len(number), dtype=bool)
        allowed[:, len(first.reached) :] |= own
        return np.where(allowed, 0, -np.inf).astype(np.float32)

    def _add_words(self, rows: list[tuple[int, int]]) -> None:
        import torch

        from imkit.model.config import PROVENANCES
        from imkit.model.graph import ROW_WORD, SLOT_OF_ROW

        if not rows:
            return
        network, number = self.network, [n for n, _ in rows]
        word, whence = (
            torch.tensor([int(self.ticks[n].at[name][row - ROW_WORD]) for n, row in rows])
            for name in ("words", "provenance")
        )
        self.inputs["words"] = (network.word(word) + network.provenance(whence))[None]
        self.baselines["words"] = torch.zeros_like(self.inputs["words"])
        self.words = [network.config.vocabulary[one] for one in word.tolist()]
        self._word_tick = torch.tensor(number)
        streams = np.array([PROVENANCES[one] for one in whence.tolist()], "<U10")
        self.positions["words"] = of_tokens(
            self.index[number], streams, np.array([SLOT_OF_ROW[row] for _, row in rows])
        )

    def _add_pictures(self, number: list[int]) -> None:
        import torch

        if not number:
            return
        self.inputs["pictures"] = torch.from_numpy(np.concatenate([self.ticks[n].at["frame"] for n in number]))[None]
        self.baselines["pictures"] = torch.full_like(self.inputs["pictures"], 0.5)
        self.positions["pictures"] = of_parts(self.index[number], 1, "camera")
