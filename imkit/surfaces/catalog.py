"""The catalog: which components there are, their props, and the bounds of each. Nothing else is ever drawn.

A component is ``[id, kind, props, children]``. A prop that may follow the data model is written ``{"$": "name"}``.
There is no prop that holds HTML, an address or an expression.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .spec import MAX_LABEL, MAX_TEXT, MAX_TITLE, SurfaceError, chart_spec, items, number, table_spec, text

MAX_CHILDREN: Final = 60
MAX_TABS: Final = 8
MAX_OPTIONS: Final = 50
MAX_CODE: Final = 8_000
MAX_INPUT: Final = 500
MAX_LIST: Final = 1_000
FAULT: Final = "fault"
_NAME = re.compile(r"[^\W\d][\w.:-]{0,79}")
_ID = re.compile(r"!?[\w.:-]{1,79}")

Check = Callable[[Any, str], Any]
_REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Component:
    """One checked component. Kind "fault" is a placeholder; its prop "text" says what was wrong."""

    id: str
    kind: str
    props: Mapping[str, Any] = field(default_factory=dict)
    children: tuple[str, ...] = ()

    def to_json(self) -> list[Any]:
        """The component as its line holds it."""
        return [self.id, self.kind, dict(self.props), list(self.children)]


@dataclass(frozen=True, slots=True)
class Prop:
    """What a prop may be. ``live`` props may follow the data model."""

    check: Check
    default: Any = _REQUIRED
    live: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What a kind of component may be: props, most children, and a check of all its props together."""

    props: Mapping[str, Prop] = field(default_factory=dict)
    children: int = 0
    whole: Callable[[dict[str, Any]], dict[str, Any]] = lambda props: props
    acts: bool = False


def fault(id: str, why: str) -> Component:
    """A visible, harmless placeholder that names what is wrong."""
    return Component(id, FAULT, {"text": why[:300].encode("utf-8", "replace").decode()})


def bound(value: Any) -> str:
    """The data name that a prop follows; "" when it holds a value of its own."""
    return value["$"] if isinstance(value, Mapping) and isinstance(value.get("$"), str) else ""


def data_name(value: Any, where: str = "data name") -> str:
    """A name in the data model or of an action: a letter or "_", then letters, digits and ``_ . : -``."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        shown = repr(value)[:60]
        raise SurfaceError(f"{where} is {shown}, expected a letter or _, then at most 79 letters, digits or _ . : -")
    return value


def data_value(value: Any, where: str = "value") -> Any:
    """A value of the data model: a string, finite number, boolean, or flat list of at most 1,000 of them."""
    if isinstance(value, list | tuple):
        return [_scalar(one, where) for one in items(value, where, MAX_LIST)]
    return _scalar(value, where)


def _scalar(value: Any, where: str) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value, where, MAX_TEXT)
    checked = number(value, where)
    if checked is None:
        raise SurfaceError(f"{where} is None, expected a string, number, boolean or list")
    return checked


def component_id(value: Any) -> str:
    """An id: 1 to 79 letters, digits and ``_ . : -``; that of a placeholder begins with "!"."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise SurfaceError(f"component id is {repr(value)[:60]}, expected 1 to 79 letters, digits or _ . : -")
    return value


