"""Chat messages through a model's own chat template, in whatever shape that template takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .endpoint import EndpointError, Message

TOOLS_IN_WORDS = """\
You may call these functions:
{functions}
To call one, write only this, with JSON arguments:
<tool_call>{{"name": "...", "arguments": {{...}}}}</tool_call>"""


def prompt_inputs(tokenizer: Any, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], called: str) -> Any:
    """The prompt as tensors: {"input_ids", "attention_mask"}, each [1, token].

    A template that does not speak of tools gets them in the system message, in the Hermes format, which many small
    models have seen. One that refuses the roles "system" or "tool" gets everything as turns of user and assistant.
    Raises EndpointError when it refuses that too.
    """
    given: list[Message] = [_with_named_arguments(message) for message in messages]
    knows_tools = "tools" in str(tokenizer.chat_template)
    if tools and not knows_tools:
        functions = "\n".join(json.dumps(tool["function"]) for tool in tools)
        head = given[0]
        given[0] = {**head, "content": f"{head['content']}\n\n{TOOLS_IN_WORDS.format(functions=functions)}"}
    offered = list(tools) if tools and knows_tools else None
    try:
        return _apply(tokenizer, given if knows_tools else _without_tool_turns(given), offered)
    except Exception as refused:  # templates raise whatever they like
        try:
            return _apply(tokenizer, alternating(_without_tool_turns(given)), offered)
        except Exception:
            words = " ".join(str(refused).split())[:200]
            raise EndpointError(f"The chat template of {called} refuses the conversation: {words}") from refused


def alternating(messages: Sequence[Message]) -> list[Message]:
    """The same words as turns of user and assistant in turn, beginning with the user's; no other role is left."""
    turns: list[Message] = []
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1] = {"role": role, "content": f"{turns[-1]['content']}\n\n{message['content']}"}
        else:
            turns.append({"role": role, "content": message["content"]})
    return turns


def _without_tool_turns(messages: Sequence[Message]) -> list[Message]:
    """Tool calls and results as text, for templates that know neither."""
    plain: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            plain.append({"role": "user", "content": message["content"]})
        elif message.get("tool_calls"):
            calls = [f"<tool_call>{json.dumps(call['function'])}</tool_call>" for call in message["tool_calls"]]
            plain.append({"role": "assistant", "content": "\n".join([message["content"], *calls]).strip()})
        else:
            plain.append(dict(message))
    return plain


def _with_named_arguments(message: Message) -> Message:
    """Templates write arguments from a mapping; chat completions carry them as JSON text."""
    if not message.get("tool_calls"):
        return dict(message)
    calls = [
        {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _apply(tokenizer: Any, messages: list[Message], tools: list[Any] | None) -> Any:
    return tokenizer.apply_chat_template(
        messages, tools=tools, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
