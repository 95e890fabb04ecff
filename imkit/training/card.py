"""Writes measured numbers into the model card: ``python -m imkit.training.card models/nano``.

The card's prose is written by hand; what stands between ``<!-- scores -->`` and ``<!-- end scores -->`` is made from
``scores.json`` and ``training.json``, so that no number in it was typed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- scores -->", "<!-- end scores -->"


def percent(share: float) -> str:
    """0.123 as "12 %"."""
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def hearing(scores: dict[str, Any]) -> str:
    """Word error by engine."""
    rows = []
    for engine, requests in scores["hearing_requests"].items():
        random_words = scores["hearing_random_words"][engine]
        rows.append(
            (
                engine + (" (never in training)" if engine == "festival" else ""),
                f"{percent(requests['word_error'])} (n = {requests['words']} words)",
                f"{percent(random_words['word_error'])} (n = {random_words['words']} words)",
            )
        )
    if people := scores.get("hearing_recorded_digits"):
        rows.append(
            ("people, recorded digits (a speaker never in training)", "-",
             f"{percent(people['word_error'])} (n = {people['words']} words)")
        )  # fmt: skip
    return table(("word error of `heard`", "requests", "random words"), rows)


def answers(scores: dict[str, Any]) -> str:
    """Spoken questions by engine."""
    rows = []
    for engine, row in scores["answers"].items():
        onset = " / ".join(f"{value:.2f}" for value in row["onset_s_p5_p50_p95"]) or "-"
        false = f"{row['false_starts']} of {row['pauses']}"
        rows.append((engine, row["n"], percent(row["in_time"]), percent(row["right"]), onset, false))
    head = ("spoken questions", "n", "first word within 0.5 s of the end", "whole reply right",
            "onset, s, p5 / p50 / p95", "spoke in a pause of 0.6-1.8 s")  # fmt: skip
    return table(head, rows)


def skills(scores: dict[str, Any]) -> str:
    """Everything else, pooled over engines."""
    typed, alone, count = scores["typed"], scores["left_alone"], scores["counting"]
    timer, call = scores["timers"], scores["delegating"]
    p50, p95 = count["stop_s_p50_p95"]
    lag = "-" if p50 is None else f"silent {p50:.2f} s (p50), {p95:.2f} s (p95) after the user's onset"
    rows = [
        ("typed questions: whole reply right", percent(typed["right"]), typed["n"], ""),
        ("typed questions: first word within 0.5 s", percent(typed["in_time"]), typed["n"], ""),
        ("random speech falsely answered", percent(alone["spoke"]), alone["n"], ""),
        ("counts aloud to the right number", percent(count["right"]), count["n"], ""),
        ("stops counting when told", percent(count["stopped"]), count["stop_n"], lag),
        ("timer fires once, within max(0.4 s, 10 %)", percent(timer["right"]), timer["n"],
         f"fired at all: {percent(timer['fired'])}"),
        *(
            (f"asked {how} to watch: names what was asked for when it appears", percent(watch["right"]), watch["n"],
             f"spoke at something else: {percent(watch['lured'])}")
            for how, watch in (("aloud", scores["watching"]), ("by keyboard", scores["watching_typed"]))
        ),
        ("calls the right work within 0.8 s", percent(call["right"]), call["n"],
         f"called at all: {percent(call['called'])}"),
        ("says the right thing when the result comes", percent(call["told"]), call["n"], ""),
    ]  # fmt: skip
    return table(("skill (engines pooled)", "score", "n", ""), rows)


def body(folder: Path) -> str:
    """All of it, as Markdown."""
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    run = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    trained = (
        f"{run['parameters'] / 1e6:.2f} million parameters, {run['steps']} steps, {run['audio_h']:.0f} h of composed "
        f"scenes in {run['minutes']:.0f} minutes on {run['device']}, from a bank of {run['bank_h']:.1f} h of speech."
    )
    return "\n\n".join([trained, hearing(scores), answers(scores), skills(scores)])


def main(arguments: Sequence[str]) -> int:
    """Rewrite the part of the card between the marks."""
    folder = Path(arguments[0] if arguments else "models/nano")
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        print(f"{path}: has no {BEGIN} ... {END} to write between", file=sys.stderr)
        return 2
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{body(folder)}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
