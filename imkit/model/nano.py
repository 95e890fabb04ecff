"""nano in the chair: state in, state out, one forward a micro-turn, no rule about when to speak."""

from __future__ import annotations

from collections import deque
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

from .config import AUDIO_TOKENS, FLOORS, PROVENANCES, SLOTS_PER_TICK, WORD_SLOTS, NanoConfig
from .graph import ROW_ACT, ROW_AUDIO, ROW_FRAME, ROW_WORD, SLOT_OF_ROW
from .own_voice import new_mouth, open_voice
from .reading import FAIL, RESULT, UNKNOWN, as_number, read_text, small_square, spoken_form
from .ring import STREAMS, WORD_STREAM, Ring
from .runtime import EagerRuntime, Runtime, open_runtime
from .voice import Speaker

DELEGATED = ("plot", "describe", "list", "search")  # what the background can do where no such tool is given
TOOLS = {"list": "list_variables"}  # calls whose tool has another name
REPEAT_TOKENS = 4  # the same word again within 200 ms is the same word, read twice
UNREAD_LIMIT = 64
REQUEST_WORDS = 24
REQUEST_AGE_S = 8.0
STREAM_OF_ROW = [STREAMS.index(name) for name in ("camera", "act", "audio")]
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
    unread: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=UNREAD_LIMIT))
    mouth: Any = None  # a Mouth or an OwnMouth, as the voice needs
    request: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REQUEST_WORDS))
    tools: frozenset[str] = frozenset()
    last_end_s: float = 0.0
    last_heard: tuple[int, int] = (0, -REPEAT_TOKENS)


class Nano:
    """The trained model. One object serves any number of streams; each has its own ``NanoState``."""

    def __init__(self, config: NanoConfig, runtime: Runtime, clips: Speaker, name: str = "nano") -> None:
        self.config, self.runtime, self.clips = config, runtime, clips
        self.ids = {word: i for i, word in enumerate(config.vocabulary)}
        self._eager: EagerRuntime | None = None
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
        return Nano(self.config, self._eager.twin(), self.clips, self.spec.name)

    @property
    def module(self) -> Any:
        """What hooks are put on, a ``torch.nn.Module``; only of an eager one. Raises ModelError for another."""
        if not isinstance(self.runtime, EagerRuntime):
            raise ModelError(f"{self!r} runs as one native call with nothing to look into; take model.eager()")
        return self.runtime.graph

    def step(self, state: NanoState, percept: Percept) -> tuple[Act, NanoState]:
        """One micro-turn. Changes ``state`` in place and gives it back."""
        words = self._words(state, percept)
        microphone = np.concatenate([state.history, percept.audio])
        own = np.concatenate([state.own_history, state.own])
        present = [*range(ROW_WORD, ROW_WORD + len(words)), *range(ROW_AUDIO, ROW_ACT + 1)]
        px = self.config.frame_px
        frame = np.zeros((1, 3, px, px), np.float32)
        if percept.frames:
            present.insert(0, ROW_FRAME)
            frame[0] = small_square(percept.frames[-1], px).transpose(2, 0, 1) / np.float32(255)
        slots = np.zeros((2, WORD_SLOTS), np.int64)
        for i, (word, provenance) in enumerate(words):
            slots[:, i] = word, provenance
        out = self.runtime.run(
            microphone=microphone[None],
            own=own[None],
            ears=state.ears,
            frame=frame,
            words=slots[0],
            provenance=slots[1],
            done=np.array(state.done, np.int64),
            tick=np.array([state.tick], np.int64),
            present=np.array(present, np.int64),
            keys=state.ring.keys,
            values=state.ring.values,
            cache_bias=state.ring.bias,
        )
        rows = np.array(present)
        stream = np.select([rows == ROW_FRAME, rows == ROW_ACT, rows >= ROW_AUDIO], STREAM_OF_ROW, WORD_STREAM)
        stream[(rows >= ROW_WORD) & (rows < ROW_AUDIO)] += slots[1][: len(words)]
        position = state.tick * SLOTS_PER_TICK + np.array(SLOT_OF_ROW)[rows]
        state.ring.write(out["new_keys"], out["new_values"], position, stream.astype(np.int8))
        state.ears = out["new_ears"]
        state.history = microphone[INPUT_SAMPLES:]
        state.own_history = own[INPUT_SAMPLES:]
        act = self._act(state, percept, out)
        state.tick += 1
        return act, state

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

    def _act(self, state: NanoState, percept: Percept, out: dict[str, npt.NDArray[np.float32]]) -> Act:
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
        f"{name!r} is no model that comes with imkit; pass a folder with config.json and weights.safetensors"
    )


def load_nano(folder: Path | str | None = None, runtime: Literal["onnx", "eager"] = "onnx") -> Nano:
    """Load a nano from a folder (by default the one that comes with imkit).

    ``runtime`` "onnx" steps in one native call; "eager" steps in torch, where hooks can look in. Both agree.
    """
    path = model_folder("nano") if folder is None else Path(folder)
    config = NanoConfig.load(path / "config.json")
    return Nano(config, open_runtime(path, config, runtime), open_voice(path), path.name)


__all__ = ["Nano", "NanoState", "Provenance", "load_nano", "model_folder"]
