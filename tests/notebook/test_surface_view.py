"""Generated cells on the kernel's side: what is sent when, and what a page may say. Comms are dummies here."""

import json

import ipywidgets
import pytest

from imkit.notebook.cells import Cells, output_of
from imkit.notebook.surface_view import SurfaceView
from imkit.surfaces import Surface, SurfaceError

LINES = ['["root","row",{},["s","b"]]', '["s","slider",{"label":"bins"}]', '["b","button",{"label":"Go"}]']
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00" + b"\x00" * 8


@pytest.fixture
def shown():
    """Cells with one surface, whose messages and pictures are kept."""
    cells = Cells(act=lambda *said: done.append(said), publish=lambda data, **how: published.append((data, how)))
    done, published, sent = [], [], []
    surface = Surface("p", "T", lines=LINES)
    cells.show(surface)
    (view,) = cells.box.children
    view.send = lambda message, buffers=(): sent.append((message, list(buffers)))
    view._clock = lambda: view.now_s
    view.now_s = 0.0
    yield cells, view, surface, sent, done, published
    cells.close()


def say(view, **message):
    view._on_message(view, {"imkit": 1, **message}, [])


def test_nothing_is_told_before_a_page_asks_and_then_everything(shown):
    _, view, surface, sent, _, _ = shown
    surface.set("s", 3)
    assert sent == []
    say(view, type="hello")
    (message, _) = sent[0]
    assert (message["whole"], message["roots"], message["title"]) == (True, ["root"], "T")
    assert [line[0] for line in message["components"]] == ["root", "s", "b"]
    assert message["components"][1][2]["value"] == 3


def test_one_message_at_a_time_and_only_what_changed(shown):
    _, view, surface, sent, _, _ = shown
    say(view, type="hello")
    for value in (1, 2, 3):
        surface.set("s", value)
    assert len(sent) == 1
    say(view, type="drawn", n=77)
    assert len(sent) == 1
    say(view, type="drawn", n=sent[-1][0]["n"])
    assert [(line[0], line[2]["value"]) for line in sent[-1][0]["components"]] == [("s", 3)]
    surface.set("s", 4)
    assert len(sent) == 2
    view.now_s = 1.5
    surface.set("s", 5)
    assert sent[-1][0]["components"][0][2]["value"] == 5


def test_pictures_travel_once_as_bytes(shown):
    _, view, surface, sent, _, _ = shown
    surface.image("map", PNG)
    surface.feed('["b","image",{"ref":"map"}]\n')
    say(view, type="hello")
    assert (sent[0][0]["pictures"], sent[0][1]) == (["map"], [PNG])
    say(view, type="drawn", n=1)
    surface.set("s", 9)
    assert (sent[1][0]["pictures"], sent[1][1]) == ([], [])


def test_nothing_of_it_is_in_a_trait(shown):
    _, view, *_ = shown
    synced = set(view.traits(sync=True)) - set(ipywidgets.DOMWidget().traits(sync=True))
    assert synced == {"_esm", "_css", "_anywidget_id"}
    assert "bins" not in json.dumps(
        {name: view.get_state(name)[name] for name in view.keys if name not in ("_esm", "layout")}
    )


def test_pin_puts_a_picture_into_the_notebook_and_takes_it_away(shown):
    _, view, _, _, _, published = shown
    say(view, type="pin")
    data, how = published[0]
    assert "bins" in data["text/html"]
    assert data["text/plain"].splitlines()[0] == "T"
    assert how == {"transient": {"display_id": f"imkit-{view.model_id}"}, "update": False}
    say(view, type="pin")
    assert published[1] == ({"text/plain": ""}, {**how, "update": True})


def test_pinned_cells_stay_when_others_go():
    cells = Cells(keep=2, publish=lambda *_, **__: None)
    cells.show(Surface("a", "a", "text", {"text": "x"}))
    cells.pin(cells.box.children[0])
    for name in "bcd":
        cells.show(Surface(name, name, "text", {"text": "x"}))
    assert [view.surface.id for view in cells.box.children] == ["a", "d"]
    cells.close()


def test_code_close_and_actions(shown):
    cells, view, _, sent, done, _ = shown
    say(view, type="code")
    assert sent[-1][0]["text"].startswith("import imkit")
    say(view, type="action", component="s", value=3)
    assert done == [("p", "s", 3)]
    say(view, type="close")
    assert len(cells) == 0


@pytest.mark.parametrize(
    ("content", "buffers"),
    [(None, []), ("x", []), ({}, []), ({"imkit": 2, "type": "pin"}, []), ({"imkit": 1}, []),
     ({"imkit": 1, "type": []}, []),
     ({"imkit": 1, "type": "pin"}, [b"x"]), ({"imkit": 1, "type": "eval", "code": "1"}, [])],
)  # fmt: skip
def test_what_is_no_message_of_ours_does_nothing(shown, content, buffers):
    cells, view, _, sent, done, published = shown
    view._on_message(view, content, buffers)
    assert (sent, done, published, len(cells)) == ([], [], [], 1)


def test_a_refused_action_is_counted_and_the_page_is_told_again(shown):
    cells, view, _, sent, _, _ = shown

    def refuse(*_):
        raise SurfaceError("no")

    cells._act = refuse
    say(view, type="action", component={}, value=[[]])
    assert cells.counts["refused"] == 1
    assert sent[-1][0]["whole"]


def test_a_closed_view_hears_nothing_of_its_surface():
    surface, said = Surface("p", "T", lines=LINES), []
    view = SurfaceView(surface, lambda *message: said.append(message))
    view.close()
    surface.set("s", 3)
    view._on_message(view, {"imkit": 1, "type": "hello"}, [])
    assert said == []
    assert surface._watchers == []


def test_a_panel_as_an_output_is_a_picture():
    data = output_of(Surface("p", "T", lines=LINES))["data"]
    assert set(data) == {"text/html", "text/plain"}
