from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imkit.background.reading import Reading, Sentences

CALL = '{"name": "plot_columns", "arguments": {"name": "sales", "columns": ["price"]}}'
WANTED = ("plot_columns", {"name": "sales", "columns": ["price"]})
LLAMA = CALL.replace("arguments", "parameters")
XML = (
    "<tool_call>\n<function=plot_columns>\n<parameter=name>\nsales\n</parameter>\n"
    '<parameter=columns>\n["price"]\n</parameter>\n</function>\n</tool_call>'
)


def read(text: str, size: int) -> tuple[str, list[tuple[str, Any]]]:
    reading = Reading()
    said = "".join(reading.feed(text[k : k + size]) for k in range(0, len(text), size)) + reading.finish()
    return said, [(call.name, json.loads(call.arguments)) for call in reading.calls]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("text", "said", "calls"),
    [
        ("Just words.", "Just words.", 0),
        (f"<tool_call>{CALL}</tool_call>", "", 1),
        (f"I look. <tool_call>\n{CALL}\n</tool_call>", "I look. ", 1),
        (f"<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>", "", 2),
        (f"<tool_call>{CALL}", "", 1),
        (f"<think>{CALL} or not?</think>\n\nYes.", "Yes.", 0),
        (f"<think>hm</think><tool_call>{CALL}</tool_call>", "", 1),
        ("<think>never ends", "", 0),
        (LLAMA, "", 1),
        (f"{LLAMA}; {LLAMA}", "", 2),
        (f"<|python_tag|>{LLAMA}", "", 1),
        (f"[TOOL_CALLS][{CALL}]", "", 1),
        (f"```json\n{CALL}\n```", "", 1),
        (XML, "", 1),
        ('{"price": 3} is what I found.', '{"price": 3} is what I found.', 0),
        ("a < b and a <tool> is not one", "a < b and a <tool> is not one", 0),
        ("It ends with <tool", "It ends with <tool", 0),
    ],
)
def test_calls_and_words_are_told_apart_however_they_arrive(text: str, said: str, calls: int, size: int) -> None:
    assert read(text, size) == (said, [WANTED] * calls)


def test_a_call_that_cannot_be_read_is_not_lost() -> None:
    reading = Reading()
    assert reading.feed('<tool_call>{"name": "plot", "arguments": {"a": </tool_call>') == ""
    (call,) = reading.calls
    assert call.name == "plot"
    with pytest.raises(ValueError, match="not valid JSON"):
        call.named()


@given(st.text(alphabet="ab <>{}[]tool_call/think`\n", max_size=60), st.integers(1, 9))
def test_pieces_make_no_difference(text: str, size: int) -> None:
    assert read(text, size) == read(text, 1000)


@given(st.text(alphabet="abc .!?\n", max_size=200), st.integers(1, 9))
def test_sentences_keep_every_word(text: str, size: int) -> None:
    cutter = Sentences()
    told = [one for k in range(0, len(text), size) for one in cutter.feed(text[k : k + size])] + [cutter.finish()]
    assert " ".join(" ".join(told).split()) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "whole", "rest"),
    [
        ("The mean is 3.5 today. And", ["The mean is 3.5 today."], "And"),
        ("Use e.g. price. Then", ["Use e.g. price."], "Then"),
        ('He said "no!" Then', ['He said "no!"'], "Then"),
        ("First line\nsecond", ["First line"], "second"),
        ("Not yet over.", [], "Not yet over."),
    ],
)
def test_where_sentences_end(text: str, whole: list[str], rest: str) -> None:
    cutter = Sentences()
    assert cutter.feed(text) == whole
    assert cutter.finish() == rest


def test_a_sentence_without_end_is_cut() -> None:
    cutter = Sentences()
    told = cutter.feed("word " * 200)
    assert len(told) >= 2
    assert max(map(len, told)) <= 400
