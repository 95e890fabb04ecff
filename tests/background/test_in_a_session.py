"""Background models at a real desk: delegation, a toolbox and the notebook's own tools."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from chat_server import calls, says, serving

from imkit.background import Analyst, BackgroundModel, ChatModel
from imkit.session.delegation import Delegation
from imkit.session.package import in_brief
from imkit.stream import Call, Event
from imkit.surfaces import Surface
from imkit.tools import Namespace, NotebookLog, Toolbox, cell_tools, notebook_tools, tool

PRICES = pd.DataFrame({"price": np.arange(40.0), "region": ["a", "b"] * 20})


def _whole(event: Event) -> bool:
    return event.kind == "result" and "part" not in event.payload


@tool(outside=True)
def web_search(query: str) -> str:
    """Searches the web."""
    return f"three pages about {query}"


def delegated(background: BackgroundModel, request: str) -> list[Event]:
    """All events of one task on worker threads, until its result. Nobody is there to be asked anything."""
    with ThreadPoolExecutor(2) as executor:
        variables = Namespace({"sales": PRICES})
        tools = Toolbox([*notebook_tools(variables), *cell_tools(NotebookLog()), web_search])
        delegation = Delegation(background, tools, executor, notebook=partial(in_brief, variables))
        delegation.submit(Call("delegate", "c1", "background", {"request": request}, tick=0))
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


def test_a_search_that_the_user_asked_for_is_not_asked_about() -> None:
    """Names and types of variables go along without a tool, so nothing was read that could have led to the search."""
    pytest.importorskip("openai")
    look = calls(("web_search", '{"query": "birds of Peru"}'))
    with serving(look, says("Three pages.")) as server:
        *_, result = delegated(ChatModel(server.base_url, "tiny"), "search the web for birds of Peru")
        one, two = server.requests
    brief = one["messages"][1]["content"]
    assert '[["sales", "DataFrame"]]' in brief
    assert "price" not in brief
    assert "three pages about birds of Peru" in two["messages"][3]["content"]
    assert result.payload["ok"]


@pytest.mark.parametrize(
    ("request_", "called"),
    [
        ("plot the price", ()),
        ("search the web for birds", ("list_variables", "{}")),
        ("look at http://x", ("evaluate", '{"expression": "1 + 1"}')),
    ],
)
def test_a_search_after_something_was_read_is(request_: str, called: tuple[str, str] | tuple[()]) -> None:
    """Columns are content, whether they went along with the request or the model looked them up."""
    pytest.importorskip("openai")
    first = [calls(called)] if called else []
    with serving(*first, calls(("web_search", '{"query": "region a"}')), says("No.")) as server:
        delegated(ChatModel(server.base_url, "tiny"), request_)
        told = server.requests[-1]["messages"][-1]["content"]
    assert told.startswith("[error of web_search")
    assert "There is nobody to ask, so I did not run web_search" in told


def test_a_proposed_cell_appears_with_its_code_whatever_else_is_shown() -> None:
    pytest.importorskip("openai")
    source = "sales.groupby('region').price.mean()"
    propose = ("propose_cell", f'{{"source": "{source}", "why": "The means."}}')
    plot = ("plot_columns", '{"name": "sales", "columns": ["price"]}')
    for wanted in ((propose, plot), (plot, propose), (propose,)):
        with serving(calls(*wanted), says("There you are.")) as server:
            events = delegated(ChatModel(server.base_url, "tiny"), "plot the price")
        shown = [Surface.from_json(one) for event in events if (one := event.payload.get("surface"))]
        assert len(shown) == len(wanted)
        (cell,) = [one for one in shown if one.title == "Proposed cell"]
        (code,) = cell.layout.components.values()
        assert (code.kind, code.props["text"]) == ("code", source)


def test_a_proposed_cell_of_a_tool_call_appears_too() -> None:
    delegation = Delegation(Analyst(), Toolbox(cell_tools(NotebookLog())), None)
    delegation.submit(Call("tool", "c1", "propose_cell", {"source": "1 / 0"}))
    (result,) = delegation.drain(10)
    assert [one[1:3] for one in result.payload["surface"]["components"]] == [
        ["code", {"text": "1 / 0", "language": "python"}]
    ]
