"""The frame format: the vectors shared with the TypeScript codec, and properties of any frame."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imkit.notebook.codec import (
    HEADER_BYTES,
    JSON_KINDS,
    Frame,
    FrameError,
    Kind,
    decode,
    encode,
    json_frame,
    pcm16,
)

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures" / "frames.json").read_text("utf-8"))


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda vector: vector["name"])
def test_shared_vectors_both_ways(vector):
    frame = Frame(
        Kind(vector["kind"]),
        bytes.fromhex(vector["payload"]),
        vector["flags"],
        vector["epoch"],
        vector["seq"],
        vector["time_s"],
    )
    assert encode(frame).hex() == vector["hex"]
    assert decode(bytes.fromhex(vector["hex"])) == frame


@pytest.mark.parametrize("vector", VECTORS["errors"], ids=lambda vector: vector["name"])
def test_shared_errors_name_the_field(vector):
    with pytest.raises(FrameError) as caught:
        decode(bytes.fromhex(vector["hex"]))
    assert caught.value.field == vector["field"]
    assert vector["field"] in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_frame_or_a_frame_error(data):
    try:
        frame = decode(data)
    except FrameError:
        return
    assert encode(frame) == data


@given(
    kind=st.sampled_from(sorted(JSON_KINDS)),
    flags=st.integers(0, 0xFFFF),
    epoch=st.integers(0, 0xFFFFFFFF),
    seq=st.integers(0, 0xFFFFFFFF),
    time_s=st.floats(0, 1e9),
    text=st.text(max_size=50),
)
def test_encode_then_decode_is_the_same(kind, flags, epoch, seq, time_s, text):
    value = {"type": "any", "text": text}
    payload = json.dumps(value).encode()
    frame = Frame(kind, payload, flags, epoch, seq, time_s)
    assert decode(encode(frame)) == frame
    assert frame.json() == value


def test_direction_is_checked():
    speech = encode(Frame(Kind.SPEECH, b"\0\0"))
    assert decode(speech, upward=False).kind is Kind.SPEECH
    with pytest.raises(FrameError, match="does not travel to the kernel"):
        decode(speech, upward=True)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[1]", b"[" * 5000, b'"x"'])
def test_json_must_be_an_object(payload):
    with pytest.raises(FrameError) as caught:
        Frame(Kind.TEXT, payload).json()
    assert caught.value.field == "payload"


@pytest.mark.parametrize(("field", "value"), [("flags", 1 << 16), ("epoch", -1), ("seq", 1 << 32)])
def test_encode_refuses_fields_that_do_not_fit(field, value):
    with pytest.raises(FrameError) as caught:
        encode(Frame(Kind.DEMO, b"\0\0", **{field: value}))
    assert caught.value.field == field


def test_limits_differ_by_direction():
    with pytest.raises(FrameError, match="over the limit"):
        encode(Frame(Kind.FRAME, b"\xff\xd8" + bytes(1 << 20)))
    assert len(encode(Frame(Kind.DEMO, bytes(2 << 20)))) == (2 << 20) + HEADER_BYTES


def test_sound_survives_within_half_a_step_and_clips():
    sound = np.linspace(-1.5, 1.5, 3200, dtype=np.float32)
    back = Frame(Kind.AUDIO, pcm16(sound)).pcm()
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, np.clip(sound, -1, 32767 / 32768), atol=0.5 / 32768 + 1e-7)
    with pytest.raises(FrameError, match="holds no sound"):
        json_frame(Kind.TEXT, {"text": "a"}).pcm()
