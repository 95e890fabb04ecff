"""What the cascade understands and says: one table of sentences, from which the recogniser's grammar is made too.

A sentence is plain lowercase words with slots: ``"count from {first} to {last}"``. The same table is a JSGF grammar for
speech and a set of regular expressions for what was recognised or typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

UNITS: Final = "zero one two three four five six seven eight nine".split()
TEENS: Final = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
OPERATORS: Final = ("plus", "minus", "times")
NAMES: Final = tuple("price size age weight sales speed score total day time".split())
TIMER_WORDS: Final = ("now", "go", "tea", "hello", "red", "green", "blue", "yellow")
COUNT_TO: Final = 20  # "start counting" names no end

PHRASES: Final[Mapping[str, tuple[str, ...]]] = {
    "sum": (
        "what is {sum}", "{sum}", "how much is {sum}", "tell me what is {sum}", "calculate {sum}",
        "please calculate {sum}",
    ),
    "count": (
        "count to {last}", "please count to {last}", "can you count to {last}", "count to {last} please",
        "count from {first} to {last}", "please count from {first} to {last}", "start counting", "please count",
        "count please", "start to count",
    ),
    "timer": (
        "tell me in {wait} seconds", "tell me when {wait} seconds have passed", "remind me in {wait} seconds",
        "set a timer for {wait} seconds", "say {word} in {wait} seconds", "in {wait} seconds say {word}",
    ),
    "stop": (
        "stop", "stop now", "please stop", "stop please", "okay stop", "stop counting", "be quiet", "that is enough",
    ),
    "cancel": ("never mind", "cancel that", "cancel the timer", "never mind that"),
    "plot": (
        "plot the data", "plot the table", "plot my data", "please plot the data", "make a chart", "make a plot",
        "show me a chart", "draw a chart", "draw a chart of the data", "show me a plot of the data",
        "plot the {name}", "plot {name}", "draw the {name}", "show me a chart of the {name}",
        "make a chart of the {name}", "plot {name} against {name}", "plot the {name} against the {name}",
        "plot the {name} and the {name}",
    ),
    "describe": (
        "describe the data", "describe the table", "describe my data", "please describe the data",
        "summarize the data", "summarize the table", "give me a summary", "what is in the data",
        "describe the {name}", "summarize the {name}",
    ),
    "list": (
        "list the variables", "list my variables", "show me the variables", "what variables are there",
        "what data is there",
    ),
    "search": (
        "search the docs", "search for help", "look in the docs", "find help", "search the docs for {name}",
        "look up the {name}",
    ),
    "name": ("what is your name", "tell me your name", "who are you"),
    "greeting": ("hello", "hello there", "hi", "hi there"),
    "morning": ("good morning",),
    "well": ("how are you",),
    "thanks": ("thank you", "thanks"),
    "hear": ("can you hear me", "do you hear me"),
    "there": ("are you there",),
    "bye": ("goodbye", "bye bye"),
    "able": ("what can you do",),
}  # fmt: skip
"""Sentences by what they ask for. Slots: sum, first, last, wait (numbers), word, name."""

SUITE_PHRASES: Final[Mapping[str, str]] = {
    "question": "sum", "new_question": "sum", "side_question": "sum", "count_to": "count", "count_from": "count",
    "time_once": "timer", "stop": "stop", "time_stop": "stop", "time_cancel": "cancel", "call_plot": "plot",
    "call_describe": "describe", "call_list_variables": "list", "call_search": "search",
}  # fmt: skip
"""The names that a suite of scenes gives to its phrases, and what they ask for."""

REPLIES: Final[Mapping[str, str]] = {
    "name": "i am cascade", "greeting": "hello", "morning": "good morning", "well": "fine thanks",
    "thanks": "you are welcome", "hear": "yes i hear you", "there": "yes i am here", "bye": "goodbye",
    "able": "i count and plot", "timer": "okay", "cancel": "okay",
    "plot": "on it", "describe": "on it", "list": "on it", "search": "on it",
}  # fmt: skip
CALLS: Final = ("plot", "describe", "list", "search")
RESULT_REPLIES: Final[Mapping[str, str]] = {
    "plot": "here is the chart", "describe": "here is the summary", "list": "here is the list",
    "search": "here is what i found",
}  # fmt: skip
FAILED: Final = "sorry that failed"


_NUMBER = rf"(?:minus )?(?:(?:{'|'.join(TENS)})(?: (?:{'|'.join(UNITS[1:])}))?|{'|'.join(TEENS + UNITS)})"
_NAME = ("name", "[a-z][a-z' ]*")
_SLOTS: Final[Mapping[str, tuple[str, str]]] = {
    "sum": ("sum", rf"(?P<left>{_NUMBER}) (?P<operator>{'|'.join(OPERATORS)}) (?P<right>{_NUMBER})"),
    **{slot: ("number", rf"(?P<{slot}>{_NUMBER})") for slot in ("first", "last", "wait")},
    "word": ("word", "(?P<word>[a-z']+)"),
    **dict.fromkeys(("name", "column", "topic"), _NAME),
}  # slot: its rule in the grammar, which is narrow, and its regular expression, which is wide
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Request:
    """What a sentence asks for.

    intent       a key of ``PHRASES``
    reply        words to say at once
    first, last  of a count, both ends included
    wait_s       of a timer, and ``word`` is what it says
    """

    intent: str
    reply: tuple[str, ...] = ()
    first: int = 1
    last: int = 0
    wait_s: int = 0
    word: str = "now"


class Language:
    """A closed language: what can be recognised, and what it means.

    ``phrases`` are sentences by what they ask for, in place of the usual ones: under the names of ``PHRASES``, or of a
    suite of scenes (``Suite.phrases``). What the cascade has no answer to is left out. ``names`` are the columns and
    topics that can be said aloud; when typed, any words will do.

    Where the phrases have "own_name" and "other_name", as those of a suite do, a sentence may begin with a name, and
    one that begins with somebody else's asks for nothing.
    """

    def __init__(self, phrases: Mapping[str, Sequence[str]] | None = None, names: Sequence[str] = NAMES) -> None:
        self.names = tuple(names)
        own: dict[str, list[str]] = {}
        for key, lines in (phrases or {}).items():
            known = [line for line in lines if _SLOTS.keys() >= set(_SLOT.findall(line))]
            own.setdefault(SUITE_PHRASES.get(key, key), []).extend(known)
        self.own_names = tuple((phrases or {}).get("own_name", ()))
        self.other_names = tuple((phrases or {}).get("other_name", ()))
        self.phrases = {intent: tuple(own.get(intent) or lines) for intent, lines in PHRASES.items()}
        self._patterns = [
            (intent, re.compile(_SLOT.sub(lambda slot: _SLOTS[slot[1]][1], line)))
            for intent, lines in self.phrases.items()
            for line in lines
        ]

    def rules(self) -> dict[str, str]:
        """The expansions of the grammar's rules by name; "turn" is a whole turn."""
        said = " | ".join(f"({' | '.join(heads)}) {tail}".strip() for tail, heads in self._by_tail().items())
        called = " | ".join([*self.own_names, *self.other_names])
        return {
            "digit": " | ".join([*UNITS, "ten"]),
            "sum": f"<digit> ({' | '.join(OPERATORS)}) <digit>",
            "number": " | ".join([*UNITS[1:], *TEENS, "twenty"]),
            "word": " | ".join(TIMER_WORDS),
            "name": " | ".join(self.names),
            **({"called": called} if called else {}),
            "turn": f"[<called>] ({said})" if called else said,
        }

    def _by_tail(self) -> dict[str, list[str]]:
        """Sentences grouped by what follows from their first slot on: a grammar with far fewer states."""
        groups: dict[str, list[str]] = {}
        for line in dict.fromkeys(line for lines in self.phrases.values() for line in lines):
            head, brace, tail = line.partition("{")
            rest = _SLOT.sub(lambda slot: f"<{_SLOTS[slot[1]][0]}>", brace + tail)
            groups.setdefault(rest, []).append(head.strip() or "<NULL>")
        return groups

    def grammar(self) -> str:
        """The language in the JSpeech Grammar Format (W3C Note, June 2000)."""
        rules = "".join(f"{'public ' * (name == 'turn')}<{name}> = {text};\n" for name, text in self.rules().items())
        return f"#JSGF V1.0;\ngrammar cascade;\n{rules}"

    def words(self) -> tuple[str, ...]:
        """Every word of the grammar, sorted."""
        text = re.sub(r"<\w+>", " ", " ".join(self.rules().values()))
        return tuple(sorted(set(re.findall(r"[a-z']+", text))))

    def read(self, text: str) -> Request | None:
        """What a whole sentence in lowercase words asks for; None for anything that is not in the language."""
        first, _, rest = text.partition(" ")
        if first in self.own_names and rest:
            text = rest
        for intent, pattern in self._patterns:
            found = pattern.fullmatch(text)
            if found:
                return _request(intent, found.groupdict())
        return None


