"""The long day, for three minutes: everything is measured, nothing is lost, and a leak would be seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import FakeModel

from imkit.cli.bench_soak import Gauge, soak

MINUTES_3 = 3 / 60


class Leaks(FakeModel):
    """Keeps 500 kB of every tick."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def step(self, state, percept):
        self.kept.append(bytearray(b"x" * 500_000))
        return super().step(state, percept)


def test_every_figure_of_a_day_is_measured(tmp_path, capsys):
    rows = {
        row.name: row.measured
        for row in soak("imkit.cli.bench_recordings:Parrot", MINUTES_3, -100.0, save=tmp_path / "soak.json")
    }
    assert rows["ticks of sound lost or told twice"] == 0
    assert rows["threads gained since hour 1"] == rows["open files gained since hour 1"] == 0
    assert rows["sound against the kernel's clock, error"] <= 20
    told = json.loads((tmp_path / "soak.json").read_text())
    (hour,) = told["by_hour"]
    assert hour["ticks"] == 900
    assert hour["asked"] > 30
    assert hour["answered"] >= hour["asked"] - 1
    assert hour["ahead_ms"] == pytest.approx(-18, abs=4)
    assert hour["kept"]["moments"] == 900
    assert hour["kept"]["surfaces"] == 0  # the first request comes after five minutes
    assert told["counts"]["speech_frames"] > 0
    assert told["counts"]["page"]["audio_ticks"] == 900
    assert max(hour["queues"].values()) <= 10
    assert capsys.readouterr().out.count("\n") == 2


def test_a_leak_would_be_seen():
    # in a process of its own: this one holds freed memory that a leak would fill before it showed
    leaky = (
        "from imkit.cli.bench_soak import soak\n"
        f"rows = {{row.name: row for row in soak('test_bench_soak:Leaks', {MINUTES_3}, 0.0)}}\n"
        "growth = rows['memory growth in the kernel']\n"
        "print('grown', growth.measured, growth.target)"
    )
    paths = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    told = subprocess.run(
        [sys.executable, "-c", leaky], capture_output=True, text=True, check=True, env=os.environ | paths
    )
    measured, target = map(float, told.stdout.splitlines()[-1].removeprefix("grown ").split())
    assert measured > 10 * target


def test_what_was_played_twice_would_be_seen(monkeypatch):
    put = Gauge.put

    def twice(self, moment):
        put(self, moment)
        return self.page.link.put(moment)

    monkeypatch.setattr(Gauge, "put", twice)
    rows = {row.name: row for row in soak("imkit.cli.bench_recordings:Parrot", MINUTES_3 / 3, 0.0)}
    assert rows["ticks of sound lost or told twice"].measured > 0
