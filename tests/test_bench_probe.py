from __future__ import annotations

from pathlib import Path

import pytest
from model.small import write_small

from imkit.cli.bench import benchmarks
from imkit.cli.bench_probe import BOUND_MB, probe


def test_every_cost_is_measured(tmp_path: Path) -> None:
    write_small(tmp_path, graph=True)
    rows = {row.name: row for row in probe(str(tmp_path), seconds=2.0, live_s=1.0, minutes=0.1)}
    ticks = [row for name, row in rows.items() if name.startswith("tick compute")]
    assert len(ticks) == 8
    assert all(row.measured > 0 and row.note.startswith("n=10, ") for row in ticks)
    assert " MB of 30 s" in rows["tick compute, all sites kept, p50"].note
    assert rows["run_with_cache of a minute, one site"].measured > 0
    assert 0 < rows["most that a capture held"].measured <= BOUND_MB
    assert {"missed deadlines live, all sites kept", "sound dropped live, all sites kept"} <= set(rows)


def test_it_is_one_of_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float]] = []
    monkeypatch.setattr("imkit.cli.bench_probe.probe", lambda model, minutes: asked.append((model, minutes)) or [])
    assert benchmarks("m", 7.0)["probe"]() == []
    assert asked == [("m", 7.0)]
