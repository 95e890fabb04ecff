import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from imkit.cli import main

sys.path.insert(0, str(Path(__file__).parent / "recordings" / "export"))
from hard_timeline import hard_timeline


@pytest.fixture
def folder(tmp_path, monkeypatch):
    opened = []

    def open_recording(path):
        opened.append(Path(path))
        return SimpleNamespace(timeline=hard_timeline)

    monkeypatch.setattr("imkit.cli.export.open_recording", open_recording)
    folder = tmp_path / "talk"
    folder.mkdir()
    yield folder
    assert set(opened) <= {folder}


def test_export_writes_beside_the_recording_or_where_told(folder, tmp_path, capsys):
    assert main(["export", str(folder), "--to", "TextGrid"]) == 0
    assert (tmp_path / "talk.TextGrid").read_text("utf-8").startswith("File type")
    assert "talk.TextGrid: 6.0 s as Praat" in capsys.readouterr().out
    assert main(["export", str(folder), "--to", "parquet"]) == 0
    assert sorted(p.name for p in (tmp_path / "talk-parquet").iterdir()) == ["events.parquet", "micro_turns.parquet"]
    assert main(["export", str(folder), "--to", "vtt", "--out", str(tmp_path / "a.vtt")]) == 0
    assert list(folder.iterdir()) == []


def test_export_replaces_nothing_and_names_the_nearest_format(folder, tmp_path, capsys):
    (tmp_path / "talk.vtt").write_text("mine")
    assert main(["export", str(folder), "--to", "vtt"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "talk.vtt").read_text() == "mine"
    assert main(["export", str(folder), "--to", "vtt", "--force"]) == 0
    assert (tmp_path / "talk.vtt").read_text("utf-8").startswith("WEBVTT")
    assert main(["export", str(folder), "--to", "efa"]) == 2
    assert "did you mean 'eaf'" in capsys.readouterr().err
