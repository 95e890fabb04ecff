"""Praat TextGrid, long text form: interval tiers that tile the whole time, and a point tier of events."""

from __future__ import annotations

from imkit.stream import Timeline

from .lanes import Row, lanes_of, numbered, rows, tidy


def encode(timeline: Timeline) -> bytes:
    """The lanes of ``lanes_of`` as tiers; what overlaps in a lane goes to a further tier "name (2)"."""
    lanes = lanes_of(timeline)
    tiers: list[tuple[str, Row]] = []
    for name, lane in lanes.items():
        if name != "events":
            tiers += [(numbered(name, number), row) for number, row in enumerate(rows(lane) or [[]])]
    points = _apart([(round(one.start_s * 1000), tidy(one.label)) for one in lanes["events"]])
    start_ms = round(lanes.start_s * 1000)
    ends = [row[-1][1] for _, row in tiers if row] + [at_ms for at_ms, _ in points]
    end_ms = max(round(lanes.end_s * 1000), start_ms + 1, *ends)
    span = f"xmin = {_s(start_ms)} \nxmax = {_s(end_ms)} \n"
    out = [f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n{span}tiers? <exists> \nsize = {len(tiers) + 1} \n']
    out.append("item []: \n")
    for number, (name, row) in enumerate(tiers, 1):
        whole = _tiled(row, start_ms, end_ms)
        out.append(_head(number, "IntervalTier", name, span) + f"        intervals: size = {len(whole)} \n")
        for place, (begin, end, label) in enumerate(whole, 1):
            out.append(
                f"        intervals [{place}]:\n            xmin = {_s(begin)} \n            xmax = {_s(end)} \n"
                f"            text = {_quoted(label)} \n"
            )
    out.append(_head(len(tiers) + 1, "TextTier", "events", span) + f"        points: size = {len(points)} \n")
    for place, (at_ms, label) in enumerate(points, 1):
        out.append(
            f"        points [{place}]:\n            number = {_s(at_ms)} \n            mark = {_quoted(label)} \n"
        )
    return "".join(out).encode("utf-8")


def _head(number: int, kind: str, name: str, span: str) -> str:
    inner = "".join(f"        {line}\n" for line in span.splitlines())
    return f'    item [{number}]:\n        class = "{kind}" \n        name = {_quoted(name)} \n{inner}'


def _tiled(row: Row, start_ms: int, end_ms: int) -> Row:
    """The row with the gaps between its intervals filled by intervals without a label."""
    whole: Row = []
    at_ms = start_ms
    for begin, end, label in row:
        if begin > at_ms:
            whole.append((at_ms, begin, ""))
        whole.append((begin, end, label))
        at_ms = end
    return whole if at_ms >= end_ms and whole else [*whole, (at_ms, end_ms, "")]


def _apart(points: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Points of one time as one: Praat wants times that rise."""
    joined: list[tuple[int, str]] = []
    for at_ms, label in points:
        if joined and joined[-1][0] == at_ms:
            joined[-1] = (at_ms, f"{joined[-1][1]} | {label}")
        else:
            joined.append((at_ms, label))
    return joined


def _s(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
