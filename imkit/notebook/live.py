"""A session that shows itself: the last expression of a cell becomes its widget."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from imkit.background import BackgroundModel
from imkit.capture.browser import BrowserSource, MediaStreamSource
from imkit.session import Session, Sink, Snapshots, State
from imkit.stream import Event, InteractionModel, Moment, Timeline
from imkit.tools import NotebookLog, Tool, ToolServer, cell_tools

if TYPE_CHECKING:
    from .copresence import Copresence
    from .display import Display


class LiveSession(Session):
    """``Session`` with a widget: microphone, camera and keyboard of the page are its source unless you give another.

    Show it by making it a cell's last expression. An ipywebrtc ``MediaStream`` widget as ``source`` is used in place of
    the page's own devices. Its tools can also read cells and propose one, and a tool that changes something asks on the
    page. ``notebook=True`` shares what the notebook's cells do, see ``notebook``. Everything else is as in ``Session``.
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
        notebook: bool = False,
    ) -> None:
        if source is None:
            source = BrowserSource()
        elif hasattr(source, "model_id"):
            source = MediaStreamSource(source)
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
            clock=clock,
        )
        self.cell_log = NotebookLog()
        """What cells did, for the tools that read their outputs and errors; whoever watches the notebook adds to it."""
        self.tools.add(*cell_tools(self.cell_log))
        self.id = uuid.uuid4().hex[:12]
        self._display: Display | None = None
        self.cell_log.watching = False
        self._copresence: Copresence | None = None
        self.notebook = notebook

    @property
    def notebook(self) -> bool:
        """Whether the notebook is shared: its cells, their outputs and errors become events of the session.

        Off by default; the status line of the widget says when it is on. Set it to True or False. Cells that only speak
        with the session are never told, and nothing that was seen is kept once it is off. True raises SessionError
        where no IPython runs, and when the session is closed.
        """
        return self._copresence is not None

    @notebook.setter
    def notebook(self, on: bool) -> None:
        if not on:
            copresence, self._copresence = self._copresence, None
            if copresence is not None:
                copresence.close()
        elif self._copresence is None:
            self._refuse_closed("notebook = True")
            from .copresence import Copresence, shell_or_error

            self._copresence = Copresence(shell_or_error(), self._perceive, self.cell_log, _is_session)
            self._copresence.open()

    def stats(self) -> dict[str, Any]:
        """What was done, missed and dropped so far, and whether the notebook is shared."""
        faults = self._copresence.counts["faults"] if self._copresence is not None else 0
        return super().stats() | {"notebook": self.notebook, "notebook_faults": faults}

    def run(self, source: Any = None, seconds: float | None = None, tail_s: float = 4.0) -> Timeline:
        """Plays a source in virtual time, as ``Session.run`` does; the page neither plays nor asks anything."""
        self.sink = self._outlets.own
        asks, self.tools.asks = self.tools.asks, None
        try:
            if isinstance(self.source, BrowserSource):
                for text in self.source.take_texts():
                    self._inbox.put_text(text)
            return super().run(source, seconds, tail_s)
        finally:
            self.sink = self._outlets
            self.tools.asks = asks

    def close(self) -> None:
        """Stops for good and takes the widget away: no thread, socket, comm or widget is left."""
        self.notebook = False
        display, self._display = self._display, None
        if display is not None:
            display.link.approvals.close()  # a worker that waits for an answer would hold the loop up
        super().close()
        if display is not None:
            display.close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if str(self.state) == "closed":
            return {"text/plain": repr(self)}
        if self._display is None:
            from .cells import MAX_CELLS
            from .display import Display

            display = Display(self, lane=os.environ.get("IMKIT_LANE", ""))
            self._outlets.page = display.link
            self.tools.asks = display.link.approvals
            self.on_surface(display.link.surface)
            self.on_state(lambda *_: display.link.state_changed())
            for surface in self.surfaces[-MAX_CELLS:]:
                display.link.surface(surface)
            self._display = display
        return self._display.mimebundle(**options)

    def _perceive(self, event: Event) -> None:
        """What a cell did, for the micro-turn under way. Where none is, nobody is told of it later."""
        if self.state in (State.LIVE, State.STALLED):
            (self._mailbox() if self._running else self._inbox).put_event(event)


def _is_session(value: object) -> bool:
    return isinstance(value, Session)


class Outlets:
    """Where moments go: the page once there is one, and a sink of your own beside it."""

    def __init__(self, own: Sink | None) -> None:
        self.own = own
        self.page: Sink | None = None

    @property
    def reports_played(self) -> bool:
        """Whether somebody tells what was really played: the page does."""
        return any(getattr(sink, "reports_played", False) for sink in self._sinks())

    def put(self, moment: Moment) -> bool | None:
        """Hands a moment to both. Where there is a page, it says whether the sound was sent."""
        took = [sink.put(moment) for sink in self._sinks()]
        return took[-1] if took else None

    def flush(self, epoch: int) -> None:
        """Flushes both."""
        for sink in self._sinks():
            sink.flush(epoch)

    def close(self) -> None:
        """Closes your own; the page is closed with the widget."""
        if self.own is not None:
            self.own.close()

    def _sinks(self) -> list[Sink]:
        return [sink for sink in (self.own, self.page) if sink is not None]
