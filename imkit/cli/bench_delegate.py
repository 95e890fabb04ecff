"""``imkit bench delegate``: handing work over, bringing it back and stopping it, beside the deadlines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from imkit.background import Answer, Cancelled, Desk, Task
from imkit.capture import Script
from imkit.session import Session
from imkit.stream import TICK_S, Act, Call, OpenConfig, Percept

from .bench import Row, rank

ASKED = (1, 8, 64)
WORK_S = 0.5
ROUND_TICKS = 10
CANCEL_TICKS = 2
REQUESTS = ("plot the data", "describe the table", "list the variables", "plot the data", "describe the table")


@dataclass
class Times:
    """When what happened to a task, in seconds, by its id. Each is written by one thread."""

    called: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    delivered: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)
    cancelled: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    stopped: dict[str, float] = field(default_factory=dict)

    def clear(self) -> None:
        """Forgets everything."""
        for noted in vars(self).values():
            noted.clear()


class Asking:
    """A model that also hands over ``ask`` tasks at once every two seconds, and may cancel them 400 ms later."""

    def __init__(self, model: Any, times: Times) -> None:
        self.model, self.times, self.spec = model, times, model.spec
        self.ask, self.cancels = 0, False
        self.steps = 0

    def open(self, config: OpenConfig) -> Any:
        """The state of the model inside."""
        return self.model.open(config)

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        """The model's own act, with calls in it. Notes when results came in and when calls went out."""
        began_s = time.perf_counter()
        for event in percept.events:
            if event.kind == "result" and event.call_id in self.times.called:
                (self.times.delivered if event.payload["ok"] else self.times.refused)[event.call_id] = began_s
        act, state = self.model.step(state, percept)
        at = percept.index % ROUND_TICKS
        ids = [f"{percept.index - at}.{number}" for number in range(self.ask)]
        calls: list[Call] = []
        if at == 0:
            calls = [Call("delegate", id, f"topic {number}") for number, id in enumerate(ids)]
        elif at == CANCEL_TICKS and self.cancels:
            calls = [Call("cancel", f"stop {id}", "", {"id": id}) for id in ids]
        now_s = time.perf_counter()
        noted = self.times.cancelled if at else self.times.called
        noted.update(dict.fromkeys(ids if calls else (), now_s))
        self.steps += 1
        return replace(act, calls=(*act.calls, *calls)), state


class Working:
    """A background model whose work is to wait on an executor, as for a network."""

    def __init__(self, times: Times) -> None:
        self.times = times
        self.work_s = WORK_S

    def answer(self, task: Task, desk: Desk) -> Answer:
        """Waits, cancellably, and says when it began, ended, or heard that it is cancelled."""
        self.times.started[task.id] = time.perf_counter()
        desk.on_cancel(lambda: self.times.told.update({task.id: time.perf_counter()}))
        try:
            desk.run(time.sleep, self.work_s)
        except Cancelled:
            self.times.stopped[task.id] = time.perf_counter()
            raise
        self.times.ready[task.id] = time.perf_counter()
        return Answer("done")


def delegate(model: str, rounds: int = 10) -> Iterator[Row]:
    """One live session: idle, then ``rounds`` times 1, 8 and 64 tasks asked at once, then eight that are cancelled."""
    from .run import load_model

    times = Times()
    chair, worker = Asking(load_model(model), times), Working(times)
    with ThreadPoolExecutor(64) as heavy, Session(chair, worker, executor=heavy, namespace={}) as session:
        session.start()
        _whole_rounds(session, chair, 1)  # the first steps are slower
        before = _counts(session, chair)
        _whole_rounds(session, chair, rounds * len(ASKED))
        yield _missed("idle", before, _counts(session, chair))
        before = _counts(session, chair)
        for ask in ASKED:
            times.clear()
            chair.ask = ask
            _whole_rounds(session, chair, rounds)
            chair.ask = 0
            _whole_rounds(session, chair, 1)
            yield from _handed_over(times, ask)
        yield _missed("tasks under way", before, _counts(session, chair))
        times.clear()
        chair.ask, chair.cancels, worker.work_s = 8, True, 1.5
        _whole_rounds(session, chair, rounds)
        chair.ask = 0
        _whole_rounds(session, chair, 1)
        yield from _cancelled(times)
    yield from _own_part(chair, worker)


