"""A session that shows itself: the last expression of a cell becomes its widget."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from imkit.background import BackgroundModel
from imkit.capture.browser import BrowserSource, MediaStreamSource
from imkit.session import Session, Sink
from imkit.stream import InteractionModel, Moment, Timeline
from imkit.tools import Tool

if TYPE_CHECKING:
    from .display import Display


class LiveSession(Session):
    """``Session`` with a widget: microphone, camera and keyboard of the page are its source unless you give another.

    Show it by making it a cell's last expression. An ipywebrtc ``MediaStream`` widget as ``source`` is used in place of
    the page's own devices. Everything else is as in ``Session``.
    """

    def __init__(
        self,
        model: str | InteractionModel[Any] = "nano",
        background: BackgroundModel | None = None,
        tools: Iterable[Tool | Callable[..., Any]] = (),
        source: Any = None,
        sink: Sink | None = None,
        seed: int = 0,
        *,
        namespace: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if source is None:
            source = BrowserSource()
        elif hasattr(source, "model_id"):
            source = MediaStreamSource(source)
        self._outlets = Outlets(sink)
        super().__init__(model, background, tools, source, self._outlets, seed, namespace=namespace, clock=clock)
        self.id = uuid.uuid4().hex[:12]
        self._display: Display | None = None

    def run(self, source: Any = None, seconds: float | None = None, tail_s: float = 4.0) -> Timeline:
        """Plays a source in virtual time, as ``Session.run`` does; none of it is played on the page."""
        self.sink = self._outlets.own
        try:
            if isinstance(self.source, BrowserSource):
                for text in self.source.take_texts():
                    self._inbox.put_text(text)
            return super().run(source, seconds, tail_s)
        finally:
            self.sink = self._outlets

    def close(self) -> None:
        """Stops for good and takes the widget away: no thread, socket, comm or widget is left."""
        display, self._display = self._display, None
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
            self.on_surface(display.link.surface)
            self.on_state(lambda *_: display.link.state_changed())
            for surface in self.surfaces[-MAX_CELLS:]:
                display.link.surface(surface)
            self._display = display
        return self._display.mimebundle(**options)


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
