"""MiniCPM-o 4.5 in the chair, by its own duplex interface: a second of sound and pictures in, a second of speech out.

Its network is code that lies beside its weights. It is run only where the caller says ``trust_remote_code=True`` and,
for a repository, which commit of it: what was read is then what runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from imkit.model.hub import COMMIT, WANTED, folder_of, weights_here
from imkit.stream import (
    INPUT_RATE,
    Act,
    Floor,
    ModelError,
    ModelSpec,
    OpenConfig,
    Percept,
    Word,
    heard_from_s,
    samples_per_tick,
)

from .fifo import Inlet, Outlet

RATE: Final = 24_000
UNIT_S: Final = 1.0
FRAMES_PER_UNIT: Final = 2
LONGEST_S: Final = 5.0  # of speech that waits; more is dropped, oldest first, and counted
CODE = ("*.py", "*.txt", "*.model", "*.yaml")
PROMPT = "Streaming Omni Conversation."
GENERATE: Mapping[str, Any] = {"max_new_speak_tokens_per_chunk": 20, "decode_mode": "sampling"}
Sound = NDArray[np.float32]


@dataclass
class MiniCPMOState:
    """Of one stream what is ours: what waits to be heard and to be said. What it knows is inside its model.

    So there is one stream a model at a time, and a copy is refused: it would go on with the other's memory.
    """

    number: int
    seed: int
    generate: Mapping[str, Any]
    inlet: Inlet
    outlet: Outlet
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    units: int = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> MiniCPMOState:
        raise ModelError(
            "a stream of MiniCPM-o cannot be forked: its memory lives inside the model object, in its authors' code"
        )


class MiniCPMO:
    """A full-duplex model that hears, sees and speaks (OpenBMB 2026, arXiv 2604.27393), deciding once a second.

    Five micro-turns make a unit. The fifth does the work of a second, so it is late where that takes more than 200 ms;
    below a second the loop catches up within the next ones. What it then says is put out from that micro-turn on. Of
    the pictures of a unit it sees the newest two. Its words are spread evenly over its sound. It reads nothing that is
    typed (``prompt`` is said to it before all else), calls nothing and is told no events.

    One stream at a time: opening another ends the one before, and states cannot be copied: no forks, no snapshots. A
    seed is set before each unit and the dice of the process are put back, so that a stream can be lived through again.
    How far it remembers, and whether pieces give what the whole would, is up to its own code.

    Its authors name transformers 4.51, torch up to 2.8 and ``minicpmo-utils[all]``: other versions than those here.
    Where they cannot be had together, serve it (vLLM-Omni) and use ``realtime:``.
    """

    def __init__(
        self,
        duplex: Any,
        *,
        prompt: str = PROMPT,
        voice: str | Path | None = None,
        name: str = "minicpmo",
        **generate: Any,
    ) -> None:
        """``duplex`` has prepare, streaming_prefill and streaming_generate; ``voice`` is a file it is to sound like.

        ``generate`` goes to streaming_generate as it is.
        """
        wanted = ("prepare", "streaming_prefill", "streaming_generate")
        if missing := [part for part in wanted if not callable(getattr(duplex, part, None))]:
            raise ModelError(f"{type(duplex).__name__} has no {', '.join(missing)}; expected what as_duplex() gives")
        self._duplex, self._prompt = duplex, prompt
        self._reference: dict[str, Any] = {}
        self._generate = {**GENERATE, **generate}
        if voice is not None:
            self._reference = {"ref_audio": reference(Path(voice)), "prompt_wav_path": str(voice)}
            self._generate["prompt_wav_path"] = str(voice)
        self._streams = 0
        self._spec = ModelSpec(name, RATE, UNIT_S, sees=True, reads=False)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        trust_remote_code: bool = False,
        revision: str | None = None,
        device: str = "cpu",
        dtype: str = "auto",
        speaks: bool = True,
        **options: Any,
    ) -> Self:
        """From a folder or ``owner/name`` on the Hub, such as ``openbmb/MiniCPM-o-4_5``.

        Raises ModelError, with nothing fetched or run, without ``trust_remote_code=True`` and, for a repository, a
        ``revision`` that is a whole commit (40 hexadecimal digits); and, with nothing run, where a part of the code is
        another repository's. Pickle files are not fetched: a voice that is made of some has to be laid beside the
        weights by hand. ``speaks=False`` gives words without sound.
        """
        if trust_remote_code is not True:
            raise ModelError(
                f"{source}: MiniCPM-o's network is Python code of its authors that would run here with your rights. "
                "Read it, then pass trust_remote_code=True and, for a repository, revision= with the commit you read."
            )
        if not Path(source).expanduser().is_dir() and not COMMIT.fullmatch(revision or ""):
            raise ModelError(
                f"{source}: revision={revision!r} may become other code at any time; pass the whole commit that you "
                "read, 40 hexadecimal digits, as its page on the Hub shows it under History"
            )
        folder = folder_of(source, revision, wanted=(*WANTED, *CODE))
        all_here(folder)
        weights_here(folder)
        from transformers import AutoModel

        try:
            model: Any = AutoModel.from_pretrained(
                folder, trust_remote_code=True, dtype=dtype, use_safetensors=True, local_files_only=True
            )
        except ImportError as error:
            raise ModelError(f"{folder}: its code needs what is not here ({error}); see its page") from error
        except (OSError, ValueError, RuntimeError, AttributeError, TypeError) as error:
            raise ModelError(f"{folder}: its code cannot be loaded with this transformers ({error})") from error
        model = model.eval().to(device)
        if not callable(getattr(model, "as_duplex", None)):
            raise ModelError(f"{folder}: a {type(model).__name__} without as_duplex; expected MiniCPM-o 4.5 or newer")
        return cls(model.as_duplex() if speaks else model.as_duplex(generate_audio=False), **options)

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self._spec

    def __repr__(self) -> str:
        return f"<MiniCPMO {self.spec.name}: {type(self._duplex).__name__}, units of {UNIT_S:g} s>"

    def open(self, config: OpenConfig) -> MiniCPMOState:
        """A fresh stream, which ends the one before. ``config.options`` go to streaming_generate as they are."""
        self._streams += 1
        with seeded(config.seed):
            self._duplex.prepare(prefix_system_prompt=self._prompt, **self._reference)
        tick = samples_per_tick(RATE)
        return MiniCPMOState(
            self._streams,
            config.seed,
            {**self._generate, **config.options},
            Inlet(round(UNIT_S * INPUT_RATE)),
            Outlet(tick, round(LONGEST_S * RATE)),
        )

    @torch.inference_mode()
    def step(self, state: MiniCPMOState, percept: Percept) -> tuple[Act, MiniCPMOState]:
        """One micro-turn. Changes ``state`` in place and gives it back."""
        if state.number != self._streams:
            raise ModelError("this stream of MiniCPM-o ended when another was opened; load a second model for both")
        state.frames = [*state.frames, *percept.frames][-FRAMES_PER_UNIT:]
        told: dict[str, Any] = {}
        for unit in state.inlet.put(percept.audio):
            told = self._unit(state, unit)
        audio, begun = state.outlet.take()
        start_s = heard_from_s(percept.index)
        words = tuple(
            Word(text, round(start_s + at / RATE, 3), round(start_s + (at + size) / RATE, 3))
            for at, text, size in begun
        )
        floor = Floor.SPEAK if words or audio.any() else Floor.LISTEN
        if state.outlet.dropped:
            told["dropped_samples"] = state.outlet.dropped
        return Act(percept.index, audio, floor, words, diagnostics=told), state

    def _unit(self, state: MiniCPMOState, sound: Sound) -> dict[str, Any]:
        """A second in, and what it has to say to it into the outlet."""
        frames, state.frames = pictures(state.frames), []
        with seeded(state.seed + state.units + 1):
            self._duplex.streaming_prefill(audio_waveform=sound, frame_list=frames, max_slice_nums=1)
            result = self._duplex.streaming_generate(**state.generate)
        state.units += 1
        if result["is_listen"]:
            return {"listens": True}
        said = spoken(result.get("audio_waveform"))
        words = str(result.get("text") or "").split()
        begin, length = state.outlet.waiting, len(said) or round(UNIT_S * RATE)
        state.outlet.put(said)
        for i, word in enumerate(words):
            state.outlet.say(begin + i * length // len(words), word, length // len(words))
        return {"listens": False, "end_of_turn": bool(result.get("end_of_turn"))}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's and NumPy's global dice thrown from a seed inside, and as they were after."""
    numpy = np.random.get_state()  # noqa: NPY002 (what the authors' code draws from)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(numpy)  # noqa: NPY002


