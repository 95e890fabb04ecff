"""A spoken question that comes with the package, and what the openai package makes of events."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import soundfile
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

SPOKEN = Path(str(files("imkit"))) / "cli" / "spoken"
SERVER_EVENTS = TypeAdapter(RealtimeServerEvent)
CLIENT_EVENTS = TypeAdapter(RealtimeClientEvent)
OURS = {"imkit.warning"}


@cache
def question(number=1):
    """A question as sound, float32 at 16 kHz, and as text."""
    told = json.loads((SPOKEN / "questions.json").read_text())[number]
    audio, rate = soundfile.read(SPOKEN / "questions.flac", dtype="float32")
    assert rate == 16_000
    return audio[round(told["start_s"] * rate) : round(told["end_s"] * rate)], told["text"]


def read_by_openai(event):
    """The typed event, read strictly: every field that the API requires must be there and of its type."""
    return SERVER_EVENTS.validate_python(event)


def said_by_openai(event):
    return CLIENT_EVENTS.validate_python(event)


def as_24k(sound, rate=16_000):
    from imkit.capture.resample import Resampler

    resampler = Resampler(rate, 24_000)
    return np.concatenate([resampler.push(np.asarray(sound, np.float32)), resampler.finish()])
