"""A language model in this process, loaded with transformers."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imkit.stream import SessionError

from .endpoint import EndpointError, Message, Piece
from .local_template import prompt_inputs
from .package import INSTRUCTIONS
from .protocol import Answer, Desk, Task
from .rounds import Limits, converse

LOOK_S = 0.05


class LocalModel:
    """A background model that runs here: a chat model of the ``transformers`` kind, with tools, streaming.

    path_or_name  a folder, or a name that ``transformers`` knows; a name is fetched when it is not on this machine yet
    limits        what one task may cost
    instructions  the system message
    device        where it runs: "cpu", "cuda"; None is a CUDA device where there is one
    sample        False writes the likeliest token each time; True as the model's own settings say

    Nothing is imported or loaded before the first task, or ``load``. One reply is written at a time. Code that comes
    with a model is never run. It reads text only: for a model that sees, ``transformers serve`` it and use
    ``ChatModel(..., sees=True)``. Needs ``pip install imkit[local]``; raises SessionError without it.
    """

    def __init__(
        self,
        path_or_name: str,
        *,
        limits: Limits | None = None,
        instructions: str = INSTRUCTIONS,
        device: str | None = None,
        sample: bool = False,
    ) -> None:
        missing = [name for name in ("transformers", "torch") if importlib.util.find_spec(name) is None]
        if missing:
            raise SessionError(f"LocalModel needs {' and '.join(missing)}; run: pip install 'imkit[local]'")
        if not str(path_or_name):
            raise SessionError("path_or_name is empty, expected a folder or the name of a model")
        self.name = str(path_or_name)
        self.limits = limits or Limits(seconds=120.0, tokens=600, rounds=4)
        self.instructions = instructions
        self.device = device
        self.sample = sample
        self.pair: tuple[Any, Any] | None = None
        """Tokenizer and model, once they are loaded."""
        self.loading = threading.Lock()
        self.writing = threading.Lock()

    @property
    def called(self) -> str:
        """The model, in short."""
        return f"The local model {self.name.rstrip('/').rsplit('/', 1)[-1]}"

    def __repr__(self) -> str:
        return f"LocalModel({self.name!r}, {'loaded' if self.pair else 'not loaded yet'})"

    def answer(self, task: Task, desk: Desk) -> Answer:
        """Works on one task. Failures are answers in words; raises Cancelled."""
        return converse(self, task, desk, self.limits, self.instructions)

    def load(self) -> tuple[Any, Any]:
        """Loads tokenizer and model, once. Raises EndpointError when that fails."""
        with self.loading:
            if self.pair is None:
                self.pair = self._load()
            return self.pair

    def stream(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], tokens: int) -> LocalReply:
        """One streamed reply; see ``Endpoint``."""
        return LocalReply(self, messages, tools, tokens)

    def _load(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.name, trust_remote_code=False)
            model: Any = AutoModelForCausalLM.from_pretrained(
                self.name, dtype="auto", trust_remote_code=False, use_safetensors=True
            )
            model.to(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        except Exception as error:  # missing files, a broken download, too little memory: each library has its own
            words = " ".join(str(error).split())[:200]
            raise EndpointError(f"{self.called} could not be loaded: {type(error).__name__}: {words}") from error
        if not getattr(tokenizer, "chat_template", None):
            raise EndpointError(f"{self.called} is not a chat model: its tokenizer has no chat template.")
        model.eval()
        return tokenizer, model


class LocalReply:
    """One reply, written token by token in a thread of its own; ``close`` stops it after the token under way."""

    def __init__(
        self, local: LocalModel, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], tokens: int
    ) -> None:
        self._local = local
        self._messages, self._tools, self._tokens = messages, tools, tokens
        self._stop = threading.Event()

    def close(self) -> None:
        """Stops writing; the lock that lets one reply be written at a time is free soon after."""
        self._stop.set()

    def __iter__(self) -> Iterator[Piece]:
        local = self._local
        tokenizer, model = local.load()
        while not local.writing.acquire(timeout=LOOK_S):
            if self._stop.is_set():
                return
        writer: threading.Thread | None = None
        try:
            from transformers import TextIteratorStreamer

            inputs = prompt_inputs(tokenizer, self._messages, self._tools, local.called).to(model.device)
            room = _room(model, int(inputs["input_ids"].shape[1]), local.called)
            limit = max(1, min(self._tokens, room))
            streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
            outcome: list[Any] = []
            writer = threading.Thread(
                target=self._write, args=(model, inputs, limit, streamer, outcome), name="imkit-generate", daemon=True
            )
            writer.start()
            for text in streamer:
                yield Piece(text)
            writer.join()
        finally:
            self._stop.set()
            if writer is None:
                local.writing.release()
        if isinstance(outcome[0], BaseException):
            words = " ".join(str(outcome[0]).split())[:200]
            raise EndpointError(f"{local.called} failed: {type(outcome[0]).__name__}: {words}") from outcome[0]
        yield Piece(end="length" if outcome[0] >= limit else "stop", tokens=outcome[0])

    def _write(self, model: Any, inputs: Any, limit: int, streamer: Any, outcome: list[Any]) -> None:
        """The writing thread. Leaves the number of tokens written, or the error, in ``outcome`` and ends the stream."""
        import torch
        from transformers import StoppingCriteriaList

        def unwanted(ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG001
            return torch.full((ids.shape[0],), self._stop.is_set(), dtype=torch.bool, device=ids.device)

        try:
            with torch.inference_mode():
                written = model.generate(
                    **inputs,
                    max_new_tokens=limit,
                    do_sample=self._local.sample,
                    streamer=streamer,
                    stopping_criteria=StoppingCriteriaList([unwanted]),
                )
            outcome.append(int(written.shape[1] - inputs["input_ids"].shape[1]))
        except BaseException as error:  # told by the thread that reads
            outcome.append(error)
        finally:
            self._local.writing.release()
            streamer.end()


def _room(model: Any, length: int, called: str) -> int:
    """How many tokens may follow ``length`` of them."""
    most = getattr(model.config, "max_position_embeddings", None)
    room = int(most) - length if isinstance(most, int) else 1 << 30
    if room <= 0:
        raise EndpointError(f"{called} can read {most} tokens, and this conversation with the notebook is {length}.")
    return room
