"""The turn-based way of talking to a machine, well made, in the same chair: something to compare full duplex with.

Voice activity detection finds the user's turn, speech recognition turns it into words when it is over, a table of rules
finds the answer, and a speech engine speaks it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np

from imkit.model.reading import spoken_form
from imkit.stream import (
    INPUT_RATE,
    INPUT_SAMPLES,
    Act,
    Call,
    Event,
    Floor,
    ModelError,
    ModelSpec,
    OpenConfig,
    Percept,
    Word,
    heard_from_s,
)

from .cascade_ears import Recogniser, Sound, VoiceDetector
from .cascade_rules import CALLS, FAILED, NAMES, RESULT_REPLIES, Language, Request, number_words
from .cascade_turns import Turn
from .cascade_voice import RATE, Line, Mouth, Speaker

COUNT_PACE_S: Final = 0.6
RECOGNISE_AFTER_S: Final = 0.3  # of silence: while the user may still go on
KEEP_S: Final = 8.0
MOST: Final = 16  # timers, calls and news at a time
UNKNOWN: Final = "…"


@dataclass(frozen=True)
class Manners:
    """How turns are taken. Any of these may be given as an option of a session.

    end_silence_s  the user's turn is over after so much silence
    barge_in       the user may speak while it speaks, and that stops it; without, it hears nothing while it speaks
    barge_in_s     so much speech is an interruption
    join_s         a turn that made no sense is joined with one that starts within this time; 0 never joins
    least_fit      sound that fits its words less than this is taken for something else; see ``Heard``
    """

    end_silence_s: float = 0.6
    barge_in: bool = True
    barge_in_s: float = 0.2
    join_s: float = 3.0
    least_fit: float = -4.4

    def changed(self, options: Mapping[str, Any]) -> Manners:
        """With some of them different. Raises ModelError for one that does not exist or is not sensible."""
        unknown = set(options) - set(self.__dataclass_fields__)
        if unknown:
            raise ModelError(
                f"cascade: unknown options {sorted(unknown)}; it has {', '.join(self.__dataclass_fields__)}"
            )
        made = replace(self, **options)
        if made.end_silence_s <= RECOGNISE_AFTER_S:
            raise ModelError(f"cascade: end_silence_s={made.end_silence_s}, expected more than {RECOGNISE_AFTER_S}")
        return made


@dataclass(frozen=True)
class Understood:
    """What the turn that ends at sample ``at`` was found to mean. ``words`` are on the session clock."""

    at: int
    words: tuple[Word, ...]
    text: str = ""
    request: Request | None = None


@dataclass
class CascadeState:
    """Everything one stream has. It may be copied and forked at any time, also in the middle of a turn.

    own         the sound of the act before, which is heard now
    unfinished  the sound of turns that made no sense yet, up to sample ``unfinished_until``
    timers      (when in seconds, what to say)
    news        what results that came in ask to be said
    asked       calls whose results are awaited: id, name
    """

    manners: Manners
    turn: Turn = field(default_factory=Turn)
    mouth: Mouth = field(default_factory=Mouth)
    own: Sound = field(default_factory=lambda: np.zeros(INPUT_SAMPLES, np.float32))
    understood: Understood | None = None
    unfinished: Sound = field(default_factory=lambda: np.zeros(0, np.float32))
    unfinished_until: int = 0
    timers: list[tuple[float, str]] = field(default_factory=list)
    news: deque[str] = field(default_factory=lambda: deque(maxlen=MOST))
    asked: dict[str, str] = field(default_factory=dict)
    calls: int = 0


class Cascade:
    """Silero VAD, PocketSphinx with a closed grammar, a table of answers, espeak-ng.

    It hears sums of numbers from zero to ten, counts and timers to twenty, work to be handed on (plot, describe, list,
    search), a few set questions, "stop" and "never mind"; ``phrases`` and ``names`` change what it hears, see
    ``Language``. Of other speech it writes down what PocketSphinx's own language model makes of it, much of it wrong,
    and answers none. Typed text goes through the same rules, with numbers to 99 and any name. A turn is recognised once
    there are 0.3 s of silence, so that its words are known when the silence that ends it is over; they are written in
    ``Act.heard`` in the tick that ends the turn.

    What it cannot do, being turn-based: answer sooner than ``end_silence_s`` after the last word; tell a pause for
    thought from the end (what makes no sense alone is joined with what follows, but a pause inside two sentences that
    are both complete is answered twice); hear while it recognises; listen and speak at once (whatever is said to it
    while it speaks stops it, a "mhm" and the television too); tell who is speaking or to whom; nod along, interrupt,
    react to a word before the turn is over, or speak on time while the user is speaking. It sees nothing, knows no
    question outside its table, keeps silent at all others, and takes neither drafts nor progress. The user's loudness
    in turns before is what tells a voice from its own echo: before the first turn, a loud echo interrupts it.
    """

    def __init__(
        self,
        phrases: Mapping[str, Sequence[str]] | None = None,
        names: Sequence[str] = NAMES,
        **manners: Any,
    ) -> None:
        self.manners = Manners().changed(manners)
        self.language = Language(phrases, names)
        self._detector = VoiceDetector()
        self._recogniser = Recogniser(self.language)
        self._speaker = Speaker()

    def with_phrases(self, phrases: Mapping[str, Sequence[str]]) -> Cascade:
        """One that hears these sentences instead, such as those of a suite of scenes."""
        return Cascade(phrases, self.language.names, **asdict(self.manners))

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return ModelSpec("cascade", RATE, sees=False, reads=True, delegates=True)

    def __repr__(self) -> str:
        return f"<Cascade: {len(self.language.words())} words, ends a turn after {self.manners.end_silence_s:g} s>"

    def open(self, config: OpenConfig) -> CascadeState:
        """A fresh stream; ``config.options`` may hold manners of its own. Nothing is random, so the seed is unused."""
        return CascadeState(self.manners.changed(config.options))

    def step(self, state: CascadeState, percept: Percept) -> tuple[Act, CascadeState]:
        """One micro-turn. Changes ``state`` in place and gives it back."""
        turn, manners = state.turn, state.manners
        turn.take(percept.audio, state.own, self._detector, deaf=not manners.barge_in and bool(state.own.any()))
        yielded = False
        if turn.open and turn.spoken_s() >= manners.barge_in_s:
            yielded = state.mouth.hush()
        heard, calls = self._hear(state, percept.index)
        for line in filter(None, percept.text.split("\n")):
            text = " ".join(spoken_form(line))
            request = self.language.read(text)
            if request is not None:
                yielded |= state.mouth.hush()
                calls += self._answer(state, percept.index, request, text, heard_from_s(percept.index))
        for event in percept.events:
            self._told(state, event)
        if not turn.open:
            self._say_what_is_due(state, percept.index)
        state.own, said = state.mouth.tick(percept.index, self._speaker)
        floor = Floor.SPEAK if state.mouth.busy or state.own.any() else Floor.LISTEN
        diagnostics = {
            "speech": round(turn.probability, 3),
            "turn": turn.open,
            **({"yielded": True} if yielded else {}),
        }
        return Act(percept.index, state.own, floor, said, heard, tuple(calls), diagnostics), state

    # --- the user's turn

    def _hear(self, state: CascadeState, index: int) -> tuple[tuple[Word, ...], list[Call]]:
        """What of the turn under way is to be written down now, and what came of it: nothing before its end."""
        turn = state.turn
        if not turn.open or not (turn.quiet_s >= RECOGNISE_AFTER_S or turn.full):
            return (), []
        found = state.understood
        if found is None or found.at != turn.last:
            found = state.understood = self._understand(state, heard_from_s(index))
        if turn.quiet_s < state.manners.end_silence_s and not turn.full:
            return (), []
        end_s = heard_from_s(index) - turn.quiet_s
        calls: list[Call] = []
        if found.request is None:
            self._keep_unfinished(state)
        else:
            state.unfinished = np.zeros(0, np.float32)
            state.mouth.hush()
            calls = self._answer(state, index, found.request, found.text, end_s)
        turn.close()
        return found.words, calls

    def _understand(self, state: CascadeState, now_s: float) -> Understood:
        """The turn alone or joined with the one before, if that made no sense: whichever is a request and fits best."""
        turn = state.turn
        sound, speech = turn.said()
        start_s = now_s - (turn.received - turn.first + speech.start) / INPUT_RATE
        alone = self._recogniser.recognise(sound, speech)
        before = len(state.unfinished)
        tried = [(alone, start_s)]
        if before and turn.first - state.unfinished_until <= state.manners.join_s * INPUT_RATE:
            both = np.concatenate([state.unfinished, sound])
            tried.append((self._recogniser.recognise(both, slice(0, len(both))), start_s - before / INPUT_RATE))
        for heard, from_s in sorted(tried, key=lambda one: -one[0].fit):
            request = self.language.read(heard.text)
            if request is not None and heard.fit > state.manners.least_fit:
                words = [word for word in _on_clock(heard.words, from_s) if word.end_s > start_s]
                return Understood(turn.last, tuple(words), heard.text, request)
        spoken = (UNKNOWN, speech.start / INPUT_RATE, speech.stop / INPUT_RATE)
        written = alone.words if alone.fit > state.manners.least_fit else self._recogniser.dictate(sound, speech)
        return Understood(turn.last, _on_clock(written or (spoken,), start_s))

    def _keep_unfinished(self, state: CascadeState) -> None:
        turn, (sound, _) = state.turn, state.turn.said()
        together = turn.first - state.unfinished_until <= state.manners.join_s * INPUT_RATE
        if together and len(state.unfinished) + len(sound) <= KEEP_S * INPUT_RATE:
            sound = np.concatenate([state.unfinished, sound])
        state.unfinished = sound[: round(KEEP_S * INPUT_RATE)]
        state.unfinished_until = turn.last

    # --- what it answers

    def _answer(self, state: CascadeState, index: int, request: Request, text: str, end_s: float) -> list[Call]:
        """Queue what is to be said and noted down; gives the calls to make. The request was over at ``end_s``."""
        calls: list[Call] = []
        if request.reply:
            state.mouth.waiting.append(Line(request.reply))
        if request.intent == "count":
            step = 1 if request.last >= request.first else -1
            numbers = range(request.first, request.last + step, step)
            state.mouth.waiting.extend(Line(number_words(number), pace_s=COUNT_PACE_S) for number in numbers)
        elif request.intent == "timer":
            state.timers = [*state.timers, (end_s + request.wait_s, request.word)][-MOST:]
        elif request.intent == "cancel":
            state.timers = []
            calls = [Call("cancel", f"cancel-{id}", name, {"id": id}, index) for id, name in state.asked.items()]
            state.asked = {}
        elif request.intent in CALLS:
            state.calls += 1
            id = f"{request.intent}-{state.calls}"
            state.asked = dict([*state.asked.items(), (id, request.intent)][-MOST:])
            calls = [Call("delegate", id, request.intent, {"request": text}, index)]
        return calls

    @staticmethod
    def _told(state: CascadeState, event: Event) -> None:
        if event.kind == "system" and event.payload.get("interrupt"):
            state.mouth.hush()
        if event.kind == "result" and event.call_id in state.asked and "part" not in event.payload:
            name = state.asked.pop(event.call_id)
            state.news.append(RESULT_REPLIES[name] if event.payload.get("ok", True) else FAILED)

    @staticmethod
    def _say_what_is_due(state: CascadeState, index: int) -> None:
        """Timers and news wait until the user has finished."""
        due = [timer for timer in state.timers if timer[0] < heard_from_s(index + 1)]
        state.timers = [timer for timer in state.timers if timer not in due]
        state.mouth.waiting.extend(Line((word,), at_s) for at_s, word in sorted(due))
        state.mouth.waiting.extend(Line(tuple(text.split())) for text in state.news)
        state.news.clear()


def _on_clock(words: Sequence[tuple[str, float, float]], start_s: float) -> tuple[Word, ...]:
    return tuple(Word(text, round(start_s + a, 3), round(start_s + b, 3)) for text, a, b in words)
