"""A session that shows itself: the last expression of a cell becomes its widget."""

from __future__ import annotations

import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from imkit.background import BackgroundModel
from imkit.capture.browser import BrowserSource, MediaStreamSource
from imkit.recordings import Consent, QueuedRecorder, Recorder
from imkit.session import Session, Sink, Snapshots, State
from imkit.session.isolated import Apart
from imkit.stream import Event, InteractionModel, Moment, SessionError, Timeline
from imkit.tools import NotebookLog, Tool, ToolServer, cell_tools

from .apart.lane import BrowserApart, MediaStreamApart
from .apart.recorder import RecorderApart

if TYPE_CHECKING:
    from imkit.probe import Capture, Change, FwdHooks, NamesFilter, Steered

    from .answers import Answers
    from .copresence import Copresence
    from .display import Display
    from .onlooker import LiveView


class LiveSession(Session):
    """``Session`` with a widget: microphone, camera and keyboard of the page are its source unless you give another.

    Show it by making it a cell's last expression. An ipywebrtc ``MediaStream`` widget as ``source`` is used in place of
    the page's own devices. Its tools can also read cells and propose one, and a tool that changes something asks on the
    page. ``notebook=True`` shares what the notebook's cells do, see ``notebook``. With ``isolate=True`` the page's
    socket and the recorder are in the child process, too. Everything else is as in ``Session``.
    """

    _APART = "imkit.notebook.apart.child"

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
        notebook: bool = False,
    ) -> None:
        if source is None:
            source = BrowserApart() if isolate else BrowserSource()
        elif hasattr(source, "model_id"):
            source = MediaStreamApart(source) if isolate else MediaStreamSource(source)
        self._outlets = Outlets(sink)
        super().__init__(
            model,
            background,
            tools,
            source,
            self._outlets,
            seed,
            namespace=namespace,
            executor=executor,
            snapshots=snapshots,
            isolate=isolate,
            clock=clock,
        )
        if isinstance(self._place, Apart) and isinstance(source, BrowserApart):
            place = self._place
            source.host = lambda: place.alive
        self.cell_log = NotebookLog()
        """What cells did, for the tools that read their outputs and errors; whoever watches the notebook adds to it."""
        self.tools.add(*cell_tools(self.cell_log))
        self.id = uuid.uuid4().hex[:12]
        self._display: Display | None = None
        self._live_view: LiveView | None = None
        self._recording: QueuedRecorder | RecorderApart | None = None
        self.cell_log.watching = False
        self._copresence: Copresence | None = None
        self._answers: Answers | None = None
        self._switching = Lock()
        self.notebook = notebook

    @property
    def notebook(self) -> bool:
        """Whether the notebook is shared: its cells, their outputs and errors become events of the session.

        Off by default. Set it to True or False, here or with the switch in the widget; its status line says when it is
        on. Cells that only speak with the session are never told, and nothing that was seen is kept once it is off.
        True raises SessionError where no IPython runs, and when the session is closed.
        """
        return self._copresence is not None

    @notebook.setter
    def notebook(self, on: bool) -> None:
        with self._switching:  # a page switches it in a thread of its own
            before = self._copresence
            if not on:
                self._copresence = None
                if before is not None:
                    before.close()
            elif before is None:
                self._refuse_closed("notebook = True")
                from .copresence import Copresence, shell_or_error

                self._copresence = Copresence(shell_or_error(), self._perceive, self.cell_log, _is_session)
                self._copresence.open()
            changed = self._copresence is not before
        if changed and self._display is not None:
            self._display.link.sharing_changed()

    def stats(self) -> dict[str, Any]:
        """What was done, missed and dropped so far, whether the notebook is shared, and what is recorded."""
        faults = self._copresence.counts["faults"] if self._copresence is not None else 0
        told = {"notebook": self.notebook, "notebook_faults": faults}
        return super().stats() | told | {"recording": "" if self._recording is None else self._recording.told}

    def capture(self, names_filter: NamesFilter = None, last_s: float = 30.0, **more: Any) -> Capture:
        """Keeps the model's activations of the last seconds while it runs: see ``imkit.probe.capture``."""
        from imkit.probe import capture

        return capture(self, names_filter, last_s, **more)

    def hooks(self, fwd_hooks: FwdHooks, name: str = "hooks") -> Change:
        """Puts hooks on the model from the next micro-turn on: see ``imkit.probe.change``."""
        from imkit.probe import change

        return change(self, fwd_hooks, name)

    def steer(self, site: str, direction: Any, scale: float = 1.0, **more: Any) -> Steered:
        """Adds a direction at a site of the model from the next micro-turn on: see ``imkit.probe.steer_live``."""
        from imkit.probe import steer_live

        return steer_live(self, site, direction, scale, **more)

    @property
    def recording(self) -> QueuedRecorder | RecorderApart | None:
        """What records the session now, with ``forget(last_s=30)`` and ``delete()``; None while nothing does."""
        return self._recording

    def record(
        self, folder: str | Path, *, frames: bool = True, acts: bool = False, force: bool = False
    ) -> QueuedRecorder | RecorderApart:
        """Records what is heard, seen, typed and said from now on, until ``stop_recording`` or ``close``.

        Nothing is recorded without this call: it is the consent that the recording begins with. Sound is rounded to 16
        bit and pictures go through JPEG before the model has them, so that what is kept is what it had. Recorded from
        before the first start, a session can be replayed to the byte; from the middle of one, only looked at.

        frames  keep pictures; acts  keep what acts tell besides; force  write into a folder that holds something

        Raises RecordingError when the folder cannot be written, SessionError when it records already or is closed.
        """
        self._refuse_closed("record")
        if self._recording is not None and not self._recording.over:
            raise SessionError(f"record(): this session records into {self._recording.folder}; stop_recording() first")
        made = self._recorder(folder, "session.record()", frames, acts, force, queued=True)
        self._recording = made if isinstance(made, RecorderApart) else QueuedRecorder(made)
        self.tap = self._recording if isinstance(self._recording, QueuedRecorder) else None
        return self._recording

    def stop_recording(self) -> Path | None:
        """Ends the recording and returns its folder; None when there was none."""
        recording, self._recording = self._recording, None
        if recording is None:
            return None
        self.tap = None
        recording.close()
        return recording.folder

    def _recorder(
        self, folder: str | Path, how: str, frames: bool, acts: bool, force: bool, *, queued: bool = False
    ) -> Recorder | RecorderApart:
        spec = self.model.spec
        if isinstance(self._place, Apart):
            more = {"frames": frames, "acts": acts, "force": force, "queued": queued}
            return RecorderApart(self._place.host, folder, how, seed=self.seed, **more)
        return Recorder(
            folder,
            output_rate=spec.output_rate,
            model=spec.name,
            seed=self.seed,
            consent=Consent(how),
            frames=frames,
            acts=acts,
            force=force,
            fates=lambda: self.timeline.fates,
        )

    def run(
        self,
        source: Any = None,
        seconds: float | None = None,
        tail_s: float = 4.0,
        work_s: float = 1.0,
        *,
        record: str | Path | None = None,
    ) -> Timeline:
        """Plays a source in virtual time, as ``Session.run`` does; the page neither plays nor asks anything.

        ``record`` is a folder to record it into. A live recording ends here: the clock begins anew.
        """
        if record is None:
            return self._run(source, seconds, tail_s, work_s)
        if self.isolated:  # there is one recorder there
            self.stop_recording()
        with self._recorder(record, "session.run(record=...)", True, False, False) as recorder:
            self.stop_recording()
            self.tap = recorder if isinstance(recorder, Recorder) else None
            try:
                timeline = self._run(source, seconds, tail_s, work_s)
            except BaseException as error:
                recorder.stopped = " ".join(str(error).split()) or type(error).__name__
                raise
            finally:
                self.tap = None
        if recorder.counts.get("lost"):
            warnings.warn(f"{recorder.folder}: {recorder.counts['lost']} moments were not written", stacklevel=2)
        return timeline

    def _run(self, source: Any, seconds: float | None, tail_s: float, work_s: float) -> Timeline:
        self.stop_recording()
        self._outlets.playing = True
        asks, self.tools.asks = self.tools.asks, None
        try:
            if isinstance(self.source, BrowserSource):
                for text in self.source.take_texts():
                    self._inbox.put_text(text)
                for event in self.source.take_events():
                    self._inbox.put_event(event)
            return super().run(source, seconds, tail_s, work_s)
        finally:
            self._outlets.playing = False
            self.tools.asks = asks

    def close(self) -> None:
        """Stops for good and takes the widget away: no thread, socket, comm or widget is left."""
        self.notebook = False
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()
        display, self._display = self._display, None
        if display is not None:
            display.link.approvals.close()  # a worker that waits for an answer would hold the loop up
        super().close()
        self.stop_recording()
        view, self._live_view = self._live_view, None
        if view is not None:
            view.close()
        if display is not None:
            display.close()

    @property
    def answers(self) -> Answers:
        """What shows the surfaces that answer a cell's question, below that cell."""
        if self._answers is None:
            from .answers import Answers

            self._refuse_closed("answers")
            self._answers = Answers(self)
        return self._answers

    def live_view(self) -> LiveView:
        """The running strip of this session alone, to be shown by any cell: ``imkit.live_view``.

        It only looks on: it captures and plays nothing, and takes nothing from the page that does. It runs whatever the
        source is, in ``run`` too. The same one every time; it goes with the session. Raises SessionError when closed.
        """
        if self._live_view is None:
            from .onlooker import LiveView

            self._refuse_closed("live_view")
            self._live_view = self._outlets.view = LiveView(self)
            self.on_state(self._live_view.state_changed)
        return self._live_view

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return {"text/plain": repr(self)} if self.state is State.CLOSED else self._shown().mimebundle(**options)

    def _display_(self) -> Any:
        """What marimo shows: the panel alone, with the generated cells in it, since it knows no boxes of widgets."""
        return repr(self) if self.state is State.CLOSED else self._shown(boxed=False).panel

    def _shown(self, *, boxed: bool = True) -> Display:
        if self._display is None:
            from .cells import MAX_CELLS
            from .display import Display

            display = Display(self, lane=os.environ.get("IMKIT_LANE", ""), boxed=boxed)
            self._outlets.page = display.link
            self.tools.asks = display.link.approvals
            self.on_surface(display.link.surface)
            self.on_state(lambda *_: display.link.state_changed())
            for surface in self.surfaces[-MAX_CELLS:]:
                display.link.surface(surface)
            self._display = display
        return self._display

    def _perceive(self, event: Event) -> None:
        """What a cell did, for the micro-turn under way. Where none is, nobody is told of it later."""
        if self.state in (State.LIVE, State.STALLED):
            (self._mailbox() if self._running else self._inbox).put_event(event)


