"""The process apart: the model, its source and the loop, by the clock of this process, for a session in the kernel."""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from io import BufferedReader
from typing import Any, BinaryIO, Final, cast

from imkit.adapters import load
from imkit.capture import BrowserSource, ClockedSource, Source
from imkit.session.drive import Drive, Inbox
from imkit.session.loop import Loop
from imkit.session.pacer import Pacer, RealPacer, SourcePacer, VirtualPacer
from imkit.session.sink import Sink, Tap
from imkit.stream import (
    Act,
    Call,
    Event,
    InteractionModel,
    Ledger,
    Moment,
    Percept,
    SessionError,
    SourceError,
    Timeline,
    Word,
    plain,
)

from .line import Line
from .moments import config_of, events_of, moment_message, spec_json
from .wire import Message

LOOK_S: Final = 0.5
FLUSH_S: Final = 1.0
END_S: Final = 5.0
KEEP_S: Final = 600.0


class Relay:
    """Work that is done in the kernel: its events come from there, and what is to be done goes with each moment."""

    def __init__(self) -> None:
        self.due: deque[Event] = deque()

    def drain(self, tick: int) -> tuple[Event, ...]:  # noqa: ARG002
        """What has come from the kernel by now."""
        found = []
        while self.due:
            found.append(self.due.popleft())
        return tuple(found)

    def note(self, percept: Percept, act: Act) -> None:
        """The kernel hears of it with the moment."""

    def submit(self, call: Call, said: Iterable[Word] = ()) -> None:
        """The kernel hears of it with the moment."""

    def by_hand(self, percept: Percept, epoch: int, said: Iterable[Word] = ()) -> None:
        """The kernel hears of it with the moment."""


class Outgoing:
    """The sink of a drive here: says of each moment's sound whether it was sent, or leaves it to the kernel to say.

    ``unsent`` are the acts that the kernel has yet to tell of, with their epochs.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self.reports_played = True
        self.unsent: dict[int, tuple[Act, int]] = {}

    def put(self, moment: Moment) -> bool | None:
        """Whether the sound was sent; False while that is not known."""
        child = self._child
        took = child.sink.put(moment) if child.sink is not None and not child.playing else None
        self.reports_played = took is not None or child.awaits
        if took is None and child.awaits:
            self.unsent[moment.index] = moment.act, moment.epoch
            return False
        return took

    def told(self, index: int, took: bool, all_played: bool) -> None:
        """The kernel says whether a moment's sound was sent, and whether all that is sent counts as played."""
        act, epoch = self.unsent.pop(index, (None, 0))
        ledger = self._child.ledger
        if act is not None and took:
            ledger.sent(act, epoch)
            if all_played:
                ledger.played(epoch, ledger.counts(epoch).sent)

    def flush(self, epoch: int) -> None:
        """Tells those who listen here; the kernel tells its own."""
        if self._child.sink is not None and not self._child.playing:
            self._child.sink.flush(epoch)

    def close(self) -> None:
        """Nothing is held here."""


