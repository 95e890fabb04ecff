"""Scenes played by the one who knows: what nano hears, and what it should do, while the user answers to what it does.

``imkit.scenes`` says in every trial what a perfect model would do (``World.expect``). Here a teacher does just that,
with nano's own words and within what nano can know: a reply to speech comes when the last word can be read as text, a
reply to a sight in the micro-turn that shows it. What it did is what the network learns: an oracle is imitated, in a
closed loop. The network's own mistakes are not played, but one kind is put in (Laskey et al. 2017, arXiv 1703.09327):
the teacher goes on talking for a while after a stop, and the network learns to stop at every micro-turn of that.
Without it, what it did last, which it is told, said all there is to know: it went on if it had gone on.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imkit.model.config import AUDIO_TOKENS, FLOORS, WORD_SLOTS
from imkit.model.reading import read_text, small_square, spoken_form
from imkit.model.voice import FADE_SAMPLES, Speaker
from imkit.scenes import ALL_SCENES
from imkit.scenes.cast import Cast
from imkit.scenes.cues import TASKS
from imkit.scenes.people import orders_folder
from imkit.scenes.suite import Suite, SuiteError, load_suite
from imkit.scenes.wake import wake_folder
from imkit.scenes.world import Expected, World
from imkit.scenes.world import Scene as Play
from imkit.stream import TICK_S, Act, Call, Floor, Percept, Word, heard_from_s
from imkit.voices import Utterance, Voice, random_voice, synthesise

from .language import CALLS, FAIL, RESULT, UNKNOWN, slot_classes, vocabulary
from .orders import PeopleOrders
from .script import (
    BACKGROUND,
    COUNTDOWN_CLASSES,
    LATE_HUSH,
    PACE_TICKS,
    TICK,
    TYPED,
    Scene,
    act_after,
    answer_after,
    note_unwritten,
    note_word,
)
from .wake import WakeWords

BY_PEOPLE = {"order_recording": "orders", "wake_cue": "wakewords", "wake_other": "wakewords"}
"""Kinds of trials that need recordings of people, and the suite that each is of."""

CUED = ("cuespeak_synth", "wake_cue")
"""Kinds of trials that begin with a promise to say a word whenever a cue comes."""

DECIDED = (
    *CUED, "user_interruption", "user_backchannel", "talking_to_other", "tool_call", "coffee_order", "timespeak_synth",
    "repcount_synth",
)  # fmt: skip
"""Kinds of trials in which few micro-turns of many are a reason to do something."""

LAPSES = 0.5  # of all trials, in which a stop is obeyed some micro-turns late
LAPSE_TICKS = 9
LIST_WORDS = 4  # what is said is a list, whose end is marked, from so many words on
HUSH_S = 0.3  # so long after the first word that is no backchannel began, or at its end, the teacher falls silent
SPEAKERS = ("i", "they", "you", "we")
CALL_OF_TOOL = {"list_variables": "list"}


def training_suite() -> Suite:
    """The suite that is played in training: the scenes of "dev" with other seeds, ranges and more phrases.

    Those of the other suites are there too; recorded people are of the split "train" and heard as all others are.
    """
    suite = load_suite(Path(str(files("imkit.training") / "scenes.toml")))
    others = [load_suite(name) for name in ("orders", "wakewords", "interpreting")]
    scenes = {name: table for other in others for name, table in other.scenes.items()}
    people = {name: {**scenes[name], "split": "train", "microphone": suite.microphone} for name in BY_PEOPLE}
    phrases = {name: lines for other in others for name, lines in other.phrases.items()}
    return replace(suite, scenes={**scenes, **people, **suite.scenes}, phrases={**phrases, **suite.phrases})


class TrainingCast(Cast):
    """Any voice of the training engines, spoken in this process: quick, and not the same bytes in every run.

    ``shares`` engine -> share. Voices of the dev suite are left out where an engine has others.
    """

    def __init__(self, suite: Suite, shares: Mapping[str, float], left_out: Sequence[str] = ()) -> None:
        super().__init__(suite)
        self.shares, self.left_out = dict(shares), tuple(left_out)

    def draw(self, rng: np.random.Generator) -> Voice:
        """A voice of an engine by its share."""
        engines = list(self.shares)
        weights = np.array([self.shares[engine] for engine in engines])
        while True:
            voice = random_voice(rng, str(rng.choice(engines, p=weights / weights.sum())))
            if not voice.name.endswith(self.left_out):
                return voice

    def _speak(self, voice: Voice, text: str) -> Utterance | None:
        return next(synthesise(voice, [text]))


class Teacher:
    """Sits in the chair of a trial and does what is expected, in nano's voice."""

    def __init__(self, world: World, clips: Speaker, late_hush: bool = False, lapse: int = 0) -> None:
        self.world, self.clips, self.late_hush, self.lapse = world, clips, late_hush, lapse
        self.lapsing = False
        self.done: set[int] = set()
        self.waiting: deque[tuple[str, int, str]] = deque()
        self.sound = np.zeros(0, np.float32)
        self.rest, self.floor = 0, "listen"
        self.last, self.over = "", 0
        self.made = 0
        self.began = False

    def due(self, wanted: Expected) -> int:
        """The micro-turn whose act should begin what is expected."""
        if wanted.due_s is not None:
            return max(0, math.ceil((wanted.due_s - TICK_S / 2) * 5 - 1e-6) - 1)
        heard = next(
            (word for said in self.world.said for word in said.words if abs(word[2] - wanted.cause_s) < 1e-6), None
        )
        if heard is None:
            return math.ceil(wanted.cause_s * 5 - 1e-6)
        if not wanted.words and wanted.call is None and not self.late_hush:
            return act_after(min(heard[2], heard[1] + HUSH_S), 0.0)
        return answer_after(wanted.cause_s)

    def coming(self, index: int) -> tuple[int, str]:
        """The next thing that is due at a time of its own: in how many micro-turns, counted from 1, and its first word.

        (0, "") where nothing is, or where it is too far off.
        """
        due = [
            (self.due(e) - index + 1, e.words[0])
            for i, e in enumerate(self.world.expected)
            if e.due_s is not None and i not in self.done and not e.withdrawn and index >= answer_after(e.cause_s)
        ]
        soon, word = min(due, default=(0, ""))
        return (soon, word) if 0 < soon < COUNTDOWN_CLASSES else (0, "")

    def step(self, percept: Percept) -> Act:
        """One micro-turn."""
        calls: list[Call] = []
        lapsed, self.lapsing, self.began = self.lapsing, False, False
        for i, wanted in enumerate(self.world.expected):
            if i in self.done or wanted.withdrawn or percept.index < self.due(wanted):
                continue
            if not wanted.words and wanted.call is None and percept.index < self.due(wanted) + self.lapse:
                self.lapsing = self.rest > 0 or bool(self.waiting)
                continue
            if lapsed:
                self.hush()
            if wanted.call is not None:
                if calls:  # one call a micro-turn
                    continue
                name, arguments = wanted.call
                self.made += 1
                calls.append(Call("tool", f"{name}-{self.made}", name, dict(arguments), percept.index))
            elif not wanted.words:
                self.hush()
            self.done.add(i)
            self.began = True
            self.last = wanted.words[-1] if len(wanted.words) >= LIST_WORDS else ""
            self.waiting.extend(
                (word, max(self.clips.ticks(word), round(wanted.pace_s / TICK_S)), wanted.floor)
                for word in wanted.words
            )
        if self.last and self.rest <= 0 and not self.waiting:
            self.last, self.over = "", PACE_TICKS
        self.began |= self.over > 0
        self.over -= 1
        words: tuple[Word, ...] = ()
        if self.rest <= 0 and self.waiting:
            text, self.rest, self.floor = self.waiting.popleft()
            self.sound = self.clips.sounds[text].copy()
            start_s = heard_from_s(percept.index)
            words = (Word(text, start_s, round(start_s + len(self.sound) / self.clips.rate, 3)),)
        audio = np.zeros(TICK, np.float32)
        piece, self.sound = self.sound[:TICK], self.sound[TICK:]
        audio[: len(piece)] = piece
        floor = self.floor if self.rest > 0 else "listen"
        self.rest -= 1
        return Act(percept.index, audio, Floor(floor), words, (), tuple(calls))

    def hush(self) -> None:
        """Say no more: what sounds is faded out, what waits is dropped."""
        self.last = ""
        self.waiting.clear()
        self.sound, self.rest = self.sound[:FADE_SAMPLES].copy(), 0
        self.sound *= np.linspace(1, 0, len(self.sound), dtype=np.float32)


