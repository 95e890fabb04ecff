"""A page without a browser, for long runs: it speaks to the kernel's side of the wire as a real one does.

It asks questions without end, shows a picture a second, types a request now and then, and reports what it played. Its
clock is fast or slow by some parts in a million, and what it sends arrives late by chance.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.capture import BrowserSource, OrderedSource
from imkit.notebook.codec import Frame, Kind, decode, encode, json_frame, pcm16
from imkit.notebook.link import Link
from imkit.notebook.roads import CommRoad
from imkit.recordings.exact import jpeg_of
from imkit.stream import INPUT_SAMPLES, TICK_S, TICKS_PER_S, Percept

from .bench import Question, questions

QUIET_S = 3.0
REQUEST_S = 300.0
REQUESTS = ("plot income against age", "describe people", "list")
PEOPLE = {"people": {"age": np.arange(40.0), "income": np.arange(40.0) ** 2}}
SOONEST_S, MEAN_LATE_S, STUCK_S, STUCK_SHARE = 0.002, 0.004, 0.5, 0.001
MOST_UNSENT = 8
LINE = "soak"


class VirtualClock:
    """Seconds that pass when the page says so. They begin late, as those of a machine that has run for a while."""

    def __init__(self) -> None:
        self.now_s = 1e5

    def __call__(self) -> float:
        return self.now_s


class SoakPage:
    """One page, tick by tick. ``ppm`` is how much faster than the kernel's its clock is.

    session needs a BrowserSource as ``source``; ``link`` is to be its sink.
    """

    def __init__(self, session: Any, clock: Callable[[], float], ppm: float) -> None:
        self.session, self.ppm = session, ppm
        self.source: BrowserSource = session.source
        self.link = Link(session, CommRoad(self._take), clock=clock, name=LINE)
        self.sounds, self.asked = conversation(questions())
        self.twice = 0
        """Frames of sound that came a second time or out of order."""
        self.speech_frames = 0
        self._pictures = [encode_picture(number) for number in range(8)]
        self._rng = random.Random(0)
        self._now_s = 0.0
        self._seq = 0
        self._newest = -1
        self._epoch = self._samples = self._reported = 0

    def hello(self) -> None:
        """Says that it is there and captures."""
        self._say({"type": "hello", "view": LINE, "page_session": LINE, "capturing": True})

    def start(self) -> None:
        """Presses Start."""
        self._say({"type": "start", "view": LINE})

    def stop(self) -> None:
        """Presses Stop."""
        self._say({"type": "stop", "view": LINE})

    def captured_s(self, tick: int) -> float:
        """When tick ``tick`` ended, in seconds of the kernel's clock since the page began."""
        return (tick + 1) * TICK_S / (1 + self.ppm / 1e6)

    def arrives_s(self, tick: int) -> float:
        """When it arrives: a little later, in order, and now and then half a second later."""
        late_s = SOONEST_S + self._rng.expovariate(1 / MEAN_LATE_S)
        if self._rng.random() < STUCK_SHARE:
            late_s += STUCK_S
        self._now_s = max(self._now_s, self.captured_s(tick) + late_s)
        return self._now_s

    def tick(self) -> None:
        """Sends the next tick of everything."""
        seq, self._seq = self._seq, self._seq + 1
        if seq % TICKS_PER_S == 0:
            picture = self._pictures[seq // TICKS_PER_S % len(self._pictures)]
            self.link.receive(encode(Frame(Kind.FRAME, picture, seq=seq // TICKS_PER_S, time_s=seq * TICK_S)))
        if seq and seq % round(REQUEST_S * TICKS_PER_S) == 0:
            self.session.ask(REQUESTS[seq // round(REQUEST_S * TICKS_PER_S) % len(REQUESTS)])
        if self._samples != self._reported:
            self._reported = self._samples
            self._say({"type": "played", "epoch": self._epoch, "samples": self._samples})
        sound = self.sounds[seq % len(self.sounds)]
        self.link.receive(encode(Frame(Kind.AUDIO, sound, seq=seq, time_s=seq * TICK_S)))

    def question_before(self, tick: int) -> int | None:
        """Which question, counted over all rounds, ended in tick ``tick``; None where none did."""
        rounds, place = divmod(tick, len(self.sounds))
        return rounds * len(self.asked) + self.asked.index(place) if place in self.asked else None

    def _say(self, message: dict[str, Any]) -> None:
        self.link.receive(encode(json_frame(Kind.CONTROL_UP, message)))

    def _take(self, data: bytes) -> None:
        """In the link's sender: what the kernel sent to this page."""
        frame = decode(data, upward=False)
        if frame.kind is not Kind.SPEECH:
            return
        self.speech_frames += 1
        self.twice += frame.seq <= self._newest
        self._newest = frame.seq
        if frame.epoch != self._epoch:
            self._epoch, self._samples = frame.epoch, 0
        self._samples += len(frame.payload) // 2


class PageInVirtualTime(OrderedSource):
    """The page as a source that is read as fast as one likes: its sound goes through the inbox of live sessions."""

    def __init__(self, page: SoakPage, clock: VirtualClock) -> None:
        super().__init__("page")
        self.page, self._clock, self._began_s = page, clock, clock.now_s

    def _start(self) -> None:
        self.page.source.open()
        self.page.hello()

    def _tick(self, index: int) -> Percept | None:
        while len(self.page.link.outbox) > MOST_UNSENT:
            time.sleep(0.0005)  # in real time the sender has 200 ms for it
        self._clock.now_s = self._began_s + self.page.arrives_s(self._position)
        self.page.tick()
        return self.page.source.read(index)

    def _stop(self) -> None:
        self.page.source.close()


class PageInRealTime(threading.Thread):
    """The page by the wall clock, in a thread of its own, until ``done`` is set."""

    def __init__(self, page: SoakPage, done: threading.Event) -> None:
        super().__init__(name="soak-page", daemon=True)
        self.page, self._done = page, done

    def run(self) -> None:
        """Sends each tick when it is captured."""
        began_s, tick = time.monotonic(), 0
        while not self._done.wait(max(0.0, began_s + self.page.captured_s(tick) - time.monotonic())):
            self.page.tick()
            tick += 1


def conversation(asked: list[Question]) -> tuple[list[bytes], list[int]]:
    """Ticks of all questions with three seconds of quiet between them, PCM16; and in which tick each question ends."""
    sounds: list[bytes] = []
    ends: list[int] = []
    for question in asked:
        ticks = -(-len(question.audio) // INPUT_SAMPLES)
        whole = np.zeros((ticks + round(QUIET_S * TICKS_PER_S), INPUT_SAMPLES), np.float32)
        whole.reshape(-1)[: len(question.audio)] = question.audio
        ends.append(len(sounds) + ticks - 1)
        sounds += [pcm16(tick) for tick in whole]
    return sounds, ends


def encode_picture(number: int) -> bytes:
    """JPEG, 320 x 240: a scene that moves a little from one number to the next."""
    tall, wide = np.mgrid[0:240, 0:320]
    scene: NDArray[np.float64] = np.stack(
        [128 + 100 * np.sin((wide + 9 * number) / 23 + tall / 40), 128 + 90 * np.cos(tall / 17), tall], -1
    )
    return jpeg_of(np.clip(scene, 0, 255).astype(np.uint8))
