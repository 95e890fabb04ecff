"""Reading a model's text as it grows: what can be said, what was only thought, and tool calls written as text.

Small models and many servers write a call into the text, each family in its own way. Read here: Hermes and Qwen
(``<tool_call>{"name", "arguments"}</tool_call>``, also with ``<function=...><parameter=...>`` inside), Llama (the whole
reply is ``{"name", "parameters"}``, several joined by ";", ``<|python_tag|>`` before them) and Mistral
(``[TOOL_CALLS][{...}]``).
"""

from __future__ import annotations

import json
import re
from typing import Any

from .endpoint import Wanted

_REGIONS = {
    "<think>": "</think>",
    "<tool_call>": "</tool_call>",
    "<|python_tag|>": "",
    "[TOOL_CALLS]": "",
}  # "" closes with the reply
_FUNCTION = re.compile(r"<function=([^>\n]+)>(.*?)(?:</function>|$)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|$)", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?…])[\"')\]]*(?=\s)|\n+")
_ABBREVIATIONS = ("e.g.", "i.e.", "etc.", "vs.", "approx.", "dr.", "mr.", "mrs.", "no.", "st.", "fig.", "cf.")
MAX_SENTENCE = 400


class Reading:
    """Takes text piece by piece. ``feed`` and ``finish`` return what can be said; ``calls`` are the calls found."""

    def __init__(self) -> None:
        self.calls: list[Wanted] = []
        self._held = ""
        self._inside = ""
        self._began = False

    def feed(self, piece: str) -> str:
        """Adds a piece; returns the text that surely is to be said."""
        self._held += piece
        said: list[str] = []
        while self._step(said):
            pass
        return "".join(said)

    def finish(self) -> str:
        """The reply is over; returns what was still held back."""
        held, inside, self._held, self._inside = self._held, self._inside, "", ""
        if inside == "<think>":
            return ""
        calls = [] if inside == "" and not _begins_json(held) else calls_in(held)
        if inside and not calls:
            calls = _broken(held)
        self._take(calls)
        return "" if calls or inside else held

    def _step(self, said: list[str]) -> bool:
        """One move over what is held; False when more text is needed first."""
        if self._inside:
            close = _REGIONS[self._inside]
            at = self._held.find(close) if close else -1
            if at < 0:
                return False
            if self._inside == "<tool_call>":
                self._take(calls_in(self._held[:at]) or _broken(self._held[:at]))
            self._held, self._inside = self._held[at + len(close) :], ""
            return True
        if not self._began:
            self._held = self._held.lstrip()
            if not self._held or _begins_json(self._held):
                return False  # a reply that begins as JSON is held back whole: it may be a call
        places = [(self._held.find(mark), mark) for mark in _REGIONS]
        found = min((place for place in places if place[0] >= 0), default=None)
        if found is not None:
            at, mark = found
            self._say(self._held[:at], said)
            self._held, self._inside = self._held[at + len(mark) :], mark
            return True
        sure = len(self._held) - _may_begin_a_mark(self._held)
        self._say(self._held[:sure], said)
        self._held = self._held[sure:]
        return False

    def _say(self, text: str, said: list[str]) -> None:
        if text:
            self._began = self._began or bool(text.strip())
            said.append(text)

    def _take(self, calls: list[tuple[str, str]]) -> None:
        for name, arguments in calls:
            self.calls.append(Wanted(f"text{len(self.calls)}", name, arguments))


class Sentences:
    """Cuts growing text into whole sentences, short enough to say."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Adds text; returns the sentences that it completes."""
        self._rest += text
        whole: list[str] = []
        start = 0
        for match in _SENTENCE.finditer(self._rest):
            sentence = self._rest[start : match.end()]
            if sentence.rstrip().lower().endswith(_ABBREVIATIONS) or re.fullmatch(r"\s*\d+\.", sentence):
                continue
            whole.append(sentence)
            start = match.end()
        self._rest = self._rest[start:]
        while len(self._rest) > MAX_SENTENCE:
            cut = self._rest.rfind(" ", 1, MAX_SENTENCE) + 1 or MAX_SENTENCE
            whole.append(self._rest[:cut])
            self._rest = self._rest[cut:]
        return [said for sentence in whole if (said := _plain(sentence))]

    def finish(self) -> str:
        """What is left, whole or not."""
        rest, self._rest = self._rest, ""
        return _plain(rest)


def _plain(text: str) -> str:
    """One line without control characters."""
    return "".join(one for one in " ".join(text.split()) if one.isprintable())


def calls_in(text: str) -> list[tuple[str, str]]:
    """Tool calls written in ``text`` as (name, arguments as JSON); empty when it holds none."""
    functions = [(name.strip(), _parameters(body)) for name, body in _FUNCTION.findall(text)]
    if functions:
        return functions
    decoder = json.JSONDecoder()
    calls: list[tuple[str, str]] = []
    at = 0
    text = text.strip().removeprefix("```json").removesuffix("```").strip()
    while at < len(text):
        if text[at] in " \r\n\t;,":
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            return calls
        for one in value if isinstance(value, list) else [value]:
            call = _call_of(one)
            if call is None:
                return calls
            calls.append(call)
    return calls


def _broken(text: str) -> list[tuple[str, str]]:
    """A call that cannot be read: its name, if that much is there, and the text as it came, for the model to mend."""
    found = re.search(r'"name"\s*:\s*"([^"]{1,80})"', text)
    return [(found[1] if found else "unreadable", text.strip())] if text.strip() else []


def _call_of(value: Any) -> tuple[str, str] | None:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    if not {"arguments", "parameters"} & set(value):
        return None
    arguments = value.get("arguments", value.get("parameters"))
    return value["name"], arguments if isinstance(arguments, str) else json.dumps(arguments)


def _parameters(body: str) -> str:
    """``<parameter=name>value`` as JSON: a value that reads as JSON is that, any other a string."""
    named: dict[str, Any] = {}
    for name, value in _PARAMETER.findall(body):
        try:
            named[name.strip()] = json.loads(value)
        except ValueError:
            named[name.strip()] = value
    return json.dumps(named)


def _begins_json(text: str) -> bool:
    return text.lstrip().startswith(("{", "```json")) or "```json".startswith(text.lstrip() or "x")


def _may_begin_a_mark(text: str) -> int:
    """How many characters at the end may be the beginning of a mark."""
    longest = max(map(len, _REGIONS)) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(mark.startswith(text[-length:]) for mark in _REGIONS):
            return length
    return 0
