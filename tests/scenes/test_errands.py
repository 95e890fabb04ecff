from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from imkit.scenes import SuiteError, Verdict, World, load_suite
from imkit.scenes.answers import number_words
from imkit.scenes.asking import ask
from imkit.scenes.desk import SCHEMAS, Clerk, DeskState, key_words, normalised, run_all
from imkit.scenes.errands import KINDS, tool_call
from imkit.scenes.policies import HALF_ORACLES, TIMERS, TRIVIAL, Oracle, Policy, PolicyState
from imkit.scenes.suite import Suite
from imkit.scenes.texts import Prompter
from imkit.scenes.trial import make_world, play_trial
from imkit.stream import Call, Floor, Percept

(KIND,) = KINDS
CHAIN, QUESTION, CORRECTED, STORY = 0, 2, (6, 12, 20, 26), 1
BEFORE_RESULTS = 4  # of a corrected request: two calls, "on it", "okay"
Make = Callable[[World], Policy]


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("dev")


@pytest.fixture(scope="module")
def cast(suite: Suite) -> Iterator[Prompter]:
    with Prompter(suite) as prompter:
        yield prompter


def world_of(suite: Suite, cast: Prompter, number: int) -> World:
    return make_world(suite, cast, "tool_call", number, 16_000)


def play(suite: Suite, cast: Prompter, make: Make, number: int) -> Verdict:
    world = world_of(suite, cast, number)
    return play_trial(tool_call, world, make(world))[0]


def passed(verdict: Verdict) -> bool:
    (check,) = verdict.checks
    return check.passed


# --- the whole scene


def test_the_oracle_gets_everything(suite: Suite, cast: Prompter) -> None:
    verdicts = [play(suite, cast, Oracle, number) for number in range(16)]
    assert KIND.score(verdicts) >= 95, [v.checks for v in verdicts]
    assert {check.kind for v in verdicts for check in v.checks} == {"act", "hold"}
    requests = [v.measures for v in verdicts[::2]]
    assert sum("listen_while_waiting" in m for m in requests) == sum("stale_result" in m for m in requests) == 2
    for measures in requests:
        assert measures["tool_selection_f1"] == measures.get("argument_accuracy", 1.0) == measures["final_state"] == 1.0
        assert 0.1 < measures["tool_call_s"] < 0.4
        assert measures["tool_call_after_end_s"] <= measures["tool_call_s"]
        assert 0.0 < measures["task_completion_s"] < 3.0


POLICIES = {**TRIVIAL, **{name: TIMERS[name] for name in ("timer-0.6s", "timer-2.0s")}}


@pytest.mark.parametrize("name", POLICIES)
def test_who_calls_nothing_gets_nothing(suite: Suite, cast: Prompter, name: str) -> None:
    assert KIND.score([play(suite, cast, POLICIES[name], number) for number in (CHAIN, STORY)]) <= 5


def test_who_speaks_on_still_calls_right(suite: Suite, cast: Prompter) -> None:
    assert set(HALF_ORACLES) >= {"never-yields", "energy-yield"}
    assert passed(play(suite, cast, HALF_ORACLES["never-yields"], CHAIN))


# --- policies that get one thing wrong


class Early(Oracle):
    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        if percept.index == 0:
            for wanted in self.world.expected:
                wanted.cause_s -= 0.8 if wanted.call else 0.0
        return super().decide(state, percept)


class Late(Oracle):
    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        if percept.index == 0:
            for wanted in self.world.expected:
                wanted.cause_s += 5.0 if wanted.call else 0.0
        return super().decide(state, percept)


class Mute(Oracle):
    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        calls = super().decide(state, percept)
        state.mouth.hush()
        return calls


class Deaf(Oracle):
    """Hears nothing but what it must for its calls: the question's answer, the third thing expected, is left out."""

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        state.done.add(2)
        return super().decide(state, percept)


class Changed(Oracle):
    def change(self, call: Call) -> tuple[Call, ...]:
        raise NotImplementedError

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        return tuple(changed for call in super().decide(state, percept) for changed in self.change(call))


class Twice(Changed):
    def change(self, call: Call) -> tuple[Call, ...]:
        return call, replace(call, id=f"{call.id}-again")


class Wrong(Changed):
    def change(self, call: Call) -> tuple[Call, ...]:
        return (replace(call, arguments={**call.arguments, "genre": "opera"}),)


class Shouting(Changed):
    def change(self, call: Call) -> tuple[Call, ...]:
        loud = {key: value.upper() if isinstance(value, str) else value for key, value in call.arguments.items()}
        return (replace(call, arguments=loud | {"nothing": None}),)


class Stubborn(Changed):
    def change(self, call: Call) -> tuple[Call, ...]:
        return (call,) if call.id.endswith("-1") else ()


class Retracting(Changed):
    def change(self, call: Call) -> tuple[Call, ...]:
        first = call.id.endswith("-1")
        cancel = Call("cancel", "c", call.name, {"id": f"{call.name}-1"}, call.tick)
        return (call,) if first else (cancel, call)


