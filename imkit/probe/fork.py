"""What if? A timeline is forked at a moment, what came in after it is changed, and the model lives on from there.

>>> fork(timeline, 7.0).without("microphone", 7.0, 8.0).run()

The past is shared: the same moments, not copies. After the fork the model gets what it got in the parent, but for what
was changed, with the same seed; with nothing changed, the branch is the parent, byte for byte. The person who is heard
in it was recorded: what they say does not answer to what the model does otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, floor, isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imkit.adapters import load
from imkit.background import BackgroundModel, choose
from imkit.capture import AudioArray, AudioFile
from imkit.session import Delegation, Origin, Snapshots
from imkit.session.package import in_brief
from imkit.stream import (
    INPUT_RATE,
    INPUT_SAMPLES,
    TICK_S,
    TICKS_PER_S,
    Event,
    InteractionModel,
    Moment,
    OpenConfig,
    Timeline,
)
from imkit.tools import Namespace, Tool, Toolbox, ToolServer, notebook_tools

from .answers import Record, read_record
from .branch import Plan, Progress, lost_until, run_plan
from .errors import ForkError
from .future import Future, Rule, Tick, What

STREAMS = ("microphone", "camera", "typed", "events", "notebook", "tool", "background", "ui", "file")
MAX_AHEAD_S = 3600.0
_ROUND = 1e-6

Stream = Literal["microphone", "camera", "typed", "events", "notebook", "tool", "background", "ui", "file"]


def fork(timeline: Timeline, at_s: float) -> Fork:
    """A fork of a timeline: moments before ``at_s`` seconds stay, what follows can be changed and lived through again.

    The timeline may be live; it is taken as it is now. Raises ForkError when ``at_s`` is not inside it, or when it has
    let go of the sound from there on.
    """
    whole = timeline.between()
    moments = whole.moments
    if not moments:
        raise ForkError("the timeline is empty; there is nothing to fork")
    at = ceil(_seconds("at_s", at_s) * TICKS_PER_S - _ROUND)
    if not moments[0].index <= at <= moments[-1].index + 1:
        raise ForkError(f"at_s={at_s!r}: expected {whole.start_s:.1f} to {whole.end_s:.1f} s, where the timeline is")
    after = [moment for moment in moments if moment.index >= at]
    silent = lost_until(after, sees=False)
    if silent > at:
        raise ForkError(
            f"at_s={at_s!r}: the timeline has let go of the sound before {silent / TICKS_PER_S:.1f} s; fork there or "
            "later, or fork a recording of the session"
        )
    record, blind_until = read_record(moments), lost_until(after, sees=True)
    opened = whole.origin.opened if whole.origin is not None else ()
    ticks: dict[int, Tick] = {}
    before = moments[len(moments) - len(after) - 1] if len(after) < len(moments) else None
    epoch = _epoch_before(after[0]) if before is None else before.epoch
    for moment in after:
        rises = 0 if before is None else max(0, _epoch_before(moment) - before.epoch)
        blind = moment.frame_count > 0 and moment.index < blind_until
        ticks[moment.index] = Tick(
            record.stripped(moment.percept), blind, rises, before is not None and moment.index in opened
        )
        before = moment
    return Fork(timeline, whole, Future(at, max(at, moments[-1].index + 1), ticks), record, epoch)


def _epoch_before(moment: Moment) -> int:
    """The epoch that a moment began in: it rises when the model is told to stop, and when it yields."""
    told = any(event.kind == "system" and event.payload.get("interrupt") for event in moment.percept.events)
    return moment.epoch - moment.yielded - told


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """A past, and a future that can be changed. Every change gives a new fork; ``run`` lives through it.

    Times are seconds on the fork's own clock, as the changes before have left it, and never before the fork. Sound is
    changed to the sample; everything else goes by whole micro-turns of 0.2 s. The streams are "microphone", "camera",
    "typed" (text and draft), and events: "events" for all of them, or by where they come from, "notebook", "tool",
    "background", "ui", "file". What tools and the background answered is tied to the call, not to a time, see ``run``.
    """

    source: Timeline
    parent: Timeline
    future: Future
    record: Record
    epoch: int
    edits: tuple[str, ...] = ()

    @property
    def at_s(self) -> float:
        """Where the future begins, in seconds."""
        return self.future.start / TICKS_PER_S

    @property
    def end_s(self) -> float:
        """Where what comes in ends, in seconds."""
        return self.future.end / TICKS_PER_S

    def __repr__(self) -> str:
        told = "".join(f", {edit}" for edit in self.edits)
        return f"Fork(at {self.at_s:.1f} s of {self.parent.end_s:.1f} s{told})"

    # --- what is said

    def with_audio(
        self,
        audio: NDArray[Any] | str | Path,
        at_s: float | None = None,
        mix: bool = False,
        *,
        rate_hz: int = INPUT_RATE,
    ) -> Fork:
        """Sound from ``at_s`` on (the fork, if None) in place of the microphone's, or mixed with it.

        audio    float samples [n] or [n, channels] in [-1, 1] at ``rate_hz``, or a file of sound
        mix      True adds it to what was heard, clipped to [-1, 1]
        """
        begin = self._sample("at_s", self.at_s if at_s is None else at_s)
        source = AudioFile(audio) if isinstance(audio, str | Path) else AudioArray(audio, rate_hz)
        samples = _samples_of(source)
        what = (
            Path(source.name).name if isinstance(source, AudioFile) else f"{len(samples) / INPUT_RATE:.2f} s of sound"
        )
        future = self.future.with_sound(begin, samples, mix=mix)
        return self._changed(future, f"{what}{' mixed in' if mix else ''} at {begin / INPUT_RATE:.2f} s")

    def with_text(self, text: str, at_s: float) -> Fork:
        """``text`` typed and sent at ``at_s``, after what was sent then."""
        if not isinstance(text, str) or not text.strip():
            raise ForkError(f"with_text({text!r}): expected text that is not empty")
        index = self._tick("at_s", at_s)
        percept = self.future.percept(index)
        joined = "\n".join(filter(None, (percept.text, text)))
        return self._changed(
            self.future.with_ticks({index: replace(percept, text=joined)}), f"typed {text[:40]!r} at {at_s:.1f} s"
        )

    def with_event(self, event: Event, at_s: float) -> Fork:
        """One more event at ``at_s``, after those that came in then. It comes whatever calls the fork makes."""
        if not isinstance(event, Event):
            raise ForkError(f"with_event({type(event).__name__}): expected an imkit.Event")
        index = self._tick("at_s", at_s)
        percept = self.future.percept(index)
        future = self.future.with_ticks({index: replace(percept, events=(*percept.events, event))})
        return self._changed(future, f"{event.kind} event at {at_s:.1f} s")

    # --- what is not, or at another time

    def without(
        self, what: Stream | Callable[[Event], bool], start_s: float | None = None, end_s: float | None = None
    ) -> Fork:
        """Nothing of a stream in [start_s, end_s); None is the fork, and the end.

        Or no events of which ``what(event)`` is true. The microphone falls silent; other streams are left out of the
        micro-turns that start in that time. Without "tool" or "background", what they answer then never comes.
        """
        start_s = self.at_s if start_s is None else start_s
        told = f"without {_name(what)} {start_s:.1f} to {self.end_s if end_s is None else end_s:.1f} s"
        if what == "microphone":
            return self._changed(self.future.without_sound(*self._samples(start_s, end_s)), told)
        start, end = self._span(start_s, end_s)
        wanted = _wanted(what)
        future = self.future.without(wanted, start, end)
        return self._changed(future.ruled(Rule(start, end, wanted)) if callable(wanted) else future, told)

    def shift(
        self,
        stream: Stream | Callable[[Event], bool],
        by_s: float,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> Fork:
        """What is in one stream in [start_s, end_s) comes ``by_s`` seconds later, or earlier if negative.

        The rest of the stream, and the other streams, stay where they are: the sound leaves silence behind and is mixed
        with what is where it goes. "background" and "tool" move answers, never to before the call. To move everything
        that follows, cut a pause or make one.
        """
        start_s = self.at_s if start_s is None else start_s
        by_s = _seconds("by_s", by_s)
        stop_s = self.end_s if end_s is None else end_s
        told = f"{_name(stream)} {start_s:.1f} to {stop_s:.1f} s moved by {by_s:+.1f} s"
        if stream == "microphone":
            begin, stop = self._samples(start_s, end_s)
            goes = self._sample("start_s + by_s", begin / INPUT_RATE + by_s)
            silent = self.future.without_sound(begin, stop)
            return self._changed(silent.with_sound(goes, self.future.sound(begin, stop), mix=True), told)
        by = round(by_s * TICKS_PER_S)
        if by == 0:
            raise ForkError(f"by_s={by_s!r}: {_name(stream)} goes by whole micro-turns of {TICK_S} s; nothing moves")
        start, end = self._span(start_s, end_s)
        self._check("start_s + by_s", (start + by) / TICKS_PER_S)
        wanted = _wanted(stream)
        future = self.future.moved(wanted, start, end, by)
        return self._changed(future.ruled(Rule(start, end, wanted, by)) if callable(wanted) else future, told)

    def without_pause(self, start_s: float, end_s: float) -> Fork:
        """The time from ``start_s`` to ``end_s`` never passes: everything that follows comes earlier.

        It is rounded inwards to whole micro-turns, so that nothing outside is cut. Sound and pictures in it are gone;
        what was typed or told in it comes right after.
        """
        start = ceil(self._check("start_s", start_s) * TICKS_PER_S - _ROUND)
        end = min(floor(_seconds("end_s", end_s) * TICKS_PER_S + _ROUND), self.future.end)
        if end <= start:
            raise ForkError(f"without_pause({start_s!r}, {end_s!r}): holds no whole micro-turn of {TICK_S} s")
        told = f"without the pause from {start / TICKS_PER_S:.1f} to {end / TICKS_PER_S:.1f} s"
        return self._changed(self.future.cut(start, end), told)

    def with_pause(self, at_s: float, seconds: float) -> Fork:
        """So many seconds of silence at ``at_s``, in whole micro-turns: everything that follows comes later."""
        at, ticks = self._tick("at_s", at_s, up=True), round(_seconds("seconds", seconds) * TICKS_PER_S)
        if not 0 < ticks <= MAX_AHEAD_S * TICKS_PER_S:
            raise ForkError(f"with_pause({at_s!r}, {seconds!r}): expected {TICK_S} s to {MAX_AHEAD_S:.0f} s")
        return self._changed(self.future.pause(at, ticks), f"a pause of {ticks / TICKS_PER_S:.1f} s at {at_s:.1f} s")

    # --- living through it

    def run(
        self,
        model: str | InteractionModel[Any] | None = None,
        seconds: float | None = None,
        *,
        background: BackgroundModel | str | None = None,
        tools: Iterable[Tool | ToolServer | Callable[..., Any]] = (),
        namespace: Mapping[str, Any] | None = None,
        progress: Progress = print,
    ) -> Timeline:
        """Lives through the future in virtual time: a timeline that begins with the parent's own moments.

        model       None is the parent's own, from its nearest snapshot. Another one first lives through all of the
                    past, with what came in then
        seconds     how long the future is; None is up to the end of what comes in, and of the parent
        background  who answers calls that the parent's record does not; None is nobody
        tools       what that background can use, and the model can call, beside the notebook's own
        namespace   the variables that tools may read; None is the notebook's, where there is one
        progress    told in words when much of the past must be lived through again

        A call that the parent made too, of the same name and arguments, gets the parent's answer after as many ticks.
        Answers to calls that the fork never makes are withheld, calls that the parent never made stay unanswered unless
        there is a ``background``; ``timeline.origin.fork`` lists both. Raises ForkError when the past cannot be lived
        through, ModelError when the model fails.
        """
        future, given = self.future, list(tools)
        if given and background is None:
            raise ForkError("run(tools=...) without a background: nobody would use them; say which background")
        end = max(future.end, self.parent.moments[-1].index + 1)
        if seconds is not None:
            if not 0 < _seconds("seconds", seconds) <= self.parent.end_s + MAX_AHEAD_S:
                raise ForkError(f"seconds={seconds!r}: expected more than 0 s, and an hour past the end at most")
            end = future.start + ceil(seconds * TICKS_PER_S - _ROUND)
        seated, origin = self._seated(model)
        past = self.parent.between(None, self.at_s)
        plan = Plan(self.parent, past, future, self.epoch, self.record, origin, self.edits)
        live = None
        box = Toolbox(given)
        if background is not None:
            view = Namespace.of_notebook() if namespace is None else Namespace(namespace)
            box = Toolbox([*notebook_tools(view), *given])
            live = Delegation(choose(background), box, None, notebook=partial(in_brief, view))
        try:
            return run_plan(plan, seated, end, live, progress)
        finally:
            box.close()
            if live is not None:
                live.close()

    # --- inside

    def _seated(self, model: str | InteractionModel[Any] | None) -> tuple[InteractionModel[Any], Origin]:
        """The model to run, and where the timeline comes from; of one that nobody knows of, it is from this model."""
        origin: Origin | None = self.source.origin
        if model is None or (origin is not None and isinstance(model, str) and model == origin.model):
            if origin is None:
                raise ForkError("nobody knows what model made this timeline; say which: run(model=...)")
            return origin.seated(), origin
        seated = load(model)
        if origin is None:
            origin = self.source.origin = Origin(seated, OpenConfig(), Snapshots())
        return seated, origin

    def _changed(self, future: Future, told: str) -> Fork:
        return replace(self, future=future, edits=(*self.edits, " ".join(told.split())))

    def _check(self, name: str, time_s: float) -> float:
        """``time_s``. Raises ForkError unless it is at or after the fork, and at most an hour past the end."""
        if _seconds(name, time_s) > self.parent.end_s + MAX_AHEAD_S:
            raise ForkError(f"{name}={time_s!r}: expected at most an hour past the end at {self.parent.end_s:.1f} s")
        if time_s < self.at_s - _ROUND:
            raise ForkError(
                f"{name}={time_s!r} is before the fork at {self.at_s:.1f} s; the past stays as it was. Fork earlier."
            )
        return float(time_s)

    def _sample(self, name: str, time_s: float) -> int:
        return max(self.future.start * INPUT_SAMPLES, round(self._check(name, time_s) * INPUT_RATE))

    def _samples(self, start_s: float, end_s: float | None) -> tuple[int, int]:
        begin, end = self._sample("start_s", start_s), self.future.end * INPUT_SAMPLES
        return begin, _after(start_s, begin, end if end_s is None else min(end, self._sample("end_s", end_s)))

    def _tick(self, name: str, time_s: float, *, up: bool = False) -> int:
        exact = self._check(name, time_s) * TICKS_PER_S
        return max(self.future.start, ceil(exact - _ROUND) if up else floor(exact + _ROUND))

    def _span(self, start_s: float, end_s: float | None) -> tuple[int, int]:
        start = ceil(self._check("start_s", start_s) * TICKS_PER_S - _ROUND)
        end = self.future.end if end_s is None else ceil(self._check("end_s", end_s) * TICKS_PER_S - _ROUND)
        return start, _after(start_s, start, end)


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating) or not isfinite(value):
        raise ForkError(f"{name}={value!r}: expected seconds")
    return float(value)


def _after(start_s: float, start: int, end: int) -> int:
    if end <= start:
        raise ForkError(f"from {start_s!r} s on there is nothing; expected start_s before end_s and before the end")
    return end


def _name(what: Any) -> str:
    return str(what) if isinstance(what, str) else "events"


def _wanted(what: Any) -> What:
    """What of a percept a stream is, and for events which of them."""
    if callable(what):
        chosen: What = what
        return chosen
    if what == "camera":
        return "frames"
    if what == "typed":
        return "typed"
    if what not in STREAMS:
        raise ForkError(f"{what!r} is no stream; expected one of {', '.join(STREAMS)}, or a function of an event")
    name = str(what)
    return lambda event: name == "events" or str(event.provenance) == name


def _samples_of(source: AudioFile | AudioArray) -> NDArray[np.float32]:
    """All of a source's sound, float32 [n] at 16 kHz."""
    pieces: list[NDArray[np.float32]] = []
    with source:
        duration_s = source.duration_s
        while (percept := source.read(len(pieces))) is not None:
            pieces.append(percept.audio)
    whole = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return whole[: round(duration_s * INPUT_RATE)]
