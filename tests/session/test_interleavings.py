"""Whatever the order of asking, cancelling, telling, finishing and expiring: what nobody wants is never delivered."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.background import Answer, Desk, Task
from imkit.session import Delegation, delegation
from imkit.stream import Call, Event
from imkit.tools import Toolbox

AT_ONCE, PLACES = 3, 5
WAIT_S = 30.0


class Stage(Executor):
    """Runs every task in a thread that does nothing until the test tells it to: a puppet a task."""

    def __init__(self) -> None:
        self.orders: dict[str, SimpleQueue[Callable[[Desk], Answer | None]]] = {}
        self.reached: SimpleQueue[None] = SimpleQueue()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            future.set_result(fn(*args, **kwargs))
            self.reached.put(None)

        threading.Thread(target=run, daemon=True).start()
        self.reached.get(timeout=WAIT_S)
        return future

    def answer(self, task: Task, desk: Desk) -> Answer:
        orders = self.orders.setdefault(task.id, SimpleQueue())
        while True:
            self.reached.put(None)
            answer = orders.get(timeout=WAIT_S)(desk)
            if answer is not None:
                return answer

    def order(self, id: str, what: Callable[[Desk], Answer | None]) -> None:
        self.orders[id].put(what)
        self.reached.get(timeout=WAIT_S)


@dataclass
class Expected:
    """One task as it should be."""

    id: str
    topic: str
    priority: int
    expires: int | None
    version: int = 0
    finished: bool = False


@dataclass
class Rules:
    """What the docstring of Delegation promises, said once more in the plainest way."""

    live: list[Expected] = field(default_factory=list)
    working: dict[str, Expected] = field(default_factory=dict)  # a thread each, wanted or not
    waiting: list[tuple[Expected, bool, str]] = field(default_factory=list)  # (task, only while wanted, text)
    versions: Counter[str] = field(default_factory=Counter)
    stale: int = 0

    def ask(self, new: Expected) -> bool:
        older = [one for one in self.live if one.topic == new.topic]
        lesser = [one for one in self.live if one.priority < new.priority and not one.finished]
        full = len(self.live) - len(older) >= AT_ONCE
        if len(self.working) >= PLACES or (full and not lesser):
            new.version = self.versions[new.topic]
            self.waiting.append((new, False, "busy"))
            return False
        for one in older:
            self.drop(one)
        if full:
            least = [one for one in lesser if one.priority == min(other.priority for other in lesser)][-1]
            self.drop(least)
            self.waiting.append((least, False, "urgent"))
        self.versions[new.topic] += 1
        new.version = self.versions[new.topic]
        self.live.append(new)
        self.working[new.id] = new
        return True

    def drop(self, one: Expected) -> None:
        self.live.remove(one)
        kept = [entry for entry in self.waiting if entry[0] is not one or not entry[1]]
        self.stale += len(self.waiting) - len(kept)
        self.waiting = kept

    def say(self, one: Expected, text: str) -> None:
        if one in self.live:
            self.waiting.append((one, True, text))
        else:
            self.stale += 1

    def due(self, tick: int) -> list[tuple[str, int, str]]:
        expired = [one for one in self.live if one.expires is not None and tick > one.expires]
        for one in expired:
            self.drop(one)
        out = [(one.id, one.version, "too long") for one in expired]
        out += [(one.id, one.version, text) for one, _, text in self.waiting]
        for one, wanted, text in self.waiting:
            if wanted and text.startswith("end"):
                self.live.remove(one)
        self.waiting.clear()
        return out


def seen(event: Event) -> tuple[str, int, str]:
    words = next((word for word in ("busy", "urgent", "too long") if word in event.text), event.text)
    assert event.epoch == int(event.call_id)  # every call had an epoch of its own
    assert ("part" in event.payload) == event.text.startswith("part")
    return event.call_id, event.payload["version"], words


OPS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from("abcdef"), st.integers(-1, 1), st.none() | st.integers(0, 4)),
    st.tuples(st.sampled_from(["tell", "tell", "end", "crash", "cancel"]), st.integers(0, 9)),
    st.tuples(st.just("cancel topic"), st.sampled_from("abcdef")),
    st.just(("tick",)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(OPS, max_size=50))
def test_only_what_is_wanted_is_delivered_and_all_of_it(ops: list[tuple[Any, ...]]) -> None:
    stage, rules = Stage(), Rules()
    tick, asked = 0, 0
    with mock.patch.multiple(delegation, MAX_AT_ONCE=AT_ONCE, MAX_PLACES=PLACES):
        under_test = Delegation(stage, Toolbox(), stage)

        def pick(number: int) -> Expected | None:
            found = list(rules.working.values())
            return found[number % len(found)] if found else None

        def finish(one: Expected, how: str) -> None:
            def crash(desk: Desk) -> Answer:
                raise SystemExit("end")

            stage.order(one.id, crash if how == "crash" else lambda desk: Answer(f"end {one.id}"))
            rules.say(one, f"end {one.id}" if how == "end" else "end: crashed")
            one.finished = True
            del rules.working[one.id]

        def told() -> list[tuple[str, int, str]]:
            events = [seen(event) for event in under_test.drain(tick)]
            return [
                (id, version, "end: crashed" if "SystemExit: end" in text else text) for id, version, text in events
            ]

        for op, *more in ops:
            if op == "ask":
                topic, priority, lasts = more
                one = Expected(str(asked), topic, priority, None if lasts is None else tick + lasts)
                call = Call("delegate", one.id, topic, {"priority": priority}, tick, asked, one.expires)
                asked += 1
                assert rules.ask(one) == (under_test.submit(call) or one.id in stage.orders)
            elif op == "cancel topic":
                under_test.submit(Call("cancel", "x", more[0], {}, tick))
                for one in [one for one in rules.live if one.topic == more[0]]:
                    rules.drop(one)
            elif op == "tick":
                tick += 1
                assert told() == rules.due(tick)
            elif (one := pick(more[0])) is None:
                continue
            elif op == "tell":
                text = f"part of {one.id} at {tick}"
                stage.order(one.id, lambda desk, text=text: desk.tell(text))  # type: ignore[misc]
                rules.say(one, text)
            elif op == "cancel":
                under_test.submit(Call("cancel", "x", "", {"id": one.id}, tick))
                if one in rules.live:
                    rules.drop(one)
            else:
                finish(one, op)
        for one in list(rules.working.values()):
            finish(one, "end")
        tick += 1
        assert told() == rules.due(tick)
        assert under_test.under_way == ()
        assert under_test.counts["stale"] == rules.stale
        assert under_test.close()