def _is_session(value: object) -> bool:
    return isinstance(value, Session)


class Outlets:
    """Where moments go: the page once there is one, a sink of your own beside it, and a view that only looks on."""

    def __init__(self, own: Sink | None) -> None:
        self.own = own
        self.page: Sink | None = None
        self.view: Sink | None = None
        self.playing = False
        """In virtual time, which no page plays."""

    @property
    def reports_played(self) -> bool:
        """Whether somebody tells what was really played: the page does."""
        return any(getattr(sink, "reports_played", False) for sink in self._sinks())

    @property
    def takes(self) -> bool:
        """Whether anybody here says what was sent."""
        return bool(self._sinks())

    def put(self, moment: Moment) -> bool | None:
        """Hands a moment to all. Where there is a page, it says whether the sound was sent."""
        if self.view is not None:
            self.view.put(moment)
        took = [sink.put(moment) for sink in self._sinks()]
        return took[-1] if took else None

    def flush(self, epoch: int) -> None:
        """Flushes those that play."""
        for sink in self._sinks():
            sink.flush(epoch)

    def close(self) -> None:
        """Closes your own; the page is closed with the widget."""
        if self.own is not None:
            self.own.close()

    def _sinks(self) -> list[Sink]:
        return [sink for sink in (self.own, None if self.playing else self.page) if sink is not None]
