"""What a control holds and takes: the kernel's check of every value that comes back from a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalog import CATALOG, MAX_INPUT, Component, bound, in_range
from .spec import SurfaceError, number, text


def acts(component: Component) -> bool:
    """Whether a person can do something with it."""
    return component.kind in CATALOG and CATALOG[component.kind].acts


def holds(component: Component) -> str:
    """The data name that a control's value lives under: what it is bound to, else its own id; "" holds none."""
    if not acts(component) or component.kind == "button":
        return ""
    return bound(component.props["value"]) or component.id


def accepts(component: Component, value: Any) -> Any:
    """The value as the control takes it; a slider's is moved onto its steps. Raises SurfaceError for any other."""
    props, where = component.props, f"value of {component.kind} {component.id!r}"
    match component.kind:
        case "slider" | "number":
            checked = number(value, where)
            if checked is None or isinstance(value, bool):
                raise SurfaceError(f"{where} is {value!r}, expected a number")
            in_range(checked, props["min"], props["max"], where)
            return _on_step(checked, props) if component.kind == "slider" else checked
        case "choice":
            if not isinstance(value, str) or value not in props["options"]:
                raise SurfaceError(
                    f"{where} is {repr(value)[:60]}, expected one of its {len(props['options'])} options"
                )
            return value
        case "checkbox":
            if not isinstance(value, bool):
                raise SurfaceError(f"{where} is {repr(value)[:60]}, expected true or false")
            return value
        case "input":
            return text(value, where, MAX_INPUT)
        case "button":
            if value is not None:
                raise SurfaceError(f"{where}: a button has no value")
            return None
    raise SurfaceError(f"{component.kind} {component.id!r} is no control")


def start_value(component: Component, data: Mapping[str, Any]) -> Any:
    """What a control shows: its data value when that fits, else its own value, else the least that it takes."""
    name, own = holds(component), component.props.get("value")
    if name in data:
        try:
            return accepts(component, data[name])
        except SurfaceError:
            pass
    if own is not None and not isinstance(own, Mapping):
        return own
    match component.kind:
        case "slider":
            return component.props["min"]
        case "choice":
            return component.props["options"][0]
        case "checkbox":
            return False
        case "input":
            return ""
        case _:
            return component.props["min"] if component.props.get("min") is not None else 0


def _on_step(value: int | float, props: Mapping[str, Any]) -> int | float:
    low, high, step = props["min"], props["max"], props["step"]
    if step is None:
        return value
    steps = round((value - low) / step)
    moved = low + steps * step
    moved = moved if moved <= high else low + (steps - 1) * step
    return moved if isinstance(moved, int) else round(moved, 10)
