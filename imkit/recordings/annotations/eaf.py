"""ELAN annotation files (EAF 2.7 to 3.0). A file with a document type is refused, and with it every entity."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from imkit.measures import Interval

from .lanes import AnnotationError, Annotations, in_order, unique

MAX_DEPTH = 32


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, str]
    line: int
    children: list[_Element] = field(default_factory=list)
    text: str = ""

    def all(self, *path: str) -> list[_Element]:
        found = [self]
        for name in path:
            found = [child for element in found for child in element.children if child.name == name]
        return found

    def need(self, name: str) -> str:
        if name not in self.attributes:
            raise AnnotationError(f"line {self.line}: <{self.name}> has no {name}")
        return self.attributes[name]


def parse(text: str) -> Annotations:
    """Tiers as lanes. Slots without a time lie evenly between their neighbours; a reference has its parent's time."""
    root = _tree(text)
    if root.name != "ANNOTATION_DOCUMENT":
        raise AnnotationError(f"line {root.line}: <{root.name}>, expected <ANNOTATION_DOCUMENT>: this is no ELAN file")
    scale = {"milliseconds": 1000.0}.get((root.all("HEADER") or [root])[0].attributes.get("TIME_UNITS", "milliseconds"))
    if scale is None:
        raise AnnotationError("<HEADER> counts in other units than milliseconds; save the file with a current ELAN")
    times_s = _times(root, scale)
    spans: dict[str, tuple[float, float]] = {}
    pending: list[tuple[str, _Element]] = []
    values: dict[str, list[tuple[str, str]]] = {}
    for tier in root.all("TIER"):
        name = unique(tier.need("TIER_ID"), values)
        values[name] = []
        for element in tier.all("ANNOTATION", "ALIGNABLE_ANNOTATION"):
            start_s, end_s = (_slot(element, key, times_s) for key in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"))
            if end_s < start_s:
                raise AnnotationError(f"line {element.line}: annotation {_id(element)} ends before it starts")
            spans[_id(element)] = (start_s, end_s)
            values[name].append((_id(element), _value(element)))
        pending += [(name, element) for element in tier.all("ANNOTATION", "REF_ANNOTATION")]
    parents = {_id(element): element for _, element in pending}
    for name, element in pending:
        spans[_id(element)] = _parent_span(element, parents, spans)
        values[name].append((_id(element), _value(element)))
    lanes = {name: [Interval(*spans[id_], label) for id_, label in each] for name, each in values.items()}
    return in_order(lanes)


def _times(root: _Element, scale: float) -> dict[str, float]:
    slots = root.all("TIME_ORDER", "TIME_SLOT")
    known: list[float | None] = []
    for slot in slots:
        value = slot.attributes.get("TIME_VALUE")
        if value is not None and not (value.isascii() and value.isdigit() and len(value) < 13):
            raise AnnotationError(f"line {slot.line}: TIME_VALUE is {value[:40]!r}, expected whole milliseconds")
        known.append(None if value is None else int(value) / scale)
    times: dict[str, float] = {}
    before, at = 0.0, 0
    while at < len(slots):
        end = next((i for i in range(at, len(slots)) if known[i] is not None), len(slots))
        after = known[end] if end < len(slots) else before
        assert after is not None
        for number, slot in enumerate(slots[at : end + 1], 1):
            times[slot.need("TIME_SLOT_ID")] = before + (after - before) * number / (end - at + 1)
        before, at = after, end + 1
    return times


def _slot(element: _Element, key: str, times_s: dict[str, float]) -> float:
    slot = element.need(key)
    if slot not in times_s:
        raise AnnotationError(f"line {element.line}: {key}={slot[:40]!r} names no TIME_SLOT")
    return times_s[slot]


def _parent_span(
    element: _Element, parents: dict[str, _Element], spans: dict[str, tuple[float, float]]
) -> tuple[float, float]:
    seen: set[str] = set()
    parent = element.need("ANNOTATION_REF")
    while parent not in spans:
        if parent not in parents or parent in seen:
            raise AnnotationError(
                f"line {element.line}: ANNOTATION_REF={parent[:40]!r} leads to no annotation with a time"
            )
        seen.add(parent)
        parent = parents[parent].need("ANNOTATION_REF")
    return spans[parent]


def _id(element: _Element) -> str:
    return element.need("ANNOTATION_ID")


def _value(element: _Element) -> str:
    return "".join(value.text for value in element.all("ANNOTATION_VALUE"))


def _tree(text: str) -> _Element:
    """The elements with their lines. Raises AnnotationError for what is no XML, or has a document type."""
    parser = expat.ParserCreate("utf-8")
    top = _Element("", {}, 0)
    stack = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > MAX_DEPTH:
            raise AnnotationError(f"line {parser.CurrentLineNumber}: elements lie more than {MAX_DEPTH} deep")
        element = _Element(name, attributes, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def characters(data: str) -> None:
        stack[-1].text += data

    def refuse(*_: object) -> None:
        raise AnnotationError(f"line {parser.CurrentLineNumber}: has a document type (<!DOCTYPE), which is not read")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise AnnotationError(f"line {error.lineno}: is no XML: {expat.ErrorString(error.code)}") from error
    return top.children[0]