class Rehearsal:
    """Writes training scenes by playing trials with a teacher, one after the other, until a length is full.

    ``deaf`` is for scenes without sound: nothing is done before the word that says so can be read, and what is told
    by a sound alone is not played.
    """

    def __init__(
        self,
        suite: Suite,
        cast: Cast,
        clips: Speaker,
        people: PeopleOrders | None = None,
        wakes: WakeWords | None = None,
        deaf: bool = False,
    ) -> None:
        self.deaf = deaf
        self.suite, self.cast, self.clips, self.people, self.wakes = suite, cast, clips, people, wakes
        self.ids = {word: i for i, word in enumerate(vocabulary())}

    def play_of(self, name: str) -> Callable[[World], Play]:
        """How a kind of trial is played. Recordings of people are found when they are first asked for (SuiteError)."""
        if name not in BY_PEOPLE:
            return ALL_SCENES[name].play
        settings = self.suite.settings(name)
        if name == "order_recording":
            self.people = self.people or PeopleOrders(orders_folder(settings), str(settings["split"]))
            return self.people.play
        self.wakes = self.wakes or WakeWords(wake_folder(settings), str(settings["split"]))
        return self.wakes.play_cue if name == "wake_cue" else self.wakes.play_other

    def scene(self, rng: np.random.Generator, seconds: float, mix: Mapping[str, float]) -> Scene:
        """One scene of ``seconds``; ``mix`` says how often each kind of trial is played, by the scene's name."""
        ticks = round(seconds * 5)
        page = Page(ticks, self.ids)
        names = list(mix)
        weights = np.array([mix[name] for name in names])
        while page.at < ticks - 10:
            name = str(rng.choice(names, p=weights / weights.sum()))
            tools = tuple(self.suite.scenes[name].get("tools", ()))
            number = int(rng.integers(1 << 20))
            if self.deaf and name == "cuespeak_synth" and TASKS[number % len(TASKS)] is TASKS[-1]:
                number -= 1  # a beep cannot be read
            world = World(
                self.suite, self.suite.settings(name), self.cast, rng, number, self.clips.rate,
                tools=tools,
            )  # fmt: skip
            try:
                lapse = int(rng.integers(1, LAPSE_TICKS)) if rng.random() < LAPSES else 0
                teacher = Teacher(world, self.clips, self.deaf or bool(rng.random() < LATE_HUSH), lapse)
                page.play(self.play_of(name), world, teacher, name)
            except SuiteError as error:
                if "gives no word times" not in str(error):
                    raise
        return page.scene()


