"""Every guest plays the scenes that all models play, by the command that scores them: one in CI, all when asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from adapters import guests_by_name
from fakes import FakeModel
from fakes_guests import inkling_tokenizer, moshi_folder, tiny_inkling

from imkit.cli import main
from imkit.scenes import load_suite
from imkit.serve import FedPace, Server

N = 4
TOKEN = "guests-of-the-scenes"
NAMES = ("moshi", "minicpmo", "inkling", "realtime")


def inkling_folder(path: Path) -> Path:
    tiny_inkling().save_pretrained(path)
    inkling_tokenizer().save_pretrained(path)
    return path


def minicpmo_folder(path: Path) -> Path:
    from adapters.test_minicpmo import write

    return write(path)


FOLDERS: dict[str, Callable[[Path], Path]] = {
    "moshi": moshi_folder,
    "minicpmo": minicpmo_folder,
    "inkling": inkling_folder,
}


@pytest.fixture(params=NAMES)
def guest(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name that the command knows it by."""
    name: str = request.param
    guests_by_name.seated.cache_clear()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # tiny models: threads cost more than they give
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    named = f"adapters.guests_by_name:{name}"
    if name != "realtime":
        monkeypatch.setenv(guests_by_name.FOLDER, str(FOLDERS[name](tmp_path / name)))
        yield named
        return
    with Server(FakeModel(), token=TOKEN, pace=FedPace) as server:
        monkeypatch.setenv("IMKIT_REALTIME_KEY", TOKEN)
        monkeypatch.setenv(guests_by_name.URL, server.url)
        monkeypatch.setenv(guests_by_name.SPEED, "8")
        yield named


def scored(model: str, out: Path, *more: str) -> dict[str, int]:
    """How many trials of each scene are in the report, every one of them judged."""
    asked = ["eval", "--model", model, "--n", str(N), "--no-baselines", "--no-audio", "--out", str(out), *more]
    assert main(asked) == 0
    report = json.loads((out / "report.json").read_text("utf-8"))
    scenes = report["scenes"]
    assert all(0 <= found["score"] <= 100 for found in scenes.values())
    return {scene: found["n"] for scene, found in scenes.items()}


def test_a_guest_plays_a_scene(guest: str, tmp_path: Path) -> None:
    assert scored(guest, tmp_path / "out", "--scenes", "smooth_turn_taking") == {"smooth_turn_taking": N}


@pytest.mark.slow
def test_a_guest_plays_all_scenes(guest: str, tmp_path: Path) -> None:
    counts = scored(guest, tmp_path / "out")
    assert set(counts) == set(load_suite("dev").scenes)
    assert set(counts.values()) == {N}
