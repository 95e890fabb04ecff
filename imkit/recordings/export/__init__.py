"""A timeline in the forms that other tools read. All times are seconds on the session clock, unless a form says else.

>>> export(timeline, "textgrid", "session.TextGrid")     # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from imkit.stream import Timeline

from .files import ExportError, write_file, write_folder, write_with
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
    def encode(self) -> Callable[..., Any]:
        """Timeline -> bytes of the file, or name -> bytes of the files in the folder."""
        encode: Callable[..., Any] = import_module(f".{self.module}", __name__).encode
        return encode

    @property
    def media(self) -> Callable[[Timeline, str], dict[str, Callable[[BinaryIO], None]]] | None:
        """For a form that names media: (timeline, name of its file without the suffix) -> what is written beside it."""
        return getattr(import_module(f".{self.module}", __name__), "media", None)


FORMATS = {
    "vtt": Format("vtt", ".vtt", "WebVTT captions with voices"),
    "textgrid": Format("textgrid", ".TextGrid", "Praat"),
    "eaf": Format("eaf", ".eaf", "ELAN, with the sound of both sides beside it"),
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

    Everything but the sound is made in memory first, so what cannot be made writes nothing. Nothing is written outside
    of ``path``, and nothing that exists is replaced unless ``force``. An .eaf names sound: "talk.eaf" comes with
    "talk.user.wav" and "talk.model.wav" in the same folder, and they are found wherever that folder is taken. Raises
    ExportError for an unknown form, naming the nearest.
    """
    form = format_of(to)
    path = Path(path).expanduser()
    if form.media is not None:
        media = form.media(timeline, path.stem)
        write_with(path, form.encode(timeline, path.stem), media, force=force)
        return path
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
