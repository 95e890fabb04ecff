"""Recordings of sessions that were looked into, or changed, while they ran: what of them can be run again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import FakeModel, FakeState
from making import RATE, Scene

from imkit.cli import main
from imkit.recordings import Consent, Recorder, open_recording, replay
from imkit.session import Session
from imkit.stream import Act, OpenConfig, Percept


class Careful(FakeModel):
    """Another road through the same model, on which one number comes out a little otherwise."""

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        act, state = super().step(state, percept)
        return replace(act, audio=act.audio + act.audio.dtype.type(1e-3)), state


class Two(FakeModel):
    """The fake model, with such a road."""

    def eager(self) -> Careful:
        return Careful(RATE)


class Looking:
    """What sits in the chair while somebody looks in; ``hooks`` are by micro-turn."""

    def __init__(self, hooks: dict[int, list[str]]) -> None:
        self.model, self.hooks = Careful(RATE), hooks
        self.spec = self.model.spec

    def open(self, config: OpenConfig) -> FakeState:
        return self.model.open(config)

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        act, state = self.model.step(state, percept)
        hooks = self.hooks.get(percept.index)
        told: dict[str, Any] = {"eager": True, "hooks": hooks} if hooks else {"eager": True}
        return replace(act, diagnostics={**act.diagnostics, **told}), state


def looked_into(folder: Path, since: int, until: int, hooks: dict[int, list[str]], acts: bool = False) -> Path:
    """A recording of 20 micro-turns, of which some were looked into."""
    consent = Consent("a test")
    with (
        Recorder(folder, output_rate=RATE, model="fake", consent=consent, acts=acts) as recorder,
        Session(Two(RATE)) as session,
    ):
        session.tap, looking = recorder, Looking(hooks)

        def put(moment: Any) -> None:
            session.stand_in = looking if since <= moment.index + 1 < until else None

        session.sink = SimpleNamespace(put=put, flush=int, close=lambda: None)
        session.run(Scene(20), tail_s=0)
    return folder


@pytest.mark.parametrize("acts", [False, True])
def test_what_was_looked_into_is_the_same_to_the_byte(tmp_path: Path, acts: bool) -> None:
    recording = open_recording(looked_into(tmp_path / "r", 5, 12, {}, acts))
    told = [moment.act.diagnostics for moment in recording]
    assert [one.get("eager", False) for one in told] == [5 <= tick < 12 for tick in range(20)]
    assert not any("hooks" in one for one in told)
    result = replay(recording, Two(RATE))
    assert result.same
    assert result.compared == 20
    one_road = replay(recording, FakeModel(RATE))  # has no other, and is not the same
    assert one_road.difference is not None
    assert one_road.difference.tick == 5


def test_from_where_it_was_changed_it_cannot_be_run_again_and_that_is_told(tmp_path: Path) -> None:
    recording = open_recording(looked_into(tmp_path / "r", 5, 12, {8: ["steer"], 9: ["steer", "cut"]}))
    assert recording.timeline()[9].act.diagnostics["hooks"] == ["steer", "cut"]
    result = replay(recording, Two(RATE))
    assert result.difference is None
    assert result.compared == 8
    assert result.skipped == {"from 1.6 s on the model had been changed by hooks (steer)": 12}
    assert not result.same
    assert "8 micro-turns, the same to the byte; 12 could not be run again: from 1.6 s on" in str(result)


def test_check_names_the_hooks(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    looked_into(tmp_path / "r", 5, 12, {8: ["steer"]})
    monkeypatch.setattr("imkit.cli.replay.load_model", lambda name: Two(RATE))
    assert main(["replay", str(tmp_path / "r"), "--model", "two", "--check"]) == 1
    assert "changed by hooks (steer)" in capsys.readouterr().err
    looked_into(tmp_path / "s", 5, 12, {})
    assert main(["replay", str(tmp_path / "s"), "--model", "two", "--check"]) == 0


@pytest.mark.parametrize("wrong", [True, "steer", [1], {"a": 1}, [["x"]]])
def test_what_a_stranger_s_file_says_is_checked(tmp_path: Path, wrong: Any) -> None:
    from imkit.recordings.lines import moment_of, parsed

    looked_into(tmp_path / "r", 5, 12, {})
    recording = open_recording(tmp_path / "r")
    line = parsed((tmp_path / "r" / "events.jsonl").read_bytes().splitlines()[6])
    machine = json.loads((tmp_path / "r" / "machine.jsonl").read_bytes().splitlines()[6])
    assert machine["inside"] == []
    assert moment_of(recording.media, line, machine).act.diagnostics["eager"] is True
    with pytest.raises(ValueError, match="holds"):
        moment_of(recording.media, line, {**machine, "inside": wrong})
    only_told = {key: value for key, value in machine.items() if key != "inside"} | {"act": {"hooks": wrong, "p": 1}}
    assert moment_of(recording.media, line, only_told).act.diagnostics == {"p": 1}
