"""Work that takes longer than a tick: handed over without waiting, results back as events."""

from __future__ import annotations

import contextvars
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from imkit.background import Answer, BackgroundModel, Cancelled, Desk, Task
from imkit.stream import TICK_S, Act, Call, Event, Moment, Percept, Provenance, Utterance, Word, utterances
from imkit.surfaces import Surface
from imkit.tools import Toolbox, ToolRefused

MAX_AT_ONCE = 8
MAX_PROGRESS = 8
MAX_CONVERSATION = 200
INLINE_DELAY_TICKS = 5
TYPED_FRESH_TICKS = 50


@dataclass(eq=False)
class _Job:
    call: Call
    topic: str
    stop: threading.Event = field(default_factory=threading.Event)
    progress: int = 0
    unwanted: bool = False  # superseded, cancelled or expired: its result is stale


class Delegation:
    """Runs calls on an executor, at most eight at once, and gives their results back as events.

    ``executor`` of None is virtual time: work runs inside ``submit`` and its result event is due exactly five ticks
    after the call, so that a run is the same every time. Otherwise nothing here waits for anything.
    """

    def __init__(self, background: BackgroundModel, tools: Toolbox, executor: Executor | None) -> None:
        self.background = background
        self.tools = tools
        self._executor = executor
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._futures: set[Future[None]] = set()
        self._ready: deque[tuple[int, _Job | None, Event]] = deque()  # (due tick, job that it ends, event)
        self._versions: Counter[str] = Counter()
        self._heard: deque[Word] = deque(maxlen=MAX_CONVERSATION)
        self._typed_lines: deque[Utterance] = deque(maxlen=MAX_CONVERSATION)
        self._typed: tuple[int, str] = (-TYPED_FRESH_TICKS, "")
        self.counts: Counter[str] = Counter()
        """asked, done, failed, refused, stale: what became of the calls."""

    @property
    def under_way(self) -> tuple[str, ...]:
        """Ids of the calls whose results are still awaited."""
        with self._lock:
            return tuple(self._jobs)

    def drain(self, tick: int) -> tuple[Event, ...]:
        """Events that are due at ``tick``; lets go of what has expired. Never waits."""
        events: list[Event] = []
        with self._lock:
            for job in [job for job in self._jobs.values() if _expired(job.call, tick)]:
                self._let_go(job)
                events.append(_result(job.call, f"The {job.topic} took too long; I let it go.", ok=False))
            waiting = len(self._ready)
            for _ in range(waiting):
                due, ended, event = self._ready.popleft()
                if due > tick:
                    self._ready.append((due, ended, event))
                elif ended is None or self._jobs.pop(ended.call.id, None) is not None:
                    events.append(event)
        return tuple(events)

    def note(self, percept: Percept, act: Act) -> None:
        """Listens to the user, so that a task can be handed the conversation."""
        typed = percept.text.strip()
        if typed:
            self._typed = (percept.index, typed)
            at_s = percept.index * TICK_S
            self._typed_lines.append(Utterance("typed", typed[:2000], at_s, at_s + TICK_S))
        self._heard.extend(act.heard)

    def submit(self, call: Call, said: Iterable[Word] = ()) -> None:
        """Takes a call. Returns at once; whatever comes of it, a refusal too, is an event of a later tick.

        ``said`` are the model's own words that the person really heard.
        """
        if call.kind == "cancel":
            self._cancel(call)
            return
        topic = call.name
        self.counts["asked"] += 1
        with self._lock:
            refusal = self._refusal(call)
            if refusal:
                self.counts["refused"] += 1
                self._ready.append((call.tick + 1, None, _result(call, refusal, ok=False)))
                return
            if call.kind == "delegate":
                for older in [job for job in self._jobs.values() if job.topic == topic and job.call.kind == "delegate"]:
                    self._let_go(older)
            self._versions[topic] += 1
            job = self._jobs[call.id] = _Job(call, topic)
            version = self._versions[topic]
        fresh = call.tick - self._typed[0] < TYPED_FRESH_TICKS
        task = Task(
            id=call.id,
            topic=topic,
            request=str(call.arguments.get("request", ""))[:2000],
            typed=self._typed[1][:2000] if fresh else "",
            tick=call.tick,
            epoch=call.epoch,
            version=version,
            conversation=self._conversation(said),
        )
        if self._executor is None:
            self._work(job, task)
            return
        try:
            future = self._executor.submit(contextvars.copy_context().run, self._work, job, task)
        except RuntimeError as error:  # the executor was shut down under us
            self._finish(job, _result(call, f"The {topic} could not start: {error}.", ok=False), "failed")
            return
        with self._lock:
            self._futures.add(future)
        future.add_done_callback(self._forget)

    def close(self, grace_s: float = 2.0) -> bool:
        """Tells all work to stop and waits up to ``grace_s`` seconds for it. True when none is left."""
        with self._lock:
            for job in list(self._jobs.values()):
                self._let_go(job)
            futures = set(self._futures)
        for future in futures:
            future.cancel()
        return not wait(futures, timeout=grace_s).not_done

    # --- inside

    def _conversation(self, said: Iterable[Word]) -> tuple[Utterance, ...]:
        own = list(said)[-MAX_CONVERSATION:]
        lines = [*utterances("user", self._heard), *utterances("model", own), *self._typed_lines]
        return tuple(sorted(lines, key=lambda line: (line.start_s, line.end_s))[-MAX_CONVERSATION:])

    def _refusal(self, call: Call) -> str:
        if call.id in self._jobs:
            return f"A call with the id {call.id!r} is already under way."
        if len(self._jobs) >= MAX_AT_ONCE or len(self._futures) >= MAX_AT_ONCE:
            return f"I am already busy with {MAX_AT_ONCE} things; ask again when one is done."
        if call.kind == "tool":
            return self.tools.refusal(call.name)
        return ""

    def _cancel(self, call: Call) -> None:
        wanted = str(call.arguments.get("id", ""))
        with self._lock:
            for job in list(self._jobs.values()):
                if job.call.id == wanted or (not wanted and job.topic == call.name):
                    self._let_go(job)

    def _let_go(self, job: _Job) -> None:
        """The lock is held. Nobody waits for this job any more; whatever it still says is stale."""
        job.unwanted = True
        job.stop.set()
        if self._jobs.get(job.call.id) is job:
            del self._jobs[job.call.id]
        kept = [entry for entry in self._ready if entry[1] is not job]
        self.counts["stale"] += len(kept) < len(self._ready)
        self._ready = deque(kept)

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._futures.discard(future)

    def _work(self, job: _Job, task: Task) -> None:
        call = job.call
        try:
            event, outcome = self._answer(job, task), "done"
        except Cancelled:
            event, outcome = _result(call, f"The {job.topic} was stopped.", ok=False), "failed"
        except ToolRefused as error:
            event, outcome = _result(call, str(error), ok=False), "refused"
        except Exception as error:  # any crash in a tool or background model is a fact to tell, not our end
            text = f"The {job.topic} did not work: {type(error).__name__}: {error}"
            event, outcome = _result(call, text[:500], ok=False), "failed"
        self._finish(job, event, outcome)

    def _answer(self, job: _Job, task: Task) -> Event:
        call = job.call
        if call.kind == "surface":
            made = Surface.from_json({"id": call.id, **call.arguments})
            return _result(call, made.title, surface=made)
        if call.kind == "tool":
            answer = _answer_of(self.tools.call(call.name, dict(call.arguments)))
        else:
            desk = Desk(self.tools.functions(), job.stop.is_set, lambda text: self._progress(job, text))
            answer = self.background.answer(task, desk)
        surface = Surface.from_json({"id": call.id, **answer.surface}) if answer.surface is not None else None
        return _result(call, answer.text, ok=answer.ok, surface=surface)

    def _progress(self, job: _Job, text: str) -> None:
        with self._lock:
            job.progress += 1
            if job.progress <= MAX_PROGRESS and not job.unwanted:
                event = Event("progress", Provenance.BACKGROUND, str(text)[:200], job.call.id, epoch=job.call.epoch)
                self._ready.append((self._due(job), None, event))

    def _finish(self, job: _Job, event: Event, outcome: str) -> None:
        with self._lock:
            if job.unwanted:
                self.counts["stale"] += 1
                return
            self.counts[outcome] += 1
            self._ready.append((self._due(job), job, event))

    def _due(self, job: _Job) -> int:
        return job.call.tick + (INLINE_DELAY_TICKS if self._executor is None else 1)


def surfaces_of(moment: Moment) -> list[Surface]:
    """What a moment's result events brought to show."""
    found = (event.payload.get("surface") for event in moment.percept.events if event.kind == "result")
    return [Surface.from_json(value) for value in found if isinstance(value, Mapping)]


def _expired(call: Call, tick: int) -> bool:
    return call.expires_tick is not None and tick > call.expires_tick


def _answer_of(value: Any) -> Answer:
    """A tool's return value as an answer: {"text", "surface"} is taken as it is, anything else is told."""
    if isinstance(value, Mapping) and "text" in value:
        return Answer(str(value["text"])[:1000], surface=value.get("surface"))
    return Answer(str(value)[:1000])


def _result(call: Call, text: str, *, ok: bool = True, surface: Surface | None = None) -> Event:
    provenance = Provenance.TOOL if call.kind == "tool" else Provenance.BACKGROUND
    payload = {"ok": ok, "topic": call.name, "surface": surface.to_json() if surface else None}
    return Event("result", provenance, text, call.id, payload, call.epoch)
