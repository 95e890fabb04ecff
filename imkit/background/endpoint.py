"""What the loop of a language model needs of whoever writes the words: one streaming method."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from imkit.stream import ImkitError

Message = dict[str, Any]
"""One chat message: {"role", "content"} and, as chat completions spell them, "tool_calls" or "tool_call_id"."""


class EndpointError(ImkitError):
    """A language model could not answer. The message is a sentence for the person; it never holds a key.

    wait_s  how long the endpoint asked to be left alone before it is asked once more, None where that would not help
    """

    def __init__(self, words: str, wait_s: float | None = None) -> None:
        super().__init__(words)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tool call as a model asked for it. ``arguments`` is JSON as it came, which may not be JSON at all."""

    id: str
    name: str
    arguments: str

    def named(self) -> dict[str, Any]:
        """The arguments by name. Raises ValueError, in words for the model, when they are no JSON object."""
        try:
            value = json.loads(self.arguments or "{}")
        except ValueError as error:
            raise ValueError(f"the arguments are not valid JSON ({error}); send one JSON object") from None
        if not isinstance(value, dict):
            raise ValueError(f"the arguments are a JSON {type(value).__name__}; send one JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a streamed reply: some text, a whole tool call, or the end and why it ended.

    end     "" while it goes on, then what the endpoint calls it: "stop", "length", "tool_calls"
    tokens  how many tokens this piece stands for, as far as is known
    """

    text: str = ""
    call: Wanted | None = None
    end: str = ""
    tokens: int = 0


class Endpoint(Protocol):
    """A language model as the loop sees it."""

    @property
    def called(self) -> str:
        """What to call it in a sentence: a model's name and where it is."""
        ...

    def stream(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], tokens: int) -> Reply:
        """Starts one reply of at most ``tokens`` tokens; ``tools`` are function tools as chat completions spell them.

        Nothing is sent before the reply is iterated. Raises EndpointError, then or while it is iterated.
        """
        ...


class Reply(Protocol):
    """A reply on its way. Iterated in one thread; ``close`` may be called in any other and makes that thread stop."""

    def __iter__(self) -> Iterator[Piece]: ...

    def close(self) -> None: ...
