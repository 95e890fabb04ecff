"""``imkit run``, ``record`` and ``demo``: files in, a recording out, no browser."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from imkit.capture import AudioFile, Mix, Script, Source, VideoFile
from imkit.recordings import Consent, Recorder, check_folder, open_recording, write_plain
from imkit.stream import ImkitError, ModelError, Timeline
from imkit.views import report

TAIL_S = 4.0


class UsageError(ImkitError):
    """The command line asks for something that cannot be done."""


def run(arguments: argparse.Namespace) -> int:
    """Plays ``--audio``, ``--video`` and ``--text`` to a model and records what it did, with results to look at."""
    source, named = _source(arguments)
    play(source, arguments.model, Path(arguments.out), arguments.force, arguments.seed, arguments.seconds, named)
    return 0


def record(arguments: argparse.Namespace) -> int:
    """The same, and nothing but the recording: no sound, words or page beside it. ``--acts`` keeps what acts tell."""
    source, named = _source(arguments)
    out, seed = Path(arguments.out), arguments.seed
    how, acts = "imkit record", arguments.acts
    play(source, arguments.model, out, arguments.force, seed, arguments.seconds, named, plain=False, acts=acts, how=how)
    return 0


def _source(arguments: argparse.Namespace) -> tuple[Source, dict[str, str]]:
    """What is to be played, and the names of its files."""
    sources: list[Source] = []
    if arguments.audio:
        sources.append(AudioFile(arguments.audio))
    if arguments.video:
        sources.append(VideoFile(arguments.video, audio=not arguments.audio))
    if arguments.text:
        sources.append(Script(arguments.text))
    if not sources:
        raise UsageError("nothing to play; give at least one of --audio, --video, --text")
    named = {name: Path(path).name for name in ("audio", "video", "text") if (path := getattr(arguments, name))}
    return sources[0] if len(sources) == 1 else Mix(*sources), named


def demo(arguments: argparse.Namespace) -> int:
    """Plays the spoken scene that comes with the package."""
    out = Path(arguments.out) if arguments.out else _free_folder("imkit-demo")
    timeline = play(
        AudioFile(demo_audio()), arguments.model, out, arguments.force, arguments.seed, None, {"demo": "demo.wav"}
    )
    for line in timeline.transcript():
        who = "model" if line.who == "model" else "you  "
        print(f"{line.start_s:6.1f} s  {who}  {line.text}")
    print(f"Open {out / 'timeline.html'} to see and hear it.")
    return 0


def demo_audio() -> Path:
    """The bundled spoken scene, 16 kHz."""
    path = Path(str(files("imkit"))) / "notebook" / "static" / "demo.wav"
    if not path.exists():
        raise UsageError(f"{path}: the bundled scene is missing from this installation; install imkit again")
    return path


def load_model(name: str) -> Any:
    """The model called ``name``, or what ``module:attribute`` names: a model, or a function or class that makes one.

    Before a colon, what ``imkit.adapters.PREFIXES`` has is no module but a guest: ``moshi:FOLDER``.
    """
    from imkit.adapters import PREFIXES, load

    if ":" not in name or name.partition(":")[0] in PREFIXES:
        return load(name)
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        model = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(f"--model {name}: {error}; expected module:attribute, importable from here") from error
    if isinstance(model, type) or (callable(model) and not hasattr(model, "step")):
        model = model()
    missing = [part for part in ("spec", "open", "step") if not hasattr(model, part)]
    if missing:
        raise ModelError(
            f"--model {name} is a {type(model).__name__} without {', '.join(missing)}; see imkit.InteractionModel"
        )
    return model


def play(
    source: Source,
    model_name: str,
    out: Path,
    force: bool,
    seed: int,
    seconds: float | None,
    named: dict[str, str],
    *,
    plain: bool = True,
    acts: bool = False,
    how: str = "imkit run",
) -> Timeline:
    """Plays ``source`` in virtual time, records into ``out`` and says in one line what came of it.

    ``plain`` adds the sounds as WAV, the words as JSON and the timeline as a page.
    """
    from imkit.session import Session

    source.open()  # a wrong file is told before a folder is made or weights are loaded
    source.close()
    check_folder(out, force=force)
    model = load_model(model_name)
    spec = model.spec
    facts = {"sources": named, "tail_s": TAIL_S}
    recorder = Recorder(
        out,
        output_rate=spec.output_rate,
        model=spec.name,
        seed=seed,
        facts=facts,
        consent=Consent(how),
        acts=acts,
        force=force,
    )
    try:
        with recorder, Session(model, seed=seed) as session:
            session.tap = recorder
            try:
                timeline = session.run(source, seconds=seconds, tail_s=TAIL_S)
            except BaseException as error:
                recorder.stopped = " ".join(str(error).split()) or type(error).__name__
                raise
            stats = session.stats()
    finally:
        if plain:
            write_plain(open_recording(out), out)
    if recorder.counts["lost"]:
        raise UsageError(f"{out}: {recorder.counts['lost']} moments could not be written; is the disk full?")
    if plain:
        title = f"imkit: {', '.join(named.values())}"
        report(timeline, out / "timeline.html", title=title, facts={"model": spec.name})
    print(
        f"{out}: {timeline.duration_s:.1f} s with a tail of {TAIL_S:g} s, heard {len(timeline.heard())} words, "
        f"said {len(timeline.words())}, {len(timeline.calls())} calls, "
        f"compute p50 {stats['compute_ms_p50']:.0f} ms, p99 {stats['compute_ms_p99']:.0f} ms"
    )
    return timeline


def _free_folder(name: str) -> Path:
    for number in range(1, 1000):
        path = Path(name if number == 1 else f"{name}-{number}")
        if not path.exists():
            return path
    raise UsageError(f"{name} to {name}-999 all exist here; name a folder with --out")
