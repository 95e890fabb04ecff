"""The report as one page: scores beside the baselines, and every trial to look at and to listen to.

Everything is in the page but sound and pictures, which lie beside it and are named by relative paths, so it works from
the disk and can be moved with its folder. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from imkit.views.svg import static as drawn_as

from . import turns
from .hearing import SENTENCE_KINDS
from .policies import HALF_ORACLES, TIMERS, TIMERS_S, TRIVIAL
from .report_figures import bars, frontier, mark, span

Report = Mapping[str, Any]
GROUPS = {"trivial": TRIVIAL, "timer": TIMERS, "half": HALF_ORACLES}
TOLD = {
    "trivial": "best of the policies that know nothing",
    "timer": "best silence timer, told what to say",
    "half": "best oracle that never yields, or yields to any sound",
    "oracle": "the oracle",
}
LEFT_OUT = {"suite", "fingerprint", "model", "weights", "scene"}


def write_page(path: Path, report: Report, runtime: Report, trials: Mapping[str, Sequence[Report]]) -> None:
    """Writes the page. ``trials`` are what lies in the trials' files, by scene."""
    shown = {
        scene: [{key: value for key, value in trial.items() if key not in LEFT_OUT} for trial in of_scene]
        for scene, of_scene in trials.items()
    }
    has_sound = [
        path.parent.joinpath("trials", s, f"{t['number']:03d}.flac").exists() for s in trials for t in trials[s]
    ]
    title = f"{report['model']} on {report['suite']}"
    facts = [f"seed {report['seed']}", f"{report['n']} trials a scene", f"suite {report['fingerprint']}"]
    facts += [f"weights {report['weights']}"] if report["weights"] else []
    page = Template(_static("eval.html")).substitute(
        title=escape(title),
        style=drawn_as("timeline.css") + _static("eval.css"),
        facts=escape(" · ".join(facts)),
        tiles=_tiles(report, runtime),
        scores=_scores(report),
        legend=_legend(report),
        figures=_figures(report),
        measures=_length(report, runtime) + _measures(report),
        hearing=_hearing(report["hearing"]),
        baselines=_baselines(report),
        runtime=_runtime(runtime),
        data=_json({"trials": shown, "sound": any(has_sound)}),
        script=_static("eval.js"),
    )
    partial = path.with_suffix(".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


def _static(name: str) -> str:
    return files("imkit.scenes").joinpath("static", name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _tiles(report: Report, runtime: Report) -> str:
    low, high = report["overall_ci"]
    tiles = [
        ("overall", f"{report['overall']:.1f}", f"{low:.1f} to {high:.1f}; mean of {len(report['scenes'])} scenes")
    ]
    for kind in SENTENCE_KINDS if "skipped" not in report["hearing"] else ():
        heard = report["hearing"][kind]
        tiles.append((f"word error, {kind}", f"{100 * heard['wer']:.1f} %", f"of {heard['words']} words"))
    ticks = runtime["tick_ms"]
    if ticks["n"]:
        late = f"{ticks['late']} of {ticks['n']} later than 200 ms"
        tiles.append(("a micro-turn takes", f"{ticks['p50']:.1f} ms", f"p99 {ticks['p99']:.1f} ms; {late}"))
    return "".join(
        f"<div class='tile'><b>{name}</b><strong>{value}</strong><span>{more}</span></div>"
        for name, value, more in tiles
    )


def _best(report: Report, scene: str) -> dict[str, tuple[float, str]]:
    """The highest score of each group of baselines, and who got it."""
    scored = {policy: of[scene] for policy, of in report["baselines"].items()}
    best = {
        group: max((scored[policy], policy) for policy in policies)
        for group, policies in GROUPS.items()
        if set(policies) <= set(scored)
    }
    return best | ({"oracle": (scored["oracle"], "oracle")} if "oracle" in scored else {})


def _scores(report: Report) -> str:
    return "".join(
        f"<tr><th scope='row'><a href='#{escape(scene)}/0'>{_spaced(scene)}</a></th>"
        f"<td class='bars'>{bars(found['score'], found['ci'], _best(report, scene))}</td>"
        f"<td class='score'><b>{found['score']:.1f}</b><small>{found['ci'][0]:.0f} to {found['ci'][1]:.0f}</small></td>"
        f"<td>{_rate(found, 'recall', 'act_n')}</td><td>{_rate(found, 'hold_rate', 'hold_n')}</td>"
        f"<td>{found['mismatches'] or '0'}</td></tr>"
        for scene, found in report["scenes"].items()
    )


def _rate(found: Report, name: str, count: str) -> str:
    """A rate with its interval, or the count alone where it is too small for one."""
    if name not in found:
        return f"<small>n = {found[count]}</small>"
    low, high = found[f"{name}_ci"]
    return f"{found[name]:.2f} <small>{low:.2f} to {high:.2f}, n = {found[count]}</small>"


def _legend(report: Report) -> str:
    if not report["baselines"]:
        return ""
    return "".join(f"<li><svg viewBox='-9 -9 18 18'>{mark(group)}</svg>{told}</li>" for group, told in TOLD.items())


def _figures(report: Report) -> str:
    parts = []
    turn_scenes = [kind.name for kind in turns.KINDS if kind.name in report["scenes"]]
    if report["baselines"] and turn_scenes:
        lines = {
            _spaced(scene): [report["baselines"][f"timer-{s:.1f}s"][scene] for s in TIMERS_S] for scene in turn_scenes
        }
        own = {_spaced(scene): report["scenes"][scene]["score"] for scene in turn_scenes}
        told = (
            "What a silence timer gets that is told the right answer, by how long it waits. Dashed: the model's score."
        )
        parts.append(_figure("Silence timers on whose turn it is", frontier(TIMERS_S, lines, own), told))
    rows = {_spaced(s): found["latency_s"] for s, found in report["scenes"].items() if "latency_s" in found}
    if rows:
        told = "From what was waited for to the first sound, signed: p10 to p90, the dot is the median."
        parts.append(_figure("Latency, seconds", span(rows), told))
    return "".join(parts)


def _figure(title: str, drawing: str, told: str) -> str:
    return f"<figure><h3>{title}</h3>{drawing}<figcaption>{told}</figcaption></figure>"


def _measures(report: Report) -> str:
    cards = []
    for scene, found in report["scenes"].items():
        rows = [(_spaced(name), _plain(of["mean"]), str(of["n"])) for name, of in found.get("measures", {}).items()]
        rows += [
            (f"{_spaced(group)}, {told}", f"{of[rate]:.2f}", "")
            for group, of in found.get("groups", {}).items()
            for rate, told in (("recall", "acts done"), ("hold_rate", "holds kept"))
            if rate in of
        ]
        cards += [f"<div><h3>{_spaced(scene)}</h3>{_table(('', 'mean', 'n'), rows)}</div>"] if rows else []
    return _section("Measures", f"<div class='cards'>{''.join(cards)}</div>") if cards else ""


def _length(report: Report, runtime: Report) -> str:
    """One long stream, block by block; nothing where none was played."""
    if "length" not in report:
        return ""
    found, pace = report["length"], runtime["length"]["tick_ms_p50"]
    rows = [
        (
            f"minute {block['from_min']:g} to {block['to_min']:g}",
            "" if block["score"] is None else f"{block['score']:.1f} <small>{_interval(block['ci'])}</small>",
            "" if block["passed"] is None else f"{100 * block['passed']:.0f} % <small>n = {block['n']}</small>",
            "" if ms is None else f"{ms:.1f}",
        )
        for block, ms in zip(found["blocks"], pace, strict=True)
    ]
    (low, high), per_min = (100 * x for x in found["slope"]["ci"]), 100 * found["slope"]["per_min"]
    played = ", ".join(map(_spaced, found["scenes"]))
    told = f"{played}, back to back. Trials passed: {per_min:+.2f} % a minute ({low:+.2f} to {high:+.2f})."
    table = _table(("", "score", "trials passed", "a micro-turn takes, ms, p50"), rows)
    return _section(f"One stream of {found['minutes']:g} minutes", f"<p>{told}</p>{table}")


def _interval(of: Sequence[float]) -> str:
    return f"{of[0]:.0f} to {of[1]:.0f}"


def _hearing(hearing: Report) -> str:
    if "skipped" in hearing:
        return _section("Hearing", f"<p>Not measured: {escape(hearing['skipped'])}.</p>")

    def cells(of: Report) -> Iterable[str]:
        for kind in SENTENCE_KINDS:
            rate = of[kind]
            yield f"{100 * rate['wer']:.1f} % <small>{100 * rate['ci'][0]:.0f} to {100 * rate['ci'][1]:.0f}</small>"
            yield f"{rate['substituted']}, {rate['missed']}, {rate['added']}"
            yield str(rate["words"])

    rows = [("all voices", *cells(hearing)), *((escape(v), *cells(of)) for v, of in hearing["voices"].items())]
    head = ["voice"]
    for kind in ("sentences of the scenes", "random words"):
        head += [f"word error, {kind}", "substituted, missed, added", "words"]
    return _section("Hearing", _table(head, rows))


def _baselines(report: Report) -> str:
    if not report["baselines"]:
        return ""
    rows = [
        (escape(policy), *(f"<i class='{'far' if score > 5 else ''}'>{score:.1f}</i>" for score in scores.values()))
        for policy, scores in report["baselines"].items()
    ]
    table = _table(("policy", *map(_spaced, report["scenes"])), rows)
    return f"<details><summary>All baselines</summary>{table}</details>"


def _runtime(runtime: Report) -> str:
    rows = [
        (_spaced(scene), *(f"{of[name]:.1f}" for name in ("p50", "p99", "max")), str(of["n"]), str(of["late"]))
        for scene, of in runtime["scenes"].items()
        if of["n"]
    ]
    machine = runtime["machine"]
    told = f"{machine['platform']}, {machine['cpus']} CPUs, {runtime['workers']} processes at once, virtual time."
    table = _table(("scene", "p50, ms", "p99, ms", "longest, ms", "micro-turns", "later than 200 ms"), rows)
    return f"<details><summary>Runtime</summary><p>{escape(told)}</p>{table}</details>" if rows else ""


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(
        "<tr>"
        + "".join(f"<td>{cell}</td>" if i else f"<th scope='row'>{cell}</th>" for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    top = "".join(f"<th scope='col'>{name}</th>" for name in head)
    return f"<div class='wide'><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _spaced(name: str) -> str:
    return escape(name.replace("_", " "))


def _plain(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
