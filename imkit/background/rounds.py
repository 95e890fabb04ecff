"""The loop of a language model: reply, call tools, reply again, until there is an answer or a limit is reached."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .endpoint import Endpoint, EndpointError, Message, Wanted
from .package import INSTRUCTIONS, as_data, first_messages, function_tools
from .protocol import Answer, Cancelled, Desk, Task
from .pump import OutOfTime, pause, pumped
from .reading import Reading, Sentences

MAX_WAIT_S = 20.0
MAX_ANSWER = 4_000
LAST_ROUND = "No more tools can be called. Answer now, in one or two sentences, with what you know."


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may cost.

    rounds   replies, the last of them without tools; calls: tool calls, over all rounds
    seconds  for everything, tools included; tokens: written by the model, over all rounds, as far as they are known
    context_chars, result_chars  of the conversation and notebook handed over, and of each tool's result
    """

    rounds: int = 6
    calls: int = 12
    seconds: float = 60.0
    tokens: int = 2_000
    context_chars: int = 24_000
    result_chars: int = 4_000

    def __post_init__(self) -> None:
        for name in ("rounds", "seconds", "tokens", "context_chars", "result_chars"):
            if getattr(self, name) <= 0:
                raise ValueError(f"Limits({name}={getattr(self, name)!r}): expected more than 0")
        if self.calls < 0:
            raise ValueError(f"Limits(calls={self.calls!r}): expected 0 or more; 0 is a model without tools")


@dataclass(slots=True)
class _Round:
    """What came of one reply."""

    text: str = ""
    rest: str = ""
    calls: list[Wanted] = field(default_factory=list)
    end: str = ""


class _Work:
    """One task under way: what is left of its limits, what was told and what is to be shown."""

    def __init__(self, endpoint: Endpoint, desk: Desk, limits: Limits) -> None:
        self.endpoint, self.desk, self.limits = endpoint, desk, limits
        self.deadline_s = time.monotonic() + limits.seconds
        self.tokens = limits.tokens
        self.calls = limits.calls
        self.table: Mapping[str, Any] | None = None
        self.chart: Mapping[str, Any] | None = None
        self._close: Callable[[], None] = lambda: None

    def close(self) -> None:
        """Ends the reply that is under way, if any."""
        self._close()

    def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> _Round:
        """One reply. Its whole sentences are told as they come; ``rest`` is what is still to be said."""
        try:
            return self._reply(messages, tools)
        except EndpointError as error:
            if error.wait_s is None or error.wait_s > min(MAX_WAIT_S, self.deadline_s - time.monotonic()):
                raise
            self.desk.progress(f"{self.endpoint.called} is busy; I try again in {max(1, round(error.wait_s))} seconds.")
            pause(error.wait_s, self.desk.check)
            return self._reply(messages, tools)

    def _reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> _Round:
        reply = self.endpoint.stream(messages, tools, self.tokens)
        self._close = reply.close
        reading, sentences, done = Reading(), Sentences(), _Round()
        for piece in pumped(reply, self.desk.check, self.deadline_s):
            self.tokens -= piece.tokens
            done.end = piece.end or done.end
            if piece.call is not None:
                done.calls.append(piece.call)
            said = reading.feed(piece.text)
            done.text += said
            for sentence in sentences.feed(said):
                self.desk.tell(sentence)
            if self.tokens < 0 or len(done.text) > MAX_ANSWER:
                done.end = "length"
                break
        held = reading.finish()
        done.text += held
        for sentence in sentences.feed(held):
            self.desk.tell(sentence)
        done.rest = sentences.finish()
        done.calls += [call for call in reading.calls if not done.calls] if tools else []
        return done

    def call(self, wanted: Wanted) -> str:
        """Runs one tool call; what comes back, an error too, is data for the model."""
        limit = self.limits.result_chars
        function = self.desk.tools.get(wanted.name)
        if function is None:
            return as_data(
                wanted.name[:80], f"there is no such tool; there are: {', '.join(self.desk.tools)}", limit, False
            )
        self.calls -= 1
        try:
            value = function(**wanted.named())
        except Cancelled:
            raise
        except Exception as error:  # whatever a tool says of itself is for the model to read
            return as_data(wanted.name, f"{type(error).__name__}: {error}", limit, False)
        surface = value.get("surface") if isinstance(value, Mapping) else None
        if isinstance(surface, Mapping):
            self._keep(wanted.name, surface)
        return as_data(wanted.name, value, limit)

    def _keep(self, tool: str, surface: Mapping[str, Any]) -> None:
        """Charts are shown: the newest with the answer, those before it at once. Of tables only the last one is."""
        if surface.get("kind") == "table":
            self.table = None if tool == "list_variables" else surface
            return
        if self.chart is not None:
            self.desk.show(self.chart)
        self.chart = surface

    def answer(self, text: str, ok: bool = True) -> Answer:
        return Answer(text, ok, self.chart if self.chart is not None else self.table)


