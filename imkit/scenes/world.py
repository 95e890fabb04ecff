"""The world around the model in one trial: a user who speaks, types and shows things, and what would be right to do.

A scene is a generator. It puts things into the world's future, yields once for every micro-turn that it lets pass,
looks at what the model did, and returns a verdict. Time is in seconds on the session's clock. What the user hears of
the model decides what the user does next: the loop is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from imkit.stream import INPUT_SAMPLES, TICK_S, Act, Call, Event, Percept
from imkit.voices import Voice, Words

from .agent import Agent
from .cast import Cast
from .ear import Microphone
from .scoring import Check, Verdict
from .suite import Settings, Suite

LONGEST_S = 150.0
Scene = Generator[None, None, Verdict]
Painter = Callable[[float], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Said:
    """What a voice in the world says, on the session's clock."""

    text: str
    words: Words
    voice: Voice | None = None

    @property
    def start_s(self) -> float:
        """Start of the first word."""
        return self.words[0][1]

    @property
    def end_s(self) -> float:
        """End of the last word."""
        return self.words[-1][2]


@dataclass
class Expected:
    """What a perfect model would do. Read by the oracle (and by whoever teaches), never by the model that is scored.

    words     what to say, in order; empty for "be silent from here on"
    cause_s   the moment from which it can be known: the end of the word, the sight, the result
    due_s     when it should sound where time itself is the cause; None for as soon as it is known
    pace_s    least time from one word's start to the next
    floor     "speak" or "backchannel"
    call      what to call for at that moment
    """

    words: tuple[str, ...]
    cause_s: float
    due_s: float | None = None
    pace_s: float = 0.0
    floor: str = "speak"
    call: tuple[str, Mapping[str, Any]] | None = None
    withdrawn: bool = False


