from __future__ import annotations

from typing import Any

import pytest

from imkit.cli import main
from imkit.cli.bench import Row
from imkit.cli.bench_delegate import Asking, Times, Working, _own_part, delegate
from imkit.cli.run import load_model


def test_what_was_asked_is_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imkit.cli.bench_delegate.ROUND_TICKS", 5)
    rows = {row.name: row for row in delegate("fakes:FakeModel", rounds=1)}
    assert "8 of 8 ran, 0 refused" in rows["call to start in a worker, 8 asked, p50"].note
    assert "8 of 64 ran, 56 refused" in rows["call to start in a worker, 64 asked, p50"].note
    back = [row for row in rows.values() if row.name.startswith("result ready")]
    assert len(back) == 6
    assert all(row.measured > 0 and row.target is None for row in back)
    assert rows["cancel to desk.run returns, p95"].note == "n=8"
    assert {"missed deadlines, idle", "missed deadlines, tasks under way"} <= set(rows)


def test_a_row_without_a_target_says_so() -> None:
    assert str(Row("a", 3, None, "ms", "note")).split() == ["a", "3.0", "ms", "-", "note"]


def test_rows_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(model: str) -> Any:
        yield Row("measured", 1, None, "", model)

    monkeypatch.setattr("imkit.cli.bench_delegate.delegate", measured)
    assert main(["bench", "delegate", "--model", "m"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[2:]] == [["measured", "1", "-", "m"]]


def test_what_the_model_hands_over_itself_is_timed_among_others() -> None:
    chair = Asking(load_model("nano"), times := Times())
    rows = {row.name: row for row in _own_part(chair, Working(times))}
    for ask in (1, 8, 64):
        called = rows[f"end of the micro-turn of a typed request to its call, {ask} asked, p50"]
        told = rows[f"result to the model's first word, {ask} asked, p50"]
        assert 0 <= called.measured <= 1000
        assert 199 <= told.measured <= 2000
    assert " 0 refused" in rows["result to the model's first word, 1 asked, p50"].note
    assert " 0 refused" not in rows["result to the model's first word, 64 asked, p50"].note
