from __future__ import annotations

import json
from typing import Any

import pytest

from imkit.stream import Act, Event, Moment, Percept, Provenance
from imkit.surfaces import Board, Surface, SurfaceError

LINES = [
    '["root","row",{},["s","b"]]',
    '["s","slider",{"label":"bins","action":"rebin"}]',
    '["b","button",{"label":"Go"}]',
]


def moment(*events: Event, index: int = 10) -> Moment:
    percept = Percept(index, events=events)
    return Moment(percept, Act(index, percept.audio), 0)


def result(surface: Any, kind: Any = "result", call_id: str = "c1") -> Event:
    return Event(kind, Provenance.BACKGROUND, "here", call_id, {"ok": True, "topic": "plot", "surface": surface})


def test_results_and_progress_bring_surfaces_that_grow_in_place() -> None:
    board = Board()
    (shown,) = board.notice(moment(result(Surface("s", "T", lines=LINES[:1]).to_json(), "progress")))
    assert shown.source == "plot, 2.0 s"
    assert board.notice(moment(result({"id": "s", "title": "T", "lines": "\n".join(LINES[1:])}))) == []
    assert list(shown.layout.components) == ["root", "s", "b"]
    assert board.surfaces == [shown]


@pytest.mark.parametrize("value", [{}, {"id": 3}, {"id": "s", "title": "t", "kind": "html", "spec": {}}, {"lines": []}])
def test_a_payload_that_is_no_surface_is_shown_as_one_that_says_so(value: Any) -> None:
    board = Board()
    (shown,) = board.notice(moment(result(value)))
    assert [one.kind for one in shown.layout.components.values()] == ["fault"]
    assert board.counts["broken"] == 1


def test_the_oldest_of_more_than_a_hundred_goes() -> None:
    board = Board()
    for number in range(105):
        board.show(Surface(f"s{number}", "T", "text", {"text": "x"}))
    assert [board.surfaces[0].id, len(board.surfaces), board.counts["dropped"]] == ["s5", 100, 5]


def test_an_action_is_an_event_with_all_there_is_to_know() -> None:
    board = Board()
    board.show(Surface("p", "T", lines=LINES))
    event = board.act("p", "s", 30, 0.0)
    assert event is not None
    assert (event.kind, event.provenance, event.text, event.call_id) == ("ui", Provenance.UI, "bins set to 30", "p")
    assert event.payload == {"surface": "p", "component": "s", "action": "rebin", "value": 30, "values": {"s": 30}}
    json.dumps(event.payload)


def test_the_newest_value_wins_within_a_tick() -> None:
    board = Board()
    surface = Surface("p", "T", lines=LINES)
    board.show(surface)
    told = [board.act("p", "s", value, at_s) for value, at_s in ((1, 0.0), (2, 0.05), (3, 0.1), (4, 0.15))]
    assert [event is not None for event in told] == [True, False, False, False]
    assert surface.data["s"] == 4
    assert board.due(0.19) == []
    assert [event.payload["value"] for event in board.due(0.2)] == [4]
    assert board.due(0.5) == []
    assert board.counts["replaced"] == 2
    pressed = board.act("p", "b", None, 0.21)
    assert pressed is not None
    assert pressed.text == "Go pressed"


def test_what_was_done_is_told_in_the_order_in_which_it_was_done() -> None:
    board = Board()
    board.show(Surface("p", "T", lines=LINES))
    board.show(Surface("q", "T", lines=LINES))
    assert board.act("p", "s", 1, 0.0) is not None
    assert board.act("p", "s", 2, 0.05) is None
    assert board.act("p", "b", None, 0.06) is None  # the slider's last value is not told yet
    assert board.act("q", "b", None, 0.07) is not None  # another surface waits for nothing
    assert board.due(0.1) == []
    told = board.due(0.2)
    assert [event.text for event in told] == ["bins set to 2", "Go pressed"]
    assert told[1].payload["values"] == {"s": 2}


def test_a_value_changed_after_a_press_is_told_after_it() -> None:
    board = Board()
    board.show(Surface("p", "T", lines=LINES))
    acts = (("s", 1, 0.0), ("s", 2, 0.05), ("b", None, 0.06), ("s", 3, 0.07))
    assert [board.act("p", *act) is not None for act in acts] == [True, False, False, False]
    assert [event.text for event in board.due(0.2)] == ["Go pressed", "bins set to 3"]
    assert board.act("p", "s", 4, 0.3) is None  # at most one of a component in a tick, whoever else is pressed
    assert [board.due(0.39), [event.text for event in board.due(0.4)]] == [[], ["bins set to 4"]]


@pytest.mark.parametrize(
    ("surface", "component", "value"),
    [("none", "s", 1), ("p", "none", 1), ("p", "s", 1000), ("p", "s", "1"), ("p", "root", None), (None, "s", 1),
     ("p", {}, 1), ([], [], [])],
)  # fmt: skip
def test_what_no_page_of_ours_sends_is_refused_and_counted(surface: Any, component: Any, value: Any) -> None:
    board = Board()
    held = Surface("p", "T", lines=LINES)
    board.show(held)
    with pytest.raises(SurfaceError):
        board.act(surface, component, value, 0.0)
    assert board.counts["refused"] == 1
    assert held.data == {"s": 0}


def test_an_answer_that_breaks_costs_nothing_else() -> None:
    board = Board()
    surface = Surface("p", "T", lines=LINES)
    surface.on("press", lambda action: 1 / 0)
    board.show(surface)
    assert board.act("p", "b", None, 0.0) is not None
    assert board.counts["failed_answers"] == 1


def lines_of(count: int, first: int = 0) -> dict[str, Any]:
    return {"id": "s", "title": "T", "components": [[f"a{first + n}", "divider", {}, []] for n in range(count)]}


def test_generated_lines_come_no_faster_than_the_ticks_allow() -> None:
    board = Board()
    (shown,) = board.notice(moment(result(lines_of(400)), index=0))
    board.notice(moment(result(lines_of(90, 400)), index=0))
    assert len(shown.components) == 490
    assert board.counts["dropped_lines"] == 0
    board.notice(moment(result(lines_of(60)), index=1))  # 10 are left, 20 more in 0.2 s
    assert board.counts["dropped_lines"] == 30
    assert any(one.kind == "fault" and "faster" in str(one.props) for one in shown.layout.components.values())
    board.notice(moment(result({"id": "other", "title": "O", "components": [["a", "divider", {}, []]]}), index=1))
    assert board.counts["dropped_lines"] == 30  # each surface has its own
    board.notice(moment(result(lines_of(100)), index=6))
    assert board.counts["dropped_lines"] == 30
    board.clear()
    board.notice(moment(result(lines_of(500)), index=0))
    assert board.counts["dropped_lines"] == 30


def test_rates_are_bounded_and_a_clock_that_goes_back_costs_nothing() -> None:
    board = Board()
    for number in range(1000):
        board.notice(moment(result({"id": f"s{number}", "title": "T", "lines": '["root","divider"]'}), index=number))
    assert len(board._rates) <= 201
    board.notice(moment(result(lines_of(480)), index=1000))
    board.notice(moment(result(lines_of(20)), index=0))
    assert board.counts["dropped_lines"] == 0
