"""A timeline in the forms that other tools read. All times are seconds on the session clock, unless a form says else.

>>> export(timeline, "textgrid", "session.TextGrid")     # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from imkit.stream import Timeline

from .files import ExportError, write_file, write_folder
from .lanes import lanes_of
from .tables import Tables, to_pandas, to_polars

__all__ = ["FORMATS", "ExportError", "Format", "Tables", "export", "lanes_of", "to_pandas", "to_polars"]


@dataclass(frozen=True, slots=True)
class Format:
    """A form to export to. ``suffix`` is that of the file; "" for a folder of files."""

    module: str
    suffix: str
    about: str

    @property
    def encode(self) -> Callable[[Timeline], Any]:
        """Timeline -> bytes of the file, or name -> bytes of the files in the folder."""
        encode: Callable[[Timeline], Any] = import_module(f".{self.module}", __name__).encode
        return encode


FORMATS = {
    "vtt": Format("vtt", ".vtt", "WebVTT captions with voices"),
    "textgrid": Format("textgrid", ".TextGrid", "Praat"),
    "eaf": Format("eaf", ".eaf", "ELAN"),
    "rttm": Format("rttm", ".rttm", "who sounds when, for diarisation tools"),
    "full-duplex-bench": Format("full_duplex_bench", "", "a sample folder: input.wav, output.wav, output.json"),
    "trace": Format("trace", ".json", "Chrome trace, for Perfetto"),
    "parquet": Format("parquet", "", "a folder: micro_turns.parquet, events.parquet"),
    "audacity": Format("audacity", ".txt", "Audacity labels"),
    "rerun": Format("rrd", ".rrd", "a Rerun recording"),
    "otel": Format("otel", ".jsonl", "OpenTelemetry spans, without what was said"),
}
"""Name -> form. The tables for pandas and polars are not files: ``to_pandas``, ``to_polars``."""
_FRAMES = {"pandas": "to_pandas", "polars": "to_polars"}


def export(timeline: Timeline, to: str, path: str | Path, *, force: bool = False) -> Path:
    """Writes a timeline in the form ``to`` (see ``FORMATS``) to ``path``, a file or a folder, and returns it.

    Everything is made in memory first, so what cannot be made writes nothing. Nothing is written outside of ``path``,
    and nothing that exists is replaced unless ``force``. Raises ExportError for an unknown form, naming the nearest.
    """
    form = format_of(to)
    path = Path(path).expanduser()
    made = form.encode(timeline)
    if form.suffix:
        write_file(path, made, force=force)
    else:
        write_folder(path, made, force=force)
    return path


def format_of(name: str) -> Format:
    """The form of that name. Raises ExportError, which names the nearest, for an unknown one."""
    key = name.lower().replace("_", "-").lstrip(".")
    if key in FORMATS:
        return FORMATS[key]
    if key in _FRAMES:
        raise ExportError(f"{name} is no file format: use imkit.recordings.export.{_FRAMES[key]}(timeline)")
    near = [one for one, form in FORMATS.items() if key in form.about.lower().replace(",", "").split()]
    near = near or get_close_matches(key, FORMATS, 1, 0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ExportError(f"unknown format {name!r}; {hint}there are {', '.join(FORMATS)}")
