"""``imkit export``: a recording folder in the form of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path

from imkit.recordings import open_recording
from imkit.recordings.export import export as write
from imkit.recordings.export import format_of


def export(arguments: argparse.Namespace) -> int:
    """Writes ``--out``, by default a file or folder beside the recording that is named after it."""
    form = format_of(arguments.to)
    folder = Path(arguments.recording).expanduser()
    timeline = open_recording(folder).timeline()
    whole = folder.resolve()
    beside = whole.with_name(f"{whole.name}{form.suffix or '-' + arguments.to.lower()}")
    path = write(timeline, arguments.to, arguments.out or beside, force=arguments.force)
    print(f"{path}: {timeline.duration_s:.1f} s as {form.about}")
    return 0
