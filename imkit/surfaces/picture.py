"""A surface as a picture: HTML and SVG that hold no script, no address and no handler, and words for a terminal.

It is what stays in a saved notebook. Every text is escaped here; the only address in it is that of a PNG file which the
kernel made, as data.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from typing import Any, Final

from .catalog import FAULT, Component
from .layout import Layout, shown
from .surface import Surface

SERIES: Final = ("#3b82c4", "#d9822b", "#4c9f70", "#b05fb3", "#c9504a", "#6c7fd8", "#a08430", "#2f9ea3")
_INK = "var(--jp-ui-font-color1,#33373c)"
_SOFT = "var(--jp-ui-font-color2,#7a818a)"
_LINE = "var(--jp-border-color2,#d5d9de)"
_SUNK = "var(--jp-layout-color2,#f3f4f6)"
_BRAND = "var(--jp-brand-color1,#1976d2)"
_FONT = "var(--jp-ui-font-family,system-ui,sans-serif)"
_MONO = "var(--jp-code-font-family,ui-monospace,monospace)"
_BOX = f"border:1px solid {_LINE};border-radius:6px"
_SIZES = {1: 20, 2: 16, 3: 14, 4: 13}


def picture(surface: Surface, note: str = "") -> str:
    """The surface as it is now, as HTML of its own. ``note`` stands beside the title."""
    plan = surface.layout
    images = surface.images
    inside = "".join(_draw(plan, id, images) for id in plan.roots)
    aside = " · ".join(part for part in (surface.source, note) if part)
    head = ""
    if surface.title or aside:
        named = _tag("b", _text(surface.title)) + _tag("span", _text(aside), f"color:{_SOFT}")
        head = _tag("div", named, "display:flex;justify-content:space-between;gap:12px;margin-bottom:8px")
    style = f"box-sizing:border-box;max-width:760px;padding:10px 14px;{_BOX};font:13px/1.5 {_FONT};color:{_INK}"
    return _tag("div", head + inside, style)


def words(surface: Surface) -> str:
    """The surface in plain text, one component a line."""
    plan = surface.layout
    told = [surface.title] if surface.title else []
    for component in plan.components.values():
        told.extend(_words(component))
    return "\n".join(told)


def _words(component: Component) -> list[str]:
    props = component.props
    match component.kind:
        case "text":
            return ["".join(part for _, part in line) for _, lines in props["blocks"] for line in lines]
        case "heading" | "code":
            return [props["text"]]
        case "card" | "tabs" | "row" | "column" | "divider":
            return [props["title"]] if props.get("title") else []
        case "metric":
            return [f"{props['label']}: {props['value']} {props['unit']}".strip()]
        case "table":
            rows = [props["columns"], *props["rows"]]
            return [*([props["title"]] if props["title"] else []), *(" | ".join(row) for row in rows)]
        case "chart":
            return [f"[chart: {props['title'] or props['says']}]"]
        case "image":
            return [f"[picture: {props['alt'] or props['ref']}]"]
        case "button":
            return [f"[{props['label']}]"]
        case "progress":
            return [f"{props['label']}: {_share(props) * 100:.0f} %" if props["value"] is not None else props["label"]]
        case kind if kind == FAULT:
            return [f"[not shown: {props['text']}]"]
        case _:
            return [f"{props['label']}: {shown(props['value'])}".strip(": ")]


def _draw(plan: Layout, id: str, images: Mapping[str, bytes]) -> str:
    component = plan.components[id]
    props = component.props
    inside = [_draw(plan, child, images) for child in component.children]
    match component.kind:
        case "text":
            return "".join(_block(tag, lines) for tag, lines in props["blocks"])
        case "heading":
            return _tag(
                "div", _text(props["text"]), f"font-weight:600;font-size:{_SIZES[props['level']]}px;margin:4px 0 6px"
            )
        case "row":
            cells = "".join(_tag("div", one, "flex:1 1 140px;min-width:0") for one in inside)
            return _tag("div", cells, "display:flex;flex-wrap:wrap;gap:12px;margin:4px 0")
        case "column":
            return _tag("div", "".join(inside), "display:flex;flex-direction:column;gap:6px;margin:4px 0")
        case "card":
            title = _tag("div", _text(props["title"]), "font-weight:600;margin-bottom:6px") if props["title"] else ""
            return _tag("div", title + "".join(inside), f"padding:10px 12px;{_BOX};margin:4px 0")
        case "tabs":
            named = zip([*props["labels"], *[""] * len(inside)], inside, strict=False)
            return "".join(
                _tag("div", _text(label), f"font-weight:600;color:{_SOFT};margin-top:8px") + one for label, one in named
            )
        case "divider":
            return _tag("div", "", f"border-top:1px solid {_LINE};margin:8px 0")
        case "metric":
            value = _tag("span", _text(props["value"]), "font-size:24px;font-weight:600") + " " + _text(props["unit"])
            if props["delta"] is not None:
                value += _tag("span", _text(_signed(props["delta"])), f"color:{_SOFT};margin-left:8px")
            label = _tag("div", _text(props["label"]), f"color:{_SOFT};font-size:12px")
            return _tag("div", label + _tag("div", value), "margin:2px 0")
        case "table":
            return _table(props)
        case "chart":
            title = _tag("div", _text(props["title"]), "font-weight:600;margin-bottom:2px") if props["title"] else ""
            return title + svg(props)
        case "image":
            data = base64.b64encode(images[props["ref"]]).decode("ascii")
            alt = _text(props["alt"])
            return f'<img src="data:image/png;base64,{data}" alt="{alt}" style="max-width:100%;border-radius:4px">'
        case "code":
            style = "margin:4px 0;padding:8px 10px;overflow-x:auto;border-radius:6px"
            return _tag("pre", _text(props["text"]), f"{style};background:{_SUNK};color:{_INK};font:12px/1.5 {_MONO}")
        case "progress":
            return _bar(
                props["label"], f"{_share(props) * 100:.0f} %" if props["value"] is not None else "", _share(props)
            )
        case "slider":
            low, high = props["min"], props["max"]
            return _bar(props["label"], shown(props["value"]), (props["value"] - low) / (high - low))
        case "button":
            return _tag("span", _text(props["label"]), f"display:inline-block;padding:3px 12px;{_BOX};color:{_SOFT}")
        case "checkbox":
            return _tag("div", ("☑ " if props["value"] else "☐ ") + _text(props["label"]), "margin:2px 0")
        case kind if kind == FAULT:
            style = f"padding:6px 10px;border:1px dashed {_LINE};border-radius:6px;color:{_SOFT}"
            return _tag("div", "Not shown: " + _text(props["text"]), style)
        case _:
            name = _tag("span", _text(props["label"]), f"color:{_SOFT}")
            value = _tag("span", _text(shown(props["value"])), f"margin-left:10px;padding:2px 8px;{_BOX}")
            return _tag("div", name + value, "margin:4px 0")


def svg(chart: Mapping[str, Any]) -> str:
    """The shapes of a plotted chart as one SVG element."""
    drawn = "".join(_shape(shape) for shape in chart["shapes"])
    return (
        f'<svg viewBox="0 0 {chart["width"]} {chart["height"]}" role="img" aria-label="{_text(chart["says"])}" '
        f'style="display:block;width:100%;max-width:720px;font:12px {_FONT};fill:currentColor">{drawn}</svg>'
    )


def _shape(shape: list[Any]) -> str:
    colour = SERIES[shape[1] % len(SERIES)] if shape[0] in ("bar", "line", "dots", "key") else ""
    match shape:
        case ["bar", _, x, y, width, height, says]:
            return _el(
                "rect", f"<title>{_text(says)}</title>", x=x, y=y, width=width, height=height, fill=colour, rx=1.5
            )
        case ["line", _, runs]:
            path = " ".join("M" + " L".join(f"{x} {y}" for x, y in _pairs(run)) for run in runs)
            return _el("path", d=path, fill="none", stroke=colour, stroke_width=2, stroke_linejoin="round")
        case ["dots", _, points]:
            path = "".join(f"M{x} {y}h0" for x, y in _pairs(points))
            round_ = {"stroke_linecap": "round", "stroke_opacity": 0.7}
            return _el("path", d=path, fill="none", stroke=colour, stroke_width=6, **round_)
        case ["grid", x1, y1, x2, y2, is_axis]:
            opacity = 0.55 if is_axis else 0.14
            return _el("path", d=f"M{x1} {y1}L{x2} {y2}", stroke="currentColor", stroke_opacity=opacity)
        case ["text", x, y, anchor, says, slanted]:
            turn = {"transform": f"rotate(-35 {x} {y})"} if slanted else {}
            return _el("text", _text(says), x=x, y=y, text_anchor=anchor, fill_opacity=0.75, **turn)
        case ["side", x, y, says]:
            turn = {"transform": f"rotate(-90 {x} {y})"}
            return _el("text", _text(says), x=x, y=y, text_anchor="middle", fill_opacity=0.75, **turn)
        case ["key", _, x, y, says]:
            box = _el("rect", x=x, y=y - 8, width=10, height=10, rx=2, fill=colour)
            return box + _el("text", _text(says), x=x + 15, y=y + 1)
        case _:
            raise AssertionError(f"no such shape: {shape[0]}")


def _el(tag: str, inside: str = "", /, **attributes: Any) -> str:
    """An SVG element; the values of its attributes are our own numbers and words."""
    told = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f"<{tag}{told}>{inside}</{tag}>"


def _pairs(points: list[float]) -> list[tuple[float, float]]:
    return list(zip(points[::2], points[1::2], strict=True))


def _block(tag: str, lines: list[list[list[str]]]) -> str:
    drawn = ["".join(_span(style, part) for style, part in line) for line in lines]
    if tag == "p":
        return _tag("p", "<br>".join(drawn), "margin:0 0 6px;white-space:pre-wrap")
    return _tag(tag, "".join(f"<li>{line}</li>" for line in drawn), "margin:0 0 6px;padding-left:22px")


def _span(style: str, part: str) -> str:
    if style == "code":
        return _tag(
            "code", _text(part), f"font:12px {_MONO};padding:0 4px;border-radius:3px;background:{_SUNK};color:{_INK}"
        )
    return f"<{style}>{_text(part)}</{style}>" if style else _text(part)


def _table(props: Mapping[str, Any]) -> str:
    sides = ["right" if numeric else "left" for numeric in props["numeric"]]
    cell = f"padding:3px 10px;border-bottom:1px solid {_LINE};white-space:nowrap;text-align:"
    head = "".join(
        _tag("th", _text(name), f"{cell}{side};color:{_SOFT}")
        for name, side in zip(props["columns"], sides, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(_tag("td", _text(value), cell + side) for value, side in zip(row, sides, strict=True))
        + "</tr>"
        for row in props["rows"]
    )
    title = _tag("div", _text(props["title"]), "font-weight:600;margin-bottom:4px") if props["title"] else ""
    table = _tag(
        "table", f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>", "border-collapse:collapse;font-size:12px"
    )
    return title + _tag("div", table, "overflow-x:auto")


def _bar(label: str, value: str, share: float) -> str:
    names = _tag(
        "div",
        _tag("span", _text(label)) + _tag("span", _text(value), f"color:{_SOFT}"),
        "display:flex;justify-content:space-between",
    )
    fill = _tag(
        "div", "", f"width:{max(0.0, min(1.0, share)) * 100:.1f}%;height:6px;border-radius:3px;background:{_BRAND}"
    )
    return _tag("div", names + _tag("div", fill, f"height:6px;border-radius:3px;background:{_LINE}"), "margin:4px 0")


def _share(props: Mapping[str, Any]) -> float:
    value, most = props["value"], props["max"]
    return max(0.0, min(1.0, value / most)) if value is not None and most > 0 else 0.0


def _signed(delta: float) -> str:
    return f"{'▲' if delta > 0 else '▼' if delta < 0 else '•'} {shown(abs(delta))}"


def _tag(tag: str, inside: str, style: str = "") -> str:
    return f'<{tag} style="{style}">{inside}</{tag}>' if style else f"<{tag}>{inside}</{tag}>"


def _text(value: str) -> str:
    """Escaped for text and for attributes; control characters, which no page shows, are left out."""
    return html.escape("".join(letter for letter in value if letter >= " " or letter in "\n\t"), quote=True)
