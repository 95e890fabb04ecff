"""Scene 12: spoken requests for tools. Call what was asked for once it is known, mend it, tell what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from imkit.stream import Call

from .asking import ANSWER_S, CALL_S, Errand, Request, ask
from .desk import Clerk, Job, key_words
from .kinds import SceneKind
from .scoring import Check, Verdict
from .world import Scene, World

RESULT_S = 1.5  # a result begins to be told so soon after it came
TELLING_S = 4.0  # and its words have begun by then
LAST_S = 25.0  # nothing is waited for longer than this after the user's last word


def tool_call(world: World) -> Scene:
    """A spoken request for one to three of eight tools, called in time and told of; or the same words as a story.

    Mirrors Full-Duplex-Bench v3. Requests hold fillers, pauses, repeated words, false starts and corrections. Some are
    corrected after the call is due: it must be replaced by a right one (or cancelled first), and its own result left
    unsaid. Some are followed by a small question, to be answered while the tool works. A trial is passed when all of
    it is right; a story is passed when nothing is called for.
    """
    earnest = world.number % 2 == 0
    request, clerk = ask(world, earnest)
    if earnest:
        _expect(world, request)

    def called(call: Call) -> None:
        clerk.take(call, world.now_s)

    world.on_call = called
    while world.now_s < _end_s(request, clerk):
        for job, event in clerk.tell(world.now_s):
            world.tell(event, world.now_s)
            if earnest and job.ok and any(errand.is_asked_by(job) for errand in request.errands):
                world.expect(job.text, world.now_s)
        yield
    return _judge(world, request, clerk) if earnest else _judge_story(world, request, clerk)


def _expect(world: World, request: Request) -> None:
    for errand in request.wanted:
        world.expect((), errand.fixed_s, call=errand.asked)
    world.expect("on it", request.said.end_s)
    if request.correction is not None:
        world.expect("okay", request.correction.end_s)
    if request.question is not None:
        world.expect(request.answer, request.question.end_s)


def _end_s(request: Request, clerk: Clerk) -> float:
    coming = [job.due_s + TELLING_S for job in clerk.jobs if not job.dropped or job.told_s is not None]
    return min(max([request.end_s + CALL_S + 0.6, *coming]), request.end_s + LAST_S)


def _judge_story(world: World, request: Request, clerk: Clerk) -> Verdict:
    called = ", ".join(_shown(job.call.name, job.arguments) for job in clerk.jobs)
    check = Check("hold", not called, f"called {called}, though nothing was asked for" if called else "")
    spoke = world.agent.speaking(0.0, request.end_s + CALL_S) > 0.08
    return Verdict((check,), {"false_call": float(bool(called)), "spoke_to_story": float(spoke)})


def _judge(world: World, request: Request, clerk: Clerk) -> Verdict:
    """Everything that must be right in a request: a fault for what is not, measures for the parts.

    Latencies of calls are from the word that fixes the last slot (tool_call_s) and from the end of the speech that
    asks (tool_call_after_end_s); task_completion_s is from a result's arrival to its word.
    """
    made = [next((job for job in clerk.jobs if e.is_asked_by(job) and e.in_time(job)), None) for e in request.wanted]
    kept = [(errand, job) for errand, job in zip(request.wanted, made, strict=True) if job is not None]
    reference = clerk.digest_after(errand.asked for errand in request.errands)
    faults = [f"no call {_shown(*e.asked)} in time" for e, job in zip(request.wanted, made, strict=True) if job is None]
    faults += [f"call {_shown(*job.asked)} at {job.asked_s:.1f} s" for job in clerk.jobs if job not in made]
    faults += ["another final state"] if clerk.digest != reference else []
    measures = _about_calls(request, clerk) | _about_speech(world, request)
    measures["final_state"] = float(clerk.digest == reference)
    if kept:
        measures["tool_call_s"] = float(np.mean([job.asked_s - errand.fixed_s for errand, job in kept]))
        measures["tool_call_after_end_s"] = float(np.mean([job.asked_s - e.by_s + CALL_S for e, job in kept]))
    waits = []
    for job in [job for errand, job in kept if errand is not request.wrong]:
        told_s = _told_s(world, job)
        if told_s is None or job.told_s is None:
            faults.append(f"the result {job.text!r} was not told in time")
        else:
            waits.append(told_s - job.told_s)
    measures |= {"task_completion_s": float(np.mean(waits))} if waits else {}
    if request.correction is not None:
        first, last = made
        stale = _stale(world, request.correction.start_s, first, last)
        faults += ["told a result that was no longer wanted"] if stale else []
        mended = last is not None or any(time_s > request.correction.start_s for time_s in clerk.cancelled_s)
        measures |= {"stale_result": float(stale), "missed_cancel": float(not mended)}
    if request.question is not None:
        why = _unanswered(world, request.question.end_s, request.answer)
        faults += [why] if why else []
        measures["listen_while_waiting"] = float(not why)
    measures["pass_1"] = float(not faults)
    latency_s = round(measures["tool_call_s"], 3) if kept else None
    return Verdict((Check("act", not faults, "; ".join(faults), latency_s),), measures)


def _shown(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _about_calls(request: Request, clerk: Clerk) -> dict[str, float]:
    """tool_selection_f1 over names; argument_accuracy over slots, of the closest call of the name; premature_call."""
    wanted, made = [e.name for e in request.wanted], [job.call.name for job in clerk.jobs]
    hits = sum(min(wanted.count(name), made.count(name)) for name in set(wanted))
    first_s = {errand.name: errand.fixed_s for errand in reversed(request.wanted)}
    early = any(job.asked_s < first_s.get(job.call.name, 0.0) - 1e-9 for job in clerk.jobs)
    measures = {"tool_selection_f1": 2 * hits / (len(wanted) + len(made)), "premature_call": float(early)}
    slots = sum(len(errand.arguments) for errand in request.wanted)
    if slots:
        right = sum(_slots_right(errand, clerk.jobs) for errand in request.wanted)
        measures["argument_accuracy"] = right / slots
    return measures


def _slots_right(errand: Errand, jobs: Sequence[Job]) -> int:
    same = [job.arguments for job in jobs if job.call.name == errand.name]
    return max((sum(args.get(slot) == v for slot, v in errand.arguments.items()) for args in same), default=0)


def _about_speech(world: World, request: Request) -> dict[str, float]:
    """turn_take, first_response_s from the end of the request, interruption of it."""
    end_s = request.said.end_s
    onset = world.agent.onset(end_s + ANSWER_S[0])
    spoke = world.agent.speaking(0.0, end_s + ANSWER_S[0]) > 0.08
    measures = {"turn_take": float(onset is not None), "interruption": float(spoke)}
    return measures | ({"first_response_s": onset - end_s} if onset is not None else {})


def _found(words: Iterator[tuple[str, float]], keys: Sequence[str]) -> float | None:
    """When the first of some words begins that are all said, in this order; None where they are not."""
    starts = [next((start_s for text, start_s in words if text == key), None) for key in keys]
    return None if None in starts else starts[0]


def _words(world: World, from_s: float, to_s: float = float("inf")) -> Iterator[tuple[str, float]]:
    return ((word.text, word.start_s) for word in world.agent.words(from_s, to_s))


def _told_s(world: World, job: Job) -> float | None:
    """When the result's word was said, if the model began to tell it in time."""
    if job.told_s is None or not world.agent.words(job.told_s, job.told_s + RESULT_S):
        return None
    return _found(_words(world, job.told_s, job.told_s + TELLING_S), key_words(job.text))


def _stale(world: World, since_s: float, wrong: Job | None, right: Job | None) -> bool:
    """Whether the corrected call's result was told since the user began to correct it.

    Where both results are the same words, only what was said before the right one came is known to be the wrong one.
    """
    if wrong is None or wrong.told_s is None:
        return False
    keys, until_s = key_words(wrong.text), float("inf")
    if right is not None and right.told_s is not None and key_words(right.text) == keys:
        until_s = right.told_s
    return _found(_words(world, since_s, until_s), keys) is not None


def _unanswered(world: World, end_s: float, answer: Sequence[str]) -> str:
    """Why the question is not answered; "" where it is."""
    words = world.agent.words(end_s + ANSWER_S[0] - 0.05)
    if not words or words[0].start_s > end_s + ANSWER_S[1] + 1e-9:
        return "no answer to the question while waiting"
    got = [word.text for word in words[: len(answer)]]
    return "" if got == list(answer) else f"answered {' '.join(got)!r}, expected {' '.join(answer)!r}"


KINDS = (SceneKind(tool_call),)
