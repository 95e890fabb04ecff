"""A language model behind an OpenAI-compatible chat server: vLLM, Ollama, llama.cpp, transformers serve, vendors."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from imkit.stream import SessionError

from .endpoint import EndpointError, Message, Piece, Wanted
from .failures import in_words
from .package import INSTRUCTIONS
from .protocol import Answer, Desk, Task
from .rounds import Limits, converse

CONNECT_S = 5.0
MAX_CALLS_A_REPLY = 16
NO_KEY = "none"


class ChatModel:
    """A background model that asks a chat server, with tools, streaming.

    base_url      where it is, ending in /v1 with most servers: "http://localhost:11434/v1"
    model         the name that the server knows it by
    api_key       a string for servers that want one; it goes to ``base_url`` only, and no variable of the environment
                  that belongs to a vendor is read in its place
    limits        what one task may cost
    instructions  the system message
    silence_s     how long the server may send nothing at all
    options       further fields of the request, as the server spells them: {"temperature": 0.2}
    sees          True sends what the camera shows, at most two small JPEG pictures a task, as image parts. Off by
                  default: many servers refuse a request that holds a picture, and what the camera shows is sent
                  nowhere unless you say so

    Nothing is sent before the first task. Needs ``pip install imkit[background]``; raises SessionError without it.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        limits: Limits | None = None,
        instructions: str = INSTRUCTIONS,
        silence_s: float = 30.0,
        options: Mapping[str, Any] | None = None,
        sees: bool = False,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            shown = base_url if "@" not in base_url else "(an address with a password in it)"
            raise SessionError(f"base_url is {shown!r}, expected an address such as 'http://localhost:8000/v1'")
        if parts.username or parts.password or parts.query:
            raise SessionError("base_url holds a password or a query; give the key as api_key instead")
        if not model:
            raise SessionError("model is empty, expected the name that the server knows it by")
        if importlib.util.find_spec("openai") is None:
            raise SessionError("ChatModel needs the openai client; run: pip install 'imkit[background]'")
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.limits = limits or Limits()
        self.instructions = instructions
        self.silence_s = silence_s
        self.options = dict(options or {})
        self.sees = sees
        self.where = parts.netloc
        self.is_local = _is_loopback(parts.hostname)
        self._key = (api_key or "").strip()
        self._limit_field = "max_tokens"

    @property
    def called(self) -> str:
        """The model and where it is."""
        return f"{self.model} at {self.where}"

    def __repr__(self) -> str:
        return f"ChatModel({self.base_url!r}, {self.model!r}, {'with' if self._key else 'without'} a key)"

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("a ChatModel is not pickled: it may hold a key")

    def answer(self, task: Task, desk: Desk) -> Answer:
        """Works on one task. Failures are answers in words; raises Cancelled."""
        return converse(self, task, desk, self.limits, self.instructions, self.sees)

    def stream(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], tokens: int) -> ChatReply:
        """One streamed reply; see ``Endpoint``."""
        request: dict[str, Any] = {"model": self.model, "messages": list(messages), "stream": True}
        if tools:
            request["tools"] = list(tools)
        return ChatReply(self, request, tokens)


class ChatReply:
    """One streamed reply of a chat server, on a connection of its own, so that ending it ends nothing else."""

    def __init__(self, chat: ChatModel, request: dict[str, Any], tokens: int) -> None:
        self._chat = chat
        self._request = request
        self._tokens = tokens
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._closed = False

    def close(self) -> None:
        """Shuts the connection, which wakes a thread that waits on it (closing a socket alone does not, on Linux)."""
        with self._lock:
            self._closed = True
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # below TLS: nobody waits for its goodbye

    def __iter__(self) -> Iterator[Piece]:
        import httpx2
        import openai

        chat = self._chat
        timeout = httpx2.Timeout(chat.silence_s, connect=CONNECT_S)
        hooks = {"request": [self._watch]}
        nobody: Any = {"OpenAI-Organization": openai.omit, "OpenAI-Project": openai.omit}
        try:
            with (
                httpx2.Client(timeout=timeout, trust_env=not chat.is_local, event_hooks=hooks) as http,
                openai.OpenAI(
                    base_url=chat.base_url,
                    api_key=chat._key or NO_KEY,
                    max_retries=0,
                    timeout=timeout,
                    http_client=http,
                    default_headers=nobody,
                ) as client,
            ):
                yield from self._pieces(self._open(client))
        except Exception as error:
            words = in_words(error, called=chat.called, model=chat.model, where=chat.where, key=chat._key)
            raise words from None  # the library's error holds the request, and the request holds the key

    def _open(self, client: Any) -> Any:
        import openai

        chat = self._chat
        body = {chat._limit_field: self._tokens} | chat.options
        try:
            return client.chat.completions.create(**self._request, extra_body=body)
        except openai.BadRequestError as error:
            if chat._limit_field != "max_tokens" or "max_completion_tokens" not in str(error):
                raise
            chat._limit_field = "max_completion_tokens"  # newer servers know the limit by this name only
            return self._open(client)

    def _pieces(self, chunks: Any) -> Iterator[Piece]:
        calls: dict[int, list[str]] = {}
        end = ""
        for chunk in chunks:
            choice = chunk.choices[0] if chunk.choices else None
            if choice is None:
                continue
            delta = choice.delta
            for part in (delta.tool_calls if delta is not None else None) or ():
                self._gather(calls, part)
            text = (delta.content if delta is not None else None) or ""
            if text or (delta is not None and delta.tool_calls):
                yield Piece(text, tokens=1)  # servers stream a token a chunk, or a few: the count is a floor
            if choice.finish_reason:
                end = str(choice.finish_reason)
        if not end:
            raise EndpointError(f"{self._chat.called} broke off the connection in the middle of its answer.")
        for _, (called_id, name, arguments) in sorted(calls.items()):
            yield Piece(call=Wanted(called_id, name, arguments))
        yield Piece(end=end)

    def _gather(self, calls: dict[int, list[str]], part: Any) -> None:
        """Adds one delta of a tool call: its id and name come once, its arguments in pieces."""
        index = part.index if part.index is not None else max(calls, default=0)
        if index not in calls and len(calls) >= MAX_CALLS_A_REPLY:
            raise EndpointError(f"{self._chat.called} asked for more than {MAX_CALLS_A_REPLY} tool calls at once.")
        call = calls.setdefault(index, ["", "", ""])
        call[0] = part.id or call[0]
        if part.function is not None:
            call[1] = part.function.name or call[1]
            call[2] += part.function.arguments or ""

    def _watch(self, request: Any) -> None:
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, about: Mapping[str, Any]) -> None:
        """Learns of the connection's sockets as they are made, so that ``close`` can shut them."""
        if event not in (
            "connection.connect_tcp.complete",
            "connection.start_tls.complete",
            "proxy.start_tls.complete",
        ):
            return
        made = about["return_value"].get_extra_info("socket")
        with self._lock:
            if made is not None:
                self._sockets.append(made)
            closed = self._closed
        if closed:
            self.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
