"""The drive: takes due ticks from a source, steps the loop, hands moments on, and keeps to the drop rules.

No threads and no clock of its own: the live session and virtual time run this same code.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from imkit.capture import ClockedSource, Source
from imkit.stream import TICKS_PER_S, Event, Moment, Percept, Timeline
from imkit.stream.moment import MAX_FRAMES

from .loop import Loop
from .pacer import Pacer, asked
from .sink import Sink, Tap

MAX_BEHIND_TICKS = 5
MAX_INBOX = 64
STALL_S = 1.0


class Inbox:
    """Typed text and events that wait for the next tick; at most 64 of each; the oldest is dropped first."""

    def __init__(self) -> None:
        self.texts: deque[str] = deque(maxlen=MAX_INBOX)
        self.events: deque[Event] = deque(maxlen=MAX_INBOX)
        self.counts: Counter[str] = Counter()

    @property
    def waits(self) -> bool:
        """Whether anything does."""
        return bool(self.texts or self.events)

    def put_text(self, text: str) -> None:
        """A text to be sent with the next tick."""
        self.counts["dropped_texts"] += len(self.texts) == MAX_INBOX
        self.texts.append(text)

    def put_event(self, event: Event) -> None:
        """An event to be told with the next tick."""
        self.counts["dropped_events"] += len(self.events) == MAX_INBOX
        self.events.append(event)

    def into(self, percept: Percept) -> Percept:
        """The percept with everything that waited."""
        texts: list[str] = []
        events: list[Event] = []
        while self.texts:
            texts.append(self.texts.popleft())
        while self.events:
            events.append(self.events.popleft())
        if not texts and not events:
            return percept
        text = "\n".join([percept.text, *texts] if percept.text else texts)
        return replace(percept, text=text, events=(*percept.events, *events))


class Drive:
    """One source driven through one loop onto one timeline.

    Drop rules. A source that is read by the real clock and has fallen more than five ticks behind loses the sound and
    pictures of the oldest ticks; their texts and events are never lost, the tick numbers stay those of the clock, and
    the next percept says how much is missing. A source that keeps its own clock drops by its own rule and says so in
    the same event, {"gap_ticks": n}; its tick numbers then skip what was lost.
    """

    def __init__(
        self,
        loop: Loop,
        source: Source,
        pacer: Pacer,
        timeline: Timeline,
        *,
        sink: Sink | None = None,
        tap: Callable[[], Tap | None] = lambda: None,
        inbox: Inbox | None = None,
        clock: Callable[[], float] | None = None,
        first_index: int = 0,
        limit_s: float | None = None,
        tail_s: float = 4.0,
    ) -> None:
        self.loop = loop
        self.source = source
        self.timeline = timeline
        self.ended = False
        self.beating = True
        """Whether the latest pass showed that the loop is not held up."""
        self.stalled_s = 0.0
        """How long the loop was held up before the latest pass; 0.0 when it was not."""
        self.behind = 0
        """Ticks that were due before the latest pass and are still to be taken."""
        self.counts: Counter[str] = Counter()
        self._tap = tap
        self._pacer = pacer
        self._sink = sink
        self._inbox = inbox or Inbox()
        self._clock = clock or (lambda: 0.0)
        self._index = first_index
        self._ends_at = math.inf if limit_s is None else first_index + math.ceil(limit_s * TICKS_PER_S - 1e-9)
        self._tail = math.ceil(tail_s * TICKS_PER_S - 1e-9)
        self._source_ended = False
        self._epoch = loop.ledger.epoch
        self._passed_s: float | None = None
        self._carried: tuple[list[str], list[Event], int] = ([], [], 0)

    def step(self, timeout_s: float = 0.25) -> Moment | None:
        """Takes one tick if one is due within ``timeout_s``; None otherwise, and when ``ended``.

        Raises SourceError for whatever the source raises, and what the model raises; the timeline then holds everything
        up to the tick before.
        """
        due = self._pacer.due(timeout_s)
        self._watch(timeout_s)
        if not due and self.source.clocked and cast(ClockedSource, self.source).ended:
            self.ended = True
        if not due or self.ended:
            return None
        while due > MAX_BEHIND_TICKS and not self._source_ended:
            self._skip()
            due -= 1
        percept = self._read()
        self.behind = due - 1
        if percept is None:
            return None
        self._pacer.took(1)
        percept, tap = self._inbox.into(percept), self._tap()
        moment = self.loop.tick(percept if tap is None else self._admitted(tap, percept))
        self._index = moment.index + 1
        self.counts["missed_deadlines"] += moment.late
        self.timeline.append(moment)
        self._hand_on(moment)
        if tap is not None:  # after it was handed on, so that what is kept of it includes whether it was sent
            self._keep(tap, moment)
        return moment

    def halt(self) -> bool:
        """No further step is wanted. True: none is under way."""
        return True

    def close(self) -> str:
        """Closes the source. Why it could not be, in words: a device that is gone may not even close."""
        try:
            self.source.close()
        except Exception as error:
            return f"The source did not close: {type(error).__name__}: {error}"
        return ""

    def _admitted(self, tap: Tap, percept: Percept) -> Percept:
        try:
            return tap.admit(percept)
        except Exception:
            self.counts["tap_errors"] += 1  # as a sink's: what was to be kept is lost, the conversation is not
            return percept

    def _keep(self, tap: Tap, moment: Moment) -> None:
        try:
            tap.put(moment)
        except Exception:
            self.counts["tap_errors"] += 1

    def _watch(self, timeout_s: float) -> None:
        now_s = self._clock()
        gap_s = 0.0 if self._passed_s is None else now_s - self._passed_s
        self._passed_s = now_s
        self.stalled_s = gap_s if gap_s > STALL_S + timeout_s else 0.0
        self.counts["stalls"] += self.stalled_s > 0

    def _read(self) -> Percept | None:
        percept = self._from_source()
        if percept is None and self._source_ended:
            if self._tail <= 0:
                self.ended = True
                return None
            self._tail -= 1
            percept = Percept(self._index)
        if percept is None:
            return None
        texts, events, lost = self._carried
        if texts or events or lost:
            self._carried = ([], [], 0)
            if lost:
                told = f"{lost / TICKS_PER_S:.1f} s of sound were lost before this"
                events.insert(0, Event("system", self.source.provenance, told, payload={"gap_ticks": lost}))
            text = "\n".join(part for part in (*texts, percept.text) if part)
            percept = replace(percept, text=text, events=(*events, *percept.events))
        gaps = [event.payload["gap_ticks"] for event in percept.events if event.payload.get("gap_ticks")]
        self.counts["gaps"] += len(gaps)
        if self.source.clocked and gaps:
            percept = replace(percept, index=percept.index + sum(map(int, gaps)))
        return percept

    def _from_source(self) -> Percept | None:
        if self._source_ended:
            return None
        if self._index >= self._ends_at:
            self._source_ended = True
            return None
        percept = asked(self.source, lambda: self.source.read(self._index))
        if percept is None:
            self._source_ended = not self.source.clocked or cast(ClockedSource, self.source).ended
        return percept

    def _skip(self) -> None:
        """Takes the oldest due tick without stepping the model: keeps texts and events, loses sound and pictures."""
        percept = self._from_source()
        if percept is None:
            return
        texts, events, lost = self._carried
        if percept.text:
            texts.append(percept.text)
        events.extend(percept.events)
        self._carried = (texts, events, lost + 1)
        self._index += 1
        self._pacer.took(1)
        self.counts["dropped_audio_ticks"] += 1
        self.counts["dropped_frames"] += min(len(percept.frames), MAX_FRAMES)

    def _hand_on(self, moment: Moment) -> None:
        ledger, sink = self.loop.ledger, self._sink
        took: bool | None = True
        if sink is not None:
            try:
                if moment.epoch != self._epoch:
                    sink.flush(moment.epoch)
                took = sink.put(moment)
            except Exception:
                self.counts["sink_errors"] += 1  # a listener that breaks costs its own sound, never the conversation
                took = False
        self._epoch = moment.epoch
        if took is not False:
            ledger.sent(moment.act, moment.epoch)
            if sink is None or not getattr(sink, "reports_played", False):
                ledger.played(moment.epoch, ledger.counts(moment.epoch).sent)
