"""A live session in virtual time, with a page to which things happen.

The session, its link and its source are the real ones. Threads are not: the loop, the link's orders and its sender run
in the test's own thread, one after another, on a clock that only the schedule moves. So a cut of 30 s costs nothing,
and the same fault gives the same run.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter
from types import SimpleNamespace

import numpy as np
from fakes import FakeClock, FakeModel

from imkit.capture import BrowserSource
from imkit.notebook.codec import Frame, Kind, decode, encode, json_frame, pcm16
from imkit.notebook.link import Link
from imkit.notebook.live import LiveSession
from imkit.notebook.roads import CommRoad, Delivery
from imkit.session import State
from imkit.stream import INPUT_SAMPLES, TICK_S

SILENCE = pcm16(np.zeros(INPUT_SAMPLES, np.float32))


class Deferred:
    """A thread that is run when it is asked to, in place."""

    def __init__(self, target=None, args=(), **_):
        self.run_now = lambda: target(*args)

    def start(self): ...
    def join(self, timeout=None): ...
    def is_alive(self):
        return False


class AtOnce:
    """An outbox that delivers in place."""

    def __init__(self, deliver):
        self._deliver, self.dropped = deliver, Counter()

    def put(self, frame, target=None):
        self._deliver(SimpleNamespace(frame=frame, target=target))

    def flush(self, epoch): ...
    def close(self): ...
    def __len__(self):
        return 0


class Scheduled(BrowserSource):
    """The browser's inbox, whose waits pass the time of the schedule."""

    def __init__(self, rig):
        super().__init__(rig.clock)
        self._rig = rig

    def wait(self, timeout_s):
        end_s = self._clock() + timeout_s
        self._rig.happen(self._clock())
        while not self._ready() and not self._closed and self._clock() < end_s:
            self._rig.happen(min(end_s, self._rig.next_s, self._next_due_s(self._clock())))
        self._rig.look()
        return self._ready() and not self._closed


class Rig:
    """``at(2.0, ...)`` plans what happens two seconds from the start, ``run(until_s=10.0)`` lives through it."""

    def __init__(self, monkeypatch, model=None, source=None):
        names = dict(vars(threading)) | {"Thread": Deferred}
        monkeypatch.setattr("imkit.session.session.threading", SimpleNamespace(**names))
        self.clock = FakeClock(1000.0)
        self._plan, self._order = [], itertools.count()
        self._seq, self._captured_s = 0, 0.0
        self.cut = self.asleep = False
        self.states = []
        """(seconds from the start, state) whenever it was another one."""
        self.ticks = []
        """(seconds from the start, tick) of every moment."""
        self.sounds = []
        """Epoch and tick of every frame of speech that reached the page."""
        self.told = []
        """The state messages that reached the page."""
        self.source = source(self) if source else Scheduled(self)
        self.session = LiveSession(model or FakeModel(), namespace={}, source=self.source, sink=self, clock=self.clock)
        self.link = Link(self.session, CommRoad(self._take), clock=self.clock)
        self.link._orders.close()
        self.link._orders.put = self._do
        self.link.outbox.close()
        self.link.outbox = AtOnce(Delivery(self.link._comm, self.link.lease, self.link.counts))
        self.session._outlets.page = self.link
        self.session.on_state(lambda *_: (self.look(), self.link.state_changed()))

    # what happens

    @property
    def now_s(self):
        return self.clock.now_s - 1000.0

    @property
    def next_s(self):
        return self._plan[0][0] if self._plan else float("inf")

    def at(self, when_s, what):
        heapq.heappush(self._plan, (1000.0 + when_s, next(self._order), what))

    def happen(self, until_s):
        """Everything that is due by then, each at its time."""
        while self.next_s <= until_s:
            when_s, _, what = heapq.heappop(self._plan)
            self.clock.now_s = max(self.clock.now_s, when_s)
            what()
        self.clock.now_s = max(self.clock.now_s, until_s)

    def pass_time(self, seconds):
        """As when the loop alone is held up: the page is heard meanwhile."""
        end_s = self.clock.now_s + seconds
        while self.next_s <= end_s:
            self.happen(self.next_s)
            self.look()
        self.clock.now_s = end_s
        self.look()

    def run(self, until_s, hello=True):
        """From Start to ``until_s``, and the end of the loop."""
        if hello:
            self.say({"type": "hello", "view": "v", "page_session": "p"})
            self.say({"type": "start", "view": "v"})
            self.at(TICK_S, self._capture)
        else:
            self.session.start()
        self.at(until_s, self.session._stop.set)
        self.session._thread.run_now()
        return self

    def say(self, message):
        if not self.cut:
            self.link.receive(encode(json_frame(Kind.CONTROL_UP, message)))

    def type(self, text):
        self.link.receive(encode(json_frame(Kind.TEXT, {"text": text})))

    def come_back(self, page="p"):
        """The page reaches the kernel again and says what it is."""
        self.cut = False
        self.say({"type": "hello", "view": "v", "page_session": page, "capturing": True})

    def _capture(self):
        self._captured_s += TICK_S
        self.at(self._captured_s + TICK_S, self._capture)
        if self.asleep:
            return
        seq, self._seq = self._seq, self._seq + 1
        if not self.cut:
            self.link.receive(encode(Frame(Kind.AUDIO, SILENCE, seq=seq, time_s=seq * TICK_S)))

    # what is seen

    def look(self):
        state = self.session.state
        if not self.states or self.states[-1][1] is not state:
            self.states.append((self.now_s, state))

    def put(self, moment):
        self.ticks.append((self.now_s, moment.index))

    def flush(self, epoch): ...
    def close(self): ...

    @property
    def gaps(self):
        """What the timeline says was lost: (tick, payload)."""
        return [
            (moment.index, dict(event.payload))
            for moment in self.session.timeline
            for event in moment.percept.events
            if event.payload.get("gap_ticks")
        ]

    def live_again_s(self, after_s):
        """How long after ``after_s`` it was live and took a tick; infinite when it never was."""
        taken = [when_s for when_s, _ in self.ticks if when_s > after_s]
        for since_s, until_s, state in self._stretches():
            if state is State.LIVE:
                found = [when_s for when_s in taken if since_s <= when_s <= until_s]
                if found:
                    return max(found[0], since_s) - after_s
        return float("inf")

    def was(self, state, from_s, to_s):
        """Whether it was in that state at some time between."""
        return any(one is state and since < to_s and until > from_s for since, until, one in self._stretches())

    def _stretches(self):
        ends = [when_s for when_s, _ in self.states[1:]] + [float("inf")]
        return [(since_s, until_s, state) for (since_s, state), until_s in zip(self.states, ends, strict=True)]

    def _take(self, data):
        if self.cut:
            raise OSError("the road is cut")
        frame = decode(data, upward=False)
        if frame.kind is Kind.SPEECH:
            self.sounds.append((frame.epoch, frame.seq))
        elif frame.kind is Kind.CONTROL_DOWN and frame.json()["type"] == "state":
            self.told.append(frame.json())

    def _do(self, order):
        try:
            order()
        except Exception as error:
            self.link._failed(error)
        self.link._now_and_then()
        return True
