"""A few seconds with a very small nano: sound, a picture, a typed sentence, a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from model.small import small_config, write_small

from imkit.model.nano import Nano, load_nano
from imkit.session import Origin
from imkit.stream import Event, Moment, OpenConfig, Percept, Provenance, Timeline


def tiny_nano(folder: Path, **changes: Any) -> Nano:
    write_small(folder, small_config(**changes))
    return load_nano(folder, "eager")


def tiny_talk(model: Nano, ticks: int = 14) -> Timeline:
    rng = np.random.default_rng(3)
    timeline, state = Timeline(model.spec.output_rate), model.open(OpenConfig())
    timeline.origin = Origin(model)
    for index in range(ticks):
        audio = (rng.standard_normal(3200) * 0.2 * (index % 5 > 1)).clip(-1, 1).astype(np.float32)
        frames = (rng.integers(0, 255, (120, 120, 3), np.uint8),) if index == ticks - 3 else ()
        text = "what is one plus two" if index == ticks - 6 else ""
        payload = {"ok": True, "topic": "three"}
        events = (Event("result", Provenance.BACKGROUND, "three", payload=payload),) if index == ticks - 4 else ()
        percept = Percept(index, audio, frames, text, events=events)
        act, state = model.step(state, percept)
        timeline.append(Moment(percept, act))
    return timeline