class Hasty(Oracle):
    """Tells every result that comes, wanted or not."""

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        for event in percept.events:
            state.mouth.waiting.extend((word, 2, Floor.SPEAK) for word in event.text.split())
        state.done |= {i for i, wanted in enumerate(self.world.expected) if wanted.words and i >= BEFORE_RESULTS}
        return super().decide(state, percept)


class Eager(Oracle):
    """Calls for something in the story too."""

    def decide(self, state: PolicyState, percept: Percept) -> tuple[Call, ...]:
        calls = super().decide(state, percept)
        story = self.world.number % 2 == 1 and percept.index == 10
        return (*calls, Call("tool", "x", "describe", {}, percept.index)) if story else calls


@pytest.mark.parametrize(
    ("make", "number", "why", "measure"),
    [
        (Early, CHAIN, "no call", ("premature_call", 1.0)),
        (Late, CHAIN, "no call", ("premature_call", 0.0)),
        (Mute, CHAIN, "was not told in time", ("turn_take", 0.0)),
        (Deaf, QUESTION, "answer", ("listen_while_waiting", 0.0)),
        (Twice, CHAIN, "call ", ("final_state", 1.0)),
        (Wrong, CHAIN, "opera", ("final_state", 0.0)),
        (Stubborn, CORRECTED[0], "no call", ("missed_cancel", 1.0)),
    ],
)
def test_one_fault_fails_the_trial(
    suite: Suite, cast: Prompter, make: Make, number: int, why: str, measure: tuple[str, float]
) -> None:
    verdict = play(suite, cast, make, number)
    assert not passed(verdict)
    assert why in verdict.checks[0].why
    name, value = measure
    assert verdict.measures[name] == value
    assert verdict.measures["pass_1"] == 0.0


@pytest.mark.parametrize("make", [Shouting, Retracting])
@pytest.mark.parametrize("number", CORRECTED[:2])
def test_there_is_more_than_one_right_way(suite: Suite, cast: Prompter, make: Make, number: int) -> None:
    verdict = play(suite, cast, make, number)
    assert passed(verdict), verdict.checks


def test_a_stale_result_is_not_to_be_told(suite: Suite, cast: Prompter) -> None:
    hasty = [play(suite, cast, Hasty, number) for number in CORRECTED]
    right = [play(suite, cast, Oracle, number) for number in CORRECTED]
    assert not any(v.measures["stale_result"] for v in right)
    stale = [v for v in hasty if v.measures["stale_result"]]
    assert stale
    assert all("no longer wanted" in v.checks[0].why for v in stale)


def test_a_story_asks_for_nothing(suite: Suite, cast: Prompter) -> None:
    assert passed(play(suite, cast, Oracle, STORY))
    assert KIND.score([play(suite, cast, Eager, number) for number in (CHAIN, STORY)]) <= 5


# --- what is said


@pytest.mark.parametrize("round_", range(12))
def test_a_call_is_known_from_the_word_that_fixes_it(suite: Suite, cast: Prompter, round_: int) -> None:
    world = world_of(suite, cast, 2 * round_)
    request, _ = ask(world, earnest=True)
    by_end = {end: i for i, (_, _, end) in enumerate(request.said.words)}
    texts = request.said.text.split()
    assert request.correction is None or request.question is None
    known = [errand for errand in request.wanted if errand.by_s == request.said.end_s + 1.0]
    assert [errand.fixed_s for errand in known] == sorted({errand.fixed_s for errand in known})
    for errand in known:
        at = by_end[errand.fixed_s]
        values = [
            f"{' '.join(number_words(value))} minutes" if isinstance(value, int) else str(value)
            for value in errand.arguments.values()
        ]
        before = " ".join(texts[: at + 1])
        assert all(f" {value} " in f" {before} " for value in values)
        assert before.endswith(tuple(values) or ("data", "table", "variables"))
    if request.correction is not None:
        (right,) = request.errands
        assert right.fixed_s == request.correction.end_s > known[0].by_s
        assert sum(right.arguments[slot] != value for slot, value in known[0].arguments.items()) == 1


def test_a_trial_does_not_depend_on_who_plays_it(suite: Suite, cast: Prompter) -> None:
    one, other = world_of(suite, cast, 6), world_of(suite, cast, 6)
    play_trial(tool_call, one, Oracle(one))
    play_trial(tool_call, other, TRIVIAL["talking"](other))
    assert one.said == other.said


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"tools": ["plot", "fly"]}, "fly"),
        ({"tools": ["plot"], "chain": [2, 2]}, "expected 2 or more"),
        ({"disfluencies": ["cough"]}, "cough"),
        ({"afterwards": ["applause"]}, "applause"),
        ({"tools": ["play"], "chain": [1, 1], "genres": ["jazz"]}, "genres"),
        ({"tools": ["order_drink"], "chain": [1, 1], "sizes": ["huge", "tiny"]}, "size='"),
        ({"afterwards": ["correction"], "late_after_s": [0.2, 0.4]}, "late_after_s"),
    ],
)
def test_a_suite_that_cannot_be_played_says_why(
    suite: Suite, cast: Prompter, table: dict[str, Any], message: str
) -> None:
    other = replace(suite, scenes={"tool_call": {**suite.scenes["tool_call"], **table}})
    with pytest.raises(SuiteError, match=message):
        ask(world_of(other, cast, 0), earnest=True)


