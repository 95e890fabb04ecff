"""Policies that know nothing, or everything: what a score is worth is seen by what they get."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from imkit.stream import TICK_S, Act, Call, Floor, ModelSpec, OpenConfig, Percept, Word, heard_from_s
from imkit.voices.sound import rms

from .answers import number_words
from .world import Expected, World

RATE = 16_000
TICK = RATE // 5
WORD_TICKS = 2
REACTION_S = 0.15


def _tone(ticks: int) -> npt.NDArray[np.float32]:
    t = np.arange(ticks * TICK) / RATE
    fade = np.minimum(1, np.minimum(t, ticks * TICK_S - t) / 0.03)
    return (0.2 * fade * np.sin(2 * np.pi * 220 * t)).astype(np.float32)


TONES = {n: _tone(n) for n in range(1, WORD_TICKS + 1)}


@dataclass
class Mouth:
    """Words that wait to be said, and the sound of the one under way."""

    waiting: deque[tuple[str, int, Floor]] = field(default_factory=deque)
    sound: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    rest: int = 0
    floor: Floor = Floor.LISTEN

    def hush(self) -> None:
        """Say no more."""
        self.waiting.clear()
        self.sound, self.rest = np.zeros(0, np.float32), 0


@dataclass
class PolicyState:
    """One stream of a policy."""

    rng: np.random.Generator
    mouth: Mouth = field(default_factory=Mouth)
    done: set[int] = field(default_factory=set)
    quiet_ticks: int = 1000
    user_spoke: bool = False
    calls: int = 0


class Policy:
    """A model without a network: every word is a tone of 0.36 s. ``decide`` fills the mouth."""

    name = "policy"

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def spec(self) -> ModelSpec:
        """What it says of itself."""
        return ModelSpec(self.name, RATE, sees=True, delegates=True)

    def open(self, config: OpenConfig) -> PolicyState:
        """A fresh stream."""
        return PolicyState(np.random.default_rng(config.seed))

    def decide(self, state: PolicyState, percept: Percept, /) -> tuple[Call, ...]:
        """What to do in this micro-turn: fill or empty ``state.mouth``; calls to make."""
        raise NotImplementedError

    def step(self, state: PolicyState, percept: Percept) -> tuple[Act, PolicyState]:
        """One micro-turn."""
        loud = rms(percept.audio) > 0.3 * self.world.microphone.level + self.world.microphone.noise_level
        state.quiet_ticks = 0 if loud else state.quiet_ticks + 1
        state.user_spoke |= loud
        calls = self.decide(state, percept)
        mouth, words = state.mouth, []
        if mouth.rest <= 0 and mouth.waiting:
            text, ticks, mouth.floor = mouth.waiting.popleft()
            start_s = heard_from_s(percept.index)
            mouth.sound, mouth.rest = TONES[min(ticks, WORD_TICKS)], ticks
            words = [Word(text, start_s, round(start_s + len(mouth.sound) / RATE, 3))]
        audio = np.zeros(TICK, np.float32)
        piece, mouth.sound = mouth.sound[:TICK], mouth.sound[TICK:]
        audio[: len(piece)] = piece
        floor = mouth.floor if mouth.rest > 0 else Floor.LISTEN
        mouth.rest -= 1
        return Act(percept.index, audio, floor, tuple(words), (), calls), state

    def say(self, state: PolicyState, wanted: Expected) -> None:
        """Queue what is expected."""
        ticks = max(WORD_TICKS, round(wanted.pace_s / TICK_S))
        state.mouth.waiting.extend((word, ticks, Floor(wanted.floor)) for word in wanted.words)


class Silent(Policy):
    """Never says anything."""

    name = "silent"

    def decide(self, _state: PolicyState, _percept: Percept) -> tuple[Call, ...]:
        """Nothing."""
        return ()


class Talking(Policy):
    """Never stops."""

    name = "talking"

    def decide(self, state: PolicyState, _percept: Percept) -> tuple[Call, ...]:
        """One word after the other."""
        if not state.mouth.waiting:
            state.mouth.waiting.append(("okay", WORD_TICKS, Floor.SPEAK))
        return ()


class Blips(Policy):
    """A short sound every second."""

    name = "blips"

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        """A blip now and then."""
        if percept.index % 5 == 0:
            state.mouth.waiting.append(("okay", 1, Floor.BACKCHANNEL))
        return ()


class Random(Policy):
    """Says some expected or unexpected word at any moment, and falls silent at any moment."""

    name = "random"

    def decide(self, state: PolicyState, _percept: Percept) -> tuple[Call, ...]:
        """A coin."""
        words = [word for wanted in self.world.expected for word in wanted.words] or ["okay"]
        draw = state.rng.random()
        if draw < 0.1:
            state.mouth.waiting.append((str(state.rng.choice(words)), WORD_TICKS, Floor.SPEAK))
        elif draw < 0.15:
            state.mouth.hush()
        return ()


class Counting(Policy):
    """Counts from one on, a number a second, whatever happens."""

    name = "constant-count"

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        """The next number."""
        number = percept.index // 5 + 1
        if percept.index % 5 == 0 and number < 100:
            state.mouth.waiting.extend((word, WORD_TICKS, Floor.SPEAK) for word in number_words(number))
        return ()


class Timer(Policy):
    """Waits for so much silence after the user's voice, then says just the right words, or "okay" where none are due.

    It knows everything but when a turn is over, so what it gets is what a silence timer is worth. ``yields`` makes it
    fall silent at any sound of the user.
    """

    def __init__(self, world: World, silence_s: float, *, yields: bool = True) -> None:
        super().__init__(world)
        self.silence_s, self.yields = silence_s, yields
        self.name = f"timer-{silence_s:.1f}s"

    def decide(self, state: PolicyState, _percept: Percept) -> tuple[Call, ...]:
        """Whether it was silent for long enough."""
        if state.quiet_ticks == 0 and self.yields:
            state.mouth.hush()
        if state.user_spoke and state.quiet_ticks * TICK_S >= self.silence_s - 1e-9:
            state.user_spoke = False
            left = [(i, e) for i, e in enumerate(self.world.expected) if i not in state.done and e.words]
            if left:
                state.done.add(left[0][0])
                self.say(state, left[0][1])
            else:
                state.mouth.waiting.append(("okay", WORD_TICKS, Floor.SPEAK))
        return ()


class Oracle(Policy):
    """Reads what is expected and does it. What it cannot get, the scene or its scoring has wrong."""

    name = "oracle"

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        """All that has become due."""
        sounds_s = heard_from_s(percept.index)
        calls = []
        for i, wanted in enumerate(self.world.expected):
            due_s = wanted.cause_s + REACTION_S if wanted.due_s is None else wanted.due_s - TICK_S / 2
            if i in state.done or wanted.withdrawn or sounds_s < due_s - 1e-9:
                continue
            state.done.add(i)
            if wanted.call is not None:
                name, arguments = wanted.call
                state.calls += 1
                calls.append(Call("tool", f"{name}-{state.calls}", name, dict(arguments), percept.index))
            elif not wanted.words:
                state.mouth.hush()
            self.say(state, wanted)
        return tuple(calls)


class NeverYields(Oracle):
    """The oracle, but it cannot be stopped."""

    name = "never-yields"

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        """All that has become due, but no silence."""
        state.done |= {i for i, w in enumerate(self.world.expected) if not w.words and w.call is None}
        return super().decide(state, percept)


class EnergyYields(Oracle):
    """The oracle, but any sound of the user stops it for good."""

    name = "energy-yield"

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        """All that has become due, unless somebody speaks."""
        speaking = bool(state.mouth.waiting) or state.mouth.rest > 0
        calls = super().decide(state, percept)
        if state.quiet_ticks == 0 and speaking:
            state.mouth.hush()
        return calls


TIMERS_S = (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0)
Make = Callable[[World], Policy]
TRIVIAL: Mapping[str, Make] = {p.name: p for p in (Silent, Talking, Blips, Random, Counting)}
TIMERS: Mapping[str, Make] = {f"timer-{s:.1f}s": partial(Timer, silence_s=s) for s in TIMERS_S}
HALF_ORACLES: Mapping[str, Make] = {p.name: p for p in (NeverYields, EnergyYields)}
