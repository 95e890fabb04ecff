"""The recordings of a folder as a table: how long, of which model, with what in them; searchable by words."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import RecordingError
from .layout import JOURNAL
from .recording import Recording

COLUMNS = ("name", "began", "model", "duration_s", "heard", "words", "frames", "calls", "megabytes", "note")


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording: its folder, its row of the table, and what was said by whom, one text each."""

    path: Path
    row: dict[str, Any]
    heard: str = ""
    words: str = ""
    typed: str = ""

    def holds(self, wanted: str) -> bool:
        """Whether one side said or typed ``wanted``, upper case or lower."""
        wanted = " ".join(wanted.lower().split())
        return any(
            f" {wanted} " in f" {' '.join(text.lower().split())} " for text in (self.heard, self.words, self.typed)
        )


@dataclass(frozen=True, slots=True)
class Library:
    """Recordings by name. One that cannot be opened has its row too, with the reason as its note."""

    folder: Path
    entries: tuple[Entry, ...] = field(default=())

    def search(self, words: str) -> Library:
        """Those in which somebody said or typed these words, one after another."""
        return Library(self.folder, tuple(entry for entry in self.entries if entry.holds(words)))

    def open(self, name: str) -> Recording:
        """The recording of that name."""
        for entry in self.entries:
            if entry.row["name"] == name:
                return Recording(entry.path)
        raise RecordingError(f"{self.folder}: no recording {name!r} here; there are {self._names()}.")

    def to_pandas(self) -> Any:
        """One row a recording. Needs pandas."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("Library.to_pandas() needs pandas, which is not installed: pip install pandas") from error
        return pd.DataFrame([entry.row for entry in self.entries], columns=list(COLUMNS))

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __repr__(self) -> str:
        rows = [[_shown(entry.row[name]) for name in COLUMNS] for entry in self.entries]
        widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in (COLUMNS, *rows)
        ]
        return "\n".join([f"{len(self)} recording{'s' * (len(self) != 1)} in {self.folder}", *map(str.rstrip, lines)])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in COLUMNS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(entry.row[name]))}</td>" for name in COLUMNS) + "</tr>"
            for entry in self.entries
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _names(self) -> str:
        return ", ".join(entry.row["name"] for entry in self.entries[:20]) or "none"


def list_recordings(folder: str | Path) -> Library:
    """The recordings that lie in ``folder``, each in a folder of its own. RecordingError when it is no folder."""
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise RecordingError(f"{folder}: is no folder; expected one with recordings in it.")
    found = [path for path in sorted(folder.iterdir()) if not path.is_symlink() and (path / JOURNAL).is_file()]
    return Library(folder, tuple(map(_entry, found)))


def _entry(path: Path) -> Entry:
    try:
        recording = Recording(path)
    except RecordingError as error:
        row = dict.fromkeys(COLUMNS, 0) | {"name": path.name, "began": "", "model": "", "note": str(error)}
        return Entry(path, row)
    facts = recording.facts
    counts = facts["counts"]
    row = {
        "name": path.name,
        "began": facts["began"],
        "model": facts["model"],
        "duration_s": round(facts["duration_s"], 1),
        **{name: counts[name] for name in ("heard", "words", "frames", "calls")},
        "megabytes": round(facts["bytes"] / 1e6, 1),
        "note": facts["stopped"] or (f"{counts['lost']} moments lost" if counts["lost"] else ""),
    }
    typed = " ".join(moment.percept.text for moment in recording if moment.percept.text)
    heard, words = (" ".join(word.text for word in said) for said in (recording.heard(), recording.words()))
    return Entry(path, row, heard, words, typed)


def _shown(value: Any) -> str:
    return str(value)
