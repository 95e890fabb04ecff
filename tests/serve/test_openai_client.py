"""The official openai client holds a spoken conversation with nano: a real socket, paced by the sound it sends."""

import asyncio
import base64

import numpy as np
import pytest
from fakes_loop import lived
from openai import AsyncOpenAI
from speech import OURS, as_24k, question, read_by_openai

from imkit.adapters import load
from imkit.serve import FedPace, Server
from imkit.session import Session

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def server():
    with Server(load("nano"), token=TOKEN, pace=FedPace) as server:
        yield server


def client(server, key=TOKEN):
    return AsyncOpenAI(
        api_key=key, websocket_base_url=f"ws://127.0.0.1:{server.port}/v1", base_url="http://127.0.0.1:9/v1"
    )


def pcm(sound):
    return base64.b64encode((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()).decode()


async def until(connection, kind, seen):
    async with asyncio.timeout(60):
        while True:
            event = await connection.recv()
            seen.append(event)
            if event.type == kind:
                return event


def test_a_spoken_question_is_answered_in_sound_and_words(server):
    async def talk():
        seen = []
        async with client(server).realtime.connect(model="nano") as connection:
            await until(connection, "session.created", seen)
            await connection.session.update(session={"type": "realtime", "instructions": "be brief"})
            await until(connection, "session.updated", seen)
            spoken, _ = question()
            sound = as_24k(np.concatenate([np.zeros(8000, np.float32), spoken, np.zeros(16_000 * 4, np.float32)]))
            for begin in range(0, len(sound), 2400):
                await connection.input_audio_buffer.append(audio=pcm(sound[begin : begin + 2400]))
            await until(connection, "response.done", seen)
        return seen

    seen = lived(talk())
    kinds = [event.type for event in seen]
    for event in seen:
        if event.type not in OURS:
            read_by_openai(event.model_dump(exclude_unset=True))
    warned = next(event for event in seen if event.type == "imkit.warning")
    assert warned.param == "session.instructions"
    heard = "".join(e.delta for e in seen if e.type == "conversation.item.input_audio_transcription.delta")
    assert "one minus four" in heard
    done = next(e for e in seen if e.type == "response.output_audio_transcript.done")
    assert done.transcript == "minus three"
    said = "".join(e.delta for e in seen if e.type == "response.output_audio_transcript.delta")
    assert said.split() == ["minus", "three"]
    audio = np.concatenate(
        [np.frombuffer(base64.b64decode(e.delta), "<i2") for e in seen if e.type == "response.output_audio.delta"]
    )
    assert 24_000 * 0.4 < len(audio) < 24_000 * 4
    assert np.abs(audio).max() > 3000
    assert kinds.index("response.created") < kinds.index("response.output_audio.delta") < kinds.index("response.done")
    response = seen[-1].response
    assert (response.status, response.output[0].content[0].transcript) == ("completed", "minus three")


def test_typed_text_is_answered_as_in_a_session_of_ours(server):
    async def talk():
        seen = []
        async with client(server).realtime.connect(model="nano") as connection:
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "what is 3 + 4"}]}
            await connection.conversation.item.create(item=item)
            await connection.response.create()
            await connection.input_audio_buffer.append(audio=pcm(np.zeros(24_000 * 4)))
            await until(connection, "response.done", seen)
        return seen

    seen = lived(talk())
    session = Session(server.chairs.model)
    session.say("what is 3 + 4")
    ours = " ".join(word.text for word in session.run(seconds=4).words())
    assert ours
    assert seen[-1].response.output[0].content[0].transcript == ours
    assert [event.type for event in seen].count("response.created") == 1


def test_a_wrong_key_is_refused(server):
    from websockets.exceptions import InvalidStatus

    async def talk():
        async with client(server, "wrong").realtime.connect(model="nano"):
            raise AssertionError("it got in")

    with pytest.raises(InvalidStatus, match="401"):
        lived(talk())
