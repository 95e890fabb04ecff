"""Forks of recordings: opened from a folder, gone on from in the middle."""

from pathlib import Path

import numpy as np
import pytest

import imkit
from imkit.capture import AudioArray
from imkit.probe import ForkError
from imkit.recordings import record


def test_a_recording_is_forked_like_the_session_it_was(tmp_path: Path) -> None:
    sound = np.random.default_rng(3).normal(0, 0.02, 3 * 16_000).astype(np.float32)
    with imkit.Session("nano", seed=5) as session:
        session.run(AudioArray(sound, 16_000), record=tmp_path / "talk")
    recorded = imkit.open_recording(tmp_path / "talk").timeline()
    again = recorded.fork(1.4).run()
    assert [m.to_json() for m in again] == [m.to_json() for m in recorded]
    typed = recorded.fork(1.4).with_text("what is two plus two", 1.6).run(seconds=3.0)
    assert [m.to_json() for m in list(typed)[:7]] == [m.to_json() for m in list(recorded)[:7]]
    assert list(typed)[8].percept.text == "what is two plus two"


def test_a_recording_names_no_model_to_load(tmp_path: Path) -> None:
    with imkit.Session("nano") as session:
        timeline = session.run(AudioArray(np.zeros(16_000, np.float32), 16_000))
    record(timeline, tmp_path / "talk", model="/somewhere/else")
    with pytest.raises(ForkError, match="say which"):
        imkit.open_recording(tmp_path / "talk").timeline().fork(0.4).run()
