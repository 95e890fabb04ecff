"""The session: a model in its chair, a source of percepts, and everything that happened so far."""

from __future__ import annotations

import contextvars
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, Self

from imkit.adapters import load
from imkit.background import BackgroundModel, choose
from imkit.capture import Silence, Source, as_source
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
from .isolated import Apart
from .origin import Origin
from .package import in_brief
from .place import Driven, Here, Place
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
    isolate     the model, the source and the loop live in a child process, so that a cell which holds the interpreter
                for seconds costs no micro-turn. Tools and the background model stay here. ``model`` is then a name, a
                folder or an object that can be pickled; nothing in the kernel can look into it while it runs

    ``start`` and ``stop`` run it live in a thread of its own, ``run`` plays a source in virtual time. What runs live
    goes on where it stopped: same timeline, same state of the model; after a ``run`` it begins anew. Use it as
    a context manager, or call ``close``.
    """

    _APART = "imkit.session.isolated.child"

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
        isolate: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given_source = None if source is None else as_source(source)
        self._place: Place = Apart(model, self._APART, clock) if isolate else Here(load(model), clock)
        super().__init__(self._place.chair, given_source, clock)
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
        self.isolated = isolate
        """Whether its model lives in a child process."""
        self.seed = seed
        kept = (Snapshots() if snapshots else None) if isinstance(snapshots, bool) else snapshots
        self._snapshots = self._place.kept(kept, snapshots is not True)
        self._variables = view
        self.timeline = self._empty_timeline()
        self._executor = executor
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._loop: Any = None
        self._top_epoch = 0
        self._played = False
        self._playing = False

    # --- live

    def start(self) -> Self:
        """Goes live, in a thread, unless it is. A stop under way is waited for.

        Raises SessionError when closed or while the model hangs in what was stopped, SourceError from a source.
        """
        if self._stop.is_set() and self._running:
            self.stop()
            if self._running:
                why = self.reason or "It is being stopped."
                raise SessionError(f"start(): {why} Wait until session.state is stopped, or make a new one")
        with self._lock:
            self._refuse_closed("start")
            if self._running:
                return self
            source = self._place.bring(self.source if self.source is not None else Silence(math.inf))
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
                if self._loop is None or not self._place.keeps(self._loop):
                    self._loop = self._new_loop()
                    self._tell_opened(newest)
                self._loop.delegation = delegation
                drive = self._drive(self._loop, source, self._stop.wait, first_index=newest)
            except BaseException:
                executor.shutdown()
                source.close()
                raise
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
        self._place.hurry()
        self.stop()
        with self._lock:
            if self._state is State.CLOSED:
                return
            self._loop = None
            self._enter(State.CLOSED, self.reason)
        self._place.close()
        self.tools.close()
        if self.sink is not None:
            self.sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, text: str) -> None:
        """Types ``text`` and sends it with the next tick, live or in the next run. Empty text is not sent."""
        self._refuse_closed("say", text, str)
        if text.strip():
            self._mailbox().put_text(text)

    def ask(self, text: str) -> None:
        """Hands a request to the background model with the next tick, past the model in the chair, as it is typed.

        For what that model has no words for. What comes of it reaches the model like the result of a call of its own,
        and is shown; an answer in words alone is shown as a text. A request that begins like "no, by region" corrects
        the one before it and takes its place.
        """
        self._refuse_closed("ask", text, str)
        if text.strip():
            self._mailbox().put_event(Event("system", Provenance.TYPED, text.strip(), payload={"ask": True}))

    def post(self, event: Event) -> None:
        """Tells the model of something else with the next tick: a cell that ran, a click on a generated control."""
        self._refuse_closed("post", event, Event)
        self._mailbox().put_event(event)

    def show(self, surface: Surface) -> None:
        """Shows a surface of your own beside the generated ones; one whose id is known adds to that one."""
        self._refuse_closed("show", surface, Surface)
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
        self._place.played(epoch, samples)

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
            given: Source = Silence(seconds or 0.0) if source is None else as_source(source)
            if given.clocked:
                raise SourceError(given, "keeps its own clock and cannot be played in virtual time;", "use start().")
            played = self._place.bring(given)
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
                drive = self._drive(loop, played, None, limit_s=seconds, tail_s=tail_s)
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

    def _new_loop(self, work: Delegation | None = None) -> Any:
        return self._place.loop(self._config(), work, self._ledger, lambda: self.stand_in)

    def _drive(self, loop: Any, source: Source, wait: Callable[[float], object] | None, **more: Any) -> Driven:
        more |= {"sink": self.sink, "tap": lambda: self.tap, "inbox": self._inbox}
        return self._place.drive(loop, source, self.timeline, wait=wait, **more)

    def _empty_timeline(self) -> Timeline:
        timeline = Timeline(self.model.spec.output_rate)
        kept = self._snapshots.fresh() if self._snapshots is not None else None
        timeline.origin = Origin(self._place.origin, self._config(), kept)
        timeline.fates = self._ledger.fates
        return timeline

    def _delegation(self, executor: Executor | None, older: Delegation | None = None, **more: int) -> Delegation:
        tell, heavy = partial(in_brief, self._variables), self._executor
        made = Delegation(self.background, self.tools, executor, heavy=heavy, notebook=tell, older=older, **more)
        self._delegated = made
        return made

    def _mailbox(self) -> Any:
        """Where typed text goes: a source that keeps its own clock must know of it, everything else has the inbox."""
        own = (
            self._place.here
            and hasattr(self.source, "put_text")
            and hasattr(self.source, "put_event")
            and not self._playing
        )
        return self.source if own else self._inbox

    def _refuse_closed(self, what: str, given: object = None, wanted: type = object) -> None:
        if self._closing:
            raise SessionError(
                f"{what}(): this session is closed; make a new Session() (its timeline can still be read)"
            )
        if not isinstance(given, wanted):
            raise SessionError(f"{what}() got {given!r:.60}, expected a {wanted.__name__}")

    def _tell_opened(self, index: int) -> None:
        """A fresh state of the model is stepped from tick ``index`` on."""
        self.timeline.origin.open_again(index)
        if self.tap is not None:
            self._tell(self.tap.opened, index, self._config(), self._ledger.epoch)

    def _live(self, drive: Driven, delegation: Delegation, executor: ThreadPoolExecutor) -> None:
        """The loop's thread, from the first pass to the last trace of it."""
        reason, quiet = "", 0
        try:
            while not drive.ended and not (self._stop.is_set() and drive.halt()):
                moment = drive.step()
                self._beat_s = self._clock() if drive.beating else self._beat_s
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
        except BaseException as error:  # an exit in a model too ends with a reason
            reason = self._failure(error)
            self._loop = None  # whatever state the model is in, it is not one to go on from
        finally:
            self._wind_up(drive, delegation, executor, reason)

    def _wind_up(self, drive: Driven, delegation: Delegation, executor: ThreadPoolExecutor, reason: str) -> None:
        unclosed = drive.close()
        reason = reason or unclosed
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
