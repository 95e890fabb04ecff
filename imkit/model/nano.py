"""nano in the chair: state in, state out, one forward a micro-turn, no rule about when to speak."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from imkit.stream import (
    INPUT_SAMPLES,
    TICK_S,
    TICKS_PER_S,
    Act,
    Call,
    Event,
    Floor,
    ModelError,
    ModelSpec,
    OpenConfig,
    Percept,
    Provenance,
    Word,
    heard_from_s,
)

from .batch import Batch, open_batch
from .config import AUDIO_TOKENS, FLOORS, PROVENANCES, WORD_SLOTS, NanoConfig
from .given import Given
from .hub import folder_of, no_pickles
from .own_voice import new_mouth, open_voice
from .pretrained import push, save
from .reading import FAIL, RESULT, UNKNOWN, as_number, read_text, small_square, spoken_form
from .ring import Ring
from .runtime import EagerRuntime, Runtime, open_runtime
from .voice import Speaker

DELEGATED = ("plot", "describe", "list", "search")  # what the background can do where no such tool is given
TOOLS = {"list": "list_variables"}  # calls whose tool has another name
REPEAT_TOKENS = 4  # the same word again within 200 ms is the same word, read twice
UNREAD_LIMIT = 64
REQUEST_WORDS = 24
REQUEST_AGE_S = 8.0
HEARD, TYPED = PROVENANCES.index("heard"), PROVENANCES.index("typed")


@dataclass
class NanoState:
    """Everything one stream has. Copy it (``copy.deepcopy``) to fork; nothing of it lives in the model."""

    ring: Ring
    history: npt.NDArray[np.float32]
    own_history: npt.NDArray[np.float32]
    own: npt.NDArray[np.float32]
    ears: npt.NDArray[np.float32]
    tick: int = 0
    done: tuple[int, int, int] = (0, 0, 0)
    heard: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    unread: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=UNREAD_LIMIT))
    mouth: Any = None  # a Mouth or an OwnMouth, as the voice needs
    request: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REQUEST_WORDS))
    tools: frozenset[str] = frozenset()
    last_end_s: float = 0.0
    last_heard: tuple[int, int] = (0, -REPEAT_TOKENS)


class Nano:
    """The trained model. One object serves any number of streams; each has its own ``NanoState``.

    ``device`` is where ``step_many`` runs; anything but "cpu" runs in torch.
    """

    def __init__(
        self, config: NanoConfig, runtime: Runtime, clips: Speaker, name: str = "nano", device: str = "cpu"
    ) -> None:
        self.config, self.runtime, self.clips, self.device = config, runtime, clips, device
        self.ids = {word: i for i, word in enumerate(config.vocabulary)}
        self._eager: EagerRuntime | None = None
        self._batch: Batch | None = None
        self._together = threading.Lock()
        if clips.rate != config.output_rate:
            raise ModelError(f"the voice is at {clips.rate} Hz, config.json says {config.output_rate} Hz")
        self._spec = ModelSpec(name, config.output_rate, TICK_S, sees=True, reads=True, delegates=True)

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self._spec

    def __repr__(self) -> str:
        words = len(self.config.vocabulary)
        return f"<Nano {self.spec.name}: {words} words, {self.runtime.name}, voice {self.clips.voice}>"

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, revision: str | None = None, runtime: Literal["onnx", "eager"] = "onnx"
    ) -> Nano:
        """From a folder, or ``owner/name`` on the Hub; see ``imkit.model.hub``. Pickle files are never read."""
        return load_nano(folder_of(source, revision), runtime)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Its files into ``folder``, with a model card; gives the folder. See ``imkit.model.pretrained``."""
        return save(self.runtime.folder, Path(folder))

    def push_to_hub(self, repo_id: str, *, private: bool, **how: Any) -> str:
        """Its files to ``owner/name`` on the Hub; gives the address of the commit. See ``imkit.model.pretrained``."""
        return push(self.runtime.folder, repo_id, private=private, **how)

    def open(self, config: OpenConfig) -> NanoState:
        """A fresh stream. Nano decides greedily: no seed matters. Of ``config.tools`` it calls those it knows."""
        history = self.config.audio_history
        return NanoState(
            Ring.empty(self.config),
            np.zeros(history, np.float32),
            np.zeros(history, np.float32),
            np.zeros(INPUT_SAMPLES, np.float32),
            np.zeros((1, self.config.stem_state), np.float32),
            mouth=new_mouth(self.clips),
            tools=frozenset(config.tools),
        )

    def eager(self) -> Nano:
        """The same weights run layer by layer in torch, where hooks can look in; states go from one to the other.

        Weights are loaded once and shared; hooks on what this gives are nobody else's.
        """
        if self._eager is None:
            runtime = self.runtime
            self._eager = runtime if isinstance(runtime, EagerRuntime) else EagerRuntime(runtime.folder, self.config)
        return Nano(self.config, self._eager.twin(), self.clips, self.spec.name, self.device)

    @property
    def module(self) -> Any:
        """What hooks are put on, a ``torch.nn.Module``; only of an eager one. Raises ModelError for another."""
        if not isinstance(self.runtime, EagerRuntime):
            raise ModelError(f"{self!r} runs as one native call with nothing to look into; take model.eager()")
        return self.runtime.graph

    def step(self, state: NanoState, percept: Percept) -> tuple[Act, NanoState]:
        """One micro-turn. Changes ``state`` in place and gives it back."""
        ring = state.ring
        ring.own()
        given = self._given(state, percept)
        inputs = given.inputs(self.config.frame_px)
        out = self.runtime.run(**inputs, keys=ring.keys, values=ring.values, cache_bias=ring.bias)
        return self._taken(state, percept, given, out), state

    def step_many(self, states: Sequence[NanoState], percepts: Sequence[Percept]) -> tuple[list[Act], list[NanoState]]:
        """One micro-turn of many streams, together in one native call (one for every 16): what ``step`` gives for each.

        Changes the states in place and gives them back. Streams come and go as they please: a state that was opened,
        stepped alone or copied is brought in here, and ``step`` or ``copy.deepcopy`` takes one out again, each at the
        cost of one copy of its cache. Numbers agree with those of ``step`` to 1e-4, sums being taken in another order.
        The first call opens the runtime, which takes seconds; with no states it does only that. Hooks see none of it.
        """
        if len(states) != len(percepts):
            raise ModelError(f"{len(states)} states and {len(percepts)} percepts; give one percept for each state")
        with self._together:
            if self._batch is None:
                self._batch = open_batch(self.runtime, self.config, self.device)
            acts: dict[int, Act] = {}
            for room, party in self._batch.seat([state.ring for state in states]):
                given = [self._given(states[i], percepts[i]) for i in party]
                outs = self._batch.run(room, [states[i].ring for i in party], given)
                for i, one, out in zip(party, given, outs, strict=True):
                    acts[i] = self._taken(states[i], percepts[i], one, out)
        return [acts[i] for i in range(len(states))], list(states)

    def _given(self, state: NanoState, percept: Percept) -> Given:
        """What a percept, the own sound and what was heard before give the network."""
        frame = None
        if percept.frames:
            small = small_square(percept.frames[-1], self.config.frame_px)
            frame = np.divide(small.transpose(2, 0, 1), 255, dtype=np.float32)
        words, most = self._words(state, percept), self.config.context_words
        before = [0] * (most - len(state.read)) + state.read
        state.read = [*before, *(word for word, _ in words)][len(words) :]
        return Given(
            np.concatenate([state.history, percept.audio]),
            np.concatenate([state.own_history, state.own]),
            state.ears,
            frame,
            before,
            words,
            state.done,
            state.tick,
        )

    def _taken(self, state: NanoState, percept: Percept, given: Given, out: Mapping[str, Any]) -> Act:
        """What the network gave, into the state and out as an act."""
        state.ring.write(out["new_keys"], out["new_values"], given.positions, given.streams)
        state.ears = out["new_ears"]
        state.history = given.microphone[INPUT_SAMPLES:]
        state.own_history = given.own[INPUT_SAMPLES:]
        act = self._act(state, percept, out)
        state.tick += 1
        return act

    def _words(self, state: NanoState, percept: Percept) -> list[tuple[int, int]]:
        """Word tokens of this micro-turn: what the last one heard, then what is typed or told, as room allows."""
        for text in filter(None, [percept.text]):
            state.unread.extend((word, TYPED) for word in read_text(text, self.ids))
            state.request.clear()
            state.request.extend((percept.index, word) for word in text.split())
        for event in percept.events:
            state.unread.extend(self._told(event))
        words = [(word, HEARD) for word in state.heard]
        while state.unread and len(words) < WORD_SLOTS:
            words.append(state.unread.popleft())
        return words

    def _told(self, event: Event) -> list[tuple[int, int]]:
        if event.kind != "result":
            return []
        mark = self.ids[RESULT if event.payload.get("ok", True) else FAIL]
        words = spoken_form(event.text) if self.config.tells else []
        if not 0 < len(words) < WORD_SLOTS or any(word not in self.ids for word in words):
            if "part" in event.payload:
                return []  # more is to come, and this much of it nano has no words for
            words = [str(event.payload.get("topic", ""))]
        if words[0] not in self.ids:
            return []
        provenance = PROVENANCES.index("background")
        return [(mark, provenance), *((self.ids[word], provenance) for word in words)]

    def _act(self, state: NanoState, percept: Percept, out: Mapping[str, Any]) -> Act:
        """Logits to an act: every choice is the likeliest one."""
        index = percept.index
        vocabulary = self.config.vocabulary
        heard_ids = self._collapse(state, out["heard"].argmax(-1))
        state.heard = [word for word in heard_ids if word]
        heard = []
        for slot, word_id in enumerate(heard_ids):
            if word_id:
                end_s = max(
                    index / TICKS_PER_S + (slot + 0.5) * TICK_S / AUDIO_TOKENS - self.config.heard_delay_s,
                    state.last_end_s + 0.05,
                )
                start_s = max(state.last_end_s, end_s - 0.4)
                text = "…" if vocabulary[word_id] == UNKNOWN else vocabulary[word_id]
                heard.append(Word(text, round(start_s, 3), round(end_s, 3)))
                state.last_end_s = end_s
                state.request.append((index, text))
        floor_id, word_id, call_id = (int(out[name].argmax(-1)) for name in ("floor", "word", "call"))
        said = vocabulary[word_id]
        if said not in self.clips.sounds:
            word_id = 0
        if word_id:
            floor_id = floor_id or FLOORS.index("speak")
        calls = self._calls(state, index, call_id, out.get("slots"))
        words: tuple[Word, ...] = ()
        if word_id:
            state.mouth.say(self.clips, said)
            start_s = heard_from_s(index)
            words = (Word(said, start_s, round(start_s + len(self.clips.sounds[said]) / self.clips.rate, 3)),)
            state.request.clear()
        audio, cut = state.mouth.tick(self.clips, floor_id > 0)
        state.own = audio
        state.done = (word_id, floor_id, call_id)
        diagnostics: dict[str, Any] = {
            "tokens": int(out["new_keys"].shape[1]),
            "p_speak": round(float(_softmax(out["floor"])[2]), 4),
        }
        if cut:
            diagnostics["yielded"] = True
        return Act(index, audio, Floor(FLOORS[floor_id]), words, tuple(heard), calls, diagnostics)

    def _collapse(self, state: NanoState, ids: npt.NDArray[np.int64]) -> list[int]:
        """The four slots are read in parallel and cannot see each other: a word read twice in a row counts once."""
        kept = []
        for slot, word in enumerate(ids.tolist()):
            at = state.tick * AUDIO_TOKENS + slot
            again = word == state.last_heard[0] and at - state.last_heard[1] < REPEAT_TOKENS
            if word:
                state.last_heard = (word, at)
            kept.append(0 if again else word)
        return kept

    def _calls(
        self, state: NanoState, index: int, call_id: int, slots: npt.NDArray[np.float32] | None
    ) -> tuple[Call, ...]:
        """The call of this micro-turn: of a tool that the stream was opened with, else handed to the background."""
        if not call_id:
            return ()
        name = self.config.calls[call_id]
        if (tool := TOOLS.get(name, name)) in state.tools:
            arguments = {} if slots is None else self._arguments(name, slots)
            return (Call("tool", f"{tool}-{index}", tool, arguments, index),)
        if name not in DELEGATED:
            return ()
        recent = [word for tick, word in state.request if (index - tick) * TICK_S <= REQUEST_AGE_S]
        return (Call("delegate", f"{name}-{index}", name, {"request": " ".join(recent)}, index),)

    def _arguments(self, name: str, logits: npt.NDArray[np.float32]) -> dict[str, str | int]:
        """What the slots of a call say: the likeliest value of each; parts of one argument joined, numbers as int."""
        parts: dict[str, list[str]] = {}
        edges = np.cumsum([0, *self.config.slot_sizes])
        for (call, argument, values), start, end in zip(self.config.slots, edges, edges[1:], strict=False):
            chosen = int(logits[start:end].argmax())
            if call == name and chosen:
                parts.setdefault(argument, []).append(values[chosen - 1])
        joined = {argument: " ".join(said) for argument, said in parts.items()}
        return {argument: as_number(text) for argument, text in joined.items()}


