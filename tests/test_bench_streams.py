from __future__ import annotations

import json
from pathlib import Path

import pytest
from model.small import write_small

from imkit.cli.bench import benchmarks
from imkit.cli.bench_streams import Measured, closer, one_by_one, real_time, streams, streams_figure
from imkit.model.nano import load_nano
from imkit.stream import ModelError, OpenConfig, Percept


def took(count: int, factor: float, p99_ms: float | None = None) -> Measured:
    p50 = 200 * factor
    return Measured(count, p50, p50 * 1.2 if p99_ms is None else p99_ms, factor, factor, 60)


def test_every_number_of_streams_is_measured(tmp_path: Path) -> None:
    write_small(tmp_path, graph=True)
    table, picture = tmp_path / "streams.json", tmp_path / "streams.html"
    rows = {row.name: row for row in streams(str(tmp_path), 1.0, 2, table, picture)}
    assert all(row.measured > 0 for row in rows.values())
    assert {"streams: one by one, tick of 8, p50", "streams: tick of 1, p50", "streams: tick of 2, p50"} < set(rows)
    assert rows["sessions on one core, in real time"].measured == 2
    assert rows["sessions on one core, in real time"].note == "at least; no more were tried"
    told = json.loads(table.read_text())
    assert [one["streams"] for one in told["together"]] == [1, 2]
    assert all(one["ticks"] == 5 for one in told["together"])
    assert "each, p50" in picture.read_text()


def test_the_limit_is_looked_for_between_what_goes_and_what_does_not() -> None:
    def tried(count: int) -> Measured:
        return took(count, count / 53.0)

    kept = [tried(count) for count in (16, 32, 64)]
    assert [one.streams for one in closer(tried, kept, real_time)] == [48, 56, 52]
    assert list(closer(tried, kept[:2], real_time)) == []


def test_one_by_one_is_what_step_gives(tmp_path: Path) -> None:
    write_small(tmp_path, graph=True)
    model = load_nano(tmp_path)
    states = [model.open(OpenConfig()) for _ in range(2)]
    alone = model.open(OpenConfig())
    acts = one_by_one(model)(states, [Percept(0)] * 2)
    assert acts[1].diagnostics == model.step(alone, Percept(0))[0].diagnostics
    assert all((state.ring.keys == alone.ring.keys).all() for state in states)
    assert [state.tick for state in states] == [1, 1]


def test_a_model_without_it_is_told() -> None:
    with pytest.raises(ModelError, match="needs a model with step_many"):
        list(streams("imkit.cli.bench_recordings:Parrot"))


def test_the_figure_shows_all_that_was_measured() -> None:
    figure = streams_figure([took(1, 0.1), took(2, 0.15)], took(8, 0.9))
    assert list(figure.data[1].x) == [1, 2]
    assert list(figure.data[3].y) == pytest.approx([20.0, 15.0])
    assert any("8 one by one" in one.text for one in figure.layout.annotations)


def test_it_is_one_of_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("imkit.cli.bench_streams.streams", lambda model, **files: asked.append(model) or [])
    assert benchmarks("m", 7.0)["streams"]() == []
    assert asked == ["m"]