class Child:
    """Does what the kernel asks, in the main thread; steps the model in another.

    ``orders`` are further things that can be asked for, by name: a message in, values of the answer out. ``sink`` and
    ``tap`` are what moments go to and through here.
    """

    def __init__(self, incoming: BufferedReader, outgoing: BinaryIO) -> None:
        self.orders: dict[str, Callable[[Message], Mapping[str, Any] | None]] = {
            "start": self._start,
            "stop": self._stop_asked,
        }
        self.at_once: dict[str, Callable[[Message], object]] = {"give": self._give, "played": self._played}
        """What is done in the reading thread, which must not wait."""
        self.closing: list[Callable[[], object]] = []
        self.sink: Sink | None = None
        self.tap: Tap | None = None
        self.playing = False
        self.awaits = False
        """Whether somebody in the kernel says what was sent, where nobody here does."""
        self.model: InteractionModel[Any]
        self.ledger: Ledger
        self.timeline: Timeline
        self.drive: Drive | None = None
        self.browser: BrowserSource | None = None
        self._parent = os.getppid()
        self._orders: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._inbox = Inbox()
        self._relay = Relay()
        self._loop: Loop | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._gifts = threading.Semaphore(0)
        self._outgoing = Outgoing(self)
        self.line = Line(incoming, outgoing, self._receive, lambda _: self._orders.put(None))

    def serve(self) -> None:
        """Until the kernel says so, hangs up or is gone."""
        while os.getppid() == self._parent:
            try:
                order = self._orders.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if order is None or order.kind == "close":
                break
            self._answer(order)
        self.halt(END_S)
        for close in self.closing:
            close()
        self.line.finish(FLUSH_S)

    def begin(self, hello: Message) -> Mapping[str, Any]:
        """Seats the model that the kernel asks for."""
        named = hello.values["model"]
        self.model = load(named if named is not None else _unpacked(hello, "model"))
        self.ledger = Ledger(self.model.spec.output_rate)
        self.timeline = self._empty_timeline()
        return {"spec": spec_json(self.model.spec)}

    def tell(self, kind: str, **values: Any) -> None:
        """Tells the kernel something."""
        self.line.send(Message(kind, values))

    def typed(self, text: str) -> bool:
        """Sends a text with the next tick. False where no tick will come: nothing runs, or not live."""
        if self.drive is None or self.playing:
            return False
        self._mailbox().put_text(text)
        return True

    def halt(self, timeout_s: float | None = None) -> None:
        """Stops stepping the model and waits until it has, at most ``timeout_s`` seconds."""
        self._stop.set()
        self._gifts.release()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    # in the reading thread

    def _receive(self, message: Message) -> None:
        at_once = self.at_once.get(message.kind)
        if at_once is None:
            self._orders.put(message)
        else:
            at_once(message)

    def _give(self, message: Message) -> None:
        told = message.values
        mailbox = self._mailbox()
        for text in told.get("texts", ()):
            mailbox.put_text(text)
        for event in events_of(told.get("events", ())):
            mailbox.put_event(event)
        self._relay.due.extend(events_of(told.get("due", ())))
        for index, took, all_played in told.get("sent", ()):
            self._outgoing.told(index, took, all_played)
        self.awaits = told["awaits"]
        self._gifts.release()

    def _mailbox(self) -> Any:
        source = self.drive.source if self.drive is not None else None
        return source if isinstance(source, BrowserSource) else self._inbox

    def _played(self, message: Message) -> None:
        self.ledger.played(message.values["epoch"], message.values["samples"])

    # in the main thread

    def _answer(self, order: Message) -> None:
        number = order.values.get("number")
        try:
            if order.kind not in self.orders:
                raise SessionError(f"the process apart knows no {order.kind!r}")
            self.tell("done", number=number, values=self.orders[order.kind](order) or {})
        except Exception as error:
            self.tell("failed", number=number, **failure(error))

    def _start(self, order: Message) -> None:
        told = order.values
        self.halt()
        os.chdir(told["folder"])
        source = self._source_of(order)
        source.open()
        try:
            self.playing = told["play"]
            if told["epoch"] is not None:
                self.ledger = Ledger(self.model.spec.output_rate, told["epoch"])
                self.timeline = self._empty_timeline()
            if told["config"] is not None or self._loop is None:
                config = config_of(told["config"])
                self._loop = Loop(self.model, config, self._relay, ledger=self.ledger, clock=time.perf_counter)
                if self.tap is not None:
                    self.tap.opened(told["index"], config, self.ledger.epoch)
            self._loop.ledger = self.ledger
        except BaseException:
            source.close()
            raise
        self._stop.clear()
        self._gifts = threading.Semaphore(0)
        self._outgoing.unsent.clear()
        self.awaits = told["awaits"]
        self._relay.due.clear()
        pacer: Pacer = RealPacer(time.monotonic, self._stop.wait)
        if source.clocked:
            pacer = SourcePacer(cast(ClockedSource, source))
        drive = Drive(
            self._loop,
            source,
            VirtualPacer() if self.playing else pacer,
            self.timeline,
            sink=self._outgoing,
            tap=lambda: self.tap,
            inbox=self._inbox,
            clock=None if self.playing else time.monotonic,
            first_index=told["index"],
            limit_s=told["limit_s"],
            tail_s=told["tail_s"],
        )
        self.drive = drive
        self._thread = threading.Thread(target=self._run, args=(drive, self.playing), name="imkit-loop", daemon=True)
        self._thread.start()

    def _stop_asked(self, order: Message) -> None:  # noqa: ARG002
        self.halt()

    def _source_of(self, order: Message) -> Source:
        if order.values["browser"]:
            self.browser = self.browser or BrowserSource()
            return self.browser
        source: Source = _unpacked(order, "source")
        return source

    def _empty_timeline(self) -> Timeline:
        return Timeline(self.model.spec.output_rate, keep_frames_s=1.0, keep_media_s=1.0, keep_s=KEEP_S)

    # in the loop's thread

    def _run(self, drive: Drive, lockstep: bool) -> None:
        ended, before = dict[str, Any](), self.line.counts.copy()
        try:
            while not self._stop.is_set() and not drive.ended:
                if lockstep:
                    self._gifts.acquire()
                    if self._stop.is_set():
                        break
                moment = drive.step()
                last = getattr(drive.source, "last_seq", -1)
                facts = {
                    **self._counts(drive, before),
                    "last_seq": last,
                    "behind": drive.behind,
                    "stalled_s": drive.stalled_s,
                }
                if moment is not None:
                    fate = self.ledger.fates.of(moment.index)
                    played = self.ledger.counts(moment.epoch).played
                    unknown = moment.index in self._outgoing.unsent
                    sent = None if unknown else fate is not None and fate.sent
                    self.line.send(moment_message(moment, sent=sent, played=played, **facts))
                elif self.line.quiet:  # a kernel that is held up hears of it later, once
                    self.tell("beat", **facts)
        except BaseException as error:  # an exit in a model too ends with a reason
            self._loop = None
            ended = failure(error)
        finally:
            unclosed = drive.close()
            if unclosed and not ended:
                ended = failure(SourceError(type(drive.source).__name__, unclosed))
            if not lockstep:
                epoch = self.ledger.interrupt()
                if self.sink is not None:
                    self.sink.flush(epoch)
            self.drive = None
            self.tell("ended", source_ended=drive.ended, **self._counts(drive, before), **ended)

    def _counts(self, drive: Drive, before: Counter[str]) -> dict[str, dict[str, int]]:
        of_source = getattr(drive.source, "counts", None)
        told = {"counts": drive.counts + (self.line.counts - before), "source_counts": of_source}
        return {name: plain(counts) if isinstance(counts, Mapping) else {} for name, counts in told.items()}


def failure(error: BaseException) -> dict[str, Any]:
    """What went wrong, as values: the class by name, and its text."""
    more = {"source": error.source, "about": error.reason} if isinstance(error, SourceError) else {}
    return {"error": type(error).__name__, "text": str(error), **more}


def _unpacked(message: Message, what: str) -> Any:
    try:
        return pickle.loads(message.arrays[0].tobytes())
    except Exception as error:
        raise SessionError(
            f"isolate=True: the {what} cannot be made in the process apart: {type(error).__name__}: {error}. "
            "What is defined in a notebook is not known there: put its class into a module beside the notebook."
        ) from error


def main(incoming: BufferedReader, prepare: Callable[[Child], object] = lambda _: None) -> None:
    """Serves the kernel at the other end of ``incoming`` and of what was this process's output; ends the process."""
    import faulthandler

    faulthandler.enable()
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not speak on the line
    sys.stdout = sys.stderr
    child = Child(incoming, outgoing)
    child.orders["begin"] = child.begin
    prepare(child)
    child.serve()
    os._exit(0)  # a model's own threads may not end by themselves
