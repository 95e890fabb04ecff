"""The line between kernel and process apart: what it carries, what it refuses, what it lets go of first."""

from __future__ import annotations

import io
import os
import threading
from typing import Any

import numpy as np
import pytest

from imkit.session.isolated.host import environment_for, error_of
from imkit.session.isolated.line import Line
from imkit.session.isolated.moments import moment_message, moment_of
from imkit.session.isolated.wire import HEADER, Message, WireError, bytes_of, read_message
from imkit.stream import Act, Call, Event, Floor, Moment, Percept, Provenance, SourceError, Word


def moment(index: int, frames: int = 1) -> Moment:
    rng = np.random.default_rng(index)
    event = Event("result", Provenance.TOOL, "done", "c-1", {"ok": True, "surface": {"spec": [1.5, None]}}, 2)
    percept = Percept(
        index,
        rng.normal(0, 0.1, 3200).astype(np.float32),
        tuple(rng.integers(0, 255, (4, 6, 3), np.uint8) for _ in range(frames)),
        "typed",
        "dra",
        (event,),
    )
    act = Act(
        index,
        rng.normal(0, 0.1, 4800).astype(np.float32),
        Floor.SPEAK,
        (Word("a", 0.1 + 0.2, 0.4),),
        (Word("b", 0.0, 0.2, Provenance.TYPED),),
        (Call("delegate", "c-2", "plot", {"request": "x"}, index, 2, 40),),
        {"p": 0.25, "yielded": True},
    )
    return Moment(percept, act, 2, 12.345, True)


def through(message: Message) -> Message:
    read = read_message(io.BufferedReader(io.BytesIO(b"".join(bytes_of(message)))))  # type: ignore[arg-type]
    assert read is not None
    return read


def test_a_moment_goes_through_whole() -> None:
    one = moment(7, 2)
    other = moment_of(through(moment_message(one, sent=True)))
    assert other.to_json() == one.to_json()
    assert (other.act.words, other.act.heard, other.act.calls) == (one.act.words, one.act.heard, one.act.calls)
    assert (other.percept.events, other.act.diagnostics) == (one.percept.events, one.act.diagnostics)
    assert (other.percept.audio == one.percept.audio).all()
    assert (other.act.audio == one.act.audio).all()
    assert all((mine == theirs).all() for mine, theirs in zip(one.percept.frames, other.percept.frames, strict=True))
    assert (other.compute_ms, other.late) == (12.345, True)
    light = moment_of(through(moment_message(one.without_media())))
    assert light.to_json() == one.to_json()
    assert not light.has_media


WHOLE = b"".join(bytes_of(moment_message(moment(1))))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x09" + WHOLE[1:], "expected version 1"),
        (HEADER.pack(1, 0, 0, 4) + b"nope", "no JSON of ours"),
        (HEADER.pack(1, 0, 0, 2) + b"[]", "no JSON of ours"),
        (WHOLE.replace(b'"<f4", [3200]', b'"<f8", [3200]'), "an array is"),
        (WHOLE.replace(b'"<f4", [3200]', b'"<f4", [-200]'), "an array is"),
        (HEADER.pack(1, 1, 0, 40) + b'{"kind": "x", "values": {}, "arrays":[]}', "1 arrays announced and 0"),
        (HEADER.pack(1, 0, 0, 1 << 30), "a message begins"),
    ],
)
def test_what_nobody_here_writes_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(WireError, match=told):
        read_message(io.BufferedReader(io.BytesIO(data)))  # type: ignore[arg-type]


def test_an_end_is_an_end_and_not_every_message_is_a_moment() -> None:
    for cut in (0, 3, 20, len(WHOLE) - 1):
        assert read_message(io.BufferedReader(io.BytesIO(WHOLE[:cut]))) is None  # type: ignore[arg-type]
    with pytest.raises(WireError, match="tells no moment"):
        moment_of(Message("moment", {"index": 1}))
    with pytest.raises(WireError, match="expected plain JSON"):
        bytes_of(Message("x", {"n": float("nan")}))
    with pytest.raises(WireError, match="arrays of"):
        bytes_of(Message("x", {}, (np.zeros(2),)))


class Gate(io.BytesIO):
    """Takes nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.opened, self.got = threading.Event(), threading.Event(), b""

    def write(self, data: Any) -> int:
        self.reached.set()
        self.opened.wait()
        return super().write(data)

    def close(self) -> None:
        self.got = self.getvalue()
        super().close()


def test_what_is_not_taken_loses_pictures_first_then_sound_then_itself() -> None:
    silent, speaking = os.pipe()
    lost: list[str] = []
    gate, size = Gate(), moment_message(moment(0)).size
    line = Line(os.fdopen(silent, "rb"), gate, id, lost.append, max_bytes=6 * size, max_messages=30)
    line.send(moment_message(moment(0)))
    assert gate.reached.wait(30)
    for index in range(1, 40):
        line.send(moment_message(moment(index)))
    assert line.counts == {"lost_pictures": 39, "lost_sound": 33, "lost_messages": 9}
    gate.opened.set()
    assert line.finish(30)
    os.close(speaking)  # the other side hangs up
    line.close()
    assert lost == [""]
    stream = io.BufferedReader(io.BytesIO(gate.got))  # type: ignore[arg-type]
    seen = []
    while (message := read_message(stream)) is not None:
        seen.append(moment_of(message))
    assert [one.index for one in seen] == [0, *range(10, 40)]
    assert [one.has_media for one in seen] == [True] + 24 * [False] + 6 * [True]
    assert seen[0].percept.frames
    assert seen[-1].frame_count == 1
    assert not seen[-1].percept.frames


def test_only_what_is_needed_goes_along() -> None:
    environ = {
        "PATH": "p",
        "OMP_NUM_THREADS": "1",
        "OPENAI_API_KEY": "k",
        "HF_TOKEN": "t",
        "HTTPS_PROXY": "x",
        "A": "a",
    }
    assert environment_for("nano", environ) == {"PATH": "p", "OMP_NUM_THREADS": "1"}
    assert "HF_TOKEN" in environment_for("kyutai/moshika", environ)
    assert "OPENAI_API_KEY" not in environment_for("kyutai/moshika", environ)
    assert "OPENAI_API_KEY" in environment_for("realtime:wss://api.openai.com/v1/realtime", environ)


def test_errors_come_back_as_what_they_were() -> None:
    source = error_of({"error": "SourceError", "source": "a.wav", "text": "a.wav: no such file."})
    assert isinstance(source, SourceError)
    assert str(source) == "a.wav: no such file."
    assert type(error_of({"error": "ZeroDivisionError", "text": "x"})).__name__ == "ZeroDivisionError"
