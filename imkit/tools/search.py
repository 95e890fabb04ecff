"""Searching what lies on disk: the docs of installed packages, and the files of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import ToolError
from .index import Index, Passage, package_files, project_files
from .progress import Progress
from .tool import Tier, Tool, tool

MAX_FOUND = 8
MAX_QUERY = 400


def search_tools(root: Path | None = None, cache: Path | None = None) -> tuple[Tool, ...]:
    """search_docs and search_files. ``root`` is the project's folder, None the current one when it is called.

    Both are ``outside``: what they read was written by others.
    """

    @tool(tier=Tier.READ, outside=True)
    def search_docs(package: str, query: str, progress: Progress) -> dict[str, Any]:
        """Searches the documentation of one installed package, such as pandas, for words."""
        index = Index(f"package {package.lower()}", cache)
        return _search(index, package_files(package), package, query, progress)

    @tool(tier=Tier.READ, outside=True)
    def search_files(query: str, progress: Progress) -> dict[str, Any]:
        """Searches the text files under the notebook's folder for words."""
        folder = (root or Path.cwd()).resolve()
        if folder == folder.parent or folder == Path.home().resolve():
            raise ToolError(f"{folder} is no project folder; open the notebook in a folder of its own")
        return _search(Index(f"project {folder}", cache), project_files(folder), "the project", query, progress)

    return search_docs, search_files


def _search(index: Index, files: Any, where: str, query: str, progress: Progress) -> dict[str, Any]:
    if not query.strip() or len(query) > MAX_QUERY:
        raise ToolError(f"the query has {len(query)} characters, expected 1 to {MAX_QUERY}")
    if not index.path.exists():
        progress(f"I am reading {where} for the first time; that takes a moment.")
    index.update(files, progress)
    found = index.search(query, MAX_FOUND)
    if not found:
        return {"text": f"I found nothing about {query.strip()[:100]} in {where}.", "surface": None, "passages": []}
    text = f"The best place in {where} is {found[0].place}: {_one_line(found[0].text, 300)}"
    rows = [[passage.place[:200], _one_line(passage.text, 200)] for passage in found]
    spec = {"columns": ["where", "text"], "rows": rows}
    surface = {"title": f"{query.strip()[:60]} in {where}"[:120], "kind": "table", "spec": spec}
    return {"text": text[:600], "surface": surface, "passages": [_passage(one) for one in found]}


def _passage(passage: Passage) -> dict[str, str]:
    return {"place": passage.place[:200], "text": passage.text[:1_000]}


def _one_line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
