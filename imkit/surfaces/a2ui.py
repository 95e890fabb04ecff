"""Surfaces as A2UI messages and back: v0.9 (the wire name of 0.9.1) and v1.0, with their basic catalog.

The tests check what is written against the schemas that the project publishes in the package ``@a2ui/web_core``.
Export is lossy where the basic catalog has no such component: a metric, table, chart, progress, code or picture becomes
text that says the same, a number field becomes text, a slider's step is kept by v1.0 only. Import takes what has a
place here and puts a placeholder for all else: pictures by address, video, audio, functions, templates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .catalog import Component, bound, component_of, fault
from .controls import holds
from .layout import shown
from .spec import SurfaceError
from .surface import ROOT, Surface

VERSIONS: Final = ("v0.9", "v1.0")
MAX_MESSAGES: Final = 1_000
_CATALOG = "https://a2ui.org/specification/{}/catalogs/basic/catalog.json"


def to_a2ui(surface: Surface, version: str = "v0.9") -> list[dict[str, Any]]:
    """The messages that make the surface: createSurface, updateDataModel (when it has data), updateComponents.

    Raises SurfaceError for another version.
    """
    if version not in VERSIONS:
        raise SurfaceError(f"A2UI version is {version!r}, expected one of: {', '.join(VERSIONS)}")
    writer = _Writer(surface, version)
    create = {"surfaceId": surface.id, "catalogId": _CATALOG.format(version.replace(".", "_")), "sendDataModel": True}
    data = {name: [value] if name in writer.choices else value for name, value in surface.data.items()}
    messages: list[dict[str, Any]] = [{"createSurface": create}]
    if data:
        messages.append({"updateDataModel": {"surfaceId": surface.id, "path": "/", "value": data}})
    messages.append({"updateComponents": {"surfaceId": surface.id, "components": writer.components}})
    return [{"version": version, **message} for message in messages]


class _Writer:
    """Walks what is drawn; components that A2UI needs beside ours (a button's label) get ids of their own."""

    def __init__(self, surface: Surface, version: str) -> None:
        self.version = version
        self.components: list[dict[str, Any]] = []
        self.choices: set[str] = set()
        plan, own = surface.layout, surface.components
        roots = list(plan.roots)
        title = self._text(f"{ROOT}.title", surface.title, 3) if surface.title else ""
        below = [title] if title else []
        if roots != [ROOT] or below:
            rename = {ROOT: f"{ROOT}.own"} if ROOT in plan.components else {}
            self._add(ROOT, "Column", children=[*below, *(rename.get(id, id) for id in roots)])
        else:
            rename = {}
        for id, drawn in plan.components.items():
            kept = own.get(id, drawn)
            children = [rename.get(child, child) for child in drawn.children]
            self._component(rename.get(id, id), kept, drawn, children)

    def _add(self, id: str, component: str, **props: Any) -> str:
        self.components.append({"id": id, "component": component, **props})
        return id

    def _text(self, id: str, value: Any, level: int = 0) -> str:
        """Plain text. A level makes it a heading: a variant in v0.9, a Markdown mark in v1.0, which has none."""
        if level and self.version == "v0.9":
            return self._add(id, "Text", text=value, variant=f"h{level}")
        if level and isinstance(value, str):
            value = "#" * level + " " + " ".join(value.split())
        return self._add(id, "Text", text=value)

    def _live(self, value: Any) -> Any:
        return {"path": "/" + _pointer(bound(value))} if bound(value) else value

    def _own(self, component: Component) -> dict[str, Any]:
        return {"path": "/" + _pointer(holds(component))}

    def _action(self, component: Component) -> dict[str, Any]:
        context = {} if component.kind == "button" else {"value": self._own(component)}
        return {"event": {"name": component.props["action"], "context": context}}

    def _component(self, id: str, own: Component, drawn: Component, children: list[str]) -> None:
        props = own.props
        match drawn.kind:
            case "text":
                self._text(id, self._live(props["text"]))
            case "heading":
                self._text(id, self._live(props["text"]), props["level"])
            case "row":
                self._add(id, "Row", children=children, align=props["align"])
            case "column":
                self._add(id, "Column", children=children)
            case "card":
                title = [self._text(f"{id}.title", self._live(props["title"]), 4)] if props["title"] else []
                self._add(id, "Card", child=self._add(f"{id}.inside", "Column", children=[*title, *children]))
            case "tabs" if children:
                labels = [*props["labels"], *[""] * len(children)]
                self._add(id, "Tabs", tabs=[{"title": t, "child": c} for t, c in zip(labels, children, strict=False)])
            case "divider":
                self._add(id, "Divider", axis="horizontal")
            case "slider":
                steps = {}
                if self.version == "v1.0" and props["step"]:
                    steps = {"steps": max(1, round((props["max"] - props["min"]) / props["step"]))}
                self._add(
                    id,
                    "Slider",
                    label=self._live(props["label"]),
                    min=props["min"],
                    max=props["max"],
                    value=self._own(own),
                    **steps,
                )
            case "choice":
                self.choices.add(holds(own))
                options = [{"label": one, "value": one} for one in props["options"]]
                self._add(
                    id,
                    "ChoicePicker",
                    label=self._live(props["label"]),
                    variant="mutuallyExclusive",
                    options=options,
                    value=self._own(own),
                )
            case "checkbox":
                self._add(id, "CheckBox", label=self._live(props["label"]), value=self._own(own))
            case "input":
                hint = {"placeholder": props["placeholder"]} if self.version == "v1.0" and props["placeholder"] else {}
                self._add(
                    id, "TextField", label=self._live(props["label"]), value=self._own(own), variant="shortText", **hint
                )
            case "button":
                label = self._text(f"{id}.label", self._live(props["label"]))
                variant = "primary" if props["style"] == "primary" else "default"
                self._add(id, "Button", child=label, variant=variant, action=self._action(own))
            case "number":
                self._text(id, f"{drawn.props['label']}: {shown(drawn.props['value'])}")
            case _:
                from .picture import _words

                self._text(id, "\n".join(_words(drawn)))


def from_a2ui(messages: str | Iterable[Mapping[str, Any]]) -> list[Surface]:
    """Surfaces of A2UI messages, given as objects or as JSON lines. What cannot be taken is a placeholder.

    Raises SurfaceError for a message that is no A2UI message of these versions.
    """
    if isinstance(messages, str):
        try:
            messages = [json.loads(line) for line in messages.splitlines()[: MAX_MESSAGES + 1] if line.strip()]
        except (ValueError, RecursionError) as error:
            raise SurfaceError(f"A2UI messages are not JSON lines: {error}"[:200]) from None
    made: dict[str, _Reading] = {}
    for number, message in enumerate(messages):
        if number >= MAX_MESSAGES:
            raise SurfaceError(f"more than {MAX_MESSAGES} A2UI messages")
        if not isinstance(message, Mapping) or message.get("version") not in VERSIONS:
            raise SurfaceError(f"A2UI message {number} has no version that is known: {', '.join(VERSIONS)}")
        kinds = [name for name in message if name != "version"]
        body = message[kinds[0]] if len(kinds) == 1 else None
        if not isinstance(body, Mapping) or not isinstance(body.get("surfaceId"), str):
            raise SurfaceError(
                f"A2UI message {number} has {[str(k)[:30] for k in kinds[:4]]}, expected one body with a surfaceId"
            )
        id = body["surfaceId"][:80]
        match kinds[0]:
            case "createSurface":
                made[id] = _Reading(id)
                made[id].set("/", body.get("dataModel", {}))
                made[id].take(body.get("components", []))
            case "updateComponents" if id in made:
                made[id].take(body.get("components", []))
            case "updateDataModel" if id in made:
                made[id].set(body.get("path", "/"), body.get("value"))
            case "deleteSurface":
                made.pop(id, None)
            case _:
                raise SurfaceError(
                    f"A2UI message {number} is {kinds[0][:40]!r} of surface {id!r}, which cannot be taken here"
                )
    return [reading.surface() for reading in made.values()]


class _Reading:
    """What the messages said of one surface so far."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.raw: dict[str, Mapping[str, Any]] = {}
        self.data: dict[str, Any] = {}

    def take(self, components: Any) -> None:
        for one in components if isinstance(components, list) else []:
            if isinstance(one, Mapping) and isinstance(one.get("id"), str) and len(self.raw) < 2_000:
                self.raw[one["id"]] = one

    def set(self, path: Any, value: Any) -> None:
        name = _flat(path) if isinstance(path, str) else ""
        if isinstance(value, Mapping):
            for key, one in value.items():
                self.set(f"/{name}/{key}" if name else f"/{key}", one) if name.count(".") < 8 else None
        elif name:
            self.data[name] = value

    def surface(self) -> Surface:
        components = [self._component(id, one) for id, one in self.raw.items()]
        known = {_safe(id) for id in self.raw}
        surface = Surface(self.id, "")
        surface._take(components)
        values = {}
        for name, value in self.data.items():
            single = value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) else value
            values[name] = single
        for name, value in values.items():
            try:
                surface.update({name: value})
            except SurfaceError:
                surface.counts["dropped_data"] += 1
        if ROOT not in known and components:
            surface._take([fault("!root", "the messages have no component root")])
        return surface

    def _component(self, id: str, one: Mapping[str, Any]) -> Component:
        name = _safe(id)
        try:
            return component_of([name, *self._parts(one)])
        except (SurfaceError, TypeError, KeyError, AttributeError, ValueError) as error:
            return fault(name, f"{str(one.get('component'))[:40]}: {error}")

    def _parts(self, one: Mapping[str, Any]) -> list[Any]:
        kind = one.get("component")
        match kind:
            case "Text":
                level = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 4}.get(str(one.get("variant")), 0)
                head = re.fullmatch(r"(#{1,6}) +([^\n]+)", one["text"]) if isinstance(one["text"], str) else None
                if level or head:
                    text = head[2] if head else one["text"]
                    return ["heading", {"text": _live(text), "level": level or min(4, len(head[1]) if head else 4)}]
                return ["text", {"text": _live(one["text"]), "markdown": True}]
            case "Row" | "Column" | "List":
                if not isinstance(one["children"], list):
                    raise SurfaceError("a template of children cannot be taken")
                across = kind == "Row" or one.get("direction") == "horizontal"
                return ["row" if across else "column", {}, [_safe(child) for child in one["children"]]]
            case "Card":
                return ["card", {}, [_safe(one["child"])]]
            case "Tabs":
                labels = [str(tab["title"])[:80] for tab in one["tabs"]]
                return ["tabs", {"labels": labels}, [_safe(tab["child"]) for tab in one["tabs"]]]
            case "Divider":
                return ["divider"]
            case "Slider":
                props = {"label": _live(one.get("label", "")), "min": one.get("min", 0), "max": one["max"]}
                steps = one.get("steps")
                if isinstance(steps, int) and steps > 0:
                    props["step"] = (props["max"] - props["min"]) / steps
                return ["slider", {**props, "value": _live(one["value"])}]
            case "CheckBox":
                return ["checkbox", {"label": _live(one["label"]), "value": _live(one["value"])}]
            case "TextField":
                hint = {"placeholder": one["placeholder"]} if isinstance(one.get("placeholder"), str) else {}
                return ["input", {"label": _live(one["label"]), "value": _live(one.get("value", "")), **hint}]
            case "ChoicePicker":
                if one.get("variant") == "multipleSelection":
                    raise SurfaceError("more than one choice at a time cannot be taken")
                value = _live(one["value"])
                value = value[0] if isinstance(value, list) and value else None if isinstance(value, list) else value
                chosen = {} if value is None else {"value": value}
                return [
                    "choice",
                    {"label": _live(one.get("label", "")), "options": [o["value"] for o in one["options"]], **chosen},
                ]
            case "Button":
                label = self.raw.get(one["child"], {}).get("text", "") if isinstance(one["child"], str) else ""
                style = "primary" if one.get("variant") == "primary" else "plain"
                return ["button", {"label": _live(label), "style": style, "action": one["action"]["event"]["name"]}]
            case _:
                raise SurfaceError("no component of this catalog")


def _live(value: Any) -> Any:
    """A literal as it is, a path as a binding; a function call cannot be taken."""
    if isinstance(value, Mapping):
        if set(value) != {"path"}:
            raise SurfaceError("a function cannot be taken")
        return {"$": _flat(str(value["path"]))}
    return value


def _flat(path: str) -> str:
    """A JSON pointer as a name of the flat data model: "/user/name" is "user.name"."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/") if part]
    return re.sub(r"[^\w.:-]", "_", ".".join(parts))[:80]


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _safe(id: Any) -> str:
    if not isinstance(id, str) or not id:
        raise SurfaceError(f"a component id is {type(id).__name__}, expected a string")
    return re.sub(r"[^\w.:-]", "_", id)[:79]