def converse(
    endpoint: Endpoint,
    task: Task,
    desk: Desk,
    limits: Limits,
    instructions: str = INSTRUCTIONS,
    sees: bool = False,
) -> Answer:
    """Lets a language model work on one task with the desk's tools, and gives its answer.

    With ``sees`` it is sent the task's pictures too.
    Sentences are told as they are completed. Every failure of the endpoint is an answer with ``ok=False`` and a
    sentence that says what happened. Raises Cancelled, within 200 ms of nobody wanting the result any more.
    """
    work = _Work(endpoint, desk, limits)
    take_back = desk.on_cancel(work.close)
    try:
        return _converse(work, task, instructions, sees)
    except EndpointError as error:
        desk.check()
        return work.answer(str(error), ok=False)
    except OutOfTime:
        desk.check()
        words = f"{endpoint.called} was not done after {limits.seconds:g} seconds, so I let it go."
        return work.answer(words, ok=False)
    finally:
        take_back()


def _converse(work: _Work, task: Task, instructions: str, sees: bool) -> Answer:
    limits, desk = work.limits, work.desk
    messages = first_messages(task, desk, instructions, limits.context_chars, sees)
    functions = function_tools(desk.tools) if limits.calls else []
    for number in range(limits.rounds):
        desk.check()
        last = number == limits.rounds - 1 or work.calls <= 0
        if last and number:
            messages.append({"role": "user", "content": LAST_ROUND})
        done = work.reply(messages, [] if last else functions)
        if not done.calls:
            return _end(work, done)
        if done.rest:
            desk.tell(done.rest)
        messages.append(_asked(done))
        for place, wanted in enumerate(done.calls):
            desk.check()
            if work.calls > 0:
                result = work.call(wanted)
            else:
                result = as_data(wanted.name[:80], "not run: no tool calls are left", limits.result_chars, False)
            messages.append({"role": "tool", "tool_call_id": _id(wanted, place), "content": result})
        if time.monotonic() > work.deadline_s:
            raise OutOfTime
        if work.tokens <= 0:
            return work.answer(
                f"{work.endpoint.called} used up its {limits.tokens} tokens before it had an answer.", False
            )
    return work.answer(
        f"{work.endpoint.called} had no answer after {limits.rounds} rounds of looking things up.", False
    )


def _end(work: _Work, done: _Round) -> Answer:
    if done.end == "content_filter":
        return work.answer(f"{work.endpoint.called} held back its answer: its content filter stepped in.", False)
    if not done.text.strip():
        return work.answer(f"{work.endpoint.called} gave an empty answer.", False)
    return work.answer(f"{done.rest} That is as far as I got.".strip() if done.end == "length" else done.rest)


def _asked(done: _Round) -> Message:
    calls = [
        {"id": _id(call, place), "type": "function", "function": {"name": call.name, "arguments": _sound(call)}}
        for place, call in enumerate(done.calls)
    ]
    return {"role": "assistant", "content": done.text, "tool_calls": calls}


def _id(call: Wanted, place: int) -> str:
    return call.id or f"call{place}"


def _sound(call: Wanted) -> str:
    """The arguments as they may go back into a conversation: servers refuse what is not a JSON object."""
    try:
        call.named()
    except ValueError:
        return "{}"
    return call.arguments or "{}"