@dataclass
class World:
    """See the module. ``number`` is the trial's number in its scene; ``settings`` the scene's table in the suite.

    ``tools`` are what the model may call by name. Nothing is painted where it is not ``looked_at``, as by policies.
    """

    suite: Suite
    settings: Settings
    cast: Cast
    rng: np.random.Generator
    number: int
    output_rate: int = 16_000
    index: int = 0
    looked_at: bool = True
    tools: tuple[str, ...] = ()
    expected: list[Expected] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.voice: Voice = self.cast.draw(self.rng)
        self.agent = Agent(self.output_rate)
        self.microphone = Microphone(
            self.rng, Settings(f"suite {self.suite.name}, [microphone]", self.suite.microphone)
        )
        self.said: list[Said] = []
        self.painter: Painter | None = None
        self.typed: dict[int, list[str]] = {}
        self.told: dict[int, list[Event]] = {}
        self.on_call: Callable[[Call], None] | None = None
        self._seen_calls = 0

    # --- what the user does

    @property
    def now_s(self) -> float:
        """Start of the micro-turn that is being written; nothing can be added before it."""
        return self.index * TICK_S

    def say(
        self,
        text: str,
        at_s: float,
        *,
        voice: Voice | None = None,
        gain_db: float = 0.0,
        pauses: Sequence[tuple[int, float]] = (),
    ) -> Said:
        """Somebody says a sentence, the user in the trial's voice unless told otherwise. Its first word is at ``at_s``.

        ``pauses`` are (after how many words, seconds). ``gain_db`` is against the user's own loudness.
        """
        utterance = self.cast.speak(voice or self.voice, text)
        lead_s = utterance.words[0][1]
        words, shift, begin, cuts = [], at_s - lead_s, 0, dict(pauses)
        assert at_s >= self.now_s, f"{text!r} at {at_s:.2f} s, but it is {self.now_s:.2f} s"
        rate = 16_000
        for i, (word, start, end) in enumerate(utterance.words):
            words.append((word, start + shift, end + shift))
            if i + 1 in cuts and i + 1 < len(utterance.words):
                edge = round((end + utterance.words[i + 1][1]) / 2 * rate)
                self.microphone.add(utterance.audio[begin:edge], shift + begin / rate, gain_db, utterance.audio)
                begin, shift = edge, shift + cuts[i + 1]
        self.microphone.add(utterance.audio[begin:], shift + begin / rate, gain_db, utterance.audio)
        said = Said(text, tuple(words), voice or self.voice)
        self.said.append(said)
        return said

    def sound(self, samples: npt.NDArray[np.float32], at_s: float, gain_db: float = 0.0) -> None:
        """A sound that is nobody's speech: 16 kHz, its loudness against the user's."""
        self.microphone.add(samples, at_s, gain_db)

    def type(self, text: str, at_s: float) -> None:
        """The user sends a line by keyboard."""
        self.typed.setdefault(max(self.index, round(at_s / TICK_S)), []).append(text)

    def tell(self, event: Event, at_s: float) -> None:
        """An event reaches the model, a result for example."""
        self.told.setdefault(max(self.index, int(np.ceil(at_s / TICK_S - 1e-9))), []).append(event)

    # --- what is expected

    def expect(self, words: str | Sequence[str], cause_s: float, **more: Any) -> Expected:
        """Note what a perfect model would say; see ``Expected``."""
        wanted = Expected(tuple(words.split() if isinstance(words, str) else words), cause_s, **more)
        self.expected.append(wanted)
        return wanted

    def expect_quiet(self, cause_s: float) -> Expected:
        """Note that a perfect model falls silent; what was expected and not yet said is withdrawn."""
        for wanted in self.expected:
            wanted.withdrawn |= wanted.due_s is not None and wanted.due_s > cause_s
        return self.expect((), cause_s)

    # --- time

    def until(self, time_s: float) -> Generator[None, None, None]:
        """Let time pass."""
        while self.now_s < time_s - 1e-9:
            yield

    def onset(self, from_s: float, by_s: float) -> Generator[None, None, float | None]:
        """Wait until the model starts to sound in [from_s, by_s]; None if it does not."""
        while self.now_s < by_s + 0.2:
            start = self.agent.onset(from_s, by_s)
            if start is not None:
                return start
            yield
        return self.agent.onset(from_s, by_s)

    # --- what one looks at

    def draw(self, name: str) -> float:
        """A number from a range of the scene's settings."""
        return self.settings.draw(self.rng, name)

    def line(self, kind: str, **values: object) -> str:
        """One of the suite's phrases, filled in."""
        lines = self.suite.lines(kind)
        return lines[int(self.rng.integers(len(lines)))].format(**values)

    def answer(self, words: Sequence[str], end_s: float, window: tuple[float, float], since_s: float = 0.0) -> Check:
        """Whether the model, silent since ``since_s``, starts within ``window`` of ``end_s`` and says just this."""
        low, high = end_s + window[0], end_s + window[1]
        early = self.agent.speaking(since_s, low)
        onset = self.agent.onset(max(since_s, low))
        latency = None if onset is None else round(onset - end_s, 3)
        got = self.agent.texts(low - 0.05)
        if early > 0.08 + 1e-9:
            return Check("act", False, f"spoke for {early:.2f} s before the end", latency)
        if onset is None or onset > high + 1e-9:
            return Check("act", False, "no answer" if onset is None else "too late", latency)
        if got[: len(words)] != list(words) or len(got) > len(words):
            return Check("act", False, f"said {' '.join(got)!r}, expected {' '.join(words)!r}", latency)
        return Check("act", True, "", latency)

    def quiet(self, from_s: float, to_s: float, why: str, allowed_s: float = 0.08) -> Check:
        """Whether the model stays silent."""
        spoke = self.agent.speaking(from_s, to_s)
        return Check("hold", spoke <= allowed_s + 1e-9, "" if spoke <= allowed_s else f"spoke {spoke:.2f} s {why}")

    # --- the trial's side

    def percept(self) -> Percept:
        """What reaches the model in the micro-turn ``index``; then the next one is being written."""
        k = self.index
        frames = (self.painter(k * TICK_S),) if self.painter is not None and self.looked_at else ()
        texts, events = self.typed.pop(k, []), self.told.pop(k, [])
        self.index += 1
        return Percept(k, self.microphone.read(k), frames, "\n".join(texts), events=tuple(events))

    def hear(self, act: Act) -> None:
        """The model acted."""
        self.agent.add(act)
        self.microphone.echo(act.audio, self.output_rate)
        for call in act.calls:
            if self.on_call is not None:
                self.on_call(call)


__all__ = ["INPUT_SAMPLES", "Expected", "Painter", "Said", "Scene", "World"]