def component_of(line: Any) -> Component:
    """Checks ``[id, kind, props, children]``; props and children may be left out. Raises SurfaceError."""
    parts = items(line, "a component line", 4)
    if len(parts) < 2:
        raise SurfaceError(f"a component line has {len(parts)} parts, expected [id, kind, props, children]")
    id, kind = component_id(parts[0]), parts[1]
    given = parts[2] if len(parts) > 2 else {}
    if kind == FAULT and isinstance(given, Mapping):
        return fault(id, text(given.get("text", ""), "fault.text", 300))
    if id.startswith("!"):
        raise SurfaceError(f"component id {id!r} is one of a placeholder; begin it with a letter, digit or _")
    if not isinstance(kind, str) or kind not in CATALOG:
        raise SurfaceError(f"unknown kind {repr(kind)[:60]}; there are: {', '.join(CATALOG)}")
    form = CATALOG[kind]
    if not isinstance(given, Mapping):
        raise SurfaceError(f"{kind}: props are {type(given).__name__}, expected a mapping")
    extra = sorted(str(name)[:40] for name in given if name not in form.props)[:5]
    if extra:
        raise SurfaceError(f"{kind} has no prop {', '.join(extra)}; it has: {', '.join(form.props) or 'none'}")
    props: dict[str, Any] = {}
    for name, prop in form.props.items():
        where = f"{kind}.{name}"
        if name not in given:
            if prop.default is _REQUIRED:
                raise SurfaceError(f"{kind} needs the prop {name}")
            props[name] = prop.default
        elif isinstance(given[name], Mapping) and "$" in given[name]:
            if not prop.live or set(given[name]) != {"$"}:
                raise SurfaceError(f"{where} cannot follow the data model")
            props[name] = {"$": data_name(given[name]["$"])}
        else:
            props[name] = prop.check(given[name], where)
    children = items(parts[3] if len(parts) > 3 else [], f"{kind} children", MAX_CHILDREN)
    if len(children) > form.children:
        raise SurfaceError(f"{kind} has {len(children)} children, at most {form.children} are allowed")
    return Component(id, kind, form.whole(props), tuple(component_id(child) for child in children))


def _text(limit: int) -> Check:
    return lambda value, where: text(value, where, limit)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise SurfaceError(f"{where} is {type(value).__name__}, expected true or false")
    return value


