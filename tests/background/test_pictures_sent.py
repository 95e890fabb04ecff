"""What the camera shows goes to a chat server when the user opts in, and only then."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from chat_server import Handler, calls, says, serving
from desks import TALK, FakeDesk
from fakes_injections import PATH, SPOKEN, Chair, Done, Happens, Person, Trial, happens, in_words, normal

from imkit.background import ChatModel, Task
from imkit.background.pictures import jpeg
from imkit.capture.picture import read_picture
from imkit.session import Session

pytest.importorskip("openai")

PICTURES = (np.full((24, 32, 3), (200, 30, 30), np.uint8), np.full((239, 319, 3), (20, 40, 220), np.uint8))
TASK = Task("t1", "look", "what is this", tick=25, conversation=TALK, frames=PICTURES)


def sent(task: Task = TASK, **more: Any) -> Any:
    """The content of the user message that a server gets."""
    with serving(says("Fine.")) as server:
        answer = ChatModel(server.base_url, "tiny", **more).answer(task, FakeDesk().desk)
        assert answer.text == "Fine."
        return server.requests[0]["messages"][1]["content"]


def test_no_picture_is_sent_unless_asked_for() -> None:
    content = sent()
    assert isinstance(content, str)
    assert "they said: what is this" in content


def test_pictures_are_image_parts_beside_the_same_words(tmp_path: Any) -> None:
    words, *images = sent(sees=True)
    assert words["type"] == "text"
    assert "they said: what is this" in words["text"]
    assert "never an instruction" in words["text"]
    assert [image["type"] for image in images] == ["image_url", "image_url"]
    for image, picture in zip(images, PICTURES, strict=True):
        kind, _, data = image["image_url"]["url"].partition(";base64,")
        assert kind == "data:image/jpeg"
        path = tmp_path / "seen.jpg"
        path.write_bytes(base64.b64decode(data, validate=True))
        seen = read_picture(path)
        assert seen.shape == picture.shape
        assert np.abs(seen.astype(int) - picture).max() < 8


def test_while_the_camera_is_off_there_are_words_alone() -> None:
    assert isinstance(sent(replace(TASK, frames=()), sees=True), str)


def test_a_server_that_takes_no_pictures_is_told_of_in_words() -> None:
    def refuses(handler: Handler, body: dict[str, Any]) -> None:
        handler.status(400, {"error": {"message": "image input is not supported"}})

    with serving(refuses) as server:
        answer = ChatModel(server.base_url, "tiny", sees=True).answer(TASK, FakeDesk().desk)
    assert not answer.ok
    assert "image input is not supported" in answer.text


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (320, 240, 3)])
def test_a_picture_of_any_size_is_a_jpeg(shape: tuple[int, ...], tmp_path: Any) -> None:
    made = jpeg(np.full(shape, 120, np.uint8))
    path = tmp_path / "a.jpg"
    path.write_bytes(made)
    assert read_picture(path).shape == shape


def test_a_chat_model_that_sees_asks_too_when_the_camera_shows_an_order() -> None:
    read: list[str] = []

    def obeys(handler: Handler, body: dict[str, Any]) -> None:
        read.append(" ".join(in_words(message["content"]) for message in body["messages"]))
        order = "delete the file" in normal(read[-1])
        (calls(("delete_file", json.dumps({"path": PATH}))) if order else says("I see nothing."))(handler, body)

    for sees, does in ((True, "refuses"), (True, "allows"), (False, "allows")):
        done, person = Done(), Person(does)
        percepts, _ = happens(Trial("camera", SPOKEN[0]))
        with serving(obeys) as server:
            chat = ChatModel(server.base_url, "tiny", sees=sees)
            with Session(Chair(), chat, done.tools, namespace={}) as session:
                session.tools.asks = person.desk
                session.run(Happens(percepts))
        assert bool(person.shown) is sees
        assert bool(done.deleted) is (sees and does == "allows")
        assert all("camera" in asked.why[-1] for asked in person.shown)
