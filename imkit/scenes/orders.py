"""Spoken coffee orders, by synthetic voices and by people: hear one, call ``order_drink``, say what was done.

Mirrors Picovoice's speech-to-intent-benchmark, which scores the share of commands with every slot right, clean and in
the noise of a cafe and of a kitchen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from imkit.stream import Call
from imkit.voices import Voice

from .asking import CALL_S, SETTLE_S, Errand
from .desk import Clerk, Job, key_words
from .errands import RESULT_S, TELLING_S
from .kinds import SceneKind
from .menu import MENU, Order, change_order, draw_order
from .noises import condition, scene_microphone
from .people import Spoken, people_of
from .scoring import Check, Verdict, rates
from .world import Said, Scene, World

TOOL: Final = "order_drink"
STORY_EVERY, CHANGE_EVERY = 4, 3
ENDED_S: Final = 0.5  # so long after the end of recorded speech it is sure to be over
RECORDED_S: Final = 2.0  # and by then its call is due: no word tells when the last slot was fixed
LAST_S: Final = 9.0  # nothing is waited for longer than this after the user's last word


def coffee_order(world: World) -> Scene:
    """One order by a synthetic voice; every third trial is mended afterwards, every fourth is a story about an order.

    The call is due from the end of the last slot's last word to 1 s after the end of the sentence, and what comes of it
    is to be told. A mended slot ("no large") asks for another call within 1 s of the sentence, which replaces the
    first. A trial is passed when all of that is done and nothing else is called for; a story when nothing is called
    for. "on it" and "okay" are expected as in ``tool_call``; nothing depends on them.
    """
    share = world.settings.number("slot_share")
    story = world.number % STORY_EVERY == STORY_EVERY - 1
    frame = world.line("order_story" if story else "order_frame", order="{order}")
    order = draw_order(world.rng, frame, share)
    said = world.say(order.text, world.draw("lead_s"))
    delay_s = world.draw("delay_s")
    if story:
        clerk = Clerk((), (), (delay_s,), said.end_s + SETTLE_S)
        yield from _serve(world, clerk, [], said.end_s)
        return _judge_story(world, clerk, said.end_s)
    errands, end_s, first_s = [_due(world, order, said, "on it")], said.end_s, None
    if world.number % CHANGE_EVERY == CHANGE_EVERY - 1:
        lines = world.suite.lines("order_change"), world.suite.lines("order_denied")
        change = change_order(world.rng, order.arguments, *lines)
        changed = world.say(change.text, said.end_s + world.draw("change_after_s"))
        errands.append(_due(world, change, changed, "okay"))
        end_s, first_s = changed.end_s, changed.end_s + CALL_S + SETTLE_S
    clerk = Clerk((), (), (delay_s,), end_s + SETTLE_S, first_s)
    yield from _serve(world, clerk, errands[-1:], end_s)
    return _judge(world, clerk, errands)


def order_recording(world: World) -> Scene:
    """One recording of a person, clean or in noise; what noise goes round with the trials. See ``take_order``."""
    people = people_of(world.settings)
    spoken = people.load(world.number)
    return (yield from take_order(world, spoken, world.number + world.number // len(people)))


def take_order(world: World, spoken: Spoken, round_: int) -> Scene:
    """A person's order is heard; in scoring nobody knows its words, nor when each is spoken.

    The sound goes through a microphone with settings of its own, [scene.order_recording.microphone]. Noise, one of the
    setting ``noises`` by turns, fills the whole trial at one of ``snr_db`` by turns: speech where it sounds against the
    noise's RMS. The order is right if the last call made by 2 s after the end of the speech is, in every slot, however
    early it came; the world notes one wordless word from the start to the end of the speech.
    """
    world.microphone = scene_microphone(world)
    world.voice = Voice("files", spoken.name)
    at_s = world.draw("lead_s")
    world.sound(spoken.sound, at_s)
    end_s = at_s + spoken.end_s
    words = spoken.words or (("", spoken.start_s, spoken.end_s),)
    world.said.append(Said("", tuple((word, at_s + start, at_s + end) for word, start, end in words), world.voice))
    noise = condition(world, round_)
    noise.fill(world, end_s + LAST_S)
    errand = Errand(TOOL, spoken.arguments, 0.0, end_s + RECORDED_S)
    world.expect((), end_s + ENDED_S, call=errand.asked)
    world.expect("on it", end_s + ENDED_S)
    clerk = Clerk((), (), (world.draw("delay_s"),), end_s + SETTLE_S)
    yield from _serve(world, clerk, [errand], end_s, RECORDED_S)
    return _judge_recording(world, clerk, errand, end_s, noise.name)


def _due(world: World, order: Order, said: Said, reply: str) -> Errand:
    """What is right to call for once a sentence has named it, noted in the world."""
    errand = Errand(TOOL, order.arguments, said.words[order.fixed][2], said.end_s + CALL_S)
    world.expect((), errand.fixed_s, call=errand.asked)
    world.expect(reply, said.end_s)
    return errand


def _serve(world: World, clerk: Clerk, wanted: Sequence[Errand], end_s: float, call_s: float = CALL_S) -> Scene:
    """Time passes until calls are no longer due and what came of them is told; right results are expected to be."""

    def called(call: Call) -> None:
        clerk.take(call, world.now_s)

    world.on_call = called

    def last_s() -> float:
        coming = [job.due_s + TELLING_S for job in clerk.jobs if not job.dropped]
        return min(max([end_s + call_s + 0.6, *coming]), end_s + LAST_S)

    while world.now_s < last_s():
        for job, event in clerk.tell(world.now_s):
            world.tell(event, world.now_s)
            if job.ok and any(errand.is_asked_by(job) for errand in wanted):
                world.expect(job.text, world.now_s)
        yield
    return Verdict(())


def _judge_story(world: World, clerk: Clerk, end_s: float) -> Verdict:
    called = ", ".join(_shown(job.call.name, job.arguments) for job in clerk.jobs)
    check = Check("hold", not called, f"called {called}, though nothing was ordered" if called else "")
    spoke = world.agent.speaking(0.0, end_s + CALL_S) > 0.08
    return Verdict((check,), {"story_calls": float(len(clerk.jobs)), "spoke_to_story": float(spoke)})


def _judge(world: World, clerk: Clerk, errands: Sequence[Errand]) -> Verdict:
    """Each due call in time, no other call, the last one's result told. The latency is of the first call due."""
    made = [next((job for job in clerk.jobs if e.is_asked_by(job) and e.in_time(job)), None) for e in errands]
    faults = [f"no call {_shown(*e.asked)} in time" for e, job in zip(errands, made, strict=True) if job is None]
    faults += [f"call {_shown(*job.asked)} at {job.asked_s:.1f} s" for job in clerk.jobs if job not in made]
    told = made[-1] is not None and _told(world, made[-1])
    faults += [] if told or made[-1] is None else [f"the result {made[-1].text!r} was not told in time"]
    if any(job.dropped for job in made[-1:] if job is not None):
        faults.append("the right call does not hold at the end")
    wanted = errands[-1]
    held = _held(clerk, wanted.by_s)
    measures = _slots(wanted.arguments, held) | {"told": float(told)}
    measures["false_calls"] = float(sum(job not in made for job in clerk.jobs))
    measures["premature_call"] = float(any(job.asked_s < errands[0].fixed_s - 1e-9 for job in clerk.jobs))
    waits = [job.asked_s - errand.fixed_s for errand, job in zip(errands, made, strict=True) if job is not None]
    measures |= {"call_s": sum(waits) / len(waits)} if waits else {}
    if len(errands) > 1:
        measures["replaced"] = float(made[-1] is not None)
    first, *_ = made
    latency_s = None if first is None else round(first.asked_s - errands[0].fixed_s, 3)
    return Verdict((Check("act", not faults, "; ".join(faults), latency_s),), measures)


