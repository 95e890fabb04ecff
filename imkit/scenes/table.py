"""Models side by side, from their reports: ``python -m imkit.scenes.table DIR_A DIR_B [--write README.md]``.

Prints Markdown. With ``--write``, what stands between ``<!-- scenes -->`` and ``<!-- end scenes -->`` in a file is
replaced by it, so that no number there was typed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imkit.stream import ImkitError

from .policies import TIMERS, TRIVIAL
from .stage import EvalError
from .turns import KINDS as TURNS

BEGIN, END = "<!-- scenes -->", "<!-- end scenes -->"
CUTS_MS = (300, 600, 1000)
NONE = "-"

Report = Mapping[str, Any]


def load_reports(folders: Sequence[Path]) -> dict[str, Report]:
    """The reports of folders by the models' names, or by the folders' where two have the same.

    Raises EvalError for a folder without scores, and where they are not of the same suite and scenes.
    """
    reports: list[tuple[Path, Report]] = []
    for folder in folders:
        path = folder / "report.json"
        try:
            report = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise EvalError(f"{path}: cannot be read ({error}); expected the folder of an `imkit eval`") from error
        if "scenes" not in report:
            raise EvalError(f"{path}: has no scores; play the scenes too, without --minutes, into this folder")
        reports.append((folder, report))
    first_folder, first = reports[0]
    for folder, report in reports[1:]:
        for name in ("suite", "fingerprint", "seed"):
            if report[name] != first[name]:
                raise EvalError(f"{folder}: {name} is {report[name]}, that of {first_folder} is {first[name]}")
        if list(report["scenes"]) != list(first["scenes"]):
            raise EvalError(f"{folder}: its scenes are not those of {first_folder}; play the same scenes to both")
    models = [report["model"] for _, report in reports]
    named = {
        report["model"] if models.count(report["model"]) == 1 else str(folder): report for folder, report in reports
    }
    if len(named) < len(reports):
        raise EvalError(f"{', '.join(map(str, folders))}: a folder is named twice")
    return named


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def scores(reports: Mapping[str, Report]) -> str:
    """A row a scene: every model's score with its 95 % interval, and the best of what knows less than a model."""
    first = next(iter(reports.values()))
    played = max(reports.values(), key=lambda report: (bool(report["baselines"]), report["n"]))["baselines"]
    rows = []
    for scene in first["scenes"]:
        of_scene = [report["scenes"][scene] for report in reports.values()]
        counts = list(dict.fromkeys(found["n"] for found in of_scene))
        own = [_score(found["score"], found["ci"]) for found in of_scene]
        rows.append((scene, " / ".join(map(str, counts)), *own, *(_best(played, group, [scene]) for group in GROUPS)))
    own = [_score(report["overall"], report["overall_ci"]) for report in reports.values()]
    scenes = list(first["scenes"])
    rows.append(("**overall**", "", *own, *(_best(played, group, scenes) for group in GROUPS)))
    head = ("scene", "n", *reports, "best silence timer", "best trivial policy")
    told = (
        f"Suite {first['suite']} {first['fingerprint']}, seed {first['seed']}. Who cannot tell when to act gets 0, who "
        "does all right 100; in brackets 95 % intervals from resampled trials. A silence timer is told the right words "
        "and only waits for its moment; in the last row it is one timer, or one policy, for all scenes."
    )
    return f"{markdown(head, rows)}\n\n{told}"


GROUPS = (TIMERS, TRIVIAL)


def _score(score: float, interval: Sequence[float]) -> str:
    return f"{score:.1f} ({interval[0]:.0f} to {interval[1]:.0f})"


def _best(baselines: Mapping[str, Mapping[str, float]], group: Mapping[str, Any], scenes: Sequence[str]) -> str:
    """The best mean score over scenes of one policy of a group, and which it is."""
    means = {name: sum(baselines[name][s] for s in scenes) / len(scenes) for name in group if name in baselines}
    if not means:
        return NONE
    name = max(means, key=lambda name: means[name])
    return f"{means[name]:.1f} ({name})" if means[name] > 0 else "0.0"


def timing(reports: Mapping[str, Report]) -> str:
    """How soon each model speaks after the user's turn, how often it cuts a pause short, and whether it lasts."""
    rows: list[tuple[str, ...]] = []
    for kind in TURNS:
        found = [report["scenes"].get(kind.name, {}) for report in reports.values()]
        told = f"end of turn to first own sound, s, p50 ({kind.name})"
        rows.append((told, *(_counted(of["latency_s"], "p50", ".2f") if "latency_s" in of else NONE for of in found)))
    for budget_ms in CUTS_MS:
        name = f"cut_off_{budget_ms}ms"
        found = [report["scenes"].get("pause_handling", {}).get("measures", {}) for report in reports.values()]
        told = f"pauses cut within {budget_ms / 1000:g} s"
        rows.append((told, *(_counted(of[name], "mean", ".0%") if name in of else NONE for of in found)))
    streams = [report["length"]["blocks"] if "length" in report else [] for report in reports.values()]
    if any(streams):
        for at, told in ((0, "score in the first minutes of one stream"), (-1, "score in the last")):
            rows.append((told, *(_block(blocks[at]) if blocks else NONE for blocks in streams)))
    return markdown(("", *reports), [row for row in rows if set(row[1:]) != {NONE}])


def _counted(of: Mapping[str, Any], name: str, form: str) -> str:
    return f"{of[name]:{form}} (n = {of['n']})".replace("%", " %")


def _block(block: Mapping[str, Any]) -> str:
    if block["score"] is None:
        return NONE
    return f"{_score(block['score'], block['ci'])}, {block['from_min']:g} to {block['to_min']:g} min, n = {block['n']}"


def body(reports: Mapping[str, Report]) -> str:
    """All of it, as Markdown."""
    return f"{scores(reports)}\n\n{timing(reports)}"


def write(path: Path, text: str) -> None:
    """Put ``text`` between the marks of a file. Raises EvalError where they are missing."""
    try:
        old = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EvalError(f"{path}: cannot be read: {error.strerror}") from error
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise EvalError(f"{path}: has no {BEGIN} ... {END} to write between; put both where the table belongs")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, or write them into a file."""
    parser = argparse.ArgumentParser("python -m imkit.scenes.table", description="Models side by side, as Markdown.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="what `imkit eval` wrote")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"replace what stands between {BEGIN} and {END}")
    given = parser.parse_args(arguments)
    try:
        text = body(load_reports(given.folders))
        if given.write is None:
            print(text)
        else:
            write(given.write, text)
    except ImkitError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
