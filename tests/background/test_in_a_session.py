"""Background models at a real desk: delegation, a toolbox and the notebook's own tools."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
from chat_server import calls, says, serving

from imkit.background import Analyst, BackgroundModel, ChatModel
from imkit.session.delegation import Delegation
from imkit.stream import Call, Event
from imkit.tools import Namespace, Toolbox, notebook_tools

PRICES = pd.DataFrame({"price": np.arange(40.0), "region": ["a", "b"] * 20})


def _whole(event: Event) -> bool:
    return event.kind == "result" and "part" not in event.payload


def delegated(background: BackgroundModel, request: str) -> list[Event]:
    """All events of one task on worker threads, until its result."""
    with ThreadPoolExecutor(2) as executor:
        delegation = Delegation(background, Toolbox(notebook_tools(Namespace({"sales": PRICES}))), executor)
        delegation.submit(Call("delegate", "c1", "describe", {"request": request}, tick=0))
        events: list[Event] = []
        until = time.monotonic() + 20
        tick = 1
        while not any(_whole(event) for event in events) and time.monotonic() < until:
            events += delegation.drain(tick)
            tick += 1
            time.sleep(0.01)
        assert delegation.close()
    return events


def test_a_chat_model_uses_the_notebooks_tools() -> None:
    pytest.importorskip("openai")
    first = calls(("summarize_column", '{"name": "sales", "column": "price"}'))
    with serving(first, says("The mean is 19.5. It is even.")) as server:
        *told, result = delegated(ChatModel(server.base_url, "tiny"), "what is the mean price")
        one, two = server.requests
    offered = {tool["function"]["name"]: tool["function"] for tool in one["tools"]}
    assert offered["summarize_column"]["parameters"]["required"] == ["name", "column"]
    assert offered["summarize_column"]["description"].startswith("Works out the numbers of one column")
    assert '"columns": ["price", "region"]' in one["messages"][1]["content"]
    assert '"mean": 19.5' in two["messages"][3]["content"]
    assert [event.text for event in told] == ["The mean is 19.5."]
    assert (result.text, result.payload["ok"]) == ("It is even.", True)
    assert result.payload["surface"]["title"] == "price in sales"


def test_the_analyst_at_a_real_desk() -> None:
    (result,) = delegated(Analyst(), "what is the average price per region")
    assert result.payload["ok"]
    assert "highest for b, 20, and lowest for a, 19" in result.text


def test_a_server_that_is_not_there_is_a_result_in_words() -> None:
    pytest.importorskip("openai")
    chat: Any = ChatModel("http://127.0.0.1:9/v1", "tiny", "sk-secret-key")
    (result,) = delegated(chat, "hello")
    assert not result.payload["ok"]
    assert "the connection is refused" in result.text
    assert "sk-secret" not in repr(result)
