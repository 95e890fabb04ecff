"""A page in a process of its own: speaks on a session's socket in real time and tells what came, and when."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from imkit.notebook.codec import Frame, Kind, decode, encode, json_frame, pcm16
from imkit.stream import INPUT_SAMPLES, TICK_S


def opened(address: dict[str, Any], seconds: float) -> subprocess.Popen[bytes]:
    """A page that captures for so long; its first line says that it is live, its last is what it got."""
    path = json.dumps(sys.path)
    code = f"import sys; sys.path[:] = {path}; import fakes_page; fakes_page.main({json.dumps(address)!r}, {seconds})"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def main(address: str, seconds: float) -> None:
    asyncio.run(page(json.loads(address), seconds))


async def page(address: dict[str, Any], seconds: float) -> None:
    where = f"ws://127.0.0.1:{address['port']}/{address['path']}?t={address['token']}"
    socket = await websocket_connect(HTTPRequest(where, headers={"Origin": "http://localhost:8888"}))
    got: list[list[Any]] = []

    async def listen() -> None:
        while (data := await socket.read_message()) is not None:
            frame = decode(data, upward=False)
            told = frame.json()["type"] if frame.kind is Kind.CONTROL_DOWN else ""
            got.append([frame.kind.name, time.monotonic(), frame.seq, told])

    listening = asyncio.create_task(listen())
    await say(socket, {"type": "hello", "view": "v1", "page_session": "p", "lane": "socket"})
    await say(socket, {"type": "lease", "take": True, "view": "v1"})
    await say(socket, {"type": "start", "view": "v1", "constraints": {}})
    begins_s = time.monotonic()
    for seq in range(round(seconds / TICK_S)):
        await asyncio.sleep(max(0.0, begins_s + (seq + 1) * TICK_S - time.monotonic()))
        sound = Frame(Kind.AUDIO, pcm16(np.zeros(INPUT_SAMPLES, np.float32)), seq=seq, time_s=seq * TICK_S)
        await socket.write_message(encode(sound), binary=True)
        if seq % 5 == 2:
            await socket.write_message(encode(json_frame(Kind.TEXT, {"text": "hello there"})), binary=True)
            await say(socket, {"type": "ping", "n": seq, "t": 0})
        if seq == 4:
            print("live", flush=True)
    await say(socket, {"type": "stop", "view": "v1"})
    await asyncio.sleep(0.2)
    listening.cancel()
    print(json.dumps(got), flush=True)


async def say(socket: WebSocketClientConnection, message: dict[str, Any]) -> None:
    await socket.write_message(encode(json_frame(Kind.CONTROL_UP, message)), binary=True)
