"""Frames that no page of ours sends: a frame or a FrameError, the same bytes back, and words of bounded length."""

import json
import math
import random
import struct

import numpy as np
import pytest
from fakes_hostile import anything, many, nothing_breaks, torn
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.notebook.codec import HEADER, JSON_KINDS, PCM_KINDS, FrameError, Kind, decode, encode, json_frame

pytestmark = pytest.mark.fuzz

HEADERS = st.tuples(
    st.sampled_from([1, 1, 1, 1, 0, 2, 255]),
    st.sampled_from([*map(int, Kind), 0, 5, 255]),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.floats(allow_nan=True, allow_infinity=True) | st.just(0.0),
)
PAYLOADS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"", bytes(6400), b"\xff\xd8", b"{}", b'{"type":"x"}', b'{"text":"a"}', b'{"draft":"\\ud800"}']),
    st.sampled_from([b'{"type":"ping","n":NaN}', b'{"type":"ping","n":1e999}', b'{"type":' + b"[" * 3000]),
    st.text(max_size=20).map(lambda text: json.dumps({"type": text, "text": text}).encode()),
)


def hold(data: bytes) -> None:
    """What must be so of any bytes."""
    try:
        frame = decode(data)
    except FrameError as error:
        frame = error
    if isinstance(frame, FrameError):
        assert len(str(frame)) < 400
        return
    assert encode(frame) == data
    assert math.isfinite(frame.time_s)
    if frame.kind in PCM_KINDS:
        assert np.isfinite(frame.pcm()).all()
    if frame.kind in JSON_KINDS:
        told = frame.json()
        again = json_frame(frame.kind, told)  # what was taken can be sent on: no NaN, no half character
        assert again.json() == told


@settings(max_examples=many(2_000) // 5, deadline=None)
@given(HEADERS, PAYLOADS, st.integers(-3, 3))
def test_any_header_before_any_payload(header, payload, off):
    version, kind, flags, epoch, seq, time_s = header
    size = (len(payload) + (off if off in (-1, 1) else 0)) % 2**32
    hold(struct.pack("<BBHIIId", version, kind, flags, epoch, seq, size, time_s) + payload)


def test_frames_that_were_torn_and_json_of_any_kind():
    rng = random.Random(3)
    with nothing_breaks():
        for _ in range(many(3_000)):
            value = {"type": rng.choice(["ping", "ui", "hello"]), "text": "a", rng.choice(["n", "x"]): anything(rng)}
            payload = json.dumps(value).encode()
            kind = rng.choice([Kind.TEXT, Kind.CONTROL_UP, Kind.MOMENT, Kind.CONTROL_DOWN])
            whole = HEADER.pack(1, kind, 0, 0, 0, len(payload), rng.choice([0.0, 1.5, math.nan])) + payload
            hold(whole if rng.random() < 0.5 else torn(rng, whole))