def _softmax(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum(), np.float32)


def model_folder(name: str) -> Path:
    """Where a model that comes with imkit lies: in the checkout, or inside the installed package."""
    for folder in (
        Path(str(files("imkit"))) / "_models" / name,
        Path(str(files("imkit"))).parent / "models" / name,
    ):
        if (folder / "config.json").exists():
            return folder
    raise ModelError(
        f"{name!r} is no model that comes with imkit, and no folder that holds one; pass 'nano', a folder with "
        "config.json and weights.safetensors, or a guest such as 'moshi:owner/name'"
    )


def load_nano(
    folder: Path | str | None = None, runtime: Literal["onnx", "eager"] = "onnx", device: str = "cpu"
) -> Nano:
    """Load a nano from a folder (by default the one that comes with imkit).

    ``runtime`` "onnx" steps in one native call; "eager" steps in torch, where hooks can look in. Both agree.
    ``device`` is where ``step_many`` has weights and caches, such as "cuda"; ``step`` is always on the CPU.
    """
    path = model_folder("nano") if folder is None else Path(folder)
    no_pickles(path)
    config = NanoConfig.load(path / "config.json")
    return Nano(config, open_runtime(path, config, runtime), open_voice(path), path.name, device)


__all__ = ["Nano", "NanoState", "Provenance", "load_nano", "model_folder"]
