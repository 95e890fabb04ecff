"""Work that takes longer than a tick: handed over without waiting, results back as events."""

from __future__ import annotations

import contextvars
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import Any

from imkit.background import Adjusts, Answer, BackgroundModel, Cancelled, Desk, Task, Variable
from imkit.stream import Act, Call, Event, Percept, Word
from imkit.surfaces import Surface
from imkit.tools import Toolbox, ToolRefused

from .byhand import by_hand
from .events import Ready, answer_of, event_of, in_words, result_of
from .jobs import MAX_AT_ONCE, MAX_BRIEF, Job, checked, least_urgent, run_on, superseded_by
from .package import Context, packed
from .record import TaskRecord, record_of

MAX_PLACES = 2 * MAX_AT_ONCE
MAX_PROGRESS = 8
MAX_PARTS = 64
MAX_TOPICS = 256
MAX_RECORDS = 64
MAX_MADE = 100
INLINE_DELAY_TICKS = 5


class Delegation:
    """Runs calls on an executor and gives what comes of them back as events. Nothing here waits for anything.

    executor  threads of this process that the background model and the tools run in. None is virtual time: work runs
              inside ``submit`` and its events are due exactly ``delay_ticks`` after the call, so that a run is the
              same every time
    heavy     any executor, for what ``desk.run`` is given; None runs it in place. It is never shut down here
    notebook  gives the notebook's variables in brief; called in the worker
    older     a delegation that this one goes on from: its conversation and its versions

    At most eight at once. A further call is refused in words, unless it is more urgent than one of the eight: then the
    least urgent of them, and of those the newest, is let go, which is told in words too. A newer request on a topic
    takes the place of the older one. Work that was let go may take a while to stop: it is told to at once, it keeps its
    thread, its results are dropped and counted as stale, and calls are refused while sixteen threads are taken.
    """

    def __init__(
        self,
        background: BackgroundModel,
        tools: Toolbox,
        executor: Executor | None,
        *,
        heavy: Executor | None = None,
        notebook: Callable[[], Iterable[Variable]] = tuple,
        older: Delegation | None = None,
        delay_ticks: int = INLINE_DELAY_TICKS,
    ) -> None:
        self.background = background
        self.tools = tools
        self._executor = executor
        self._heavy = heavy
        self._notebook = notebook
        self._delay = delay_ticks if executor is None else 1
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._futures: set[Future[Any]] = set()
        self._callers = ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="imkit-work-cancel")
        self._calling: set[Future[Any]] = set()
        self._ready: deque[Ready] = deque()
        self._versions: OrderedDict[str, int] = older._versions.copy() if older else OrderedDict()
        self._forgotten_version: int = older._forgotten_version if older else 0
        self.context: Context = older.context if older else Context()
        self._records: deque[Job] = older._records if older else deque(maxlen=MAX_RECORDS)
        self._made: deque[str] = older._made if older else deque(maxlen=MAX_MADE)
        self._topic = ""
        self.counts: Counter[str] = Counter()
        """What became of the calls: asked, done, failed, refused. And what became of events: stale (nobody wanted them
        any more), dropped_parts and dropped_callbacks (over their bounds), callback_errors (``desk.on_cancel``)."""

    @property
    def under_way(self) -> tuple[str, ...]:
        """Ids of the calls whose results are still awaited."""
        with self._lock:
            return tuple(self._jobs)

    @property
    def tasks(self) -> list[TaskRecord]:
        """What became of the newest 64 calls, oldest first."""
        with self._lock:
            return [record_of(job) for job in self._records]

    def drain(self, tick: int) -> tuple[Event, ...]:
        """Events that are due at ``tick``; lets go of what has expired. Never waits."""
        events: list[Event] = []
        with self._lock:
            expired = [job for job in self._jobs.values() if job.expired(tick)]
            for job in expired:
                self._let_go(job, tick, "expired")
                events.append(result_of(job, f"The {job.topic} took too long; I let it go.", ok=False))
            for _ in range(len(self._ready)):
                one = self._ready.popleft()
                if one.due > tick:
                    self._ready.append(one)
                    continue
                events.append(one.event)
                if one.last and one.job is not None:
                    del self._jobs[one.job.call.id]
                    one.job.end(tick, one.job.result)
        self._call_back(expired)
        return tuple(events)

    def note(self, percept: Percept, act: Act) -> None:
        """Listens to the conversation, so that a task can be handed it."""
        self.context.note(percept, act)

    def recall(self, percept: Percept, act: Act) -> None:
        """Takes in a moment that happened before: the conversation, and which topics were asked."""
        self.context.note(percept, act)
        for call in act.calls:
            if call.kind != "cancel":
                self._next_version(call.name)

    def by_hand(self, percept: Percept, epoch: int, said: Iterable[Word] = ()) -> None:
        """Takes what the person starts past the model: requests handed over, and controls of shown results used.

        The latter only where the background model wants them (``Adjusts``), and only of surfaces that it made.
        """
        made = self._made if isinstance(self.background, Adjusts) else ()
        for one in by_hand(percept, epoch, self._topic, made):
            self.submit(one.call, said, one.typed, one.action)

    def submit(
        self, call: Call, said: Iterable[Word] = (), typed: str = "", action: Mapping[str, Any] | None = None
    ) -> None:
        """Takes a call. Returns at once; whatever comes of it, a refusal too, is an event of a later tick.

        ``said`` are the model's own words that the person really heard; ``typed`` and ``action`` what a person made the
        call with.
        """
        if call.kind == "cancel":
            self._cancel(call)
            return
        self.counts["asked"] += 1
        job = Job(call, window=self.context.window, typed=typed, action=action)
        if call.kind == "delegate" and action is None:
            self._topic = job.topic
        with self._lock:
            self._records.append(job)
            refusal = self._refusal(job)
            if refusal:
                self.counts["refused"] += 1
                job.end(call.tick, "refused")
                job.version = self._versions.get(job.topic, 0)
                self._ready.append(Ready(call.tick + 1, result_of(job, refusal, ok=False)))
                return
            gone = superseded_by(job, self._jobs.values())
            for older in gone:
                self._let_go(older, call.tick, "superseded", call.id)
            lesser = self._in_the_way(job) if len(self._jobs) >= MAX_AT_ONCE else None
            if lesser is not None:
                gone.append(lesser)
                self._let_go(lesser, call.tick, "displaced", call.id)
                text = f"I let the {lesser.topic} go for something more urgent."
                self._ready.append(Ready(call.tick + 1, result_of(lesser, text, ok=False)))
            job.version = self._next_version(job.topic)
            self._jobs[call.id] = job
            others = tuple(one.in_brief() for one in self._jobs.values() if one is not job)
        self._call_back(gone)
        pack = packed(job, self.context, said, others, self._notebook)
        if self._executor is None:
            self._work(job, pack)
            return
        try:
            future = self._executor.submit(contextvars.copy_context().run, self._work, job, pack)
        except Exception as error:  # shut down or broken under us
            text = f"The {job.topic} could not start: {type(error).__name__}: {error}"
            self._finish(job, result_of(job, text, ok=False), "failed")
            return
        with self._lock:
            self._futures.add(future)
        future.add_done_callback(partial(self._ended, job))

    def close(self, grace_s: float = 2.0) -> bool:
        """Tells all work to stop and waits up to ``grace_s`` seconds for it. True when none is left."""
        with self._lock:
            jobs = list(self._jobs.values())
            for job in jobs:
                self._let_go(job, None, "closed")
        self._call_back(jobs)
        with self._lock:
            futures, calling = set(self._futures), set(self._calling)
        for future in futures:
            future.cancel()
        ended = not wait(futures | calling, timeout=grace_s).not_done
        self._callers.shutdown(wait=ended, cancel_futures=True)
        return ended

    # --- which may run

    def _refusal(self, job: Job) -> str:
        """Why a call may not run, in words; "" when it may. The lock is held."""
        call, jobs = job.call, self._jobs.values()
        if call.id in self._jobs:
            return f"A call with the id {call.id!r} is already under way."
        full = len(jobs) - len(superseded_by(job, jobs)) >= MAX_AT_ONCE and self._in_the_way(job) is None
        if full or max(len(self._futures), len(self._calling)) >= MAX_PLACES:
            return f"I am already busy with {MAX_AT_ONCE} things; ask again when one is done."
        return self.tools.refusal(call.name) if call.kind == "tool" else ""

    def _in_the_way(self, job: Job) -> Job | None:
        """The less urgent job to let go for this one. Live, what has its result ready is as good as gone already."""
        jobs = [one for one in self._jobs.values() if self._executor is None or not one.finished]
        return least_urgent(jobs, job.priority)

    def _next_version(self, topic: str) -> int:
        """Counts a topic up. Of more than 256 topics the one asked longest ago is forgotten; numbers never fall."""
        version = self._versions.pop(topic, self._forgotten_version) + 1
        self._versions[topic] = version
        if len(self._versions) > MAX_TOPICS:
            self._forgotten_version = max(self._forgotten_version, self._versions.popitem(last=False)[1])
        return version

    def _cancel(self, call: Call) -> None:
        wanted = str(call.arguments.get("id", ""))
        with self._lock:
            jobs = [
                job for job in self._jobs.values() if job.call.id == wanted or (not wanted and job.topic == call.name)
            ]
            for job in jobs:
                self._let_go(job, call.tick, "cancelled")
        self._call_back(jobs)

    def _let_go(self, job: Job, tick: int | None, why: str, by: str = "") -> None:
        """The lock is held. Nobody waits for this job any more; whatever it said or still says is stale."""
        job.stop.set()
        job.outcome, job.ended_tick, job.by = why, tick, by
        del self._jobs[job.call.id]
        kept = [one for one in self._ready if one.job is not job]
        job.dropped += len(self._ready) - len(kept)
        self.counts["stale"] += len(self._ready) - len(kept)
        self._ready = deque(kept)

    def _call_back(self, jobs: Iterable[Job]) -> None:
        """Calls what ``desk.on_cancel`` was given, in other threads. The lock is not held."""
        for job in jobs:
            with self._lock:
                callbacks = job.take_callbacks()
            if not callbacks:
                continue
            future = self._callers.submit(self._call_all, callbacks)
            with self._lock:
                self._calling.add(future)
            future.add_done_callback(self._called)

    def _call_all(self, callbacks: Iterable[Callable[[], object]]) -> None:
        for callback in callbacks:
            try:
                callback()
            except Exception:  # a stream that cannot be closed is fenced all the same
                with self._lock:
                    self.counts["callback_errors"] += 1

    def _called(self, future: Future[Any]) -> None:
        with self._lock:
            self._calling.discard(future)

    # --- in the worker

    def _ended(self, job: Job, future: Future[Any]) -> None:
        """The executor is done with a job; if it never ran it, or broke, that is told."""
        with self._lock:
            self._futures.discard(future)
            over = job.finished or job.unwanted
        if not over:
            error = None if future.cancelled() else future.exception()
            why = "it was dropped before it began" if error is None else f"{type(error).__name__}: {error}"
            self._finish(job, result_of(job, f"The {job.topic} did not work: {why}", ok=False), "failed")

    def _work(self, job: Job, pack: Callable[[], Task]) -> None:
        topic = job.topic
        try:
            event, outcome = self._answer(job, pack), "done"
        except Cancelled:
            event, outcome = result_of(job, f"The {topic} was stopped.", ok=False), "failed"
        except ToolRefused as error:
            event, outcome = result_of(job, str(error), ok=False), "refused"
        except BaseException as error:  # any crash, an exit too, is a fact to tell, not our end
            if self._executor is None and isinstance(error, KeyboardInterrupt):
                raise  # the person at the keyboard, not the work
            text = f"The {topic} did not work: {type(error).__name__}: {error}"
            event, outcome = result_of(job, text[:500], ok=False), "failed"
        self._finish(job, event, outcome)

    def _answer(self, job: Job, pack: Callable[[], Task]) -> Event:
        call = job.call
        if job.unwanted:
            raise Cancelled
        if call.kind == "surface":
            made = Surface.from_json({"id": call.id, **call.arguments})
            return result_of(job, made.title, surface=made)
        if call.kind == "tool":
            answer = answer_of(
                self.tools.call(
                    call.name,
                    dict(call.arguments),
                    window=job.window,
                    progress=partial(self._progress, job),
                    cancelled=job.stop.is_set,
                )
            )
        else:
            task = pack()
            job.task = replace(task, frames=())
            answer = checked(self._asked(job, task))
            if job.typed and answer.surface is None:
                answer = replace(answer, surface=in_words(job, answer.text))
        surface = Surface.from_json({"id": call.id, **answer.surface}) if answer.surface is not None else None
        return result_of(job, str(answer.text), ok=answer.ok, surface=surface)

    def _asked(self, job: Job, task: Task) -> Answer:
        if job.action is not None and isinstance(self.background, Adjusts):
            return self.background.adjust(task, job.action, self._desk(job))
        return self.background.answer(task, self._desk(job))

    def _desk(self, job: Job) -> Desk:
        progress, cancelled = partial(self._progress, job), job.stop.is_set
        return Desk(
            self.tools.functions(window=job.window, progress=progress, cancelled=cancelled),
            cancelled,
            progress,
            tell=partial(self._tell, job),
            show=partial(self._show, job),
            on_cancel=partial(self._on_cancel, job),
            run=partial(run_on, self._heavy, job.stop),
        )

    def _progress(self, job: Job, text: str) -> None:
        with self._lock:
            job.progress += 1
            if job.progress <= MAX_PROGRESS:
                self._put(job, event_of("progress", job, str(text)[:MAX_BRIEF]))

    def _tell(self, job: Job, text: str) -> None:
        with self._lock:
            if self._part(job):
                job.told.append(str(text)[:MAX_BRIEF])
                self._put(job, event_of("result", job, str(text), ok=True, part=job.parts, surface=None))

    def _show(self, job: Job, surface: Mapping[str, Any]) -> None:
        made = Surface.from_json({"id": "", **surface}).to_json()
        with self._lock:
            if self._part(job):
                made["id"] = made["id"] or f"{job.call.id[:70]}.{job.parts}"
                self._put(job, event_of("progress", job, made["title"], ok=True, part=job.parts, surface=made))

    def _part(self, job: Job) -> bool:
        """Counts a part; False when there were 64. The lock is held."""
        full = job.parts == MAX_PARTS
        job.parts += not full
        self.counts["dropped_parts"] += full
        return not full

    def _on_cancel(self, job: Job, callback: Callable[[], object]) -> Callable[[], None]:
        token = object()
        with self._lock:
            now = job.unwanted
            if not now and not job.finished:
                self.counts["dropped_callbacks"] += job.add_callback(token, callback)
        if now:
            self._call_all([callback])

        def take_back() -> None:
            with self._lock:
                job.callbacks.pop(token, None)

        return take_back

    def _finish(self, job: Job, event: Event, outcome: str) -> None:
        with self._lock:
            if not job.finished and not job.unwanted:
                self.counts[outcome] += 1
            job.result = outcome
            self._put(job, event, last=True)
            job.finished = True
            job.callbacks.clear()

    def _put(self, job: Job, event: Event, *, last: bool = False) -> None:
        """The lock is held. An event of a job that nobody wants, or that has ended, is dropped and counted."""
        if job.unwanted or job.finished:
            self.counts["stale"] += 1
            job.dropped += 1
            return
        surface = event.payload.get("surface")
        if surface is not None and job.call.kind == "delegate" and surface["id"] not in self._made:
            self._made.append(surface["id"])
        self._ready.append(Ready(job.call.tick + self._delay, event, job, last))
