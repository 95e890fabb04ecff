from __future__ import annotations

from typing import Any

import pytest

from imkit.background import Analyst, Answer, ChatModel, LocalModel
from imkit.background.choose import choose
from imkit.session import Session
from imkit.stream import ModelSpec, SessionError


class Own:
    def answer(self, task: Any, desk: Any) -> Answer:
        return Answer("")


def test_an_object_is_taken_as_it_is() -> None:
    own = Own()
    assert choose(own, {"IMKIT_BACKGROUND": "chat:m@http://h/v1"}) is own


@pytest.mark.parametrize(
    ("given", "environ", "kind"),
    [
        (None, {}, Analyst),
        (None, {"IMKIT_BACKGROUND": " "}, Analyst),
        (None, {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://h/v1"}, Analyst),
        ("analyst", {"IMKIT_BACKGROUND": "local:here"}, Analyst),
        (None, {"IMKIT_BACKGROUND": "local:models/tiny"}, LocalModel),
        ("chat:meta/llama@3@http://localhost:1/v1", {}, ChatModel),
    ],
)
def test_argument_then_variable_then_the_analyst(given: Any, environ: dict[str, str], kind: type) -> None:
    assert type(choose(given, environ)) is kind


def test_the_server_the_model_and_the_key() -> None:
    chat = choose("chat:meta/llama@3@http://localhost:1/v1/", {"IMKIT_BACKGROUND_KEY": "sk-hidden"})
    assert isinstance(chat, ChatModel)
    assert (chat.model, chat.base_url) == ("meta/llama@3", "http://localhost:1/v1")
    assert repr(chat) == "ChatModel('http://localhost:1/v1', 'meta/llama@3', with a key)"
    local = choose("local:C:/models/tiny", {})
    assert isinstance(local, LocalModel)
    assert local.name == "C:/models/tiny"


@pytest.mark.parametrize("given", ["gpt", "chat:m", "chat:@http://h/v1", "local:", "", 3, Own, object()])
def test_what_cannot_be_one_is_told_with_what_can(given: Any) -> None:
    with pytest.raises(SessionError, match=r"expected .*'chat:MODEL@URL'"):
        choose(given, {})


class Still:
    spec = ModelSpec("still", 16_000)

    def open(self, config: Any) -> None: ...

    def step(self, state: Any, percept: Any) -> Any: ...


def test_a_session_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMKIT_BACKGROUND", "chat:tiny@http://localhost:1/v1")
    with Session(Still()) as session:
        assert isinstance(session.background, ChatModel)
    with Session(Still(), background="analyst") as session:
        assert isinstance(session.background, Analyst)
    monkeypatch.setenv("IMKIT_BACKGROUND", "nonsense")
    with pytest.raises(SessionError, match="IMKIT_BACKGROUND"):
        Session(Still())
