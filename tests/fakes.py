"""A clock that is moved by hand, and a small deterministic model for the chair."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from imkit.stream import Act, Call, Floor, ModelSpec, OpenConfig, Percept, Word, level_db, samples_per_tick

DELEGATED = ("plot", "describe", "list", "search")
WORDS_PER_REPLY = 12


class FakeClock:
    """Seconds that pass only when told to; ``sleep`` passes them."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += max(0.0, seconds)


@dataclass(frozen=True)
class FakeState:
    queue: tuple[str, ...] = ()
    calls: int = 0
    rng: np.random.Generator = field(default_factory=np.random.default_rng)


class FakeModel:
    """Echoes what is typed, one word a tick; delegates on a typed word; speaks results; yields to loud sound.

    fail_at     the tick whose step raises
    yields_db   louder input than this makes it stop speaking
    """

    def __init__(self, output_rate: int = 16_000, *, fail_at: int | None = None, yields_db: float = -20.0) -> None:
        self.spec = ModelSpec("fake", output_rate, delegates=True, sees=True)
        self.fail_at = fail_at
        self.yields_db = yields_db
        self.opened: list[OpenConfig] = []
        self.seen: list[Percept] = []

    def open(self, config: OpenConfig) -> FakeState:
        self.opened.append(config)
        return FakeState(rng=np.random.default_rng(config.seed))

    def step(self, state: FakeState, percept: Percept) -> tuple[Act, FakeState]:
        self.seen.append(percept)
        if percept.index == self.fail_at:
            raise RuntimeError("the fake model was told to fail")
        samples = samples_per_tick(self.spec.output_rate)
        silence = np.zeros(samples, np.float32)
        queue, calls, number = state.queue, [], state.calls
        for text in filter(None, percept.text.split("\n")):
            topic = next((word for word in DELEGATED if word in text.lower().split()), "")
            if topic:
                calls.append(Call("delegate", f"call-{number}", topic, {"request": text.lower()}))
                number += 1
            else:
                queue += tuple(text.split())
        for event in percept.events:
            if event.kind == "result":
                queue += tuple(event.text.split())
        queue = queue[:WORDS_PER_REPLY]
        loud = level_db(percept.audio) > self.yields_db
        heard = (Word("loud", percept.index * 0.2, (percept.index + 1) * 0.2),) if loud else ()
        state = replace(state, queue=queue, calls=number)
        if loud and queue:
            act = Act(percept.index, silence, heard=heard, calls=tuple(calls), diagnostics={"yielded": True})
            return act, replace(state, queue=())
        if not queue:
            return Act(percept.index, silence, heard=heard, calls=tuple(calls)), state
        pitch_hz = 200 + 40 * (len(queue[0]) % 8) + float(state.rng.uniform(0, 5))
        time_s = np.arange(samples) / self.spec.output_rate
        audio = (0.1 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)
        act = Act(percept.index, audio, Floor.SPEAK, heard=heard, calls=tuple(calls))
        word = Word(queue[0], act.starts_s, act.ends_s)
        return replace(act, words=(word,)), replace(state, queue=queue[1:])


def loud_audio(amplitude: float = 0.5, size: int = 3200) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (amplitude * np.sin(np.arange(size) * 0.3)).astype(np.float32)