def agreed(instruction: str) -> tuple[str, str]:
    """The word that an instruction asks for, and the cue it names; "" where it has none.

    The first follows the "say" of which nobody else is the speaker, the second that of somebody else, or what is heard.
    """
    words = ["", *instruction.split(), "", ""]
    promised = awaited = ""
    for before, word, after, later in zip(words, words[1:], words[2:], words[3:], strict=False):
        if word == "say" and before not in SPEAKERS:
            promised = after
        elif word in ("say", "for", "after"):
            awaited = after
        elif word == "hear":
            awaited = later if after in ("a", "an") else after
    return promised, awaited


class Page:
    """A training scene that trials are written into, one behind the other."""

    def __init__(self, ticks: int, ids: Mapping[str, int]) -> None:
        self.ticks, self.ids, self.at = ticks, ids, 0
        self.microphone = np.zeros(ticks * TICK, np.float32)
        self.own = np.zeros((ticks + 1) * TICK, np.float32)
        self.heard, self.phase = (np.zeros(ticks * AUDIO_TOKENS, np.int64) for _ in range(2))
        self.word, self.floor, self.call, self.countdown = (np.zeros(ticks, np.int64) for _ in range(4))
        self.frames: dict[int, npt.NDArray[np.uint8]] = {}
        self.words_in: dict[int, list[tuple[int, int]]] = {}
        self.slots: dict[int, list[int]] = {}
        self.did: dict[int, tuple[int, int, int]] = {}
        self.moment, self.promised, self.awaited = (np.full(ticks, -100, np.int64) for _ in range(3))
        self.spans: list[tuple[str, float, float]] = []

    def play(self, play: Callable[[World], Play], world: World, teacher: Teacher, name: str = "") -> None:
        """Play a trial from here on, to its end or to the end of the page. ``name`` is its kind."""
        begin, trial = self.at, play(world)
        self.promised[begin:] = self.awaited[begin:] = 0
        decided: list[int] = []
        while self.at < self.ticks:
            try:
                next(trial)
            except StopIteration:
                break
            percept = world.percept()
            left, word = teacher.coming(percept.index)
            act = teacher.step(percept)
            world.hear(act)
            self._write(percept, act, left, teacher.lapsing)
            self.promised[self.at] = self.ids.get(word, 0)
            self.awaited[self.at] = self.ids.get(teacher.last, 0)
            decided += [self.at] * (teacher.began or teacher.lapsing)
            self.at += 1
        trial.close()
        end_s = (self.at - begin) * TICK_S
        for said in world.said:
            for word, start_s, stop_s in said.words:
                if not word:
                    shift_s = begin * TICK_S
                    note_unwritten(self.heard, self.phase, start_s + shift_s, min(stop_s, end_s) + shift_s)
                    continue
                if stop_s > end_s:
                    break
                shift_s = begin * TICK_S
                known = self.ids.get(word, self.ids[UNKNOWN])
                if note_word(self.heard, self.phase, known, start_s + shift_s, stop_s + shift_s):
                    self.spans.append((word, start_s + shift_s, stop_s + shift_s))
        if name in DECIDED:
            came = np.flatnonzero(self.heard[begin * AUDIO_TOKENS : (self.at - 1) * AUDIO_TOKENS] > 0)
            self.moment[begin + came // AUDIO_TOKENS + 1] = 0
            self.moment[decided] = 1
        if name in CUED and decided:
            for track, word in zip((self.promised, self.awaited), agreed(world.said[0].text), strict=True):
                track[decided[0] : self.at] = self.ids.get(word, self.ids[UNKNOWN]) if word else 0
        self.promised[self.at :] = self.awaited[self.at :] = -100

    def _write(self, percept: Percept, act: Act, left: int, lapsing: bool) -> None:
        k = self.at
        self.microphone[k * TICK : (k + 1) * TICK] = percept.audio
        self.own[(k + 1) * TICK : (k + 2) * TICK] = act.audio
        if percept.frames:
            self.frames[k] = small_square(percept.frames[-1], 120)
        told = [(word, TYPED) for text in filter(None, [percept.text]) for word in read_text(text, self.ids)]
        for event in percept.events:
            words = spoken_form(event.text)[: WORD_SLOTS - 1]
            mark = RESULT if event.payload.get("ok", True) else FAIL
            told += [(self.ids[mark], BACKGROUND), *((self.ids[word], BACKGROUND) for word in words)]
        if told:
            self.words_in[k] = told
        self.word[k] = self.ids[act.words[0].text] if act.words else 0
        self.floor[k] = FLOORS.index(str(act.floor.value))
        self.countdown[k] = left
        for call in act.calls:
            name = CALL_OF_TOOL.get(call.name, call.name)
            self.call[k] = 1 + CALLS.index(name)
            self.slots[k] = slot_classes(name, call.arguments)
        if lapsing:
            self.did[k] = int(self.word[k]), int(self.floor[k]), int(self.call[k])
            self.word[k], self.floor[k] = 0, FLOORS.index("listen")

    def scene(self) -> Scene:
        """What was written."""
        unknown = np.full(self.ticks, -100, np.int64)
        return Scene(
            self.ticks, self.microphone, self.own[: self.ticks * TICK], self.frames, self.words_in, self.heard,
            self.phase, self.spans, self.word, self.floor, self.call, self.countdown, unknown, None, self.slots,
            did=self.did, moment=self.moment, promised=self.promised,
            awaited=self.awaited,
        )  # fmt: skip
