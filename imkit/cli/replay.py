"""``imkit replay``: the model again on what was recorded."""

from __future__ import annotations

import argparse
import sys

from imkit.recordings import RecordingError, open_recording
from imkit.recordings import replay as run_again
from imkit.recordings.replay import NEVER_AGAIN
from imkit.stream import Moment

from .run import load_model

KNOWN = ("nano", "cascade")
"""A recording may name these; another name could be anything that is importable here."""


def replay(arguments: argparse.Namespace) -> int:
    """0 when done, and with ``--check`` only when every micro-turn is the same to the byte."""
    recording = open_recording(arguments.folder)
    name = arguments.model or str(recording.facts["model"])
    if not arguments.model and name == "realtime":
        raise RecordingError(f"{recording.path}: what it was recorded with {NEVER_AGAIN}")
    if not arguments.model and name not in KNOWN:
        raise RecordingError(f"{recording.path}: was made with the model {name!r:.80}; say how to load it with --model")
    heed = _show if arguments.live else None
    result = run_again(recording, load_model(name), live=arguments.live, heed=heed)
    if not arguments.check and not arguments.live:
        for line in result.timeline.transcript():
            print(f"{line.start_s:6.1f} s  {line.who:<5}  {line.text}")
    if arguments.live:
        late = sum(moment.late for moment in result.timeline)
        print(f"{late} of {len(result.timeline)} micro-turns took longer than 200 ms")
    print(f"{recording.path}: {result}", file=sys.stdout if result.same else sys.stderr)
    return int(arguments.check and not result.same)


def _show(moment: Moment) -> None:
    typed = [moment.percept.text] if moment.percept.text else []
    for who, said in (("typed", typed), ("user", [w.text for w in moment.act.heard]), ("model", [moment.act.text])):
        if any(said):
            print(f"{moment.start_s:6.1f} s  {who:<5}  {' '.join(said)}", flush=True)
