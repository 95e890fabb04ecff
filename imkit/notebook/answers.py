"""Generated cells below the cells that asked for them: live while the session is, pictures of themselves afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from imkit.surfaces import Surface, picture, words

from .cells import MAX_CELLS, Cells, Publish, published_by
from .surface_view import SurfaceTalk, SurfaceView

if TYPE_CHECKING:
    from .live import LiveSession

WIDGET: Final = "application/vnd.jupyter.widget-view+json"


class Answers:
    """The surfaces that answer questions of cells, at most 20 of a session; an older one turns into its picture.

    publish  puts an output below the cell that runs: ``publish_display_data`` of IPython
    """

    def __init__(self, session: LiveSession, keep: int = MAX_CELLS, publish: Publish | None = None) -> None:
        self._session = session
        self._publish = publish
        self._cells = Cells(keep, act=session.act, order=self._order, publish=publish, leave=self._leave)
        self.asked = 0
        """Questions so far."""

    def show(self, surface: Surface) -> None:
        """Draws a surface below the cell that runs, with controls that work."""
        view = self._cells.show(surface)
        if isinstance(view, SurfaceView):
            made: Any = view._repr_mimebundle_()
            data = made[0] if isinstance(made, tuple) else made
            live = {WIDGET: data[WIDGET]} if data and WIDGET in data else {}
            self._put(view, live | _still(surface), update=False)

    def close(self) -> None:
        """Turns all of them into pictures; no widget is left."""
        self._cells.close()

    def _leave(self, view: SurfaceTalk, *, unwanted: bool) -> None:
        if isinstance(view, SurfaceView):
            self._put(view, {"text/plain": ""} if unwanted else _still(view.surface), update=True)

    def _put(self, view: SurfaceView, data: dict[str, Any], *, update: bool) -> None:
        published_by(self._publish)(data, transient={"display_id": f"imkit-answer-{view.model_id}"}, update=update)

    def _order(self, work: Callable[[], object]) -> None:
        display = self._session._display
        if display is not None:
            display.link.order(work)
        else:
            work()


def _still(surface: Surface) -> dict[str, Any]:
    return {"text/html": picture(surface), "text/plain": words(surface)}
