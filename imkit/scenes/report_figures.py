"""The drawings of the report, as SVG: a model's bar among its baselines, the timers' frontier, latencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor
from typing import Any

MARKS = {
    "trivial": "M-4-4l8 8M4-4l-8 8",
    "timer": "M0-5l5 9h-10z",
    "half": "M0-5l5 5-5 5-5-5z",
    "oracle": "M0-8v16",
}
"""A shape for each group of baselines, around 0 0."""

_WIDTH, _HEIGHT = 420, 30


def mark(group: str, x: float = 0.0, y: float = 0.0, told: str = "") -> str:
    """The shape of a group of baselines at a place."""
    title = f"<title>{escape(told)}</title>" if told else ""
    return f"<path class='mark {group}' transform='translate({x:.1f} {y:.1f})' d='{MARKS[group]}'>{title}</path>"


def bars(score: float, interval: Sequence[float], best: Mapping[str, tuple[float, str]]) -> str:
    """A score from 0 to 100 as a bar with its interval, and the best of each group of baselines as marks."""

    def x(value: float) -> float:
        return 8 + value / 100 * (_WIDTH - 16)

    middle = _HEIGHT / 2
    grid = "".join(f"<path class='second' d='M{x(v):.1f} 0v{_HEIGHT}'/>" for v in (0, 25, 50, 75, 100))
    length = max(0.0, x(score) - x(0))
    bar = f"<rect class='bar' x='{x(0):.1f}' y='{middle - 6}' width='{length:.1f}' height='12' rx='2'/>"
    low, high = (x(value) for value in interval)
    whisker = f"<path class='whisker' d='M{low:.1f} {middle - 4}v8m0-4H{high:.1f}m0-4v8'/>"
    marks = "".join(mark(group, x(value), middle, f"{name}: {value:.1f}") for group, (value, name) in best.items())
    told = f"{score:.1f} of 100, interval {interval[0]:.1f} to {interval[1]:.1f}"
    told += "".join(f"; {name} {value:.1f}" for value, name in best.values())
    return (
        f"<svg class='row' viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{escape(told)}'>"
        f"{grid}{bar}{whisker}{marks}</svg>"
    )


def frontier(waits_s: Sequence[float], lines: Mapping[str, Sequence[float]], own: Mapping[str, float]) -> str:
    """Scores of silence timers by how long they wait, a line a scene; the model's own score beside it, dashed."""
    width, height, left, top, right, bottom = 520, 230, 40, 12, 150, 34

    def x(wait_s: float) -> float:
        return left + wait_s / max(waits_s) * (width - left - right)

    def y(score: float) -> float:
        return top + (1 - score / 100) * (height - top - bottom)

    parts = [
        f"<path class='second' d='M{left} {y(v):.1f}H{width - right}'/><text class='time end' x='{left - 8}' "
        f"y='{y(v) + 4:.1f}'>{v}</text>"
        for v in (0, 25, 50, 75, 100)
    ]
    parts += [
        f"<text class='time middle' x='{x(s):.1f}' y='{height - bottom + 16}'>{s:g}</text>"
        for s in range(ceil(max(waits_s)) + 1)
    ]
    parts.append(
        f"<text class='time middle' x='{x(max(waits_s) / 2):.1f}' y='{height - 4}'>seconds of silence waited for</text>"
    )
    labels: list[float] = []
    for number, (name, scores) in enumerate(lines.items()):
        path = "L".join(f"{x(wait_s):.1f} {y(score):.1f}" for wait_s, score in zip(waits_s, scores, strict=True))
        dots = "".join(
            f"<circle cx='{x(w):.1f}' cy='{y(s):.1f}' r='3'><title>{name}, {w:g} s: {s:.1f}</title></circle>"
            for w, s in zip(waits_s, scores, strict=True)
        )
        at = y(own[name])
        while any(abs(at - other) < 14 for other in labels):
            at += 14 if at < height / 2 else -14
        labels.append(at)
        parts.append(
            f"<g class='line n{number}'><path d='M{path}'/>{dots}"
            f"<path class='own' d='M{left} {y(own[name]):.1f}H{width - right}'/>"
            f"<text x='{width - right + 8}' y='{at + 4:.1f}'>{name} {own[name]:.0f}</text></g>"
        )
    return (
        f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='Scores of silence timers'>{''.join(parts)}</svg>"
    )


def span(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Quantiles p10, p50, p90 of each row as a line with a dot, on one axis of seconds."""
    width, left, right, each, top = 520, 150, 64, 26, 8
    values = [float(of[name]) for of in rows.values() for name in ("p10", "p90")]
    low, high = min(0.0, *values), max(0.5, *values)
    step = next(s for s in (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60) if (high - low) / s <= 7)
    low, high = floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step
    height = top + each * len(rows) + 22

    def x(seconds: float) -> float:
        return left + (seconds - low) / (high - low) * (width - left - right)

    parts = []
    for i in range(round((high - low) / step) + 1):
        at = low + i * step
        parts.append(f"<path class='second' d='M{x(at):.1f} {top}V{height - 20}'/>")
        parts.append(f"<text class='time middle' x='{x(at):.1f}' y='{height - 6}'>{round(at, 3):g}</text>")
    for i, (name, of) in enumerate(rows.items()):
        y = top + each * (i + 0.5)
        told = f"{name}: p10 {of['p10']:.2f}, p50 {of['p50']:.2f}, p90 {of['p90']:.2f} s, n = {of['n']}"
        parts.append(
            f"<g class='span'><title>{told}</title><text class='end' x='{left - 10}' y='{y + 4:.1f}'>{name}</text>"
            f"<path d='M{x(of['p10']):.1f} {y:.1f}H{x(of['p90']):.1f}'/><circle cx='{x(of['p50']):.1f}' cy='{y:.1f}' "
            f"r='4.5'/><text class='time' x='{width - right + 10}' y='{y + 4:.1f}'>n = {of['n']}</text></g>"
        )
    return f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='Latencies'>{''.join(parts)}</svg>"
