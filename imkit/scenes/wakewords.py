"""Wake words by people: a name as a cue to listen for, and as the name of somebody else.

The recordings are those of Picovoice's wake-word-benchmark. That counts misses at a rate of false alarms per hour; no
score here can be compared with it.
"""

from __future__ import annotations

from typing import Final

from .cues import QUIET_ROUND, TAIL_S, Role, Task, about, ask, judge, one_of
from .kinds import SceneKind
from .noises import condition, scene_microphone
from .others import Turn, addressed, called_by_name
from .scoring import Verdict, weakest
from .suite import SuiteError
from .wake import NAMES, Callers, call_out, wake_recordings
from .world import Said, Scene, World

QUIET_EVERY: Final = 4
LONGEST_S: Final = (40.0, 22.0)  # no trial of ``wake_other`` is longer, the even ones and the odd


def wake_cue(world: World) -> Scene:
    """Asked to say a word at a name, the model does so when a person says it, and at no other name.

    Recorded people say names one at a time, each recording once in a trial, between sentences of the user. An act is
    one reply of at most 1.2 s that starts within [-0.1, 1.0] s of the end of the name that was asked for; a hold is the
    same window after another name, or a stretch of some 3 s with neither, as in ``cuespeak_synth``. In every fourth
    trial the name is never said. Names and noises go round with the trials.
    """
    return (yield from cue_by(world, wake_recordings(world.settings)))


def wake_other(world: World) -> Scene:
    """What follows a name that a person says is left alone: it is somebody else's, except where it is the model's.

    As ``talking_to_other``, half of the trials while the model counts. Others are called by recordings of the names in
    the setting ``others``; the model by its own names in the user's voice or, for ``own_share`` of the times, by
    recordings of those in ``own``.
    """
    return (yield from other_by(world, wake_recordings(world.settings)))


def cue_by(world: World, callers: Callers) -> Scene:
    """``wake_cue`` with people of one's choice."""
    world.microphone, noise = scene_microphone(world), condition(world, world.number)
    task = _task(world, callers)
    asked, talk = ask(world, task, world.number % QUIET_EVERY == QUIET_ROUND)
    end_s = talk.end_s + TAIL_S
    noise.fill(world, end_s)
    yield from world.until(end_s)
    verdict = judge(world, task, asked, talk)
    return Verdict(verdict.checks, verdict.measures | {f"exact_{noise.noise}": verdict.measures[f"exact_{task.name}"]})


def _task(world: World, callers: Callers) -> Task:
    cue = NAMES[world.number % len(NAMES)]
    others = [name for name in NAMES if name != cue]
    reply, heard = one_of(world, "replies"), set[str]()

    def sentence(role: Role) -> tuple[str, int]:
        if role == "plain":
            text = about(world, f"a {one_of(world, 'things')}")
        else:
            text = cue if role == "cue" else others[int(world.rng.integers(len(others)))]
        return text, len(text.split()) - 1

    def call(text: str, at_s: float) -> Said:
        said = callers.draw(world.rng, text, heard)
        heard.add(said.name)
        return call_out(world, said, at_s)

    instruction = world.line("wake_cue", cue=cue, reply=reply)
    return Task(cue.replace(" ", "_"), instruction, reply, sentence, speak=call)


def other_by(world: World, callers: Callers) -> Scene:
    """``wake_other`` with people of one's choice."""
    round_ = world.number // 2
    world.microphone, noise = scene_microphone(world), condition(world, round_ + round_ // 3)
    noise.fill(world, LONGEST_S[world.number % 2])
    named = {"own_name": _known(world, "own"), "other_name": _known(world, "others")}
    own_share = world.settings.number("own_share")

    def called(world: World, names: str, text: str, reply: tuple[str, ...] | None = None) -> Turn:
        by_people = names == "other_name" or world.rng.random() < own_share
        if not by_people:
            return called_by_name(world, names, text, reply)
        name = callers.draw(world.rng, named[names][int(world.rng.integers(len(named[names])))])
        after_s = world.draw("after_name_s")

        def say(at_s: float) -> Said:
            first = call_out(world, name, at_s)
            then = world.say(text, first.end_s + after_s)
            return Said(f"{first.text} {text}", (*first.words, *then.words), then.voice)

        return Turn(f"{' '.join(word for word, _, _ in name.words)} {text}", reply, say)

    return (yield from addressed(world, called))


def _known(world: World, setting: str) -> list[str]:
    names = world.settings[setting]
    if not isinstance(names, list) or not names or not set(names) <= set(NAMES):
        raise SuiteError(f"{world.settings.where}: {setting} = {names!r}, expected a list of {', '.join(NAMES)}")
    return names


KINDS = (SceneKind(wake_cue), SceneKind(wake_other, weakest))
