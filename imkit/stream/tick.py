"""The one clock: micro-turns of 200 ms, counted from 0 when a session opens.

Tick ``k`` covers the input time ``[k * TICK_S, (k + 1) * TICK_S)``. Its act is decided when the tick has ended and is
heard one tick later, in ``[(k + 1) * TICK_S, (k + 2) * TICK_S)``.
"""

from __future__ import annotations

from typing import Final

TICK_S: Final = 0.2
TICKS_PER_S: Final = 5
INPUT_RATE: Final = 16_000
INPUT_SAMPLES: Final = 3_200


def tick_of(time_s: float) -> int:
    """The micro-turn that a moment in seconds falls in."""
    return int(time_s * TICKS_PER_S + 1e-9)


def heard_from_s(index: int) -> float:
    """When the sound of act ``index`` starts, in seconds on the input clock."""
    return (index + 1) / TICKS_PER_S


def samples_per_tick(rate_hz: int) -> int:
    """Samples of one micro-turn at ``rate_hz``, which must give a whole number of them."""
    if rate_hz <= 0 or rate_hz % TICKS_PER_S:
        raise ValueError(
            f"rate_hz={rate_hz} has no whole number of samples in {TICK_S} s; use a positive multiple of 5"
        )
    return rate_hz // TICKS_PER_S