def _request(intent: str, values: Mapping[str, str]) -> Request:
    numbers = {slot: value_of(values[slot]) for slot in ("left", "right", "first", "last", "wait") if slot in values}
    if intent == "sum":
        left, right = numbers["left"], numbers["right"]
        value = {"plus": left + right, "minus": left - right, "times": left * right}[values["operator"]]
        return Request(intent, number_words(value))
    if intent == "count":
        return Request(intent, first=numbers.get("first", 1), last=numbers.get("last", COUNT_TO))
    reply = tuple(REPLIES.get(intent, "").split())
    return Request(intent, reply, wait_s=numbers.get("wait", 0), word=values.get("word", "now"))


def number_words(value: int) -> tuple[str, ...]:
    """A whole number below ten thousand in words: ``-21`` gives ``("minus", "twenty", "one")``."""
    if value < 0:
        return ("minus", *number_words(-value))
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if value >= size:
            return (*number_words(value // size), name, *(number_words(value % size) if value % size else ()))
    tens, unit = divmod(value, 10)
    if value < 20:
        return ((UNITS + TEENS)[value],)
    return (TENS[tens - 2], UNITS[unit]) if unit else (TENS[tens - 2],)


def value_of(text: str) -> int:
    """The number that words below one hundred name: ``"minus twenty one"`` gives -21."""
    sign, words = (-1, text.removeprefix("minus ").split()) if text.startswith("minus ") else (1, text.split())
    values = {word: i for i, word in enumerate(UNITS + TEENS)} | {word: 10 * i + 20 for i, word in enumerate(TENS)}
    return sign * sum(values[word] for word in words)