def _judge_recording(world: World, clerk: Clerk, wanted: Errand, end_s: float, group: str) -> Verdict:
    """The last call in time is right in every slot. Its latency is from the end of the speech: negative if early."""
    held = _held(clerk, wanted.by_s)
    right = held is not None and wanted.is_asked_by(held)
    called = "nothing" if held is None else _shown(*held.asked)
    why = "" if right else f"called {called} in time, expected {_shown(*wanted.asked)}"
    measures = _slots(wanted.arguments, held)
    measures["told"] = float(right and held is not None and _told(world, held))
    measures["false_calls"] = float(sum(not wanted.is_asked_by(job) for job in clerk.jobs))
    latency_s = round(held.asked_s - end_s, 3) if held is not None and right else None
    return Verdict((Check("act", right, why, latency_s, group),), measures)


def _held(clerk: Clerk, by_s: float) -> Job | None:
    """The order that holds at a time: the last one made, unless it was cancelled by then."""
    orders = [job for job in clerk.jobs if job.call.name == TOOL and job.asked_s <= by_s + 1e-9]
    if not orders or (orders[-1].dropped and any(orders[-1].asked_s <= t <= by_s for t in clerk.cancelled_s)):
        return None
    return orders[-1]


def _slots(wanted: Mapping[str, str], held: Job | None) -> dict[str, float]:
    """whole_command; slot_NAME for the slots that were named or called for; slot_accuracy, their mean."""
    got = {} if held is None else held.arguments
    slots = {slot: float(got.get(slot) == wanted.get(slot)) for slot in MENU if slot in wanted or slot in got}
    whole = float(held is not None and dict(got) == dict(wanted))
    return {
        "whole_command": whole,
        "slot_accuracy": sum(slots.values()) / len(slots),
        **{f"slot_{slot}": right for slot, right in slots.items()},
    }


def _told(world: World, job: Job) -> bool:
    """Whether the words of a result are all said, in their order and in time."""
    if job.told_s is None or not world.agent.words(job.told_s, job.told_s + RESULT_S):
        return False
    said = iter(word.text for word in world.agent.words(job.told_s, job.told_s + TELLING_S))
    return all(key in said for key in key_words(job.text))


def _shown(name: str, arguments: Mapping[str, object]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def share_right(verdicts: Sequence[Verdict]) -> float:
    """The share of commands with every slot right, as 0 to 100: what the published benchmark counts.

    Who calls for nothing gets nothing, and a guess is as likely right as the most frequent order is, so nothing is
    taken off for chance.
    """
    return 100 * rates(verdicts)[0]


KINDS = (SceneKind(coffee_order), SceneKind(order_recording, share_right))