def _own_part(chair: Asking, worker: Working) -> Iterator[Row]:
    """In virtual time: typed requests that the model itself hands over and tells of, just after others were."""
    typed = [{"t": 2.2 + 6.0 * number, "text": text} for number, text in enumerate(REQUESTS)]
    chair.cancels, worker.work_s = False, 0.0
    for ask in ASKED:
        chair.ask = ask - 1
        with Session(chair, worker, namespace={}) as session:
            timeline = session.run(Script(typed), seconds=6.0 * len(REQUESTS) + 2)
        others = {call.id for moment in timeline for call in moment.act.calls if call.name.startswith("topic ")}
        to_call: list[float] = []
        to_word: list[float] = []
        asked_s, told_s, refused = 0.0, 0.0, 0
        for moment in timeline:
            if moment.percept.text:
                asked_s, told_s = moment.start_s + TICK_S, 0.0
            own = [call for call in moment.act.calls if call.kind == "delegate" and call.id not in others]
            to_call += [1000 * (moment.act.starts_s - asked_s)] * len(own)
            for event in moment.percept.events:
                if event.kind == "result" and event.call_id not in others:
                    told_s, refused = moment.start_s, refused + (not event.payload["ok"])
            if told_s and moment.act.words:
                to_word.append(1000 * (moment.act.words[0].start_s - told_s))
                told_s = 0.0
        note = f"{len(to_call)} of {len(REQUESTS)} handed over, {refused} refused in words; virtual time"
        if to_call:
            yield Row(
                f"end of the micro-turn of a typed request to its call, {ask} asked, p50",
                rank(to_call, 0.5),
                None,
                "ms",
                note,
            )
        if to_word:
            yield Row(f"result to the model's first word, {ask} asked, p50", rank(to_word, 0.5), None, "ms", note)


def _whole_rounds(session: Session, chair: Asking, rounds: int) -> None:
    """Waits until so many more rounds have been stepped."""
    wanted = (chair.steps // ROUND_TICKS + rounds) * ROUND_TICKS
    while chair.steps < wanted and session.state not in {"stopped", "closed"}:
        time.sleep(TICK_S / 2)


def _counts(session: Session, chair: Asking) -> tuple[int, int]:
    """Ticks so far, and how many of them came too late or were dropped."""
    stats = session.stats()
    return chair.steps, stats["missed_deadlines"] + stats["dropped_audio_ticks"]


def _missed(when: str, before: tuple[int, int], after: tuple[int, int]) -> Row:
    ticks, missed = after[0] - before[0], after[1] - before[1]
    return Row(f"missed deadlines, {when}", 100 * missed / ticks, 0.1, "%", f"{missed} of {ticks} ticks")


def _handed_over(times: Times, ask: int) -> Iterator[Row]:
    start_ms = _between(times.called, times.started)
    back_ms = _between(times.ready, times.delivered)
    told = f"{len(times.started)} of {len(times.called)} ran, {len(times.refused)} refused in words"
    for share in (0.5, 0.95):
        name = f"p{share * 100:.0f}"
        yield Row(f"call to start in a worker, {ask} asked, {name}", rank(start_ms, share), None, "ms", told)
    for share in (0.5, 0.95):
        name = f"p{share * 100:.0f}"
        yield Row(
            f"result ready to delivered, {ask} asked, {name}", rank(back_ms, share), None, "ms", "ticks of 200 ms"
        )


def _cancelled(times: Times) -> Iterator[Row]:
    for what, when in (("on_cancel is called", times.told), ("desk.run returns", times.stopped)):
        lags_ms = _between(times.cancelled, when)
        yield Row(f"cancel to {what}, p95", rank(lags_ms, 0.95), 1000 * TICK_S, "ms", f"n={len(lags_ms)}")


def _between(before: dict[str, float], after: dict[str, float]) -> list[float]:
    """Milliseconds from one to the other, of every task that has both."""
    return [1000 * (after[id] - before[id]) for id in before if id in after]
