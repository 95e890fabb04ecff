import pytest
from making import write

import imkit
from imkit.recordings import RecordingError


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "a", range(12))
    write(tmp_path / "b", [3])
    write(tmp_path / "c", range(3))
    (tmp_path / "c" / "events.jsonl").write_text("{}")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    return tmp_path


def test_the_table_says_what_there_is(folder):
    library = imkit.list_recordings(folder)
    rows = library.to_pandas().set_index("name")
    assert list(rows.index) == ["a", "b", "c"]
    assert (rows.duration_s["a"], rows.model["a"], rows.words["a"], rows.heard["a"]) == (2.4, "fake", 3, 3)
    assert (rows.frames["a"], rows.calls["a"], rows.note["a"]) == (3, 1, "")
    assert "does not match its checksum" in rows.note["c"]
    assert "3 recordings" in repr(library)
    assert library._repr_html_().count("<tr>") == 4
    assert len(library.open("a")) == 12
    with pytest.raises(RecordingError, match="no recording 'x' here; there are a, b, c"):
        library.open("x")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("said5", ["a"]), ("HÉARD1 héard6", ["a"]), ("hi there", ["a", "b"]), ("héard", []), ("hi", ["a", "b"])],
)
def test_it_is_searched_by_words(folder, wanted, found):
    assert [entry.row["name"] for entry in imkit.list_recordings(folder).search(wanted)] == found


def test_only_a_folder_holds_recordings(folder):
    with pytest.raises(RecordingError, match="is no folder"):
        imkit.list_recordings(folder / "none")
    assert len(imkit.list_recordings(folder / "other")) == 0
    assert repr(imkit.list_recordings(folder / "other")).startswith("0 recordings")


def test_markup_in_words_is_text(folder):
    import json

    header = folder / "b" / "session.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"model": "<script>"}))
    assert "<script>" not in imkit.list_recordings(folder)._repr_html_()
    assert "<script>" not in imkit.open_recording(folder / "b")._repr_html_()
