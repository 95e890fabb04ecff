"""A release without its front end or its weights is refused before it leaves the house."""

import importlib.util
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("release_check", ROOT / ".ci" / "release_check.py")
release_check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(release_check)


@pytest.fixture
def tree(tmp_path):
    """A small tree with all that is needed, and a module."""
    root = tmp_path / "tree"
    for place in [*release_check.NEEDED, "imkit/__init__.py", "imkit/scenes/spoken/a.flac"]:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(place.encode() * 20)
    return root


def built(tree, *, without=(), more=None, version="0.1.0"):
    """What a build would make of it; ``without``: places in the tree that are left out, ``more``: put in."""
    dist = tree.parent / "dist"
    dist.mkdir(exist_ok=True)
    gone = {source for source in release_check.NEEDED if not (tree / source).exists()} | set(without)
    files = {source: place for source, place in release_check.of_tree(tree).items() if source not in gone}
    with zipfile.ZipFile(dist / "imkit-0.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("imkit-0.1.0.dist-info/METADATA", f"Name: imkit\nVersion: {version}\n")
        for source, place in files.items():
            if place not in (more or {}):
                wheel.write(tree / source, place)
        for name, content in (more or {}).items():
            wheel.writestr(name, content)
    with tarfile.open(dist / "imkit-0.1.0.tar.gz", "w:gz") as sdist:
        for source in files:
            content = (tree / source).read_bytes()
            told = tarfile.TarInfo(f"imkit-0.1.0/{source}")
            told.size = len(content)
            sdist.addfile(told, io.BytesIO(content))
    return dist


def test_a_whole_release_passes(tree):
    assert release_check.check(tree, built(tree), "v0.1.0") == []


@pytest.mark.parametrize("source", sorted(release_check.NEEDED))
def test_one_that_lacks_the_front_end_or_the_weights_does_not(tree, source):
    place = release_check.NEEDED[source]
    assert release_check.check(tree, built(tree, without=[source])) == [
        f"sdist: {source} is missing", f"wheel: {place} is missing",
    ]  # fmt: skip
    (tree / source).unlink()
    assert any(source in fault for fault in release_check.check(tree, built(tree)))


def test_nor_one_with_something_else_in_it(tree):
    for more, said in (
        ({"imkit/notebook/static/widget.js": b"old" * 99}, "is not the imkit/notebook/static/widget.js of this tree"),
        ({"imkit/_models/nano/weights.pt": b"x"}, "does not belong there"),
        ({"tests/test_a.py": b""}, "does not belong there"),
    ):
        (fault,) = release_check.check(tree, built(tree, more=more))
        assert said in fault
    assert "the release is v0.2.0" in release_check.check(tree, built(tree), "v0.2.0")[0]
    (built(tree) / "older.whl").write_bytes(b"")
    assert "expected one of each" in release_check.check(tree, tree.parent / "dist")[0]


def test_what_is_needed_is_in_this_tree():
    for source in release_check.NEEDED:
        assert (ROOT / source).stat().st_size >= release_check.LEAST_BYTES, source


def test_the_release_is_checked_before_it_is_published():
    said = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert said.index("make release-check") < said.index("pypa/gh-action-pypi-publish")
    assert "id-token: write" in said
    assert "secrets." not in said
