"""One session of a server, without sockets: what a client may say, what it is told, what is lost and counted."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeClock, FakeModel, loud_audio
from speech import OURS, as_24k, read_by_openai

from imkit.adapters import realtime_events as wire
from imkit.adapters.realtime_pictures import jpeg
from imkit.serve import Chairs, Limits, Seat
from imkit.stream import OpenConfig, Word

TICK = 4800


class Desk:
    """A seat in virtual time with a model in the chair, and every event it was told, read by the openai package."""

    def __init__(self, model=None, limits=None):
        self.clock = FakeClock()
        self.chairs = Chairs(model or FakeModel())
        self.seat = Seat(self.chairs.spec, limits or Limits(), self.clock, virtual=True)
        self.told = []
        self.percepts = []

    def say(self, **event):
        self.clock.now_s += 0.1
        self.seat.take(json.dumps(event))
        return self.listen()

    def listen(self):
        while self.seat.due:
            self.live()
        return self.collect()

    def live(self):
        if self.seat.state is None:
            self.seat.state = self.chairs.open(self.seat.config())
        percept = self.seat.percept()
        self.percepts.append(percept)
        self.seat.give(*self.chairs.step([(self.seat.state, percept)])[0])

    def collect(self):
        new = []
        while (message := self.seat.sent()) is not None:
            event = json.loads(message)
            if event["type"] not in OURS:
                read_by_openai(event)
            new.append(event)
        self.told += new
        return new

    def hear(self, ticks=1, loud=False):
        audio = loud_audio(size=TICK * ticks) if loud else np.zeros(TICK * ticks, np.float32)
        return self.say(type="input_audio_buffer.append", audio=wire.pcm16(audio))

    def type(self, text):
        part = {"type": "input_text", "text": text}
        return self.say(type="conversation.item.create", item={"type": "message", "role": "user", "content": [part]})


def kinds(events):
    return [event["type"] for event in events]


def only(events, kind):
    found = [event for event in events if event["type"] == kind]
    assert len(found) == 1, kinds(events)
    return found[0]


def test_a_response_has_every_event_of_the_api_in_order():
    desk = Desk()
    assert kinds(desk.collect()) == ["session.created"]
    assert kinds(desk.type("one two")) == ["conversation.item.added", "conversation.item.done"]
    told = desk.hear(6)
    assert kinds(told) == [
        "response.created", "response.output_item.added", "conversation.item.added", "response.content_part.added",
        "response.output_audio_transcript.delta", "response.output_audio.delta",
        "response.output_audio_transcript.delta", "response.output_audio.delta",
        "response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done",
        "response.output_item.done", "conversation.item.done", "response.done",
    ]  # fmt: skip
    assert len({event["event_id"] for event in desk.told}) == len(desk.told)
    deltas = [wire.sound_of(event["delta"]) for event in told if event["type"] == "response.output_audio.delta"]
    assert [len(sound) for sound in deltas] == [TICK, TICK]
    done = told[-1]["response"]
    assert (done["status"], done["output"][0]["content"][0]["transcript"]) == ("completed", "one two")


def test_sound_arrives_at_the_model_as_it_was_said_in_whatever_pieces():
    noise = np.random.default_rng(0).standard_normal(16_000 + 15)
    sound = (np.convolve(noise, np.hanning(16), "valid") * 0.03).astype(np.float32)  # below 3 kHz
    sent = as_24k(sound)
    whole = Desk()
    whole.say(type="input_audio_buffer.append", audio=wire.pcm16(sent))
    pieces = Desk()
    for begin in range(0, len(sent), 731):
        pieces.say(type="input_audio_buffer.append", audio=wire.pcm16(sent[begin : begin + 731]))
    a, b = (np.concatenate([p.audio for p in desk.percepts]) for desk in (whole, pieces))
    assert len(a) == len(b) == 16_000
    late = {int(np.argmax(np.correlate(heard, sound[:4000], "valid"))): heard for heard in (a, b)}
    for shift, heard in late.items():
        assert shift <= 20  # 1 ms
        np.testing.assert_allclose(heard[shift + 50 : shift + 15_000], sound[50:15_000], atol=2e-3)


def test_what_cannot_be_set_is_said_and_what_is_set_is_reported():
    desk = Desk()
    desk.collect()
    tool = {"type": "function", "name": "add", "parameters": {"type": "object"}}
    audio = {"input": {"turn_detection": None}, "output": {"voice": "marin"}}
    told = desk.say(
        type="session.update",
        session={"type": "realtime", "instructions": "sing", "tools": [tool], "audio": audio, "temperature": 0.2},
    )
    session = only(told, "session.updated")["session"]
    assert session["tools"] == [tool]
    assert session["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    assert "instructions" not in session
    warned = {event["param"] for event in told if event["type"] == "imkit.warning"}
    assert warned == {
        "session.instructions",
        "session.temperature",
        "session.audio.input.turn_detection",
        "session.audio.output.voice",
    }
    server_vad = {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.2}}}
    again = desk.say(type="session.update", session={"type": "realtime", "audio": server_vad})
    assert kinds(again) == ["session.updated"]  # a warning is said once
    ulaw = {"input": {"format": {"type": "audio/pcmu"}}}
    assert only(desk.say(type="session.update", session={"type": "realtime", "audio": ulaw}), "error")


def test_tools_are_those_of_the_beginning():
    desk = Desk()
    tool = {"type": "function", "name": "add", "parameters": {"type": "object"}}
    desk.say(type="session.update", session={"type": "realtime", "tools": [tool]})
    desk.hear()
    assert desk.chairs.model.opened == [OpenConfig(tools=("add",))]
    told = desk.say(type="session.update", session={"type": "realtime", "tools": []})
    assert [event["param"] for event in told if event["type"] == "imkit.warning"] == ["session.tools"]
    assert only(told, "session.updated")["session"]["tools"] == [tool]


def test_barge_in_cancels_the_response_and_stops_the_clients_playback():
    desk = Desk()
    desk.type("one two three four five six")
    desk.hear(2)
    told = desk.hear(1, loud=True)
    started = kinds(told).index("input_audio_buffer.speech_started")
    assert started < kinds(told).index("response.done")
    response = only(told, "response.done")["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert "response.output_audio.delta" not in kinds(desk.hear(4))
    assert desk.seat.reply.counts["flushed_samples"] == 3200


def test_what_the_user_says_while_the_model_speaks_on_does_not_stop_playback():
    desk = Desk()
    desk.type("one two three four")
    desk.hear(2)

    original = desk.chairs.model.step

    def step(state, percept):
        act, state = original(state, percept)
        return replace(act, heard=(Word("mhm", percept.index * 0.2, percept.index * 0.2 + 0.1),)), state

    desk.chairs.model.step = step
    told = desk.hear(1)
    assert "conversation.item.input_audio_transcription.delta" in kinds(told)
    assert "input_audio_buffer.speech_started" not in kinds(told)
    desk.chairs.model.step = original
    rest = desk.hear(8)
    assert "input_audio_buffer.speech_stopped" not in kinds(rest)
    assert only(rest, "conversation.item.input_audio_transcription.completed")["transcript"] == "mhm"


def test_a_client_cancels_and_the_rest_is_muted_until_the_model_is_silent():
    desk = Desk()
    desk.type("one two three four five")
    begun = desk.hear(2)
    response_id = only(begun, "response.created")["response"]["id"]
    wrong = desk.say(type="response.cancel", response_id="another", event_id="mine")
    assert only(wrong, "error")["error"]["event_id"] == "mine"
    told = desk.say(type="response.cancel", response_id=response_id)
    assert only(told, "response.done")["response"]["status_details"]["reason"] == "client_cancelled"
    assert kinds(desk.hear(5)) == []
    assert desk.seat.reply.counts["muted_ticks"] == 3
    assert any(event.payload.get("interrupt") for percept in desk.percepts for event in percept.events)
    desk.type("six")
    assert "response.done" in kinds(desk.hear(4))


def test_a_response_that_was_asked_for_may_be_silence():
    desk = Desk()
    desk.hear()
    assert kinds(desk.say(type="response.create")) == ["response.created"]
    busy = only(desk.say(type="response.create"), "error")
    assert busy["error"]["code"] == "conversation_already_has_active_response"
    done = only(desk.hear(15), "response.done")["response"]
    assert (done["status"], done["output"]) == ("completed", [])


def test_truncation_leaves_what_was_heard():
    desk = Desk()
    desk.type("one two three")
    item_id = only(desk.hear(7), "response.output_item.done")["item"]["id"]
    assert only(
        desk.say(type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=9000), "error"
    )
    told = desk.say(type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=390)
    assert only(told, "conversation.item.truncated")["audio_end_ms"] == 390
    item = only(desk.say(type="conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")["item"]
    assert item["content"][0]["transcript"] == "one two"
    only(desk.say(type="conversation.item.delete", item_id=item_id), "conversation.item.deleted")
    only(desk.say(type="conversation.item.retrieve", item_id=item_id), "error")


def test_truncating_the_response_under_way_ends_it():
    desk = Desk()
    desk.type("one two three four")
    item_id = only(desk.hear(2), "response.output_item.added")["item"]["id"]
    told = desk.say(type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=200)
    assert "response.done" in kinds(told)
    assert kinds(told)[-1] == "conversation.item.truncated"


def test_functions_of_the_session_take_calls_and_their_results_come_back():
    desk = Desk()
    tools = [{"type": "function", "name": "ask_background", "parameters": {"type": "object"}}]
    desk.say(type="session.update", session={"type": "realtime", "tools": tools})
    desk.type("please plot it")
    told = desk.hear(1)
    call = only(told, "response.function_call_arguments.done")
    assert (call["name"], json.loads(call["arguments"])["topic"]) == ("ask_background", "plot")
    done = only(told, "response.done")["response"]
    assert done["output"][0]["arguments"] == call["arguments"]
    item = {"type": "function_call_output", "call_id": call["call_id"], "output": "it shows growth"}
    desk.say(type="conversation.item.create", item=item)
    answer = only(desk.hear(8), "response.done")["response"]
    assert answer["output"][0]["content"][0]["transcript"] == "it shows growth"
    event = next(event for percept in desk.percepts for event in percept.events)
    assert (event.kind, event.call_id, event.payload) == ("result", call["call_id"], {"topic": "plot", "ok": True})


def test_a_call_that_no_function_takes_fails_for_the_model_and_is_said():
    desk = Desk()
    desk.type("plot it")
    told = desk.hear(2)
    assert "response.created" not in kinds(told) or "function_call" not in str(told[0])
    assert only(told, "imkit.warning")["param"] == "plot"
    event = next(event for percept in desk.percepts for event in percept.events)
    assert (event.payload["ok"], desk.seat.counts["calls_nobody_takes"]) == (False, 1)


def test_pictures_sound_and_system_text_in_items():
    desk = Desk()
    picture = np.full((40, 60, 3), 200, np.uint8)
    address = "data:image/jpeg;base64," + base64.b64encode(jpeg(picture)).decode()
    content = [
        {"type": "input_image", "image_url": address},
        {"type": "input_audio", "audio": wire.pcm16(np.zeros(TICK))},
    ]
    desk.say(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
    system = [{"type": "input_text", "text": "a cell ran"}]
    desk.say(type="conversation.item.create", item={"type": "message", "role": "system", "content": system})
    desk.hear()
    frames = [frame for percept in desk.percepts for frame in percept.frames]
    assert [frame.shape for frame in frames] == [(40, 60, 3)]
    assert abs(int(frames[0].mean()) - 200) < 4
    event = next(event for percept in desk.percepts for event in percept.events)
    assert (event.provenance, event.text) == ("notebook", "a cell ran")


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/secret.png",
        "file:///etc/passwd",
        "data:image/svg+xml;base64,AAAA",
        "data:image/png;base64,AAAA",
        "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 8 + b"\xff" * 8).decode(),
        "data:image/jpeg;base64,"
        + base64.b64encode(b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff" + b"x" * 99).decode(),
        "data:image/jpeg;base64," + base64.b64encode(jpeg(np.zeros((2400, 2400, 3), np.uint8))).decode(),
        7,
    ],
    ids=range(8),
)
def test_a_picture_that_is_none_is_refused_and_nothing_of_its_item_is_used(address):
    desk = Desk()
    content = [{"type": "input_text", "text": "hello"}, {"type": "input_image", "image_url": address}]
    told = desk.say(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
    assert only(told, "error")["error"]["param"] == "image_url"
    desk.hear()
    assert [percept.text for percept in desk.percepts] == [""]


def test_a_flood_of_pictures_is_not_decoded():
    desk = Desk(limits=Limits(messages_per_s=20))
    address = "data:image/jpeg;base64," + base64.b64encode(jpeg(np.zeros((8, 8, 3), np.uint8))).decode()
    item = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": address}]}
    seen = 0
    for _ in range(10):
        desk.clock.now_s -= 0.1  # no time passes
        seen += kinds(desk.say(type="conversation.item.create", item=item))[0] != "error"
    assert seen == 1
    desk.clock.now_s += 5
    assert kinds(desk.say(type="conversation.item.create", item=item))[0] == "conversation.item.added"


def test_commit_and_clear():
    desk = Desk()
    assert (
        only(desk.say(type="input_audio_buffer.commit"), "error")["error"]["code"] == "input_audio_buffer_commit_empty"
    )
    desk.hear()
    committed = desk.say(type="input_audio_buffer.commit")
    assert committed[0]["type"] == "input_audio_buffer.committed"
    desk.seat.take(json.dumps({"type": "input_audio_buffer.append", "audio": wire.pcm16(np.zeros(2 * TICK))}))
    only(desk.say(type="input_audio_buffer.clear"), "input_audio_buffer.cleared")
    assert desk.seat.intake.counts["cleared_samples"] == 6400
    assert len(desk.percepts) == 1


def test_sound_without_room_is_counted_and_said():
    desk = Desk(limits=Limits(audio_s=1.0))
    desk.seat.take(json.dumps({"type": "input_audio_buffer.append", "audio": wire.pcm16(np.zeros(24_000 * 3))}))
    assert only(desk.collect(), "error")["error"]["code"] == "input_audio_buffer_full"
    assert desk.seat.intake.counts["overflow_samples"] == 32_000


def test_too_many_messages_are_refused_until_time_has_passed():
    desk = Desk(limits=Limits(messages_per_s=10))
    for _ in range(25):
        desk.seat.take('{"type":"input_audio_buffer.clear"}')
    told = kinds(desk.collect())
    assert (told.count("input_audio_buffer.cleared"), told.count("error")) == (20, 5)
    assert desk.seat.counts["over_rate"] == 5
    desk.clock.now_s += 1.0
    desk.seat.take('{"type":"input_audio_buffer.clear"}')
    assert kinds(desk.collect()) == ["input_audio_buffer.cleared"]


def test_a_client_that_does_not_read_loses_sound_then_its_session():
    desk = Desk(limits=Limits(unsent_bytes=40_000))
    desk.type(" ".join(["word"] * 12))
    desk.seat.take(json.dumps({"type": "input_audio_buffer.append", "audio": wire.pcm16(np.zeros(14 * TICK))}))
    while desk.seat.due:
        desk.live()
    assert desk.seat.counts["unread_sound_events"] > 5
    assert desk.seat.unsent_bytes <= 80_000
    told = kinds(desk.collect())
    assert "response.done" in told  # what keeps the conversation whole is not what is dropped first
    for _ in range(600):
        desk.seat.tell({"type": "error", "error": {"message": "x" * 200}})
    assert desk.seat.ended
    assert desk.seat.unsent_bytes <= 80_000


def test_by_the_clock_silence_is_lived_and_what_cannot_be_caught_up_with_is_lost_and_said():
    chairs, clock = Chairs(FakeModel()), FakeClock()
    seat = Seat(chairs.spec, Limits(), clock)
    percepts = []

    def beat(ticks=1):
        seat.pass_by(ticks)
        lived = 0
        while seat.due:
            seat.state = seat.state or chairs.open(seat.config())
            percepts.append(seat.percept())
            seat.give(*chairs.step([(seat.state, percepts[-1])])[0])
            lived += 1
        return lived

    assert [beat() for _ in range(3)] == [0, 0, 0]  # nothing was said yet: there is no stream
    one = json.dumps({"type": "input_audio_buffer.append", "audio": wire.pcm16(loud_audio(size=TICK))})
    seat.take(one)
    assert beat() == 1
    assert [beat(), beat(), beat(), beat()] == [0, 0, 1, 1]  # two ticks of waiting for sound, then silence
    seat.take(one)
    seat.take(one)
    assert beat() == 2  # what is there is caught up with
    seat.take(json.dumps({"type": "input_audio_buffer.append", "audio": wire.pcm16(loud_audio(size=20 * TICK))}))
    assert beat(20) <= 8
    assert seat.intake.counts["skipped_ticks"] > 10
    gap = next(event.payload["gap_ticks"] for percept in percepts for event in percept.events)
    assert gap == seat.intake.counts["skipped_ticks"]
    indices = [percept.index for percept in percepts]
    assert indices == sorted(set(indices))


def test_a_client_that_sends_ahead_is_heard_a_little_faster_until_it_is_heard():
    chairs = Chairs(FakeModel())
    seat = Seat(chairs.spec, Limits(), FakeClock())
    seat.take(json.dumps({"type": "input_audio_buffer.append", "audio": wire.pcm16(np.zeros(100 * TICK))}))
    beats = 0
    while seat.intake.ticks:
        beats += 1
        seat.pass_by(1)
        while seat.due:
            seat.state = seat.state or chairs.open(seat.config())
            seat.give(*chairs.step([(seat.state, seat.percept())])[0])
    assert 80 <= beats < 95
    assert seat.intake.counts["skipped_ticks"] == 0
