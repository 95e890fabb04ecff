"""How learning goes, drawn: ``python -m imkit.training.curves log.jsonl curves.svg``; ``imkit train`` redraws it live.

One panel a quantity over minutes of training, the stages as columns behind it. ``imkit train`` also writes
``training.html`` beside its log, a page that reloads itself and says how much time is left.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

PANELS = (
    ("loss", (("loss", "all heads together"),)),
    ("heard: words found", (("heard_recall", "by the decoder"), ("ears_recall", "by its ears alone"))),
    ("said: words right", (("word_recall", "each next word"),)),
    ("called: calls right", (("call_recall", "each call"),)),
)
COLOURS = ("#1f6feb", "#c2570c")
WIDTH, HEIGHT, LEFT, TOP, GAP = 760, 120, 56, 34, 46
SMOOTH = 0.8  # weight of what came before, from row to row

Row = Mapping[str, Any]


def read_log(path: Path) -> list[Row]:
    """Rows of ``log.jsonl`` in order of steps, without those that a resumed run did over again."""
    rows: list[Row] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        while rows and rows[-1]["step"] >= row["step"]:
            rows.pop()
        rows.append(row)
    return rows


def smooth(values: Sequence[float]) -> list[float]:
    """A running mean that forgets."""
    out: list[float] = []
    for value in values:
        out.append(value if not out else SMOOTH * out[-1] + (1 - SMOOTH) * value)
    return out


def stages(rows: Sequence[Row]) -> list[tuple[str, float, float]]:
    """Name, first and last minute of every stage."""
    spans: list[tuple[str, float, float]] = []
    for row in rows:
        if spans and spans[-1][0] == row["stage"]:
            spans[-1] = (row["stage"], spans[-1][1], row["minutes"])
        else:
            spans.append((row["stage"], spans[-1][2] if spans else 0.0, row["minutes"]))
    return spans


def draw(rows: Sequence[Row]) -> str:
    """An SVG of ``PANELS``; a quantity that a stage does not have leaves a gap."""
    last = max((row["minutes"] for row in rows), default=0.0) or 1.0
    height = TOP + len(PANELS) * (HEIGHT + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 12} {height}" role="img" '
        'aria-label="Training curves" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{LEFT + WIDTH + 12}" height="{height}" fill="#fff"/>',
    ]
    spans = stages(rows)
    for number, (name, start, end) in enumerate(spans):
        x0, x1 = LEFT + WIDTH * start / last, LEFT + WIDTH * end / last
        shade = "#f4f5f7" if number % 2 == 0 else "#ffffff"
        out.append(f'<rect x="{x0:.1f}" y="{TOP}" width="{x1 - x0:.1f}" height="{height - TOP}" fill="{shade}"/>')
        if x1 - x0 > 7 * len(name):
            out.append(
                f'<text x="{(x0 + x1) / 2:.1f}" y="{TOP - 8}" text-anchor="middle" fill="#444">{escape(name)}</text>'
            )
    for number, (title, lines) in enumerate(PANELS):
        out += _panel(rows, title, lines, TOP + GAP // 2 + number * (HEIGHT + GAP), last)
    return "".join([*out, "</svg>"])


def _panel(rows: Sequence[Row], title: str, lines: Sequence[tuple[str, str]], top: float, last: float) -> list[str]:
    drawn = {name: [(row["minutes"], row[name]) if name in row else None for row in rows] for name, _ in lines}
    known = [point[1] for points in drawn.values() for point in points if point]
    if not known:
        return [f'<text x="{LEFT}" y="{top + 14}" fill="#444">{escape(title)}: not yet</text>']
    share = title != "loss"
    high = 1.0 if share else sorted(known)[int(0.98 * (len(known) - 1))] * 1.1
    out = [f'<text x="{LEFT}" y="{top - 6}" font-weight="600" fill="#222">{escape(title)}</text>']
    for part in (0.0, 0.5, 1.0):
        y = top + HEIGHT * (1 - part)
        told = f"{100 * part:.0f} %" if share else f"{high * part:.1f}"
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#d5d8dd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end" fill="#666">{told}</text>')
    for (name, told), colour in zip(lines, COLOURS, strict=False):
        if not any(drawn[name]):
            continue
        runs: list[list[tuple[float, float]]] = [[]]
        for point in drawn[name]:
            if point is None:
                runs.append([])
            else:
                runs[-1].append(point)
        for run in filter(None, runs):
            values = smooth([value for _, value in run])
            path = " ".join(
                f"{LEFT + WIDTH * minutes / last:.1f},{top + HEIGHT * (1 - min(value, high) / high):.1f}"
                for (minutes, _), value in zip(run, values, strict=True)
            )
            out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if len(lines) > 1:
            x = LEFT + 190 + 180 * COLOURS.index(colour)
            out.append(f'<text x="{x}" y="{top - 6}" fill="{colour}">{escape(told)}</text>')
    ticks = [last * i / 4 for i in range(5)]
    out += [
        f'<text x="{LEFT + WIDTH * t / last:.1f}" y="{top + HEIGHT + 14}" fill="#666" '
        f'text-anchor="{"end" if t == last else "middle"}">{t:.0f} min</text>'
        for t in ticks
    ]
    return out


def page(rows: Sequence[Row], left_minutes: float) -> str:
    """The page that ``imkit train`` keeps beside its log; it reloads itself while minutes are left."""
    now = rows[-1]
    reload = '<meta http-equiv="refresh" content="20">' if left_minutes > 0 else ""
    told = (
        f"{now['stage']}: step {now['step']}, {now['audio_h']:.0f} h of scenes in {now['minutes']:.0f} minutes; "
        f"{left_minutes:.0f} minutes left."
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{reload}<title>imkit train</title>'
        "<style>body{font:16px system-ui,sans-serif;max-width:52rem;margin:2rem auto;color:#222}</style></head>"
        f"<body><h1>imkit train</h1><p>{escape(told)}</p>{draw(rows)}</body></html>"
    )


def main(arguments: Sequence[str]) -> int:
    """Draw a log."""
    if len(arguments) != 2:
        print("usage: python -m imkit.training.curves LOG.jsonl CURVES.svg", file=sys.stderr)
        return 2
    log, out = map(Path, arguments)
    out.write_text(draw(read_log(log)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
