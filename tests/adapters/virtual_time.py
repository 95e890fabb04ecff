"""An event loop whose time passes at once when nobody has anything to do, and a server that is up and down by it."""

import asyncio
import json
import selectors


class _Selector(selectors.SelectSelector):
    """Instead of waiting, moves its loop's clock on."""

    loop = None

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout:
            self.loop.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        selector = _Selector()
        self.now_s = 1000.0
        super().__init__(selector)
        selector.loop = self

    def time(self):
        return self.now_s


def run_virtually(job):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(job)


class Cut(Exception):
    pass


class FakeWire:
    """One connection: keeps what is sent, says what it is told to, is gone once it is cut."""

    def __init__(self, server):
        self.server, self.came, self.cut = server, asyncio.Queue(), False

    async def send(self, message):
        if self.cut:
            raise Cut
        event = json.loads(message)
        self.server.sent.append((self.server.clock(), event))
        for answer in self.server.answer(event):
            self.say(answer)

    def say(self, event):
        self.came.put_nowait(event if isinstance(event, str | bytes) else json.dumps(event))

    async def recv(self):
        message = await self.came.get()
        if message is None:
            raise Cut
        return message

    def drop(self):
        self.cut = True
        self.came.put_nowait(None)

    async def close(self):
        self.cut = True


class FakeServer:
    """Opens a session for whoever asks, while it is up."""

    def __init__(self, answer=None):
        self.up, self.sent, self.dials, self.wire = True, [], [], None
        self.answers = answer or {"session.update": [{"type": "session.created", "session": {}}]}

    def clock(self):
        return asyncio.get_running_loop().time()

    def answer(self, event):
        return self.answers.get(event["type"], ())

    async def dial(self):
        self.dials.append(self.clock())
        if not self.up:
            raise ConnectionRefusedError
        self.wire = FakeWire(self)
        return self.wire

    def go_down(self):
        self.up = False
        self.wire.drop()

    def of(self, kind):
        return [event for _, event in self.sent if event["type"] == kind]
