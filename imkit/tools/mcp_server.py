"""Tools of an MCP server: another program, or a page on the network, that speaks the Model Context Protocol.

Its tools reach outside, always; those that say they only read are read tools, all others ask before they run. What a
server says of itself (names, descriptions, schemas, results) is data: it is bounded and made safe, and believed in
nothing that would let more run. A name always starts with the server's label, so that no server can pass for a tool
of the notebook.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib.util
import json
import os
import re
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from .errors import ToolError, ToolStopped
from .progress import POLL_S, Progress
from .tool import Tier, Tool

START_S = 60.0
CALL_S = 120.0
CLOSE_S = 8.0
MAX_TOOLS = 128
MAX_NAME = 64
MAX_DESCRIPTION = 1_000
MAX_SCHEMA = 8_000
MAX_RESULT = 20_000
MAX_PAGES = 20
PROGRESS = "imkit progress"  # what a call is given beside its arguments; no argument of a server has this name


def mcp(server: str, *, label: str = "", env: Mapping[str, str] | None = None) -> McpServer:
    """The tools of an MCP server, for ``Session(tools=imkit.mcp("uvx some-server --option"))``; alone or in a list.

    server  a command with its arguments (no shell is involved), or the http(s) address of a server
    label   what its tools' names start with; "" takes it from the command or address
    env     further environment variables for the command; of the notebook's own it gets only PATH, HOME and the like

    The server is started when its tools are first needed, and closed with the session. Needs ``pip install
    imkit[mcp]``. Raises ToolError when that is missing or ``server`` is neither.
    """
    if importlib.util.find_spec("mcp") is None:
        raise ToolError('imkit.mcp needs the mcp package, which is not installed. Run: pip install "imkit[mcp]"')
    return McpServer(server, label, env)


class McpServer:
    """One connection, in a thread with an event loop of its own. Calls may come from any thread."""

    def __init__(self, server: str, label: str = "", env: Mapping[str, str] | None = None) -> None:
        self._server = server.strip()
        self._command: list[str] = []
        if not re.match(r"https?://", self._server):
            try:
                self._command = shlex.split(self._server)
            except ValueError as error:
                raise ToolError(f"mcp: {server!r} cannot be read as a command: {error}"[:300]) from None
            if not self._command:
                raise ToolError("mcp: server is empty, expected a command with its arguments or an http(s) address")
        self.label = _safe(label or self._own_label()) or "mcp"
        self._env = dict(env or {})
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._client: Any = None
        self._tools: tuple[Tool, ...] = ()
        self._ready = threading.Event()
        self._failure = ""
        self._closed = False

    def __iter__(self) -> Iterator[McpServer]:
        yield self  # so that it may stand alone where tools are expected

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._client is not None else "not started"
        return f"McpServer({self.label!r}, {state}, {len(self._tools)} tools)"

    def tools(self) -> tuple[Tool, ...]:
        """The server's tools; starts it where it is not. Raises ToolError in words when it cannot be started."""
        with self._lock:
            if self._closed:
                raise ToolError(f"the MCP server {self.label} is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"imkit-mcp-{self.label}", daemon=True)
                self._thread.start()
        if not self._ready.wait(START_S):
            raise ToolError(f"the MCP server {self.label} did not answer within {START_S:.0f} seconds")
        if self._failure and not self._tools:
            raise ToolError(self._failure)
        return self._tools

    def close(self) -> None:
        """Ends the connection, and the program where one was started. May be called twice."""
        with self._lock:
            self._closed = True
            thread = self._thread
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):  # its loop has ended already
                loop.call_soon_threadsafe(stop.set)
        if thread is not None:
            thread.join(CLOSE_S)

    # --- in the server's own thread

    def _run(self) -> None:
        try:
            asyncio.run(self._connected())
        except BaseException as error:  # a program that is not there, refuses, or dies: told by whoever calls next
            self._failure = self._failure or f"the MCP server {self.label} could not be used: {_reason(error)}"
        finally:
            self._client = None
            self._failure = self._failure or f"the MCP server {self.label} is closed"
            self._ready.set()

    async def _connected(self) -> None:
        from mcp import Client, StdioServerParameters, stdio_client

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with open(os.devnull, "w") as nowhere:  # a notebook's own stderr is no file that a program could write to
            target: Any = self._server
            if self._command:
                command, *arguments = self._command
                known = StdioServerParameters(command=command, args=arguments, env=self._env or None)
                target = stdio_client(known, errlog=nowhere)
            async with Client(target, read_timeout_seconds=CALL_S) as client:
                self._tools = await self._listed(client)
                self._client = client
                self._ready.set()
                if not self._closed:
                    await self._stop.wait()
                self._client = None

    async def _listed(self, client: Any) -> tuple[Tool, ...]:
        found: list[Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            for offered in page.tools:
                made = self._tool(offered, {tool.name for tool in found})
                if made is not None and len(found) < MAX_TOOLS:
                    found.append(made)
            cursor = page.next_cursor
            if not cursor:
                break
        return tuple(found)

    def _tool(self, offered: Any, taken: set[str]) -> Tool | None:
        """One offered tool as a tool of ours; None where its schema is over its bounds or none at all."""
        schema = offered.input_schema
        try:
            text = json.dumps(schema, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return None
        if len(text) > MAX_SCHEMA or not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
            return None
        name = base = _safe(f"{self.label}_{offered.name}")[:MAX_NAME]
        number = 1
        while name in taken:
            number += 1
            name = f"{base[: MAX_NAME - 4]}_{number}"
        reads = offered.annotations is not None and offered.annotations.read_only_hint is True
        described = " ".join(str(offered.description or offered.name).split())[:MAX_DESCRIPTION]
        return Tool(
            name,
            f"(from the MCP server {self.label}) {described}",
            {**json.loads(text), "type": "object", "required": _names(schema.get("required"))},
            Tier.READ if reads else Tier.EFFECT,
            self._caller(offered.name),
            outside=True,
            progress=PROGRESS,
        )

    # --- in the threads of those who call

    def _caller(self, name: str) -> Callable[..., str]:
        def call(**arguments: Any) -> str:
            progress = arguments.pop(PROGRESS, None) or Progress()
            return self._call(name, arguments, progress)

        return call

    def _call(self, name: str, arguments: dict[str, Any], progress: Progress) -> str:
        client, loop = self._client, self._loop
        if client is None or loop is None:
            raise ToolError(self._failure or f"the MCP server {self.label} is not running")
        calling = client.call_tool(name, arguments)
        try:
            future = asyncio.run_coroutine_threadsafe(calling, loop)
        except RuntimeError:  # the loop ended between the look and the call
            calling.close()
            raise ToolError(f"the MCP server {self.label} is closed") from None
        while True:
            try:
                result = future.result(POLL_S)
                break
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise ToolError(f"{self.label} did not answer {name} within {CALL_S:.0f} seconds") from None
                if progress.cancelled:
                    future.cancel()
                    raise ToolStopped(f"{name} of {self.label} was stopped.") from None
                if self._thread is None or not self._thread.is_alive():
                    raise ToolError(f"the MCP server {self.label} ended while {name} ran") from None
            except concurrent.futures.CancelledError:
                raise ToolError(f"the MCP server {self.label} ended while {name} ran") from None
            except Exception as error:
                raise ToolError(f"{name} of {self.label} did not work: {_reason(error)}") from None
        text = _text(result)
        if result.is_error:
            raise ToolError(f"{name} of {self.label} failed: {text}"[:MAX_DESCRIPTION])
        return text

    def _own_label(self) -> str:
        if not self._command:
            return urlsplit(self._server).hostname or "mcp"
        words = [os.path.basename(word) for word in self._command if not word.startswith("-")]
        known = [word for word in words if word not in ("uvx", "npx", "uv", "run", "docker", "node") and word]
        named = [word for word in known if not re.fullmatch(r"python[\d.]*(\.exe)?", word)]
        return (named or words)[0].rsplit("@", 1)[0].removesuffix(".py")


def _safe(name: str) -> str:
    """A name of letters, digits and underscores that starts with a letter."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_0123456789")[:40] if name else ""


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _text(result: Any) -> str:
    """The text parts of a result; of pictures, sounds and links only that they were there."""
    parts = [block.text if block.type == "text" else f"[{block.type} left out]" for block in result.content]
    text = "\n".join(parts)
    return text if len(text) <= MAX_RESULT else f"{text[:MAX_RESULT]}\n[cut: {len(text) - MAX_RESULT} more characters]"


def _reason(error: BaseException) -> str:
    """The first cause in a group of errors, in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return (str(error) or type(error).__name__)[:300]
