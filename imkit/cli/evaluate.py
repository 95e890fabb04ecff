"""``imkit eval``: a model plays the scenes of a suite, and a report says how well."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .run import UsageError, load_model


def evaluate(arguments: argparse.Namespace) -> int:
    """Plays the suite and prints a line a scene; or prints what the suite has spoken."""
    from imkit.scenes import ALL_SCENES, load_suite
    from imkit.scenes.hearing import sentences
    from imkit.scenes.length import SHORT
    from imkit.scenes.run import evaluate as play
    from imkit.scenes.run import evaluate_length
    from imkit.scenes.stage import Plan
    from imkit.scenes.texts import spoken_texts

    suite = load_suite(arguments.suite)
    names = [name for name in ALL_SCENES if name in suite.scenes]
    if arguments.scenes is not None:
        wanted = [name.strip() for name in arguments.scenes.split(",") if name.strip()]
        unknown = [name for name in wanted if name not in names]
        if unknown or not wanted:
            raise UsageError(
                f"--scenes {arguments.scenes}: suite {suite.name} has no scene {', '.join(unknown) or 'of no name'}; "
                f"expected some of {', '.join(names)}"
            )
        names = [name for name in names if name in wanted]
    elif suite.plays:
        names = [name for name in names if name in suite.plays]
    elif arguments.minutes:
        names = [name for name in names if name in SHORT] or names
    if not names:
        raise UsageError(f"suite {suite.name} has no [scene.NAME] table; expected some of {', '.join(ALL_SCENES)}")
    kinds, trials = {name: ALL_SCENES[name] for name in names}, arguments.n or suite.trials
    if arguments.list_texts:
        said = dict.fromkeys(spoken_texts(suite, kinds, trials))
        for sentence in sentences(suite, kinds, (trials + 1) // 2):
            voice = suite.voices[sentence.voice]
            said.setdefault((voice.engine, voice.folder or voice.name, sentence.text))
        for engine, name, text in said:
            print(json.dumps({"engine": engine, "voice": name, "text": text}, ensure_ascii=False))
        return 0
    if not arguments.out:
        raise UsageError("--out DIR is missing; expected the folder to write the report to")
    plan = Plan(
        suite, arguments.model, kinds, trials, Path(arguments.out), arguments.audio, arguments.baselines, load_model
    )
    if arguments.minutes:
        _print_length(*evaluate_length(plan, 60 * arguments.minutes, fresh=arguments.fresh))
        return 0
    try:
        report = play(plan, workers=arguments.workers, fresh=arguments.fresh)
    except KeyboardInterrupt:
        print(f"\n{plan.out}: what is finished is kept; the same command goes on from there", file=sys.stderr)
        raise
    _print(report, plan.out)
    return 0


def _print_length(found: dict[str, Any], pace: dict[str, Any]) -> None:
    for block, ms in zip(found["blocks"], pace["tick_ms_p50"], strict=True):
        told = f"minute {block['from_min']:g} to {block['to_min']:g}"
        if block["score"] is None:
            print(f"{told:<28}     -   n = {block['n']}")
            continue
        (low, high), score = block["ci"], block["score"]
        print(f"{told:<28} {score:5.1f}   {low:5.1f} to {high:5.1f}   n = {block['n']}   a micro-turn {ms:.1f} ms")
    per_min, (low, high) = found["slope"]["per_min"], found["slope"]["ci"]
    print(
        f"trials passed, by the minute {100 * per_min:+.2f} %, {100 * low:+.2f} to {100 * high:+.2f}, n = {found['n']}"
    )


def _print(report: dict[str, Any], out: Path) -> None:
    from imkit.scenes.policies import TIMERS, TRIVIAL

    for scene, found in report["scenes"].items():
        beside = "".join(
            f"   {name} {max(report['baselines'][policy][scene] for policy in policies):5.1f}"
            for name, policies in (("trivial", TRIVIAL), ("timer", TIMERS))
            if report["baselines"]
        )
        low, high = found["ci"]
        print(f"{scene:<28} {found['score']:5.1f}   {low:5.1f} to {high:5.1f}   n = {found['n']}{beside}")
    low, high = report["overall_ci"]
    print(f"{'overall':<28} {report['overall']:5.1f}   {low:5.1f} to {high:5.1f}")
    hearing = report["hearing"]
    if "skipped" in hearing:
        print(f"hearing: not measured; {hearing['skipped']}")
    else:
        told = ", ".join(f"{kind} {100 * hearing[kind]['wer']:.1f} %" for kind in ("grammar", "random"))
        print(f"word error: {told}")
    print(f"Open {out / 'report.html'} to see and hear it.")