# --- the desk

ASKED: list[tuple[str, dict[str, Any]]] = [
    ("plot", {"column": "price"}), ("describe", {}), ("list_variables", {}), ("search", {"topic": "birds"}),
    ("set_timer", {"minutes": 5}), ("play", {"genre": "jazz"}), ("light", {"room": "office", "state": "on"}),
    ("order_drink", {"size": "large", "drink": "latte", "milk": "soy milk"}),
]  # fmt: skip


def a_clerk(**more: Any) -> Clerk:
    return Clerk(**{"columns": ["price"], "rooms": ["office"], "delays_s": [1.0, 3.0], "free_s": 0.0} | more)


def test_every_tool_leaves_its_mark_and_tells_a_word() -> None:
    assert [name for name, _ in ASKED] == list(SCHEMAS)
    digests = {a_clerk().digest_after([asked]) for asked in ASKED}
    assert len(digests) == 8
    results = run_all(DeskState(("price",), ("office",)), ASKED)
    assert [key_words(text) for worked, text in results if worked] == [
        ("chart",), ("summary",), ("list",), ("found",), ("timer", "set"), ("jazz",), ("light", "on"),
        ("large", "latte"),
    ]  # fmt: skip


def test_the_final_state_knows_the_order() -> None:
    assert a_clerk().digest_after(ASKED) == a_clerk().digest_after(ASKED)
    assert a_clerk().digest_after(ASKED) != a_clerk().digest_after(ASKED[::-1])


@pytest.mark.parametrize(
    ("name", "arguments", "plain"),
    [
        ("set_timer", {"minutes": " Twenty  One "}, {"minutes": 21}),
        ("set_timer", {"minutes": "12"}, {"minutes": 12}),
        ("set_timer", {"minutes": 5.0}, {"minutes": 5}),
        ("light", {"room": "The Kitchen", "state": True}, {"room": "kitchen", "state": "on"}),
        ("order_drink", {"drink": "iced_coffee", "milk": None}, {"drink": "iced coffee"}),
        ("unheard_of", {"a": "B"}, {"a": "b"}),
    ],
)
def test_arguments_are_compared_in_one_form(name: str, arguments: dict[str, Any], plain: dict[str, Any]) -> None:
    assert normalised(name, arguments) == plain


def test_calls_run_one_after_the_other() -> None:
    clerk = a_clerk()
    clerk.take(Call("tool", "a", "plot", {"column": "price"}), 1.0)
    clerk.take(Call("tool", "b", "describe"), 1.4)
    assert [job.due_s for job in clerk.jobs] == [2.0, 5.0]
    assert clerk.tell(1.8) == []
    ((_, event),) = clerk.tell(2.0)
    assert (event.text, event.call_id) == ("here is the chart", "a")
    assert event.payload == {"ok": True, "topic": "plot"}
    assert clerk.tell(4.8) == []
    assert [event.call_id for _, event in clerk.tell(5.0)] == ["b"]


def test_nothing_is_told_while_the_user_speaks() -> None:
    clerk = a_clerk(free_s=9.0)
    clerk.take(Call("tool", "a", "describe"), 1.0)
    assert clerk.jobs[0].due_s == 9.0


def test_a_later_call_takes_the_place_of_the_one_before_and_a_cancel_leaves_none() -> None:
    clerk = a_clerk()
    clerk.take(Call("tool", "a", "play", {"genre": "jazz"}), 1.0)
    clerk.take(Call("tool", "b", "play", {"genre": "rock"}), 1.2)
    assert clerk.digest == clerk.digest_after([("play", {"genre": "rock"})])
    assert [event.text for _, event in clerk.tell(10.0)] == ["here is rock"]
    clerk.take(Call("cancel", "c", "", {"id": "a"}), 11.0)
    assert clerk.digest != clerk.fresh().digest
    clerk.take(Call("cancel", "d", "play"), 12.0)
    assert clerk.digest == clerk.fresh().digest
    assert clerk.cancelled_s == [11.0, 12.0]


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("plot", {"column": "height"}, "there is no column 'height'"),
        ("light", {"room": "moon", "state": "on"}, "there is no room 'moon'"),
        ("fly", {}, "there is no tool 'fly'"),
        ("set_timer", {"minutes": "soon"}, "minutes='soon'"),
    ],
)
def test_a_call_that_does_not_fit_fails_and_changes_nothing(name: str, arguments: dict[str, Any], text: str) -> None:
    clerk = a_clerk()
    clerk.take(Call("tool", "a", name, arguments), 1.0)
    ((job, event),) = clerk.tell(9.0)
    assert text in event.text
    assert not job.ok
    assert event.payload["ok"] is False
    assert clerk.digest == clerk.fresh().digest
