"""An hour of a session of which everything is kept: its memory is bounded."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest
from looking import Guest

from imkit.capture import Silence
from imkit.cli.bench import rss_mb
from imkit.probe import capture
from imkit.session import Session

MAX_MB = 20.0


@pytest.mark.slow
def test_an_hour_with_everything_kept() -> None:
    held, grown = [0], []
    with (
        Session(Guest(), namespace={}, snapshots=False) as session,
        capture(session, last_s=3600, max_mb=MAX_MB) as kept,
    ):

        def put(moment: Any) -> None:
            held[0] = max(held[0], kept.bytes)
            if moment.index % 300 == 0:
                gc.collect()
                grown.append(rss_mb())

        session.sink = SimpleNamespace(put=put, flush=int, close=lambda: None)
        assert len(session.run(Silence(3600.0), tail_s=0)) == 18_000
        assert kept.on
    print(
        f"held {held[0] / 1e6:.2f} MB at most, the process {grown[11]:.0f} MB after 11 and {grown[-1]:.0f} after 59 min"
    )
    assert 0 < held[0] <= MAX_MB * 1e6
    assert grown[-1] - grown[11] < 15  # the timeline keeps the moments of eight hours, without their sound