def all_here(folder: Path) -> None:
    """Raises ModelError where a configuration names code of another repository, which no revision pins."""
    for path in sorted(folder.glob("*.json")):
        try:
            value = json.loads(path.read_text("utf-8"))
        except ValueError:
            continue
        named = value.get("auto_map") if isinstance(value, dict) else None
        for one in named.values() if isinstance(named, dict) else ():
            for name in one if isinstance(one, list) else [one]:
                if "--" in str(name):
                    raise ModelError(f"{path}: names code of another repository ({name}), which is not pinned; not run")


def reference(path: Path) -> Sound:
    """A voice to sound like: mono at 16 kHz. Raises ModelError for another file."""
    try:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ModelError(f"{path}: no readable sound ({error})") from error
    if rate != INPUT_RATE:
        raise ModelError(f"{path}: is at {rate} Hz, expected {INPUT_RATE} Hz; resample it first")
    return np.asarray(sound.mean(1), np.float32)


def pictures(frames: list[NDArray[np.uint8]]) -> list[Any] | None:
    """Frames as what the authors' code takes; None for none."""
    if not frames:
        return None
    try:
        from PIL import Image
    except ImportError as error:
        raise ModelError("minicpmo: pictures need pillow; pip install 'imkit[minicpmo]'") from error
    return [Image.fromarray(frame) for frame in frames]


def spoken(sound: Any) -> Sound:
    """The sound of a unit, float32 [n]; none of it is nothing."""
    if sound is None:
        return np.zeros(0, np.float32)
    if isinstance(sound, torch.Tensor):
        sound = sound.detach().float().cpu().numpy()
    return np.clip(np.asarray(sound, np.float32).reshape(-1), -1, 1)
