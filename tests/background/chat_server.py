"""A chat server in a thread of the test, which does what a script says, faults included."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """One request. Scripts use ``begin``, ``send`` and ``end``."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append(body)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            script = server.scripts.pop(0) if len(server.scripts) > 1 else server.scripts[0]
        self.close_connection = True
        try:
            script(self, body)
        except OSError:
            server.broken.set()

    def log_message(self, *_: Any) -> None: ...

    def status(self, code: int, body: Any = None, **headers: str) -> None:
        data = json.dumps(body if body is not None else {"error": {"message": f"status {code}"}}).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def raw(self, data: str) -> None:
        sent = data.encode()
        self.wfile.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n")
        self.wfile.flush()

    def send(self, delta: dict[str, Any] | None = None, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        self.raw(f"data: {json.dumps(chunk)}\n\n")

    def end(self) -> None:
        self.raw("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")


def says(text: str, finish: str = "stop", pause_s: float = 0.0) -> Script:
    """Streams ``text`` a word at a time."""

    def script(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        for k, word in enumerate(text.split(" ")):
            handler.send({"content": f" {word}" if k else word})
            time.sleep(pause_s)
        handler.send(finish=finish)
        handler.end()

    return script


def calls(*wanted: tuple[str, str], text: str = "") -> Script:
    """Asks for tools, each (name, arguments as JSON text), the arguments in two pieces."""

    def script(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        if text:
            handler.send({"content": text})
        for index, (name, arguments) in enumerate(wanted):
            half = len(arguments) // 2
            start = {"index": index, "id": f"id{index}", "type": "function"}
            handler.send({"tool_calls": [{**start, "function": {"name": name, "arguments": arguments[:half]}}]})
            handler.send({"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]})
        handler.send(finish="tool_calls")
        handler.end()

    return script


class Served:
    """A running server: its address, and what it was asked."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        self.requests: list[dict[str, Any]] = server.requests
        self.headers: list[dict[str, str]] = server.headers
        self.broken: threading.Event = server.broken


@contextmanager
def serving(*scripts: Script) -> Iterator[Served]:
    """Each request takes the next script; the last one stays."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.scripts, server.requests, server.headers = list(scripts), [], []
    server.lock, server.broken = threading.Lock(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Served(server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
