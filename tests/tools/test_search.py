from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from imkit.stream import Provenance
from imkit.surfaces import Surface
from imkit.tools import Toolbox, ToolError, ToolRefused, ToolStopped
from imkit.tools.index import Index, cache_folder, project_files
from imkit.tools.search import search_tools


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "src" / "weather.py").write_text('def forecast():\n    """Predicts rain and snow."""\n')
    (root / "notes.md").write_text("# Plan\n" + "filler line\n" * 400 + "The walrus sleeps on Tuesdays.\n")
    (root / "data.bin").write_bytes(b"walrus")
    (root / "fake.txt").write_bytes(b"walrus\0binary")
    (root / "huge.txt").write_text("walrus " * 100_000)
    (root / ".env").write_text("walrus password")
    (root / ".secret").mkdir()
    (root / ".secret" / "walrus.txt").write_text("walrus")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "walrus.txt").write_text("walrus")
    (tmp_path / "outside.txt").write_text("walrus outside")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "linked").symlink_to(tmp_path)
    return root


def search(project: Path, query: str, **options: Any) -> dict[str, Any]:
    tools = Toolbox(search_tools(project, project.parent / "cache"))
    answer: dict[str, Any] = tools.call("search_files", {"query": query}, **options)
    if answer["surface"] is not None:
        Surface.from_json({"id": "s", **answer["surface"]})
    return answer


def places(answer: dict[str, Any]) -> list[str]:
    return [passage["place"] for passage in answer["passages"]]


def test_only_plain_text_of_the_project_is_found(project: Path) -> None:
    told: list[str] = []
    answer = search(project, "walrus Tuesday", progress=told.append)
    assert len(places(answer)) == 1
    name, line = places(answer)[0].split(":")
    assert name == "notes.md"
    assert int(line) > 100
    assert "walrus sleeps" in answer["text"]
    assert told == ["I am reading the project for the first time; that takes a moment."]
    assert places(search(project, "predict snow")) == [f"src{os.sep}weather.py:1"]
    assert search(project, "password")["text"] == "I found nothing about password in the project."


def test_what_changes_is_read_again_and_what_is_gone_is_forgotten(project: Path) -> None:
    search(project, "walrus")
    (project / "new.txt").write_text("a pangolin")
    (project / "notes.md").unlink()
    told: list[str] = []
    assert places(search(project, "pangolin", progress=told.append)) == ["new.txt:1"]
    assert told == []
    assert places(search(project, "walrus")) == []
    index = Index(f"project {project.resolve()}", project.parent / "cache")
    assert index.update(project_files(project), _Never()) == 0


class _Never:
    def __call__(self, text: str) -> None: ...

    def check(self) -> None: ...


@pytest.mark.parametrize(
    "query", ['"', "walrus OR", "NEAR(", "a* b^", "text:x", "';DROP TABLE passages;--", "-", "(" * 50]
)
def test_a_query_is_words_and_nothing_else(project: Path, query: str) -> None:
    assert isinstance(search(project, query)["passages"], list)
    assert places(search(project, "walrus"))


def test_queries_and_folders_have_bounds(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for query in ("", "x" * 401):
        with pytest.raises(ToolError, match="query has"):
            search(project, query)
    with pytest.raises(ToolError, match="no project folder"):
        search(Path("/"), "walrus")
    monkeypatch.setattr(Path, "home", lambda: project)
    with pytest.raises(ToolError, match="no project folder"):
        search(project, "walrus")


def test_sizes_are_bounded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (project / f"n{number:02}.txt").write_text("okapi\n" * 10)
    monkeypatch.setattr("imkit.tools.index.MAX_FILES", 10)
    assert sum(1 for _ in project_files(project)) == 10
    monkeypatch.setattr("imkit.tools.index.MAX_PASSAGES", 4)
    index = Index("bounded", project.parent / "cache")
    index.update(project_files(project), _Never())
    assert len(index.search("okapi", 50)) <= 4


def test_a_search_stops_when_nobody_waits(project: Path) -> None:
    with pytest.raises(ToolStopped):
        search(project, "walrus", cancelled=lambda: True)


def test_a_broken_index_says_what_to_do(project: Path) -> None:
    search(project, "walrus")
    (path,) = (project.parent / "cache").glob("*.sqlite")
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
    path.write_bytes(b"nonsense" * 1_000)
    with pytest.raises(ToolError, match="delete it"):
        search(project, "walrus")


def test_the_docs_of_an_installed_package(tmp_path: Path) -> None:
    tools = Toolbox(search_tools(tmp_path, tmp_path / "cache"))
    answer = tools.call("search_docs", {"package": "anywidget", "query": "custom widget base class"})
    assert any(passage["place"].startswith("anywidget.") for passage in answer["passages"])
    with pytest.raises(ToolError, match="no package named"):
        tools.call("search_docs", {"package": "../../etc", "query": "passwd"})


def test_it_reaches_outside_so_text_from_elsewhere_cannot_start_it(project: Path) -> None:
    assert all(tool.outside for tool in search_tools())
    with pytest.raises(ToolRefused, match="camera"):
        search(project, "walrus", window={Provenance.CAMERA})


def test_the_cache_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "imkit" / "search"
