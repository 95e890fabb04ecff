"""A drive whose ticks happen in a process apart, as the kernel sees it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, cast

from imkit.session.drive import Inbox
from imkit.session.loop import hand_over
from imkit.session.sink import Sink
from imkit.stream import Moment, Percept, SessionError, Timeline

from .host import Host, Moments, error_of
from .moments import config_json, events_json, moment_of
from .parts import LoopApart, SourceApart
from .wire import Message

PASS_S: Final = 0.05
LOST_S: Final = 2.0
"""From the end of the process to the word of why."""
STOP_S: Final = 10.0
"""How long a step under way may take after it was told to stop."""


class DriveApart:
    """A drive whose ticks happen in a process apart: takes in each moment as ``Drive`` would hand it on.

    In lockstep, which is virtual time, the process waits after every tick for what the kernel has to give; live it
    waits for nothing.
    """

    def __init__(
        self,
        host: Host,
        moments: Moments,
        loop: LoopApart,
        source: SourceApart,
        timeline: Timeline,
        *,
        lockstep: bool,
        sink: Sink | None = None,
        inbox: Inbox,
        clock: Callable[[], float] | None = None,  # noqa: ARG002
        first_index: int = 0,
        limit_s: float | None = None,
        tail_s: float = 4.0,
    ) -> None:
        self.loop: Any = loop
        self.source = source
        self.timeline = timeline
        self.ended = False
        self.beating = True
        self.stalled_s = 0.0
        self.behind = 0
        self.counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._host, self._moments = host, moments
        self._lockstep = lockstep
        self._sink = sink
        self._told_awaits = self._awaits
        self._inbox = inbox
        self._index = first_index
        self._limits = {"limit_s": limit_s, "tail_s": tail_s}
        self._epoch = loop.ledger.epoch
        self._verdicts: list[list[Any]] = []
        self._running = self._halting = self._given = False

    @property
    def _awaits(self) -> bool:
        return self._sink is not None and bool(getattr(self._sink, "takes", True))

    def begin(self, epoch: int | None) -> None:
        """Starts it there, with the ledger that is there, or with a new one from ``epoch`` on."""
        while (old := self._moments.get(0)) is not None:
            if old.kind == "lost":
                raise SessionError(old.values["reason"])
        loop = cast(LoopApart, self.loop)
        fresh = loop.host is not self._host
        self._host.ask(
            "start",
            (self.source.packed,),
            play=self._lockstep,
            index=self._index,
            epoch=epoch,
            config=config_json(loop.config) if fresh else None,
            browser=self.source.browser,
            folder=os.getcwd(),
            awaits=self._awaits,
            **self._limits,
        )
        loop.host = self._host
        self.source.drive, self._running = self, True

    def step(self, timeout_s: float = 0.25) -> Moment | None:
        """The next moment if one comes within ``timeout_s``; None otherwise, and when ``ended``.

        Raises what the source or the model raised there, and SessionError when the process is gone.
        """
        if self._lockstep:
            if not self._given:
                self._give()
            message = self._moments.get(PASS_S)
        else:
            passes, message = max(1, round(timeout_s / PASS_S)), None
            while message is None and passes > 0:
                self._give()
                message, passes = self._moments.get(PASS_S), passes - 1
        self.beating = message is not None
        if message is None and not self._host.alive:
            message = None if self._host.closing else self._moments.get(LOST_S)
            self._running = message is not None  # closed under us, from a callback of this very loop
        return self._take(message) if message is not None else None

    def halt(self) -> bool:
        """Tells it to stop. True once it has, and everything it did was taken in."""
        if self._running and not self._halting:
            self._halting = True
            self._host.tell("stop")
        return not self._running

    def close(self) -> str:
        """Stops it and lets go of what it still did. Nothing happens where it has ended.

        "": why a source there could not be closed is told with its end.
        """
        self.source.drive = None
        self.halt()
        end_s = time.monotonic() + STOP_S
        while self._running and time.monotonic() < end_s:
            message = self._moments.get(PASS_S)
            if message is not None and message.kind in ("ended", "lost"):
                self._running = False
        return ""

    def _take(self, message: Message) -> Moment | None:
        told = message.values
        if message.kind == "lost":
            self._running = False
            raise SessionError(told["reason"])
        if "counts" in told:
            self.counts = Counter(told["counts"]) + self._errors
            self.source.learn(told)
        if message.kind == "ended":
            self._running, self.ended = False, bool(told["source_ended"])
            self._host.calm()
            if "error" in told:
                raise error_of(told)
            return None
        self._given = False
        self.behind, self.stalled_s = int(told["behind"]), float(told["stalled_s"])
        if message.kind != "moment":
            return None
        moment = moment_of(message)
        ledger, work = self.loop.ledger, self.loop.delegation
        while ledger.epoch < moment.epoch:
            ledger.interrupt()
        ledger.generated(moment.act)
        if work is not None:
            hand_over(work, ledger, moment.percept, moment.act)
        self._index = moment.index + 1
        self.timeline.append(moment)
        took = self._hand_on(moment)
        if told["sent"] is None:
            all_played = not getattr(self._sink, "reports_played", False)
            self._verdicts.append([moment.index, took is not False, all_played])
            if took is not False:
                ledger.sent(moment.act, moment.epoch)
                if all_played:
                    ledger.played(moment.epoch, ledger.counts(moment.epoch).sent)
        elif told["sent"]:
            ledger.sent(moment.act, moment.epoch)
            ledger.played(moment.epoch, int(told["played"]))
        return moment

    def _hand_on(self, moment: Moment) -> bool | None:
        if self._sink is None:
            return None
        try:
            if moment.epoch != self._epoch:
                self._sink.flush(moment.epoch)
            return self._sink.put(moment)
        except Exception:
            self._errors["sink_errors"] += 1
            return False
        finally:
            self._epoch = moment.epoch

    def _give(self) -> None:
        """What came for the next tick."""
        due = self.loop.delegation.drain(self._index) if self.loop.delegation is not None else ()
        waiting = self._inbox.into(Percept(self._index)) if self._inbox.waits else None
        verdicts, self._verdicts = self._verdicts, []
        awaits = self._awaits
        if not self._lockstep and not due and not verdicts and waiting is None and awaits == self._told_awaits:
            return
        self._told_awaits = awaits
        self._given = True
        self._host.tell(
            "give",
            texts=[waiting.text] if waiting is not None and waiting.text else [],
            events=events_json(waiting.events) if waiting is not None else [],
            due=events_json(due),
            sent=verdicts,
            awaits=awaits,
        )
