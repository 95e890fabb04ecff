from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeModel
from model.small import write_small

from imkit.cli import bench_serve
from imkit.cli.bench import benchmarks, conversation, questions
from imkit.cli.bench_serve import Load, keeps_up, load, load_figure
from imkit.stream import Act, Percept


class Slow(FakeModel):
    """Thinks for longer than a tick lasts."""

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        time.sleep(2.0)
        return super().step(state, percept)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_serve, "WARM_S", 0.4)


def test_a_server_in_another_process_is_measured_while_it_is_spoken_with(tmp_path: Path) -> None:
    write_small(tmp_path, graph=True)
    table, picture = tmp_path / "serve.json", tmp_path / "serve.html"
    rows = {row.name: row for row in load(str(tmp_path), 2.0, 2, table, picture)}
    assert rows["serve: tick of 1, p50"].measured > 0
    told = json.loads(table.read_text())
    assert told["loads"][0]["streams"] == 1
    assert all(one["beats"] > 0 and one["asked"] >= one["answered"] for one in told["loads"])
    assert any(name.startswith("served sessions") for name in rows)
    assert "% skipped" in picture.read_text()


def test_a_model_that_thinks_too_long_keeps_up_with_nobody() -> None:
    rows = list(load(f"{__name__}:Slow", 4.0, 4))
    assert [row.name.removeprefix("serve: ") for row in rows[:-1]] == ["tick of 1, p50", "tick of 2, p50"]
    assert rows[0].measured >= 2000
    assert "skipped 0.00 %" not in rows[0].note  # five ticks behind, it skips
    assert rows[-1].measured == 0


def test_a_model_that_cannot_be_loaded_is_told_and_nothing_hangs(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="the server's process ended"):
        list(load("no/such/folder", 1.0, 1))
    assert "no/such/folder" in capfd.readouterr().err


def test_messages_are_the_questions_at_the_rate_of_the_api_and_say_where_each_ends() -> None:
    messages, ends_s = bench_serve._spoken()
    assert len(messages) == len(conversation().ticks)
    assert len(ends_s) == len(questions())
    assert ends_s[1] - ends_s[0] == pytest.approx(3.0 + questions()[1].end_s)
    sizes = {len(json.loads(message)["audio"]) for message in messages}
    assert sizes == {4 * 2 * 4800 // 3}


GOOD = Load(4, 50.0, 120.0, 0.0, 0.0, 100, 8, 8, 0.4, 0)


@pytest.mark.parametrize("worse", [{"p99_ms": 201.0}, {"skipped": 0.01}, {"ended": 1}])
def test_late_skipped_or_thrown_out_is_too_many(worse: dict[str, Any]) -> None:
    assert keeps_up(GOOD)
    assert not keeps_up(replace(GOOD, **worse))


def test_the_figure_shows_all_that_was_measured() -> None:
    figure = load_figure([replace(GOOD, streams=1), replace(GOOD, late=0.1, skipped=0.02)], "server on one core")
    assert [list(one.y) for one in figure.data] == [[120.0, 120.0], [50.0, 50.0], [0.0, 10.0], [0.0, 2.0]]
    assert list(figure.data[0].x) == [1, 4]


def test_it_is_one_of_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("imkit.cli.bench_serve.load", lambda model, **files: asked.append(model) or [])
    assert benchmarks("m", 7.0)["serve"]() == []
    assert asked == ["m"]
