"""A surface: a small page of components over a flat data model, as checked data within bounds."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from .catalog import Component, bound, component_of, data_name, data_value, fault
from .controls import accepts, acts, holds, start_value
from .layout import Layout, layout
from .lines import Line, Rate, Reader
from .spec import MAX_ID, MAX_TITLE, SurfaceError, chart_spec, items, only, table_spec, text, text_spec

MAX_COMPONENTS: Final = 500
MAX_DATA: Final = 200
MAX_IMAGES: Final = 20
MAX_IMAGE_BYTES: Final = 2_000_000
ROOT: Final = "root"


class Kind(StrEnum):
    """What a surface is: one component, given by its kind and spec, or a panel of many."""

    TEXT = "text"
    TABLE = "table"
    CHART = "chart"
    PANEL = "panel"


_SHORT = {Kind.TEXT: text_spec, Kind.TABLE: table_spec, Kind.CHART: chart_spec}


@dataclass(frozen=True, slots=True)
class Action:
    """What a person did: which control, its action's name, the value, and all data values after it."""

    surface: str
    component: str
    name: str
    value: Any
    values: Mapping[str, Any]
    label: str = ""


class Surface:
    """Something to show, and what people do with it. Checked as it is made; it holds plain text and numbers only.

    With ``kind`` and ``spec`` it is one component, and whatever breaks its bounds raises SurfaceError:

    text   spec {"text": str of at most 4,000 characters}
    table  spec {"columns": [str], "rows": [[str | number | bool | None]]}, at most 20 columns and 50 rows
    chart  spec {"mark": histogram | bar | scatter | line, "x": [number | str], "x_label", "y_label": str,
           "series": [{"name": str, "y": [number | None]}]}, at most 8 series of 5,000 points

    Otherwise it is a panel of components, one JSON line each, ``[id, kind, props, children]``, drawn from the component
    "root", or from the first. What is wrong in a line is a visible placeholder, never an error. ``data`` are first
    values of the data model; ``source`` says where it came from. ``feed`` takes more text while it is written; with a
    ``clock`` in seconds, or a ``Rate`` that several surfaces share, at most 500 lines at once and 100 a second.

        imkit.Surface("s", "Bins", lines='["root", "slider", {"label": "bins", "min": 5, "max": 50}]')
    """

    def __init__(
        self,
        id: str,
        title: str,
        kind: Kind | str = Kind.PANEL,
        spec: Mapping[str, Any] | None = None,
        *,
        lines: str | Iterable[str] = "",
        data: Mapping[str, Any] | None = None,
        source: str = "",
        clock: Callable[[], float] | Rate | None = None,
    ) -> None:
        self.id = text(id, "id", MAX_ID)
        self.title = text(title, "title", MAX_TITLE)
        self.source = text(source, "source", MAX_TITLE)
        try:
            self.kind = Kind(kind)
        except ValueError:
            raise SurfaceError(f"surface kind is {str(kind)[:40]!r}, expected one of: {', '.join(Kind)}") from None
        self._lock = threading.RLock()
        self._reader = Reader(Rate(clock) if callable(clock) else clock)
        self._components: dict[str, Component] = {}
        self._data: dict[str, Any] = {}
        self._images: dict[str, bytes] = {}
        self._first = ""
        self._plots: dict[str, tuple[Component, dict[str, Any]]] = {}
        self._watchers: list[Callable[[Surface], object]] = []
        self._answers: dict[str, list[Callable[[Action], object]]] = {}
        self.counts = self._reader.counts
        """malformed, faults, refused, dropped_...: what was not taken, so far."""
        if self.kind is Kind.PANEL:
            if spec is not None:
                raise SurfaceError("a panel has lines, not a spec; a spec needs a kind: text, table or chart")
            self.update(data or {})
            if lines:
                self.feed(lines if isinstance(lines, str) else "\n".join(lines))
                self.end()
        else:
            if not isinstance(spec, Mapping):
                raise SurfaceError(f"surface spec is {type(spec).__name__}, expected a mapping")
            if lines or data:
                raise SurfaceError(f"a {self.kind} has a spec and neither lines nor data")
            self._take([component_of([ROOT, str(self.kind), _SHORT[self.kind](spec)])])

    # --- as data

    @classmethod
    def from_json(cls, value: Mapping[str, Any], rate: Rate | None = None) -> Self:
        """Makes a surface of {"id", "title", "kind", "spec"}, or of {"id", "title"} and "lines" or "components".

        The latter may have "data" and "source", and no more lines than ``rate`` allows. Raises SurfaceError when it is
        none of these.
        """
        if not isinstance(value, Mapping):
            raise SurfaceError(f"a surface is a mapping, got {type(value).__name__}")
        if "lines" not in value and "components" not in value:
            only(value, {"id", "title", "kind", "spec"}, "surface")
            return cls(value["id"], value["title"], value["kind"], value["spec"])
        given = "lines" if "lines" in value else "components"
        only(value, {"id", "title", given} | ({"data", "source"} & set(value)), "surface")
        made = cls(value["id"], value["title"], source=value.get("source", ""), clock=rate)
        data = value.get("data", {})
        if not isinstance(data, Mapping):
            raise SurfaceError(f"surface data is {type(data).__name__}, expected a mapping")
        lines = value[given]
        if given == "components":
            lines = "\n".join(_line(line) for line in items(lines, "components", 2 * MAX_COMPONENTS))
        made.update(data)
        if not isinstance(lines, str):
            raise SurfaceError(f"surface lines are {type(lines).__name__}, expected a string, one component a line")
        made.feed(lines)
        made.end()
        return made

    def to_json(self) -> dict[str, Any]:
        """The surface as plain JSON values, pictures left out; ``from_json`` makes an equal one of it."""
        if self.kind is not Kind.PANEL:
            return {"id": self.id, "title": self.title, "kind": str(self.kind), "spec": dict(self.spec)}
        with self._lock:
            told: dict[str, Any] = {"id": self.id, "title": self.title}
            told["components"] = [one.to_json() for one in self._components.values()]
            return told | ({"data": dict(self._data)} if self._data else {})

    def to_code(self) -> str:
        """Python text of a cell that makes this surface again, with the values it has now."""
        head = f"import imkit\n\nsurface = imkit.Surface(\n    {_quoted(self.id)},\n    {_quoted(self.title)},\n"
        if self.kind is not Kind.PANEL:
            return head + f"    {_quoted(str(self.kind))},\n    {_quoted(dict(self.spec))},\n)\nsurface\n"
        with self._lock:
            lines = "".join(f"        {_quoted(_line(one.to_json()))},\n" for one in self._components.values())
            data = f"    data={_quoted(self._data)},\n" if self._data else ""
        return head + f"    lines=[\n{lines}    ],\n{data})\nsurface\n"

    def __eq__(self, other: object) -> bool:
        return self.to_json() == other.to_json() if isinstance(other, Surface) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Surface({self.id!r}, {self.title!r}, {self.kind})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from .picture import picture, words

        return {"text/html": picture(self), "text/plain": words(self)}

    # --- what it holds

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec of a text, table or chart; of a panel {"components"}."""
        if self.kind is Kind.PANEL:
            return {"components": self.to_json()["components"]}
        own = dict(self._components[ROOT].props)
        for name in ("title", "markdown"):
            own.pop(name, None)
        return own

    @property
    def components(self) -> Mapping[str, Component]:
        """Components by id, in the order they came."""
        with self._lock:
            return dict(self._components)

    @property
    def data(self) -> dict[str, Any]:
        """The data model: what every control holds, and what was set."""
        with self._lock:
            mine = {holds(one): start_value(one, self._data) for one in self._components.values() if holds(one)}
            return {**self._data, **mine}

    @property
    def images(self) -> Mapping[str, bytes]:
        """PNG files by name, as ``image`` was given them."""
        return dict(self._images)

    @property
    def layout(self) -> Layout:
        """What is drawn now."""
        with self._lock:
            root = ROOT if ROOT in self._components else self._first
            return layout(self._components, root, self.data, self._images, self._plots)

    # --- changing it

    def feed(self, lines: str) -> None:
        """Takes a piece of the text that describes it; components appear as their lines are complete."""
        with self._lock:
            changed = self._take(self._reader.feed(lines))
        self._tell(changed)

    def end(self) -> None:
        """The text is complete: takes its last line."""
        with self._lock:
            changed = self._take(self._reader.end())
        self._tell(changed)

    def merge(self, other: Surface) -> None:
        """Takes the components, values and pictures of another; those with the same id replace."""
        with self._lock:
            if other.kind is not Kind.PANEL or self.kind is not Kind.PANEL:
                self.kind, self._components, self._first = other.kind, {}, ""
            self._take([*other.components.values(), other._data])
            self._images |= other._images
            self.title, self.source = other.title or self.title, other.source or self.source
        self._tell(True)

    def set(self, name: str, value: Any) -> None:
        """Sets a value of the data model. Raises SurfaceError when a control that holds it does not take it."""
        self.update({name: value})

    def update(self, values: Mapping[str, Any]) -> None:
        """Sets several values; all or, when one is refused, none."""
        with self._lock:
            checked = {data_name(name): data_value(value, name) for name, value in values.items()}
            if len({*self._data, *checked}) > MAX_DATA:
                raise SurfaceError(f"a surface has at most {MAX_DATA} data names")
            for component in self._components.values():
                name = holds(component)
                if name in checked:
                    checked[name] = accepts(component, checked[name])
            self._data |= checked
        self._tell(bool(checked))

    def image(self, name: str, png: bytes) -> None:
        """Holds a picture for components of kind "image" whose ref is ``name``: a PNG file of at most 2 MB."""
        if not png.startswith(b"\x89PNG\r\n\x1a\n") or len(png) < 33 or png[12:16] != b"IHDR":
            raise SurfaceError(f"image {name[:40]!r} is no PNG file; give the bytes of one")
        width, height = struct.unpack(">II", png[16:24])
        if len(png) > MAX_IMAGE_BYTES or not (0 < width <= 8192 and 0 < height <= 8192):
            raise SurfaceError(f"image is {width} x {height}, {len(png)} bytes; at most 8192 x 8192 in 2,000,000 bytes")
        with self._lock:
            if name not in self._images and len(self._images) >= MAX_IMAGES:
                raise SurfaceError(f"a surface holds at most {MAX_IMAGES} pictures")
            self._images[data_name(name, "image name")] = bytes(png)
        self._tell(True)

    def act(self, component_id: str, value: Any = None) -> Action:
        """A person did something: checks it, takes the value. Raises SurfaceError for what no page of ours sends."""
        with self._lock:
            component = self._components.get(component_id) if isinstance(component_id, str) else None
            if component is None or not acts(component) or not self._shows(component_id):
                self.counts["refused"] += 1
                raise SurfaceError(f"surface {self.id!r} shows no control {str(component_id)[:80]!r}")
            try:
                taken = accepts(component, value)
                if holds(component):
                    self.update({holds(component): taken})
            except SurfaceError:
                self.counts["refused"] += 1
                raise
            label = component.props.get("label", "")
            if bound(label):
                label = str(self._data.get(bound(label), ""))
            return Action(self.id, component.id, component.props["action"], taken, self.data, label)

    def answer(self, action: Action) -> None:
        """Calls what ``on`` was given for this action. Raises what they raise."""
        for answer in list(self._answers.get(action.name, ())):
            answer(action)

    def on(self, action: str, answer: Callable[[Action], object]) -> None:
        """Calls ``answer(action)`` in a thread of the session whenever a person does what has that action's name."""
        with self._lock:
            self._answers.setdefault(data_name(action, "action"), []).append(answer)

    def watch(self, changed: Callable[[Surface], object]) -> Callable[[], None]:
        """Calls ``changed(surface)`` after every change, in the thread that made it. Returns what ends it."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed) if changed in self._watchers else None

    # --- inside

    def _shows(self, id: str) -> bool:
        return id in self.layout.components

    def _take(self, found: Iterable[Line]) -> bool:
        """The lock is held."""
        changed = False
        for one in found:
            changed = True
            if isinstance(one, Mapping):
                room = MAX_DATA - len(self._data)
                new = [name for name in one if name not in self._data]
                self.counts["dropped_data"] += max(0, len(new) - room)
                self._data |= {name: value for name, value in one.items() if name not in new[max(0, room) :]}
            elif one.id in self._components or len(self._components) < MAX_COMPONENTS:
                self._components[one.id] = one
                self._first = self._first or one.id
            else:
                self.counts["dropped_components"] += 1
                self._components["!many"] = fault("!many", f"a surface has at most {MAX_COMPONENTS} components")
        return changed

    def _tell(self, changed: bool) -> None:
        for watcher in list(self._watchers) if changed else ():
            watcher(self)


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _quoted(value: Any) -> str:
    """A Python literal in plain ASCII that says the same value."""
    return ascii(value)
