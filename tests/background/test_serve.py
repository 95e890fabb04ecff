"""Against a real server: ``transformers serve`` with a model made and taught on the spot. Nothing is fetched."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desks import FakeDesk
from tiny_model import save_tiny, teach, tiny_model, tiny_tokenizer

from imkit.background import Cancelled, ChatModel, Limits, LocalModel, Task
from imkit.background.chat import ChatReply
from imkit.background.endpoint import Piece
from imkit.background.package import as_data, first_messages, function_tools

pytestmark = pytest.mark.slow
UP_S = 180.0
CANCEL_S = 0.2
TASK = Task("t", "describe", "what is the mean prize")
CALL = '<tool_call>\n{"name": "mean", "arguments": {"column": "price"}}\n</tool_call>'
TOLD = "The mean price is three and a half. It rises over the year."
COUNT = " ".join(map(str, range(400)))


def mean(column: str) -> dict[str, Any]:
    """Works out a mean."""
    return {"text": f"The mean of {column} is 3.5."}


def lessons(tokenizer: Any) -> list[tuple[str, str]]:
    """What the model is taught: call the tool when asked, tell when it has the result, count when there is no tool."""
    at = FakeDesk({"mean": mean}).desk
    asked = first_messages(TASK, at, "Be brief.", 1000)
    tools = function_tools(at.tools)
    function = {"name": "mean", "arguments": {"column": "price"}}
    called = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}
    result = {"role": "tool", "content": as_data("mean", mean("price"), 1000)}

    def prompt(messages: list[Any], offered: list[Any] | None) -> str:
        text = tokenizer.apply_chat_template(messages, tools=offered, tokenize=False, add_generation_prompt=True)
        return str(text)

    return [
        (prompt(asked, tools), CALL),
        (prompt([*asked, called, result], tools), TOLD),
        (prompt(asked, None), COUNT[:200]),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    texts = tuple(text for pair in lessons(tiny_tokenizer()) for text in pair)
    tokenizer = tiny_tokenizer(texts=texts)
    model = tiny_model(tokenizer)
    assert teach(tokenizer, model, lessons(tokenizer)) < 0.05
    return save_tiny(tmp_path_factory.mktemp("taught"), tokenizer, model)


@pytest.fixture(scope="module")
def base_url(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for name in ("fastapi", "uvicorn", "accelerate", "openai"):
        pytest.importorskip(name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [str(Path(sys.executable).parent / "transformers"), "serve", folder, "--device", "cpu"]
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as out:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=os.environ | offline,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + UP_S
        while not _is_up(port):
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def chat(base_url: str, folder: str, **limits: Any) -> ChatModel:
    return ChatModel(base_url, folder, instructions="Be brief.", limits=Limits(context_chars=1000, **limits))


def test_the_tool_loop_over_a_real_server(base_url: str, folder: str) -> None:
    at = FakeDesk({"mean": mean})
    answer = chat(base_url, folder).answer(TASK, at.desk)
    assert (at.told, answer.text, answer.ok) == (
        ["The mean price is three and a half."], "It rises over the year.", True,
    )  # fmt: skip


def test_the_same_model_in_this_process_says_the_same(folder: str) -> None:
    at = FakeDesk({"mean": mean})
    local = LocalModel(folder, instructions="Be brief.", limits=Limits(context_chars=1000), device="cpu")
    answer = local.answer(TASK, at.desk)
    assert (at.told, answer.text) == (["The mean price is three and a half."], "It rises over the year.")


def test_the_limit_of_tokens_is_the_servers_too(base_url: str, folder: str) -> None:
    answer = chat(base_url, folder, tokens=12).answer(TASK, FakeDesk().desk)
    assert answer.text.endswith("That is as far as I got.")
    assert answer.text.startswith("0 1 2 3")
    assert len(answer.text) < 90


def test_a_model_that_is_not_there_is_told(base_url: str) -> None:
    answer = ChatModel(base_url, "no/such-model").answer(TASK, FakeDesk().desk)
    assert not answer.ok
    assert "no/such-model" in answer.text


class Halted:
    """A reply of the server that says when its first piece is there, and passes the second on when it may."""

    def __init__(self, reply: ChatReply) -> None:
        self.reply, self.begun, self.may = reply, threading.Event(), threading.Event()
        self.close = reply.close

    def __iter__(self) -> Iterator[Piece]:
        for piece in self.reply:
            yield piece
            self.begun.set()
            self.may.wait(10)


def test_cancelling_in_the_middle_takes_less_than_200_ms(
    base_url: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, model = FakeDesk(), chat(base_url, folder)
    ended: list[float] = []
    replies: list[Halted] = []

    def stream(*given: Any) -> Halted:
        replies.append(Halted(ChatModel.stream(model, *given)))
        return replies[-1]

    def work() -> None:
        with pytest.raises(Cancelled):
            model.answer(TASK, at.desk)
        ended.append(time.monotonic())

    monkeypatch.setattr(model, "stream", stream)
    worker = threading.Thread(target=work)
    worker.start()
    while not (replies and replies[0].begun.wait(0.05)):
        assert worker.is_alive()
    asked = time.monotonic()
    at.cancel()
    worker.join(10)
    replies[0].may.set()
    assert ended[0] - asked < CANCEL_S
    assert chat(base_url, folder, tokens=12).answer(TASK, FakeDesk().desk).text.startswith("0 1 2")
