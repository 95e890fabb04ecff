"""Whatever a client sends: nothing breaks, and whatever is refused is answered and counted."""

import json
import random

import numpy as np
import pytest
from fakes import FakeClock
from fakes_hostile import many, nothing_breaks

from imkit.serve import Chairs, Limits, Seat
from imkit.serve.seat import _HEED
from imkit.stream import Act, Call, Floor, ModelSpec

pytestmark = pytest.mark.fuzz


class Silent:
    """A model that says nothing, cheaply."""

    spec = ModelSpec("silent", 16_000, sees=True)
    audio = np.zeros(3200, np.float32)

    def open(self, config):
        return 0

    def step(self, state, percept):
        floor = Floor.SPEAK if state % 7 < 3 else Floor.LISTEN
        calls = (Call("delegate", f"c{state}", "plot"),) if state % 11 == 0 else ()
        told = {"yielded": True} if state % 13 == 0 else {}
        return Act(percept.index, self.audio, floor, calls=calls, diagnostics=told), state + 1


VALUES = (
    None, True, 0, -1, 1.5, 10**30, "", "x", "\ud800", "é" * 300, "A" * 4000, [], {}, [[[[]]]], {"type": "message"},
    {"type": "realtime", "audio": {"input": []}}, {"id": 7}, [{"type": "input_text"}], "AAAA", "AAA",
    "data:image/png;base64,AA", [{"type": "function", "name": "add", "parameters": {"most": "1e999"}}],
)  # fmt: skip
NAMES = (
    "type", "event_id", "session", "audio", "item", "item_id", "content_index", "audio_end_ms", "response",
    "response_id", "role", "content", "call_id", "output", "tools", "delta", "previous_item_id",
)  # fmt: skip


@pytest.fixture(autouse=True)
def quiet():
    with nothing_breaks():
        yield


def test_messages_of_any_kind_break_nothing():
    count = many(12_000)
    rng = random.Random(7)
    known = [*_HEED, "nonsense", "response.output_audio.delta"]
    chairs, clock = Chairs(Silent()), FakeClock()
    seat, sessions, answered, lived = None, 0, 0, 0
    for number in range(count):
        if seat is None or seat.ended:
            seat = Seat(chairs.spec, Limits(messages_per_s=10_000, audio_s=2), clock, virtual=True)
            sessions += 1
        clock.now_s += 0.01
        draw = rng.random()
        if draw < 0.1:
            message = rng.choice(
                ['{"', "[" * 5000, "null", "7", '"x"', "{}", '{"type":NaN}', '{"type":[]}', "\0", b"\xff\xfe", ""]
            )
        else:
            event = {rng.choice(NAMES): rng.choice(VALUES) for _ in range(rng.randrange(4))}
            if rng.random() < 0.9:
                event["type"] = rng.choice(known)
            if rng.random() < 0.3:
                event["item"] = {rng.choice(NAMES): rng.choice(VALUES) for _ in range(4)} | {
                    "type": "message",
                    "role": "user",
                }
            message = json.dumps(event).replace('"1e999"', "1e999")  # which JSON can write and no float holds
            if rng.random() < 0.1:
                message = message[: rng.randrange(len(message))]
        before = seat.counts["refused_events"], seat.counts["over_rate"]
        seat.take(message)
        refused = seat.counts["refused_events"] - before[0]
        if number % 20 == 0:
            if seat.state is None:
                seat.state = chairs.open(seat.config())
            seat.give(*chairs.step([(seat.state, seat.percept())])[0])
            lived += 1
        errors = 0
        while (sent := seat.sent()) is not None:
            errors += sent.startswith('{"event_id"') and '"type":"error"' in sent[:80]
            answered += sent.isascii()
        assert errors == refused or seat.ended  # whatever is refused is answered with an error
    assert sessions > count // 20_000
    assert answered > count // 2
    assert lived == count // 20
