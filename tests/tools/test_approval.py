from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes import FakeClock

from imkit.tools import Approval, Approvals, ToolRefused, ToolStopped


class Asked:
    """A desk with one worker at it, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.shown: list[Approval] = []
        self.gone: list[tuple[str, str]] = []
        self.there = True
        self.desk = Approvals(
            self.shown.append,
            lambda id, why: self.gone.append((id, why)),
            lambda: self.there,
            timeout_s=60.0,
            clock=self.clock,
        )
        self.ends: list[Any] = []
        self.threads: list[threading.Thread] = []

    def ask(self, arguments: str = "{}", cancelled: Callable[[], bool] = lambda: False) -> Approval:
        def work() -> None:
            try:
                self.ends.append(self.desk.ask("drop", arguments, ("why",), cancelled))
            except ToolRefused as error:
                self.ends.append(error)

        before = len(self.shown)
        thread = threading.Thread(target=work)
        thread.start()
        self.threads.append(thread)
        end_s = time.monotonic() + 5
        while len(self.shown) == before:
            assert time.monotonic() < end_s
            time.sleep(0.001)
        return self.shown[-1]

    def end(self) -> Any:
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()
        return self.ends[-1]


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked()
    yield made
    made.desk.close()
    for thread in made.threads:
        thread.join(5)


def test_a_yes_in_time_to_these_arguments_is_a_yes(asked: Asked) -> None:
    question = asked.ask('{"a":1}')
    assert asked.desk.waiting == (question,)
    assert asked.desk.left_s(question) == 60.0
    assert asked.desk.answer(question.id, question.digest, True)
    assert asked.end() is None
    assert asked.gone == [(question.id, "allowed")]
    assert asked.desk.counts == {"asked": 1, "allowed": 1}


@pytest.mark.parametrize("allow", [False, None, 1, "true"])
def test_whatever_is_not_true_is_a_no(asked: Asked, allow: Any) -> None:
    question = asked.ask()
    asked.desk.answer(question.id, question.digest, allow)
    assert str(asked.end()) == "You refused drop, so I did not run it."


def test_no_answer_in_time_is_a_no_and_a_late_yes_counts_for_nothing(asked: Asked) -> None:
    question = asked.ask()
    asked.clock.sleep(59.9)
    time.sleep(0.1)
    assert asked.desk.waiting
    asked.clock.sleep(0.2)
    assert "within 60 seconds" in str(asked.end())
    assert not asked.desk.answer(question.id, question.digest, True)
    assert asked.desk.counts["late"] == 1


def test_a_yes_that_arrives_before_the_worker_looks_at_the_clock_is_late_too(asked: Asked) -> None:
    asked.desk._timeout_s = 0.0
    desk, late = asked.desk, []
    desk._show = lambda approval: late.append(desk.answer(approval.id, approval.digest, True))
    with pytest.raises(ToolRefused, match="within"):
        desk.ask("drop", "{}", ())
    assert late == [False]


def test_an_answer_about_other_arguments_is_a_no(asked: Asked) -> None:
    question = asked.ask('{"table":"mine"}')
    other = dataclasses.replace(question, arguments='{"table":"all"}')
    assert other.digest != question.digest
    assert not asked.desk.answer(question.id, other.digest, True)
    assert "other arguments" in str(asked.end())
    assert asked.desk.counts["altered"] == 1


def test_an_approval_cannot_be_replayed(asked: Asked) -> None:
    first = asked.ask()
    asked.desk.answer(first.id, first.digest, True)
    asked.end()
    second = asked.ask()
    assert not asked.desk.answer(first.id, first.digest, True)
    assert asked.desk.counts["replayed"] == 1
    assert not asked.desk.answer(second.id, first.digest, True)  # the digest holds the id, so equal calls differ
    assert isinstance(asked.end(), ToolRefused)
    assert not asked.desk.answer("made up", first.digest, True)
    assert asked.desk.counts["unknown"] == 1


def test_two_questions_race_and_each_gets_its_own_answer(asked: Asked) -> None:
    one, two = asked.ask('{"n":1}'), asked.ask('{"n":2}')
    asked.desk.answer(two.id, two.digest, True)
    asked.threads[1].join(5)
    assert asked.desk.waiting == (one,)
    asked.desk.answer(one.id, one.digest, False)
    asked.end()
    assert {type(end) for end in asked.ends} == {type(None), ToolRefused}


def test_two_answers_race_and_the_first_counts(asked: Asked) -> None:
    for _ in range(30):
        question = asked.ask()
        took: list[bool] = []
        start = threading.Barrier(2)

        def answer(allow: bool, question: Approval = question, took: Any = took, start: Any = start) -> None:
            start.wait()
            took.append(asked.desk.answer(question.id, question.digest, allow))

        pair = [threading.Thread(target=answer, args=(allow,)) for allow in (True, False)]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()
        asked.end()
        asked.desk.unmute("drop")
        assert sorted(took) == [False, True]
    assert asked.desk.counts["allowed"] + asked.desk.counts["refused"] == 30


def test_whoever_leaves_says_no(asked: Asked) -> None:
    asked.ask()
    asked.ask()
    asked.desk.leave()
    asked.end()
    assert all("is gone" in str(end) for end in asked.ends)
    asked.there = False
    with pytest.raises(ToolRefused, match="Nobody is there"):
        asked.desk.ask("drop", "{}", ())


def test_a_cancelled_question_lets_go_of_its_worker(asked: Asked) -> None:
    stop = threading.Event()
    question = asked.ask(cancelled=stop.is_set)
    stop.set()
    assert isinstance(asked.end(), ToolStopped)
    assert asked.gone == [(question.id, "stopped")]


def test_questions_are_bounded_and_a_closed_desk_refuses(asked: Asked) -> None:
    for number in range(8):
        asked.ask(f'{{"n":{number}}}')
    with pytest.raises(ToolRefused, match="8 questions"):
        asked.desk.ask("drop", "{}", ())
    asked.desk.close()
    asked.end()
    with pytest.raises(ToolRefused, match="Nobody is there"):
        asked.desk.ask("drop", "{}", ())
    assert not asked.desk.present


def test_a_page_that_cannot_be_told_leaves_no_question_behind(asked: Asked) -> None:
    def broken(approval: Approval) -> None:
        raise OSError("no page")

    asked.desk._show = broken
    with pytest.raises(OSError, match="no page"):
        asked.desk.ask("drop", "{}", ())
    assert asked.desk.waiting == ()


def refuse(asked: Asked, arguments: str = "{}") -> str:
    question = asked.ask(arguments)
    asked.desk.answer(question.id, question.digest, False)
    return str(asked.end())


def test_after_three_noes_nobody_is_asked_for_five_minutes(asked: Asked) -> None:
    for number in range(3):  # other arguments are the same tool
        assert refuse(asked, f'{{"n":{number}}}') == "You refused drop, so I did not run it."
    for _ in range(50):
        with pytest.raises(ToolRefused, match="I do not ask again for 5 minutes, and did not run it"):
            asked.desk.ask("drop", "{}", ())
    assert len(asked.shown) == 3
    assert asked.desk.counts["muted"] == 50
    asked.clock.sleep(299.0)
    with pytest.raises(ToolRefused, match="5 minutes"):
        asked.desk.ask("drop", "{}", ())
    asked.clock.sleep(1.0)
    refuse(asked)  # asked once more; one more no is enough
    with pytest.raises(ToolRefused, match="5 minutes"):
        asked.desk.ask("drop", "{}", ())
    assert len(asked.shown) == 4


def test_a_yes_or_the_person_ends_the_count_and_other_tools_have_their_own(asked: Asked) -> None:
    refuse(asked)
    refuse(asked)
    question = asked.ask()
    asked.desk.answer(question.id, question.digest, True)
    assert asked.end() is None
    for _ in range(3):
        refuse(asked)
    with pytest.raises(ToolRefused, match="5 minutes"):
        asked.desk.ask("drop", "{}", ())
    with pytest.raises(ToolStopped):  # another tool is asked about
        asked.desk.ask("write", "{}", (), lambda: True)
    asked.desk.unmute()
    assert refuse(asked).startswith("You refused")


def test_a_question_left_unanswered_counts_and_one_left_by_a_page_or_stopped_does_not(asked: Asked) -> None:
    for _ in range(3):
        asked.ask()
        asked.desk.leave()
        asked.end()
        with pytest.raises(ToolStopped):
            asked.desk.ask("drop", "{}", (), lambda: True)
    for _ in range(3):
        asked.ask()
        asked.clock.sleep(61.0)
        assert "did not answer" in str(asked.end())
    with pytest.raises(ToolRefused, match="5 minutes"):
        asked.desk.ask("drop", "{}", ())


def test_with_the_third_no_the_other_questions_about_the_tool_end_too(asked: Asked) -> None:
    questions = [asked.ask(f'{{"n":{number}}}') for number in range(8)]
    for question in questions[:3]:
        asked.desk.answer(question.id, question.digest, False)
    asked.end()
    assert asked.desk.waiting == ()
    assert [why for _, why in asked.gone].count("muted") == 5
    assert not asked.desk.answer(questions[5].id, questions[5].digest, True)
    assert all(isinstance(end, ToolRefused) for end in asked.ends)
    assert asked.desk.counts["late"] == 1
