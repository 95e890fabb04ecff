"""A full-text index of files on disk: SQLite FTS5, built when it is first needed, brought up to date when asked again.

Two things can be indexed: the documentation and docstrings of an installed package, and the text files of a project.
What is indexed is bounded in size and number; hidden, binary and linked files are left out.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeGuard

from .errors import ToolError
from .progress import Progress

MAX_FILES = 5_000
MAX_FILE_BYTES = 400_000
MAX_PASSAGES = 60_000
MAX_PASSAGE = 2_000
MAX_FOLDERS = 10_000
REPORT_EVERY = 500
TEXT_SUFFIXES = frozenset(
    ".py .pyi .ipynb .md .rst .txt .toml .cfg .ini .yaml .yml .json .ts .js .css .html .r .jl .sql .sh .c .h .cpp .rs "
    ".go .java .tex .csv".split()
)
SKIPPED_FOLDERS = frozenset("node_modules __pycache__ site-packages dist build venv env".split())

_Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text and where it is from: a dotted name or a file and its line."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that is to be indexed. ``stamp`` changes when its content does."""

    name: str
    path: Path
    stamp: str


def cache_folder() -> Path:
    """Where indexes are kept: a folder of the user's own for caches."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "imkit" / "search"


class Index:
    """One searchable set of files, in one SQLite file. ``name`` tells sets apart."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder()
        self.path = self._folder / f"{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:24]}.sqlite"

    def update(self, files: Iterable[SourceFile], progress: Progress) -> int:
        """Indexes files that are new or changed and forgets those that are gone. Returns how many were read."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(self._open()) as db, db:
            known = dict(db.execute("SELECT name, stamp FROM files"))
            (passages,) = db.execute("SELECT count(*) FROM passages").fetchone()
            seen: set[str] = set()
            read = 0
            for file in files:
                progress.check()
                seen.add(file.name)
                if known.get(file.name) == file.stamp:
                    continue
                db.execute("DELETE FROM passages WHERE file = ?", (file.name,))
                found = list(passages_of(file))[: max(0, MAX_PASSAGES - passages)]
                passages += len(found)
                db.executemany("INSERT INTO passages VALUES (?, ?, ?)", [(file.name, p.place, p.text) for p in found])
                db.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (file.name, file.stamp))
                read += 1
                if read % REPORT_EVERY == 0:
                    progress(f"I have read {read} files to search in.")
            for gone in set(known) - seen:
                db.execute("DELETE FROM passages WHERE file = ?", (gone,))
                db.execute("DELETE FROM files WHERE name = ?", (gone,))
        return read

    def search(self, text: str, limit: int) -> list[Passage]:
        """The passages that fit best, best first; words of the query are taken as words and nothing else."""
        words = list(dict.fromkeys(word for word in _WORD.findall(text.lower()) if len(word) > 1))[:16]
        if not words or not self.path.exists():
            return []
        command = (
            "SELECT place, snippet(passages, 2, '', '', ' ... ', 40) FROM passages WHERE passages MATCH ? "
            "ORDER BY bm25(passages, 0, 4, 1) LIMIT ?"
        )
        with closing(self._open()) as db:
            for join in (" ", " OR "):  # all of the words, and only where that finds nothing any of them
                query = join.join(f'"{word}"' for word in words)
                found = [Passage(place, text) for place, text in db.execute(command, (query, limit))]
                if found:
                    return found
        return []

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=30.0)
        try:
            db.execute("CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, stamp TEXT)")
            db.execute(
                "CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5(file UNINDEXED, place, text, tokenize='porter')"
            )
        except sqlite3.DatabaseError as error:
            db.close()
            if "fts5" in str(error):
                raise ToolError("this Python's SQLite has no full-text search (FTS5)") from None
            raise ToolError(f"the index {self.path} cannot be read ({error}); delete it and ask again") from None
        return db


def project_files(root: Path) -> Iterator[SourceFile]:
    """Text files under ``root``, never through a link to somewhere else; at most 5,000."""
    root = root.resolve()
    count = 0
    for number, (folder, names, files) in enumerate(os.walk(root, followlinks=False)):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in SKIPPED_FOLDERS)
        if number >= MAX_FOLDERS:
            return
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in TEXT_SUFFIXES or path.is_symlink():
                continue
            file = _source(str(path.relative_to(root)), path)
            if file is not None:
                yield file
                count += 1
                if count >= MAX_FILES:
                    return


def package_files(package: str) -> Iterator[SourceFile]:
    """Python modules and texts of an installed package, by its name on PyPI. Raises ToolError when there is none."""
    try:
        found = metadata.distribution(package)
    except (metadata.PackageNotFoundError, ValueError):
        raise ToolError(f"no package named {package[:80]!r} is installed here") from None
    return _package_files(found)


def _package_files(found: metadata.Distribution) -> Iterator[SourceFile]:
    count = 0
    for entry in found.files or ():
        hidden = any((part.startswith((".", "_")) and part != "__init__.py") or part == "tests" for part in entry.parts)
        if hidden or entry.suffix not in (".py", ".md", ".rst", ".txt") or ".." in entry.parts:
            continue
        file = _source(f"{found.version}/{entry}", Path(str(entry.locate())))
        if file is not None:
            yield file
            count += 1
            if count >= MAX_FILES:
                return


def _source(name: str, path: Path) -> SourceFile | None:
    try:
        about = path.stat()
    except OSError:
        return None
    if not 0 < about.st_size <= MAX_FILE_BYTES:
        return None
    return SourceFile(name, path, f"{about.st_mtime_ns}-{about.st_size}")


def passages_of(file: SourceFile) -> Iterator[Passage]:
    """A file in passages of at most 2,000 characters: of a package's module its docstrings, of all else its text."""
    try:
        data = file.path.read_bytes()[:MAX_FILE_BYTES]
    except OSError:
        return
    if b"\0" in data:
        return
    text = data.decode("utf-8", "replace")
    if file.path.suffix == ".py" and re.match(r"\d", file.name):  # of an installed package
        yield from _docstrings(text, file.name.partition("/")[2])
        return
    lines: list[str] = []
    start, size = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        line = line[:MAX_PASSAGE]
        if size + len(line) > MAX_PASSAGE:
            yield Passage(f"{file.name}:{start}", "\n".join(lines))
            lines, start, size = [], number, 0
        lines.append(line)
        size += len(line) + 1
    if size:
        yield Passage(f"{file.name}:{start}", "\n".join(lines))


def _docstrings(text: str, name: str) -> Iterator[Passage]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    waiting: list[tuple[str, ast.Module | _Named]] = [(module, tree)]
    while waiting:
        place, node = waiting.pop(0)
        doc = ast.get_docstring(node)
        if doc:
            head = "" if isinstance(node, ast.Module) else f"{_signature(node)}\n"
            yield Passage(place, (head + doc)[:MAX_PASSAGE])
        if isinstance(node, ast.Module | ast.ClassDef):
            waiting += [(f"{place}.{child.name}", child) for child in node.body if _public(child)]


def _public(node: ast.stmt) -> TypeGuard[_Named]:
    return isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")


def _signature(node: _Named) -> str:
    return f"class {node.name}" if isinstance(node, ast.ClassDef) else f"{node.name}({ast.unparse(node.args)})"[:300]
