"""Generated cells: one widget below the panel for each surface, and the pictures that stay in a saved notebook."""

from __future__ import annotations

import html
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import ipywidgets

from imkit.surfaces import Surface, SurfaceError, chart_figure, picture, words

from .surface_view import PanelSurface, SurfaceTalk, SurfaceView, Take
from .widget import keep_addressed

MAX_CELLS: Final = 20
PLOTLY: Final = "application/vnd.plotly.v1+json"

Act = Callable[[str, Any, Any], object]
Publish = Callable[..., object]


class Leave(Protocol):
    """Is told of a cell that goes: ``unwanted`` where a person closed it."""

    def __call__(self, view: SurfaceTalk, *, unwanted: bool) -> object: ...


class Cells:
    """A column of generated cells, newest last; of more than ``keep`` the oldest that is not pinned goes.

    act      told (surface id, component id, value) when a person used a control
    order    runs what a page asked for in a thread that may take its time; as it is, in the caller's
    publish  puts a picture below the notebook's cell: ``publish_display_data`` of IPython
    leave    told of each cell before it goes
    make     makes what draws a surface: a widget of its own, or a part of the panel where widgets may not be added

    A cell is made whole, so it may be made in any thread while the notebook's own cells run.
    """

    def __init__(
        self,
        keep: int = MAX_CELLS,
        *,
        act: Act = lambda *_: None,
        order: Callable[[Callable[[], object]], object] = lambda work: work(),
        publish: Publish | None = None,
        leave: Leave = lambda _, *, unwanted: None,  # noqa: ARG005
        make: Callable[[Surface, Take], SurfaceTalk] = SurfaceView,
    ) -> None:
        self._keep, self._make = keep, make
        self._act, self._order, self._publish, self._leave = act, order, publish, leave
        self._shown: deque[SurfaceTalk] = deque()
        self.box = ipywidgets.VBox()
        self.dropped = 0
        self.counts: Counter[str] = Counter()
        """malformed, unknown, refused: what pages sent that was not taken."""
        for widget in (self.box, self.box.layout):
            keep_addressed(widget)

    def show(self, surface: Surface) -> SurfaceTalk | None:
        """Draws a surface below the others; one that is there already draws its own changes, then this is None."""
        if any(view.surface is surface for view in self._shown):
            return None
        made = self._make(surface, self._asked)
        self._shown.append(made)
        gone: list[SurfaceTalk] = []
        while len(self._shown) > self._keep:
            old = next((view for view in self._shown if not view.pinned), self._shown[0])
            self._shown.remove(old)
            gone.append(old)
        self._line_up()
        self.dropped += len(gone)
        for old in gone:
            self._leave(old, unwanted=False)
            shut(old)
        return made

    def __len__(self) -> int:
        return len(self._shown)

    def pin(self, view: SurfaceTalk) -> None:
        """Puts a picture of the surface as it is now into the notebook, or takes that picture away again."""
        if not isinstance(view, SurfaceView):
            return
        view.pinned = not view.pinned
        view.refresh()
        data = {"text/html": picture(view.surface, "pinned"), "text/plain": words(view.surface)}
        if not view.pinned:
            data = {"text/plain": ""}
        publish = published_by(self._publish)
        again = view.counts["published"] > 0
        view.counts["published"] += 1
        publish(data, transient={"display_id": f"imkit-{view.model_id}"}, update=again)

    def drop(self, view: SurfaceTalk) -> None:
        """Takes one cell away."""
        if view in self._shown:
            self._shown.remove(view)
            self._line_up()
            self._leave(view, unwanted=True)
            shut(view)

    def take(self, name: str, content: Any) -> None:
        """What a page said of a cell that the panel draws; "" greets the page with all of them."""
        for view in list(self._shown):
            if isinstance(view, PanelSurface):
                if name == view.id:
                    view.take(content, [])
                elif not name:
                    view.greet()

    def close(self) -> None:
        """Closes every widget made here."""
        for cell in self._shown:
            self._leave(cell, unwanted=False)
            shut(cell)
        self._shown.clear()
        close_widget(self.box)

    def _line_up(self) -> None:
        self.box.children = tuple(view for view in self._shown if isinstance(view, ipywidgets.Widget))

    def _asked(self, view: SurfaceTalk, message: Mapping[str, Any]) -> None:
        """What a page said, in the thread of the kernel's messages: only sorted here."""
        match message["type"]:
            case "hello":
                self._order(view.greet)
            case "drawn":
                self._order(lambda: view.drawn(message.get("n")))
            case "action":
                self._order(lambda: self._do(view, message))
            case "pin":
                self._order(lambda: self.pin(view))
            case "code":
                self._order(view.tell_code)
            case "close":
                self._order(lambda: self.drop(view))
            case _:
                self.counts["unknown"] += 1

    def _do(self, view: SurfaceTalk, message: Mapping[str, Any]) -> None:
        try:
            self._act(view.surface.id, message.get("component"), message.get("value"))
        except SurfaceError:
            self.counts["refused"] += 1
            view.greet()  # a page that shows something else than we hold is told again


def published_by(publish: Publish | None) -> Publish:
    """What puts an output below a cell; IPython's own unless another is given."""
    if publish is not None:
        return publish
    from IPython.display import publish_display_data

    return publish_display_data


def output_of(surface: Surface) -> dict[str, Any]:
    """A surface as a notebook output that needs no kernel. All text in it is escaped; charts are plotly's."""
    return {"output_type": "display_data", "data": _bundle(surface), "metadata": {}}


def _bundle(surface: Surface) -> dict[str, Any]:
    if surface.kind == "chart":
        figure = json.loads(chart_figure(surface).to_json())
        figure["config"] = {"displaylogo": False}  # "responsive" would fold it up to nothing when the next one comes
        return {PLOTLY: figure, "text/plain": surface.title}
    if surface.kind == "table":
        return {"text/html": _table(surface), "text/plain": surface.title}
    if surface.kind == "panel":
        return {"text/html": picture(surface), "text/plain": words(surface)}
    title = f"{surface.title}\n" if surface.title else ""
    return {"text/plain": title + surface.spec["text"]}


def _table(surface: Surface) -> str:
    def row(cells: list[Any], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{_cell(cell)}</{tag}>" for cell in cells) + "</tr>"

    head = row(surface.spec["columns"], "th")
    body = "".join(row(cells, "td") for cells in surface.spec["rows"])
    return f"<table><caption>{html.escape(surface.title)}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def shut(view: SurfaceTalk) -> None:
    """Takes a cell off the pages, as a widget or as a part of the panel."""
    if isinstance(view, ipywidgets.Widget):
        close_widget(view)
    else:
        view.close()


def close_widget(widget: ipywidgets.Widget) -> None:
    """Closes a widget and the layout that came with it, which ipywidgets itself would keep."""
    layout = widget.layout
    widget.close()
    if layout is not None:
        layout.close()
