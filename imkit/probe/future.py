"""What comes in after a fork, tick by tick, and the changes that can be made to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_SAMPLES, Event, Percept
from imkit.stream.moment import MAX_FRAMES

Samples = NDArray[np.float32]
Wanted = Callable[[Event], bool]
What = Literal["frames", "typed"] | Wanted

_SILENCE = np.zeros(INPUT_SAMPLES, np.float32)
_SILENCE.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """One micro-turn that is to come.

    percept  what comes in, without what came of calls; its index may be another
    blind    it held pictures that the timeline has let go of
    rises    so often the epoch rose before it for no reason inside the timeline: the session was stopped and started
    opened   the model was opened afresh before it
    """

    percept: Percept
    blind: bool = False
    rises: int = 0
    opened: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What is done to answers that come in ticks [start, end): let go, or moved ``by`` ticks."""

    start: int
    end: int
    wanted: Wanted
    by: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Future:
    """The ticks of a fork from ``start`` up to, not including, ``end``; ticks that are missing were lost.

    Every change gives a new one. Ticks are those of the fork's own clock.
    """

    start: int
    end: int
    ticks: Mapping[int, Tick] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def percept(self, index: int) -> Percept:
        """What comes in at ``index``; silence where nothing is known."""
        one = self.ticks.get(index)
        if one is None:
            return Percept(index)
        return one.percept if one.percept.index == index else replace(one.percept, index=index)

    def with_ticks(self, changed: Mapping[int, Percept]) -> Future:
        """Other percepts at some ticks; the end moves out to the last of them."""
        ticks = dict(self.ticks)
        for index, percept in changed.items():
            known = ticks.get(index)
            ticks[index] = Tick(percept) if known is None else replace(known, percept=percept)
        return replace(self, ticks=ticks)._up_to(max(changed, default=-1) + 1)

    def known(self, start: int, end: int) -> Iterator[int]:
        """The ticks in [start, end) that something is known of."""
        return (index for index in sorted(self.ticks) if start <= index < end)

    # --- sound, on samples of 16 kHz

    def with_sound(self, at: int, samples: Samples, *, mix: bool) -> Future:
        """Sound from sample ``at`` on, in place of what came in or mixed with it and clipped to [-1, 1]."""
        changed: dict[int, Percept] = {}
        done = 0
        while done < len(samples):
            index, offset = divmod(at + done, INPUT_SAMPLES)
            piece = samples[done : done + INPUT_SAMPLES - offset]
            percept = self.percept(index)
            audio = percept.audio.copy()
            place = slice(offset, offset + len(piece))
            audio[place] = np.clip(audio[place] + piece, -1, 1) if mix else piece
            changed[index] = replace(percept, audio=audio)
            done += len(piece)
        return self.with_ticks(changed) if changed else self

    def without_sound(self, at: int, end: int) -> Future:
        """Silence from sample ``at`` up to ``end``."""
        changed: dict[int, Percept] = {}
        for index in self.known(at // INPUT_SAMPLES, -(-end // INPUT_SAMPLES)):
            begin = index * INPUT_SAMPLES
            low, high = max(0, at - begin), min(INPUT_SAMPLES, end - begin)
            percept, audio = self.percept(index), _SILENCE
            if high - low < INPUT_SAMPLES:
                audio = percept.audio.copy()
                audio[low:high] = 0
            changed[index] = replace(percept, audio=audio)
        return self.with_ticks(changed)

    def sound(self, at: int, end: int) -> Samples:
        """What comes in from sample ``at`` up to ``end``: float32 [end - at]."""
        out = np.zeros(end - at, np.float32)
        for index in self.known(at // INPUT_SAMPLES, -(-end // INPUT_SAMPLES)):
            begin = index * INPUT_SAMPLES
            low, high = max(at, begin), min(end, begin + INPUT_SAMPLES)
            out[low - at : high - at] = self.percept(index).audio[low - begin : high - begin]
        return out

    # --- everything else, on whole ticks

    def without(self, what: What, start: int, end: int) -> Future:
        """Nothing of one stream in ticks [start, end); pictures that were let go of are not missed there any more."""
        ticks = dict(self.ticks)
        for index in self.known(start, end):
            one, percept = ticks[index], self.percept(index)
            if _holds(percept, what):
                one = replace(one, percept=_without(percept, what))
            ticks[index] = replace(one, blind=False) if what == "frames" and one.blind else one
        return replace(self, ticks=ticks)

    def moved(self, what: What, start: int, end: int, by: int) -> Future:
        """What is in ticks [start, end) of one stream comes ``by`` ticks later, beside what is there already."""
        future = self.without(what, start, end)
        for index in self.known(start, end):
            percept, blind = self.percept(index), what == "frames" and self.ticks[index].blind
            if blind or _holds(percept, what):
                there = _joined(future.percept(index + by), percept, what)
                future = future.with_ticks({index + by: there})
            if blind:  # still missed, at the other time
                ticks = {**future.ticks, index + by: replace(future.ticks[index + by], blind=True)}
                future = replace(future, ticks=ticks)
        return future

    def ruled(self, rule: Rule) -> Future:
        """With one more rule for answers."""
        return replace(self, rules=(*self.rules, rule))

    # --- time

    def cut(self, start: int, end: int) -> Future:
        """Ticks [start, end) never happen: all that follows comes earlier, and what was typed or told in them first."""
        texts: list[str] = []
        events: list[Event] = []
        rises, opened = 0, False
        for index in self.known(start, end):
            one = self.ticks[index]
            texts.append(one.percept.text)
            events += one.percept.events
            rises, opened = rises + one.rises, opened or one.opened
        future = self._on_clock(lambda tick: tick if tick < start else max(start, tick - (end - start)), (start, end))
        if any(texts) or events or rises or opened:
            known = future.ticks.get(start)
            percept = future.percept(start)
            text = "\n".join(filter(None, [*texts, percept.text]))
            one = known or Tick(percept)
            carried = replace(
                one,
                percept=replace(percept, text=text, events=(*events, *percept.events)),
                rises=one.rises + rises,
                opened=one.opened or opened,
            )
            future = replace(future, ticks={**future.ticks, start: carried})._up_to(start + 1)
        return future

    def pause(self, at: int, ticks: int) -> Future:
        """So many silent ticks before ``at``: all that follows comes later. A draft stands as it was."""
        draft = self.percept(at - 1).draft if at - 1 in self.ticks else ""
        future = self._on_clock(lambda tick: tick if tick < at else tick + ticks)
        silent = {index: Tick(Percept(index, draft=draft)) for index in range(at, at + ticks)}
        return replace(future, ticks={**future.ticks, **silent})._up_to(at + ticks)

    def _up_to(self, end: int) -> Future:
        """At least up to ``end``: what is new before it and not known is silent, not lost."""
        if end <= self.end:
            return self
        new = {index: Tick(Percept(index)) for index in range(self.end, end)}
        return replace(self, ticks={**new, **self.ticks}, end=end)

    def _on_clock(self, clock: Callable[[int], int], gone: tuple[int, int] = (0, 0)) -> Future:
        ticks = {clock(index): one for index, one in self.ticks.items() if not gone[0] <= index < gone[1]}
        rules = tuple(replace(rule, start=clock(rule.start), end=clock(rule.end)) for rule in self.rules)
        return Future(self.start, clock(self.end), ticks, rules)


def _without(percept: Percept, what: What) -> Percept:
    if what == "frames":
        return replace(percept, frames=())
    if what == "typed":
        return replace(percept, text="", draft="")
    assert callable(what)
    return replace(percept, events=tuple(event for event in percept.events if not what(event)))


def _holds(percept: Percept, what: What) -> bool:
    if what == "frames":
        return bool(percept.frames)
    if what == "typed":
        return bool(percept.text or percept.draft)
    assert callable(what)
    return any(map(what, percept.events))


def _joined(percept: Percept, moved: Percept, what: What) -> Percept:
    if what == "frames":
        return replace(percept, frames=(*percept.frames, *moved.frames)[-MAX_FRAMES:])
    if what == "typed":
        text = "\n".join(filter(None, (percept.text, moved.text)))
        return replace(percept, text=text, draft=percept.draft or moved.draft)
    assert callable(what)
    return replace(percept, events=(*percept.events, *filter(what, moved.events)))
