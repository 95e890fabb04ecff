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
    from imkit.scenes import SCENES, load_suite
    from imkit.scenes.hearing import sentences
    from imkit.scenes.run import evaluate as play
    from imkit.scenes.stage import Plan
    from imkit.scenes.texts import spoken_texts

    suite = load_suite(arguments.suite)
    names = [name for name in SCENES if name in suite.scenes]
    if arguments.scenes is not None:
        wanted = [name.strip() for name in arguments.scenes.split(",") if name.strip()]
        unknown = [name for name in wanted if name not in names]
        if unknown or not wanted:
            raise UsageError(
                f"--scenes {arguments.scenes}: suite {suite.name} has no scene {', '.join(unknown) or 'of no name'}; "
                f"expected some of {', '.join(names)}"
            )
        names = [name for name in names if name in wanted]
    if not names:
        raise UsageError(f"suite {suite.name} has no [scene.NAME] table; expected some of {', '.join(SCENES)}")
    kinds, trials = {name: SCENES[name] for name in names}, arguments.n or suite.trials
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
    try:
        report = play(plan, workers=arguments.workers, fresh=arguments.fresh)
    except KeyboardInterrupt:
        print(f"\n{plan.out}: what is finished is kept; the same command goes on from there", file=sys.stderr)
        raise
    _print(report, plan.out)
    return 0


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
