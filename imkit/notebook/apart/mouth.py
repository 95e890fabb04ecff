"""The pages' socket in the process apart: sound flows between page and model without the kernel.

Sound, pictures, drafts and what was played end here; typed text does while the model runs. All else that pages say goes
on to the kernel, and what the kernel says to a page comes through here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from imkit.capture import BrowserSource
from imkit.notebook.codec import FLAG_GAP, Frame, FrameError, Kind, decode, encode, json_frame, pcm16
from imkit.notebook.socket_lane import Port, SocketLane
from imkit.notebook.wire import moment_json
from imkit.session.isolated.child import Child
from imkit.session.isolated.wire import Message
from imkit.stream import Floor, Moment

MAX_TEXT_CHARS: Final = 20_000


class Mouth:
    """Speaks the wire protocol on sockets for the link in the kernel. Also the sink of the process apart."""

    reports_played = True

    def __init__(self, child: Child) -> None:
        self._child = child
        self._lane: SocketLane | None = None
        self._ports: dict[int, Port] = {}
        self._numbers: dict[Port, int] = {}
        self._holder: str | None = None
        self._capturing = False
        self.counts: Counter[str] = Counter()
        child.orders |= {"lane": self._open, "trust": self._trust}
        child.at_once |= {
            "page": self._down,
            "lease": self._lease,
            "audio": self._audio,
            "frame": self._frame,
            "draft": self._draft,
            "expect": lambda _: self._browser.expect(),
            "silence": lambda _: self._browser.silence(),
        }
        child.closing.append(self.close)
        child.sink = self

    @property
    def _browser(self) -> BrowserSource:
        child = self._child
        child.browser = child.browser or BrowserSource()
        return child.browser

    def close(self) -> None:
        """Closes all sockets."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.close()

    # in the main thread

    def _open(self, order: Message) -> Mapping[str, Any]:
        if self._lane is None:
            self._lane = SocketLane(self._said, self._left, order.values["traits"])
        return self._lane.address()

    def _trust(self, order: Message) -> None:
        if self._lane is not None:
            self._lane.trust(order.values["origin"])

    # in the socket's thread

    def _said(self, data: bytes, port: Port) -> None:
        """One message of a page."""
        try:
            frame = decode(data, upward=True)
        except FrameError:
            self._forward(data, port)  # the kernel counts it
            return
        if frame.kind in (Kind.AUDIO, Kind.FRAME):
            self._take_media(frame, port)
            return
        message = frame.json()
        if frame.kind is Kind.TEXT:
            if not isinstance(message.get("text"), str):
                self._browser.put_draft(str(message["draft"])[:MAX_TEXT_CHARS])
            elif not self._child.typed(message["text"][:MAX_TEXT_CHARS]):
                self._forward(data, port)
            return
        view = str(message.get("view") or "")[:80]
        match message["type"]:
            case "ping":
                pong = {"type": "pong", "n": message.get("n"), "t": message.get("t")}
                port.send(encode(json_frame(Kind.CONTROL_DOWN, pong)))
                return
            case "hello" if view:
                port.view = view
            case "start" if self._holder is None:
                self._holder = view or port.view
            case "played" if isinstance(message.get("epoch"), int) and isinstance(message.get("samples"), int):
                self._child.ledger.played(message["epoch"], message["samples"])
        self._forward(data, port)

    def _take_media(self, frame: Frame, port: Port) -> None:
        if port.view is not None and port.view != self._holder:
            self.counts["foreign_media"] += 1
        elif frame.kind is Kind.AUDIO:
            self._browser.put_audio(frame.seq, frame.pcm(), bool(frame.flags & FLAG_GAP))
        else:
            self._browser.put_frame(frame.payload, frame.time_s)

    def _forward(self, data: bytes, port: Port) -> None:
        number = self._numbers.get(port)
        if number is None:
            number = self._numbers[port] = max(self._ports, default=0) + 1
            self._ports[number] = port
        self._child.line.send(Message("page", {"port": number}, (np.frombuffer(data, np.uint8),)))

    def _left(self, port: Port) -> None:
        number = self._numbers.pop(port, None)
        if number is not None:
            del self._ports[number]
            self._child.tell("left", port=number)

    # in the thread that reads from the kernel

    def _down(self, message: Message) -> None:
        port = self._ports.get(message.values["port"])
        if port is not None:
            port.send(message.arrays[0].tobytes())

    def _lease(self, message: Message) -> None:
        self._holder, self._capturing = message.values["holder"], message.values["capturing"]

    def _audio(self, message: Message) -> None:
        self._browser.put_audio(message.values["seq"], message.arrays[0], message.values["gap"])

    def _frame(self, message: Message) -> None:
        self._browser.put_frame(message.arrays[0].tobytes(), message.values["time_s"])

    def _draft(self, message: Message) -> None:
        self._browser.put_draft(message.values["text"])

    # in the loop's thread: the sink

    def put(self, moment: Moment) -> bool | None:
        """Sends a moment to the pages on sockets. None where the one that listens is not among them."""
        act, source = moment.act, self._browser
        ports = [port for port in list(self._ports.values()) if port.view is not None]
        mine = next((port for port in ports if port.view == self._holder), None)
        heard = self._capturing and (act.floor is not Floor.LISTEN or bool(act.audio.any()))
        if mine is not None and heard:
            speech = Frame(Kind.SPEECH, pcm16(act.audio), epoch=moment.epoch, seq=act.index, time_s=act.starts_s)
            self._send(mine, speech)
        if ports:
            told = moment_json(moment, ack=source.last_seq, dropped=source.lost_ticks)
            frame = json_frame(Kind.MOMENT, told, epoch=moment.epoch, seq=moment.index, time_s=moment.start_s)
            for port in ports:
                self._send(port, frame)
        return None if mine is None else heard

    def flush(self, epoch: int) -> None:
        """Tells the pages to drop speech of lower epochs."""
        frame = json_frame(Kind.CONTROL_DOWN, {"type": "flush", "epoch": epoch}, epoch=epoch)
        for port in list(self._ports.values()):
            self._send(port, frame)

    def _send(self, port: Port, frame: Frame) -> None:
        self.counts[f"unsent_{frame.kind.name.lower()}"] += not port.send(encode(frame))
