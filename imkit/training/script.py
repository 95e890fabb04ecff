"""A scene while it is being written, and the arrays it becomes: what comes in, what nano should hear, say and do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from imkit.model.config import AUDIO_TOKENS, PROVENANCES
from imkit.model.voice import Speaker
from imkit.voices.sound import RATE, Sound

from .bank import BankUtterance
from .language import (
    FAIL,
    RESULT,
    SEND,
    UNKNOWN,
)

TICK = 3200
HEARD_DELAY_S = 0.10  # a word is written at the first 50 ms token that ends this long after the word
LATE_HUSH = 0.35  # of all stops are obeyed only once the word can be read: who missed its sound still obeys its text
YIELD_DELAY_S = 0.3  # what says stop is told from an okay by its first sounds
COUNTDOWN_CLASSES = 80
PACE_TICKS = 3  # of a list said aloud: the next word would come so soon
UNWRITTEN = -100  # the class of what nobody knows
HEARD = PROVENANCES.index("heard")
TYPED = PROVENANCES.index("typed")
BACKGROUND = PROVENANCES.index("background")


@dataclass
class Scene:
    """One training example of ``ticks`` micro-turns.

    microphone, own   float32 [ticks * 3200], 16 kHz; ``own`` is what sounds in each micro-turn
    frames            micro-turn -> uint8 [120, 120, 3]; empty when the camera is off
    words_in          micro-turn -> [(word id, provenance id)]: typed words and events
    heard             int [ticks * 4], word id due at each 50 ms token
    spans             (word, start_s, end_s) of all that was spoken
    shown             micro-turn -> colour and shape that are in the frame; None where nobody wrote that down
    before            (micro-turn < 0, word id, provenance id) of what was said before the scene began, oldest first
    slots             micro-turn -> the class of every slot of the call there (see ``language.slot_classes``)
    wanted            int [ticks], what is watched for (see ``pictures.wanted_class``)
    word, floor, call int [ticks]; countdown int [ticks], 0 = nothing is due, n = due in n - 1 micro-turns
    did               micro-turn -> (word, floor, call) that was done there, where it is not what should have been done
    moment            int [ticks], 1 where something is begun or ended because of what was just said, 0 where words came
                      and nothing is begun, -100 elsewhere; None where nobody wrote it down
    promised          int [ticks], the word that is to be said when a cue or the time comes, 0 for none; None as above
    awaited           int [ticks], the word that is the cue, or the last of the list that is being said, 0 for none;
                      None as above
    """

    ticks: int
    microphone: Sound
    own: Sound
    frames: dict[int, npt.NDArray[np.uint8]]
    words_in: dict[int, list[tuple[int, int]]]
    heard: npt.NDArray[np.int64]
    phase: npt.NDArray[np.int64]
    spans: list[tuple[str, float, float]]
    word: npt.NDArray[np.int64]
    floor: npt.NDArray[np.int64]
    call: npt.NDArray[np.int64]
    countdown: npt.NDArray[np.int64]
    wanted: npt.NDArray[np.int64]
    shown: dict[int, tuple[str, str]] | None = field(default_factory=dict)
    slots: dict[int, list[int]] = field(default_factory=dict)
    notes: list[dict[str, object]] = field(default_factory=list)
    before: list[tuple[int, int, int]] = field(default_factory=list)
    did: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    moment: npt.NDArray[np.int64] | None = None
    promised: npt.NDArray[np.int64] | None = None
    awaited: npt.NDArray[np.int64] | None = None

    def written(self) -> list[tuple[int, int, int]]:
        """Every word that came in, spoken or written: (micro-turn, word id, provenance id), oldest first."""
        heard = [(int(i) // AUDIO_TOKENS + 1, int(self.heard[i]), HEARD) for i in np.flatnonzero(self.heard > 0)]
        read = [(k, word, provenance) for k, words in self.words_in.items() for word, provenance in words]
        return sorted(heard + read, key=lambda word: word[0])


def act_after(time_s: float, delay_s: float) -> int:
    """The first micro-turn whose act may sound ``delay_s`` after ``time_s``."""
    return max(0, math.ceil((time_s + delay_s) * 5 - 1e-6) - 1)


def heard_token(end_s: float) -> int:
    """The 50 ms token at which a word that ends at ``end_s`` is written."""
    return math.ceil((end_s + HEARD_DELAY_S) * 20 - 1e-6) - 1


def answer_after(end_s: float) -> int:
    """The first micro-turn that can read, as text, the last word of a sentence that ended at ``end_s``.

    Its act sounds 0.30 to 0.50 s after that end. One micro-turn sooner, the answer would have to be worked out of the
    sound of the last word in the same forward that recognises it: tried, and the replies were in time but wrong.
    """
    return heard_token(end_s) // AUDIO_TOKENS + 1


def note_word(
    heard: npt.NDArray[np.int64], phase: npt.NDArray[np.int64], word_id: int, start_s: float, end_s: float
) -> bool:
    """Mark a spoken word: where it is written, and where it is under way. False where its writing is past the end."""
    token = heard_token(end_s)
    while token < len(heard) and heard[token]:
        token += 1
    if token < len(heard):
        heard[token] = word_id
    # the word under way, in two halves: early supervision for the acoustic layers
    first, last = int(start_s * 20 + 0.5), int(end_s * 20 + 0.5)
    for i in range(first, min(max(last, first + 1), len(phase))):
        phase[i] = 2 * word_id + (i >= (first + last) / 2)
    return token < len(heard)


def note_unwritten(heard: npt.NDArray[np.int64], phase: npt.NDArray[np.int64], start_s: float, end_s: float) -> None:
    """Somebody speaks, and nobody wrote down what: until it can have been written, nothing more is known."""
    span = slice(max(0, int(start_s * 20)), heard_token(end_s) + 1)
    for track in (heard, phase):
        track[span][track[span] == 0] = UNWRITTEN


class Script:
    """One scene while it is being written."""

    def __init__(self, ticks: int, clips: Speaker, ids: dict[str, int], rng: np.random.Generator) -> None:
        self.ticks, self.clips, self.ids, self.rng = ticks, clips, ids, rng
        self.voice = np.zeros(ticks * TICK, np.float32)
        self.own = np.zeros((ticks + 8) * TICK, np.float32)
        self.heard = np.zeros(ticks * AUDIO_TOKENS, np.int64)
        self.phase = np.zeros(ticks * AUDIO_TOKENS, np.int64)
        self.word = np.zeros(ticks + 8, np.int64)
        self.floor = np.zeros(ticks + 8, np.int64)
        self.call = np.zeros(ticks + 8, np.int64)
        self.countdown = np.zeros(ticks + 8, np.int64)
        self.wanted = np.zeros(ticks + 8, np.int64)
        self.promised, self.awaited, self.moment = (np.full(ticks + 8, UNWRITTEN) for _ in range(3))
        self.words_in: dict[int, list[tuple[int, int]]] = {}
        self.spans: list[tuple[str, float, float]] = []
        self.slots: dict[int, list[int]] = {}
        self.shown: dict[int, tuple[str, str]] = {}  # micro-turn -> colour, shape that is before the camera
        self.notes: list[dict[str, object]] = []

    @property
    def end_s(self) -> float:
        """Length of the scene in seconds."""
        return self.ticks / 5

    def speak(self, said: BankUtterance, at_s: float, pauses: list[tuple[int, float]] | None = None) -> float:
        """Put an utterance at a time, with pauses (after how many words, seconds); gives the end of its last word."""
        audio: Sound = said.audio.astype(np.float32) / np.float32(32767)
        shift = 0.0
        begin = 0
        start = round(at_s * RATE)
        words = list(said.words)
        cuts = dict(pauses or [])
        last_end = at_s
        for i, (word, start_s, end_s) in enumerate(words):
            self._hear(word, at_s + start_s + shift, at_s + end_s + shift)
            last_end = at_s + end_s + shift
            if i + 1 in cuts:
                edge = round((end_s + words[i + 1][1]) / 2 * RATE)
                self._add(audio[begin:edge], start + begin + round(shift * RATE), fade=True)
                shift += cuts[i + 1]
                begin = edge
        self._add(audio[begin:], start + begin + round(shift * RATE), fade=bool(begin))
        return last_end

    def _add(self, piece: Sound, at: int, fade: bool) -> None:
        piece = piece.copy()
        if fade and len(piece) > 320:
            ramp = np.linspace(0, 1, 160, dtype=np.float32)
            piece[:160] *= ramp
            piece[-160:] *= ramp[::-1]
        stop = min(at + len(piece), len(self.voice))
        if at < stop:
            self.voice[at:stop] += piece[: stop - at]

    def _hear(self, word: str, start_s: float, end_s: float) -> None:
        if not word:
            note_unwritten(self.heard, self.phase, start_s, end_s)
        elif note_word(self.heard, self.phase, self.ids.get(word, self.ids[UNKNOWN]), start_s, end_s):
            self.spans.append((word, start_s, end_s))

    def type(self, text: str, tick: int) -> None:
        """A sentence is sent by keyboard."""
        tokens = [self.ids.get(w, self.ids[UNKNOWN]) for w in text.split()] + [self.ids[SEND]]
        self.words_in.setdefault(tick, []).extend((t, TYPED) for t in tokens)

    def event(self, ok: bool, topic: str, tick: int) -> None:
        """A result of background work arrives."""
        self.words_in.setdefault(tick, []).extend(
            [(self.ids[RESULT if ok else FAIL], BACKGROUND), (self.ids[topic], BACKGROUND)]
        )

    def say(self, words: Sequence[str], tick: int, pace: int = 0) -> int:
        """The model says words from act ``tick`` on; gives the first act after them."""
        for word in words:
            if tick >= self.ticks:
                break
            length = max(self.clips.ticks(word), pace)
            sound = self.clips.sounds[word]
            self.word[tick] = self.ids[word]
            self.floor[tick : tick + length] = 2
            at = (tick + 1) * TICK
            self.own[at : at + len(sound)] += sound[: len(self.own) - at]
            tick += length
        return tick

    def recite(self, words: Sequence[str], tick: int, pace: int = 0) -> int:
        """The model says a list to its end, which is marked: the last word is awaited, and then nothing is said."""
        free = self.say(words, tick, pace)
        self.awaited[tick:free] = self.ids[words[-1]]
        self.moment[free : free + PACE_TICKS] = 1
        return free

    def hush(self, tick: int) -> None:
        """From act ``tick`` on nothing more is said."""
        at = (tick + 1) * TICK
        if at + 160 < len(self.own):
            self.own[at : at + 160] *= np.linspace(1, 0, 160, dtype=np.float32)
            self.own[at + 160 :] = 0
        self.word[tick:] = 0
        self.floor[tick:] = 0
        self.awaited[tick:] = self.moment[tick:] = UNWRITTEN

    def promise(self, word: str, first: int, due: int) -> None:
        """Mark that a word was asked for, and is to be said at act ``due``."""
        self.promised[first : due + 1] = self.ids[word]

    def count_down(self, first: int, due: int) -> None:
        """Mark how many micro-turns are left until something is due."""
        for k in range(max(first, due - COUNTDOWN_CLASSES + 2), min(due + 1, self.ticks)):
            self.countdown[k] = due - k + 1
