"""What a surface looks like now: components in a checked tree, with every value that follows the data filled in."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .catalog import CATALOG, FAULT, Component, bound, fault
from .controls import acts, start_value
from .markdown import blocks
from .plot import plot
from .spec import MAX_TEXT, SurfaceError

MAX_DEPTH: Final = 12
MAX_DRAWN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Layout:
    """``roots`` are drawn one below the other; ``components`` holds what they reach, each in one place only."""

    roots: tuple[str, ...]
    components: Mapping[str, Component]

    def to_json(self) -> dict[str, Any]:
        """What a page is sent."""
        return {"roots": list(self.roots), "components": [one.to_json() for one in self.components.values()]}


def layout(
    components: Mapping[str, Component],
    root: str,
    data: Mapping[str, Any],
    images: Container[str] = (),
    plots: dict[str, tuple[Component, dict[str, Any]]] | None = None,
) -> Layout:
    """Lays out what ``root`` reaches, and placeholders that belong nowhere below it.

    A child that is not there yet is left out. One that holds itself, that is used in two places, that lies deeper than
    12 becomes a placeholder; what comes after 1,000 others is left out. ``plots`` keeps drawn charts for the next call.
    """
    plots = {} if plots is None else plots
    drawn: dict[str, Component] = {}
    above: list[str] = []

    def instead(id: str, why: str) -> str:
        name = f"~{len(drawn)}"
        drawn[name] = fault(name, f"{id[:60]}: {why}")
        return name

    def place(id: str) -> str | None:
        if id not in components:
            return None
        if len(drawn) >= MAX_DRAWN:
            return None
        if id in above:
            return instead(id, "holds itself")
        if id in drawn:
            return instead(id, "is used in two places")
        if len(above) >= MAX_DEPTH:
            return instead(id, f"lies deeper than {MAX_DEPTH}")
        component = components[id]
        drawn[id] = component  # its place in the order, and that it is used
        above.append(id)
        children = tuple(name for name in map(place, component.children) if name is not None)
        above.pop()
        drawn[id] = _filled(component, children, data, images, plots)
        return id

    top = place(root)
    lost = [place(id) for id in components if id.startswith("!") and id not in drawn]
    return Layout(tuple(name for name in (top, *lost) if name is not None), drawn)


def _filled(
    component: Component,
    children: tuple[str, ...],
    data: Mapping[str, Any],
    images: Container[str],
    plots: dict[str, tuple[Component, dict[str, Any]]],
) -> Component:
    kind, props = component.kind, dict(component.props)
    if kind == FAULT:
        return component
    for name, prop in CATALOG[kind].props.items():
        if bound(props[name]):
            props[name] = _value(data.get(bound(props[name])), name, prop.check, kind)
    if acts(component) and kind != "button":
        props["value"] = start_value(component, data)
    match kind:
        case "text":
            props = {"blocks": blocks(props["text"], props["markdown"])}
        case "chart":
            if plots.get(component.id, (None,))[0] is not component:
                plots[component.id] = (component, {"title": props["title"], **plot(props)})
            props = plots[component.id][1]
        case "metric":
            props["value"] = shown(props["value"])
        case "table":
            numeric = [
                all(isinstance(row[n], int | float | None) and not isinstance(row[n], bool) for row in props["rows"])
                for n in range(len(props["columns"]))
            ]
            props |= {"rows": [[shown(value) for value in row] for row in props["rows"]], "numeric": numeric}
        case "image" if props["ref"] not in images:
            return fault(component.id, f"image: the kernel holds no picture {props['ref']}")
    return Component(component.id, kind, props, children)


def _value(value: Any, name: str, check: Any, kind: str) -> Any:
    try:
        return check(value, name)
    except SurfaceError:
        pass
    if kind in ("text", "heading", "card", "code", "button") or name == "label":
        try:
            return check(shown(value), name)
        except SurfaceError:
            return shown(value)[:80]
    return "" if name == "value" and kind == "metric" else None


def shown(value: Any) -> str:
    """A value in words: six digits of a fraction, "" for None, a list with commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value[:100])[:MAX_TEXT]
    return str(value)
