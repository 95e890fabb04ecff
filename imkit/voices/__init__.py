"""Speech engines on this machine, each telling when every word starts and ends, and what a room does to a voice."""

from .engines import EngineMissing, Voice
from .fresh import FreshSpeaker
from .speech import (
    SAMPLE_RATE_HZ,
    EngineReport,
    Utterance,
    Words,
    installed_engines,
    random_voice,
    require,
    resample,
    synthesise,
)

__all__ = [
    "SAMPLE_RATE_HZ",
    "EngineMissing",
    "EngineReport",
    "FreshSpeaker",
    "Utterance",
    "Voice",
    "Words",
    "installed_engines",
    "random_voice",
    "require",
    "resample",
    "synthesise",
]