def _whole(low: int, high: int) -> Check:
    def check(value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise SurfaceError(f"{where} is {repr(value)[:40]}, expected a whole number from {low} to {high}")
        return value

    return check


def _number(value: Any, where: str) -> int | float:
    checked = number(value, where)
    if checked is None:
        raise SurfaceError(f"{where} is None, expected a number")
    return checked


def _one_of(*allowed: str) -> Check:
    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise SurfaceError(f"{where} is {repr(value)[:40]}, expected one of: {', '.join(allowed)}")
        return value

    return check


def _texts(most: int, limit: int) -> Check:
    return lambda value, where: [text(one, where, limit) for one in items(value, where, most)]


def _shown(value: Any, where: str) -> Any:
    return (
        value
        if isinstance(value, bool)
        else text(value, where, MAX_LABEL)
        if isinstance(value, str)
        else number(value, where)
    )


def _any(value: Any, _: str) -> Any:  # checked with its neighbours, by the form's own check
    return value


def _range(props: dict[str, Any]) -> dict[str, Any]:
    low, high, step = props["min"], props["max"], props["step"]
    if low is not None and high is not None and not low < high:
        raise SurfaceError(f"min is {low} and max is {high}, expected min below max")
    if step is not None and not (step > 0 and math.isfinite(step)):
        raise SurfaceError(f"step is {step}, expected a number above 0")
    if not isinstance(props["value"], Mapping) and props["value"] is not None:
        props["value"] = in_range(props["value"], low, high, "value")
    return props


def in_range(value: int | float, low: float | None, high: float | None, where: str) -> int | float:
    """The value, when it lies in [low, high]; None is no bound. Raises SurfaceError."""
    if (low is not None and value < low) or (high is not None and value > high):
        raise SurfaceError(
            f"{where} is {value}, expected {low if low is not None else '…'} to {high if high is not None else '…'}"
        )
    return value


def _options(props: dict[str, Any]) -> dict[str, Any]:
    options, value = props["options"], props["value"]
    if not options or len(set(options)) != len(options):
        raise SurfaceError("choice.options must be a list of different strings, at least one")
    if value is None:
        props["value"] = options[0]
    elif not isinstance(value, Mapping) and value not in options:
        raise SurfaceError(f"choice.value is {value[:40]!r}, expected one of its options")
    return props


def _chart(props: dict[str, Any]) -> dict[str, Any]:
    inner = {name: props[name] for name in ("mark", "x", "x_label", "y_label", "series")}
    return {**chart_spec(inner), "title": props["title"]}


def _table(props: dict[str, Any]) -> dict[str, Any]:
    return {**table_spec({"columns": props["columns"], "rows": props["rows"]}), "title": props["title"]}


_LABEL: Final = Prop(_text(MAX_LABEL), "", live=True)
_ACTION: Final = Prop(data_name, "change")
_BOUND: Final = Prop(number, None)

CATALOG: Final[Mapping[str, Form]] = {
    "text": Form({"text": Prop(_text(MAX_TEXT), live=True), "markdown": Prop(_flag, False)}),
    "heading": Form({"text": Prop(_text(MAX_TITLE), live=True), "level": Prop(_whole(1, 4), 2)}),
    "row": Form({"align": Prop(_one_of("start", "center", "end", "stretch"), "stretch")}, MAX_CHILDREN),
    "column": Form({}, MAX_CHILDREN),
    "card": Form({"title": Prop(_text(MAX_TITLE), "", live=True)}, MAX_CHILDREN),
    "tabs": Form({"labels": Prop(_texts(MAX_TABS, MAX_LABEL))}, MAX_TABS),
    "divider": Form(),
    "metric": Form(
        {
            "label": _LABEL,
            "value": Prop(_shown, live=True),
            "unit": Prop(_text(20), ""),
            "delta": Prop(number, None, live=True),
        }
    ),
    "table": Form({"columns": Prop(_any), "rows": Prop(_any), "title": Prop(_text(MAX_TITLE), "")}, whole=_table),
    "chart": Form(
        {
            "mark": Prop(_any),
            "x": Prop(_any),
            "x_label": Prop(_any, ""),
            "y_label": Prop(_any, ""),
            "series": Prop(_any),
            "title": Prop(_text(MAX_TITLE), ""),
        },
        whole=_chart,
    ),
    "image": Form({"ref": Prop(data_name), "alt": Prop(_text(MAX_TITLE), "")}),
    "code": Form({"text": Prop(_text(MAX_CODE), live=True), "language": Prop(_text(20), "python")}),
    "slider": Form(
        {
            "label": _LABEL,
            "value": Prop(number, None, live=True),
            "min": Prop(_number, 0),
            "max": Prop(_number, 100),
            "step": Prop(number, None),
            "action": _ACTION,
        },
        whole=_range,
        acts=True,
    ),
    "number": Form(
        {
            "label": _LABEL,
            "value": Prop(number, None, live=True),
            "min": _BOUND,
            "max": _BOUND,
            "step": _BOUND,
            "action": _ACTION,
        },
        whole=_range,
        acts=True,
    ),
    "choice": Form(
        {
            "label": _LABEL,
            "options": Prop(_texts(MAX_OPTIONS, MAX_LABEL)),
            "value": Prop(_text(MAX_LABEL), None, live=True),
            "action": _ACTION,
        },
        whole=_options,
        acts=True,
    ),
    "checkbox": Form({"label": _LABEL, "value": Prop(_flag, False, live=True), "action": _ACTION}, acts=True),
    "input": Form(
        {
            "label": _LABEL,
            "value": Prop(_text(MAX_INPUT), "", live=True),
            "placeholder": Prop(_text(MAX_LABEL), ""),
            "action": _ACTION,
        },
        acts=True,
    ),
    "button": Form(
        {
            "label": Prop(_text(MAX_LABEL), live=True),
            "action": Prop(data_name, "press"),
            "style": Prop(_one_of("plain", "primary"), "plain"),
        },
        acts=True,
    ),
    "progress": Form({"label": _LABEL, "value": Prop(number, None, live=True), "max": Prop(_number, 1)}),
}
