"""Scene 9: speak at a cue while somebody else is speaking, and at nothing that only resembles it.

Mirrors CueSpeak of Thinking Machines' interaction models as far as it is known. Nothing in it depends on the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from imkit.voices import SAMPLE_RATE_HZ

from .agent import LONGEST_WORD_S, take
from .answers import number_words
from .kinds import SceneKind
from .scoring import Check, Verdict
from .world import Said, Scene, World

EARLY_S, LATE_S = -0.1, 1.0  # when a reply may start, after the end of its cue
OKAY_S = (-0.25, 1.5)  # when an acknowledgement may start, after the end of the instruction
APART_S = LATE_S + LONGEST_WORD_S  # from a cue's end to the next sentence with a cue, as planned
TALKS_ON_S = 3.0  # so much talk is planned after the last cue; there are 1.5 s of it whatever the voice
LETTER_S = 0.06  # what a letter takes, by and large, with the space between words
STRETCH_S = 3.0
TAIL_S = 2.4
QUIET_ROUND = 3  # of four rounds through the kinds: the one without any cue

Sound = npt.NDArray[np.float32]
Role = Literal["cue", "lure", "plain"]


@dataclass(frozen=True)
class Task:
    """What the model is asked to listen for. ``sentence`` gives a sentence of a role, and which word of it counts.

    ``sound`` gives what is heard from the start of that word on, where the cue is a sound and not the word. ``speak``
    has somebody else say cues and near misses, at a time; the user then says a plain sentence after each.
    """

    name: str
    instruction: str
    reply: str
    sentence: Callable[[Role], tuple[str, int]]
    sound: Callable[[Role], Sound] | None = None
    speak: Callable[[str, float], Said] | None = None


@dataclass(frozen=True)
class Talk:
    """When the cues and the near misses of a talk end, and the talk itself."""

    cues_s: list[float]
    lures_s: list[float]
    end_s: float


def cuespeak_synth(world: World) -> Scene:
    """An instruction, then some 15 to 30 s of talk without a pause, with up to five cues and with near misses.

    word      "when i say red say blue"; near misses are other colours
    category  "say now when you hear an animal"; near misses are plants, or the other way round
    count     "say wrong when i count wrong": a number that does not follow the one before; near misses are right counts
    beep      "say beep when you hear a beep"; near misses are hisses

    An act is one reply of at most 1.2 s that starts within [-0.1, 1.0] s of the cue's end; the user talks on. A hold is
    the same window after a near miss, or a stretch of some 3 s with neither. An "okay" to the instruction is free.
    """
    task = TASKS[world.number % len(TASKS)](world)
    asked, talk = ask(world, task, world.number // len(TASKS) % 4 == QUIET_ROUND)
    yield from world.until(talk.end_s + TAIL_S)
    return judge(world, task, asked, talk)


def ask(world: World, task: Task, without: bool) -> tuple[Said, Talk]:
    """Has the instruction and the talk spoken, and notes what is to be done; ``without`` any cue, or with some."""
    asked = world.say(task.instruction, world.draw("lead_s"))
    world.expect("okay", asked.end_s)
    count = 0 if without else world.settings.whole(world.rng, "cues")
    talk = _talk(world, task, asked.end_s + world.draw("talk_after_s"), count)
    for cue_s in talk.cues_s:
        world.expect(task.reply, cue_s)
    return asked, talk


def judge(world: World, task: Task, asked: Said, talk: Talk) -> Verdict:
    """What came of a talk that is over; the measures are exact_NAME, fp_per_min and, with cues, f1."""
    end_s = talk.end_s + TAIL_S
    left = world.agent.utterances()
    take(left, "okay", asked.end_s + OKAY_S[0], asked.end_s + OKAY_S[1])
    long = [said for said in left if said.end_s - said.start_s > LONGEST_WORD_S]
    said_count = len(left)
    acts, holds = [], []
    for cue_s in talk.cues_s:
        near = [said for said in left if cue_s + EARLY_S <= said.start_s <= cue_s + LATE_S]
        left = [said for said in left if said not in near]
        right = len(near) == 1 and near[0].is_just(task.reply) and near[0].whole
        why = "" if right else f"said {[' '.join(said.texts) for said in near]} at a cue at {cue_s:.1f} s"
        latency_s = round(near[0].start_s - cue_s, 3) if near else None
        acts.append(Check("act", right, why, latency_s, task.name))
    for low_s, high_s in spans(talk.cues_s, talk.lures_s, end_s):
        wrong = [said for said in left if low_s <= said.start_s < high_s]
        wrong += [said for said in long if said.start_s < high_s and said.end_s > low_s]
        why = f"said {' '.join(wrong[0].texts)!r} between {low_s:.1f} and {high_s:.1f} s" if wrong else ""
        holds.append(Check("hold", not wrong, why, group=task.name))

    hits = sum(act.passed for act in acts)
    exact = all(check.passed for check in acts + holds)
    measures = {f"exact_{task.name}": float(exact), "fp_per_min": (said_count - hits) / (end_s / 60)}
    if acts:
        measures["f1"] = 2 * hits / (said_count + len(acts))
    return Verdict((*acts, *holds), measures)


def spans(cues_s: Sequence[float], lures_s: Sequence[float], until_s: float) -> list[tuple[float, float]]:
    """Times from 0 to ``until_s`` in which nothing may be said, as (from_s, to_s): the window of each near miss, and
    what lies between windows, cut into pieces of some 3 s; less than half of that goes with the piece beside it.
    """
    out: list[tuple[float, float]] = []
    at_s = 0.0
    for mark_s, is_cue in sorted([*((s, True) for s in (*cues_s, until_s - EARLY_S)), *((s, False) for s in lures_s)]):
        low_s = max(at_s, mark_s + EARLY_S)
        gap_s = low_s - at_s
        if gap_s >= STRETCH_S / 2:
            edges = np.linspace(at_s, low_s, max(1, round(gap_s / STRETCH_S)) + 1).tolist()
            out += pairwise(edges)
        elif out and out[-1][1] == at_s:
            out[-1] = (out[-1][0], low_s)
        elif is_cue and gap_s > 0:
            out.append((at_s, low_s))
        else:
            low_s = at_s
        if not is_cue:
            out.append((low_s, mark_s + LATE_S))
        at_s = mark_s + LATE_S
    return out


def _script(world: World, task: Task, count: int) -> list[tuple[Role, str, int]]:
    """What is said, sentence by sentence: its role, its words, and which word counts.

    Each cue has a time of its own, drawn from one of ``count`` equal parts of the talk, and is in the first sentence
    that starts after it. How long a sentence takes is guessed from its letters, so that nothing has to be spoken yet.
    """
    talk_s = world.draw("talk_s")
    wanted_s = [(i + float(world.rng.random())) * (talk_s - STRETCH_S) / count for i in range(count)]
    out: list[tuple[Role, str, int]] = []
    at_s, last_s = 0.0, -math.inf
    while wanted_s or at_s < max(talk_s, last_s + TALKS_ON_S):
        resembles = world.rng.random() < world.settings.number("lure_share")
        role: Role = "lure" if resembles else "plain"
        if task.speak is not None and out and out[-1][0] != "plain":
            role = "plain"
        elif wanted_s and at_s >= max(wanted_s[0], last_s + APART_S):
            role = "cue"
            wanted_s.pop(0)
        text, index = task.sentence(role)
        out.append((role, text, index))
        if role == "cue":
            last_s = at_s + _guessed_s(world, " ".join(text.split()[: index + 1]))
        at_s += _guessed_s(world, text)
    return out


def _guessed_s(world: World, text: str) -> float:
    return LETTER_S * len(text) / world.voice.rate


def _talk(world: World, task: Task, start_s: float, count: int) -> Talk:
    """Has the script spoken, with gaps of less than 0.25 s. A near miss within 1.1 s of a cue does not count as one."""
    script = _script(world, task, count)
    marks_s: dict[Role, list[float]] = {"cue": [], "lure": [], "plain": []}
    at_s = end_s = start_s
    for role, text, index in script:
        said = task.speak(text, at_s) if task.speak is not None and role != "plain" else world.say(text, at_s)
        _, from_s, to_s = said.words[index]
        if task.sound is not None and role != "plain":
            sound = task.sound(role)
            world.sound(sound, from_s, world.draw("beep_db"))
            to_s = from_s + len(sound) / SAMPLE_RATE_HZ
        marks_s[role].append(to_s)
        end_s = said.end_s
        at_s = end_s + world.draw("gap_s")
    cues_s, window_s = marks_s["cue"], LATE_S - EARLY_S
    lures_s = [lure_s for lure_s in marks_s["lure"] if all(abs(lure_s - cue_s) >= window_s for cue_s in cues_s)]
    return Talk(cues_s, lures_s, end_s)


# --- what to listen for


def one_of(world: World, name: str) -> str:
    """One of the words in a setting."""
    return str(world.rng.choice(world.settings[name]))


def about(world: World, thing: str) -> str:
    """A sentence of talk about a thing, somewhere."""
    return world.line("talk", thing=thing, place=one_of(world, "places"))


def _word(world: World) -> Task:
    cue, *others = (str(colour) for colour in world.rng.permutation(world.settings["colours"]))
    reply = others[0]

    def sentence(role: Role) -> tuple[str, int]:
        colour = cue if role == "cue" else str(world.rng.choice(others))
        thing = one_of(world, "things")
        text = about(world, f"a {thing}" if role == "plain" else f"a {colour} {thing}")
        return text, text.split().index(thing if role == "plain" else colour)

    return Task("word", world.line("cue_word", cue=cue, reply=reply), reply, sentence)


def _category(world: World) -> Task:
    asked, other = [("animals", "plants"), ("plants", "animals")][int(world.rng.integers(2))]
    reply = one_of(world, "replies")

    def sentence(role: Role) -> tuple[str, int]:
        thing = one_of(world, {"cue": asked, "lure": other, "plain": "things"}[role])
        text = about(world, f"a {thing}")
        return text, text.split().index(thing)

    category = {"animals": "an animal", "plants": "a plant"}[asked]
    return Task("category", world.line("cue_category", category=category, reply=reply), reply, sentence)


def _count(world: World) -> Task:
    starts = 0

    def sentence(role: Role) -> tuple[str, int]:
        nonlocal starts
        starts += 1
        last = world.settings.whole(world.rng, "count_to")
        at = int(world.rng.integers(3, last - 1))
        numbers = list(range(1, last + 1))
        if role == "cue":  # one is left out, or the count goes one back
            again = at + 2 if world.rng.random() < 0.5 else at - 1
            numbers = [*range(1, at + 1), *range(again, again + last - at)]
        before = world.line("cue_again").split() if starts > 1 else []
        return " ".join([*before, *(number_words(n)[0] for n in numbers)]), len(before) + at

    return Task("count", world.line("cue_count"), "wrong", sentence)


def _beep(world: World) -> Task:
    hz, seconds = world.draw("beep_hz"), world.draw("beep_s")

    def sentence(_role: Role) -> tuple[str, int]:
        text = about(world, f"a {one_of(world, 'things')}")
        return text, int(world.rng.integers(1, len(text.split())))

    def sound(role: Role) -> Sound:
        t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        fade = np.minimum(1, np.minimum(t, seconds - t) / 0.01)
        wave = np.sin(2 * np.pi * hz * t) if role == "cue" else 0.5 * world.rng.standard_normal(len(t)).clip(-2, 2)
        return (0.5 * fade * wave).astype(np.float32)

    return Task("beep", world.line("cue_beep"), "beep", sentence, sound)


TASKS: tuple[Callable[[World], Task], ...] = (_word, _category, _count, _beep)
KINDS = (SceneKind(cuespeak_synth),)
