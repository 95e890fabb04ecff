"""The session: a model in its chair, a source of percepts, and everything that happened so far."""

from __future__ import annotations

import contextvars
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, Self, cast

from imkit.adapters import load
from imkit.background import BackgroundModel, choose
from imkit.capture import ClockedSource, Silence, Source, as_source
from imkit.stream import (
    TICKS_PER_S,
    Event,
    InteractionModel,
    Ledger,
    ModelError,
    OpenConfig,
    Provenance,
    SessionError,
    SourceError,
    Timeline,
)
from imkit.surfaces import Surface
from imkit.tools import Namespace, Tool, Toolbox, ToolServer, notebook_tools

from . import switch
from .delegation import MAX_PLACES, Delegation
from .drive import Drive
from .loop import Loop
from .origin import Origin
from .pacer import Pacer, RealPacer, SourcePacer, VirtualPacer
from .package import in_brief
from .sink import Sink, Tap
from .snapshots import Snapshots
from .tally import Tally
from .watched import State, Watched

JOIN_S = 10.0
QUIET_PASSES = 5


class Session(Watched):
    """Feeds a source to a model, tick by tick, and keeps what happened.

    model       "nano", another name that ``imkit.load`` knows, or any object with ``spec``, ``open`` and ``step``;
                sessions may share one
    background  what delegated work goes to: an object with ``answer(task, desk)``, or "analyst", "chat:MODEL@URL" or
                "local:FOLDER"; None is what the variable IMKIT_BACKGROUND says, else the offline analyst, which is
                not a language model
    tools       further tools, typed functions or ``imkit.mcp(...)`` servers, beside the notebook's own; closed with the
                session
    source      where percepts come from: a source, a path, a list of them; None is silence, for typing with ``say``
    sink        where moments go as they happen
    seed        makes a model's own choices the same every time
    namespace   the variables that tools may read; None is the notebook's, where there is one
    executor    where a background model's heavy functions run (``desk.run``): any ``concurrent.futures.Executor``, such
                as a process pool, dask's ``client.get_executor()`` or ipyparallel's ``view.executor``; None is in
                place. It stays yours: a session never shuts it down
    snapshots   states of the model kept along the way, for forks: True is one every 5 s within 128 MB, thinned out
                towards long ago; ``Snapshots(every_s, max_bytes)`` says otherwise, False keeps none

    ``start`` and ``stop`` run it live in a thread of its own, ``run`` plays a source in virtual time. What runs live
    goes on where it stopped: same timeline, same state of the model; after a ``run`` it begins anew. Use it as
    a context manager, or call ``close``.
    """

    def __init__(
        self,
        model: str | InteractionModel[Any] = "nano",
        background: BackgroundModel | str | None = None,
        tools: Iterable[Tool | ToolServer | Callable[..., Any]] = (),
        source: Any = None,
        sink: Sink | None = None,
        seed: int = 0,
        *,
        namespace: Mapping[str, Any] | None = None,
        executor: Executor | None = None,
        snapshots: Snapshots | bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(load(model), None if source is None else as_source(source), clock)
        self.background = choose(background)
        if executor is not None and not isinstance(executor, Executor):
            raise SessionError(
                f"executor is {type(executor).__name__}, expected a concurrent.futures.Executor; a dask client "
                "gives one by client.get_executor(), an ipyparallel view has it as view.executor"
            )
        view = Namespace.of_notebook() if namespace is None else Namespace(namespace)
        given = list(tools)
        self.tools = Toolbox([*notebook_tools(view), *given])
        self._own_tools = Toolbox(given).names
        self.sink = sink
        self.tap: Tap | None = None
        """What stands between the source and the model and keeps what goes by; set it at any time."""
        self.stand_in: InteractionModel[Any] | None = None
        """What steps the model's state in its place, such as the same model looked into; set it at any time."""
        self.seed = seed
        self._snapshots = (Snapshots() if snapshots else None) if isinstance(snapshots, bool) else snapshots
        self._variables = view
        self.timeline = self._empty_timeline()
        self._executor = executor
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._loop: Loop | None = None
        self._top_epoch = 0
        self._played = False
        self._playing = False

    # --- live

    def start(self) -> Self:
        """Goes live, in a thread, unless it is. Raises SessionError when closed, SourceError from a source."""
        with self._lock:
            self._refuse_closed("start")
            if self._running:
                return self
            source: Source = self.source if self.source is not None else Silence(math.inf)
            source.open()
            self._stop.clear()
            executor = ThreadPoolExecutor(MAX_PLACES, thread_name_prefix="imkit-work")
            older = self._loop.delegation if self._loop is not None else None
            delegation = self._delegation(executor, older if isinstance(older, Delegation) else None)
            try:
                if self._played:  # a run has a clock and epochs of its own, and a listener knows higher ones
                    self._played = False
                    self._ledger = Ledger(self.model.spec.output_rate, self._top_epoch + 1)
                    self.timeline = self._empty_timeline()
                newest = self.timeline[-1].index + 1 if len(self.timeline) else 0
                if self._loop is None:
                    self._loop = self._new_loop()
                    self._tell_opened(newest)
                self._loop.delegation = delegation
            except BaseException:
                executor.shutdown()
                source.close()
                raise
            pacer: Pacer = RealPacer(self._clock, self._stop.wait)
            if source.clocked:
                pacer = SourcePacer(cast(ClockedSource, source))
            drive = Drive(
                self._loop,
                source,
                pacer,
                self.timeline,
                sink=self.sink,
                tap=lambda: self.tap,
                inbox=self._inbox,
                clock=self._clock,
                first_index=newest,
            )
            self._tally.begin(drive, delegation)
            self._beat_s = self._clock()
            self._enter(State.WAITING if source.clocked else State.LIVE, "")
            run = contextvars.copy_context().run
            thread = threading.Thread(
                target=run, args=(self._live, drive, delegation, executor), name="imkit-loop", daemon=True
            )
            self._thread, self._running = thread, True
            switch.hold()
            thread.start()
        return self

    def stop(self) -> None:
        """Stops being live and waits until it has. Timeline and the model's state stay, so that ``start`` goes on."""
        with self._lock:  # a start under way in another thread is waited for
            thread = self._thread
            self._stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_S)
            if thread.is_alive():
                self.reason = f"The model did not come back within {JOIN_S:.0f} s of being stopped; it still runs."

    def close(self) -> None:
        """Stops for good: no thread, executor or sink is left. May be called twice."""
        with self._lock:
            self._closing = True  # from here on no other thread can start what would then be left behind
        self.stop()
        with self._lock:
            if self._state is State.CLOSED:
                return
            self._loop = None
            self._enter(State.CLOSED, self.reason)
        self.tools.close()
        if self.sink is not None:
            self.sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, text: str) -> None:
        """Types ``text`` and sends it with the next tick, live or in the next run. Empty text is not sent."""
        self._refuse_closed("say")
        if text.strip():
            self._mailbox().put_text(text)

    def ask(self, text: str) -> None:
        """Hands a request to the background model with the next tick, past the model in the chair, as it is typed.

        For what that model has no words for. What comes of it reaches the model like the result of a call of its own,
        and is shown; an answer in words alone is shown as a text. A request that begins like "no, by region" corrects
        the one before it and takes its place.
        """
        self._refuse_closed("ask")
        if text.strip():
            self._mailbox().put_event(Event("system", Provenance.TYPED, text.strip(), payload={"ask": True}))

    def post(self, event: Event) -> None:
        """Tells the model of something else with the next tick: a cell that ran, a click on a generated control."""
        self._refuse_closed("post")
        self._mailbox().put_event(event)

    def show(self, surface: Surface) -> None:
        """Shows a surface of your own beside the generated ones; one whose id is known adds to that one."""
        self._refuse_closed("show")
        new = self.board.show(surface)
        if new is not None:
            self._announce(new)

    def act(self, surface: str, component: str, value: Any = None) -> None:
        """A person used a control: the model is told with the next tick. Raises SurfaceError for what does not fit."""
        event = self.board.act(surface, component, value, self.timeline.end_s if self._playing else self._clock())
        if event is not None and not self._closing:
            self._mailbox().put_event(event)

    def played(self, epoch: int, samples: int) -> None:
        """A report: ``samples`` of that epoch's sound, counted from its start, were really played."""
        self._ledger.played(epoch, samples)

    # --- virtual time

    def run(
        self, source: Any = None, seconds: float | None = None, tail_s: float = 4.0, work_s: float = 1.0
    ) -> Timeline:
        """Plays a source through a fresh state of the model as fast as it thinks and returns the timeline.

        seconds  at most so much of the source; needed when there is none (silence) or it never ends
        tail_s   seconds of silence after it, so that the model can finish
        work_s   how long delegated work takes, at least one tick

        Delegated work runs inline and its result arrives ``work_s`` after the call, so the same source and seed give
        the same timeline. It becomes ``session.timeline``. Raises SourceError from the source, ModelError when the
        model fails; the timeline up to there is kept.
        """
        with self._lock:
            self._refuse_closed("run")
            if self._running:
                raise SessionError("run() plays a source in virtual time, and this session is live; call stop() first")
            if source is None and seconds is None:
                raise SessionError("run() without a source is silence; say how long: run(seconds=5)")
            played: Source = Silence(seconds or 0.0) if source is None else as_source(source)
            if played.clocked:
                raise SourceError(played, "keeps its own clock and cannot be played in virtual time;", "use start().")
            before = self._state
            self._loop = None
            self._top_epoch, self._played = max(self._top_epoch, self.epoch), True
            self._ledger = Ledger(self.model.spec.output_rate)
            self.timeline = self._empty_timeline()
            self._tally = Tally()
            self.board.clear()
            delegation = self._delegation(None, delay_ticks=max(1, round(work_s * TICKS_PER_S)))
            self._playing = True
            try:
                played.open()
                loop = self._new_loop(delegation)
                self._tell_opened(0)
                drive = Drive(
                    loop,
                    played,
                    VirtualPacer(),
                    self.timeline,
                    sink=self.sink,
                    tap=lambda: self.tap,
                    inbox=self._inbox,
                    limit_s=seconds,
                    tail_s=tail_s,
                )
                self._tally.begin(drive, delegation)
                self._enter(State.LIVE, "")
                while not drive.ended:
                    moment = drive.step()
                    if moment is not None:
                        self._notice(moment)
                        self.timeline.origin.keep(moment, loop, drive.behind)
                    for event in self.board.due(self.timeline.end_s):
                        self._inbox.put_event(event)
            except SourceError as error:
                self._enter(State.STOPPED, f"The source failed: {error}")
                raise
            except Exception as error:
                self._enter(State.STOPPED, self._failure(error))
                if isinstance(error, ModelError):
                    raise
                raise ModelError(self.reason) from error
            finally:
                self._playing = False
                played.close()
                self._tally.end()
                if self._state is State.LIVE:
                    self._enter(before, "")
            return self.timeline

    # --- inside

    def _config(self) -> OpenConfig:
        return OpenConfig(seed=self.seed, tools=self._own_tools)

    def _new_loop(self, work: Delegation | None = None) -> Loop:
        seated, config = lambda: self.stand_in, self._config()
        return Loop(self.model, config, work, ledger=self._ledger, clock=time.perf_counter, stand_in=seated)

    def _empty_timeline(self) -> Timeline:
        timeline = Timeline(self.model.spec.output_rate)
        kept = self._snapshots.fresh() if self._snapshots is not None else None
        timeline.origin = Origin(self.model, self._config(), kept)
        timeline.fates = self._ledger.fates
        return timeline

    def _delegation(self, executor: Executor | None, older: Delegation | None = None, **more: int) -> Delegation:
        tell, heavy = partial(in_brief, self._variables), self._executor
        made = Delegation(self.background, self.tools, executor, heavy=heavy, notebook=tell, older=older, **more)
        self._delegated = made
        return made

    def _mailbox(self) -> Any:
        """Where typed text goes: a source that keeps its own clock must know of it, everything else has the inbox."""
        own = hasattr(self.source, "put_text") and hasattr(self.source, "put_event") and not self._playing
        return self.source if own else self._inbox

    def _refuse_closed(self, what: str) -> None:
        if self._closing:
            raise SessionError(
                f"{what}(): this session is closed; make a new Session() (its timeline can still be read)"
            )

    def _tell_opened(self, index: int) -> None:
        """A fresh state of the model is stepped from tick ``index`` on."""
        self.timeline.origin.open_again(index)
        if self.tap is not None:
            self._tell(self.tap.opened, index, self._config(), self._ledger.epoch)

    def _failure(self, error: BaseException) -> str:
        return (
            f"The model {self.model.spec.name} failed at {self.timeline.end_s:.1f} s: {type(error).__name__}: {error}"
        )

    def _live(self, drive: Drive, delegation: Delegation, executor: ThreadPoolExecutor) -> None:
        """The loop's thread, from the first pass to the last trace of it."""
        reason, quiet = "", 0
        try:
            while not self._stop.is_set() and not drive.ended:
                moment = drive.step()
                self._beat_s = self._clock()
                for event in self.board.due(self._beat_s):
                    self._mailbox().put_event(event)
                if moment is not None:
                    self._notice(moment)
                    self.timeline.origin.keep(moment, drive.loop, drive.behind)
                quiet = 0 if moment is not None else quiet + 1
                if drive.stalled_s:
                    self._enter(State.STALLED, f"The loop was held up for {drive.stalled_s:.1f} s.")
                elif quiet > QUIET_PASSES and drive.source.clocked:
                    self._enter(State.WAITING, "")
                elif moment is not None and not drive.behind:
                    self._enter(State.LIVE, "")
            if drive.ended:
                reason = "The source has ended."
        except SourceError as error:
            reason = f"The source failed: {error}"
        except Exception as error:
            reason = self._failure(error)
            self._loop = None  # whatever state the model is in, it is not one to go on from
        finally:
            self._wind_up(drive, delegation, executor, reason)

    def _wind_up(self, drive: Drive, delegation: Delegation, executor: ThreadPoolExecutor, reason: str) -> None:
        drive.source.close()
        ended = delegation.close()
        executor.shutdown(wait=ended, cancel_futures=True)
        epoch = self._ledger.interrupt()
        if self.sink is not None:
            self._tell(self.sink.flush, epoch)
        with self._lock:
            self._tally.end()
            self._running = False
            self._enter(State.STOPPED, reason or ("" if ended else "Delegated work did not stop when told to."))
            switch.release()
