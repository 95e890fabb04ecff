"""What a moment is. Everything else in imkit knows this package; it knows nobody."""

from .chair import InteractionModel, ModelSpec, OpenConfig
from .errors import ContractError, ImkitError, ModelError, SessionError, SourceError
from .moment import Act, Call, Event, Floor, Percept, Provenance, Word
from .tick import INPUT_RATE, INPUT_SAMPLES, TICK_S, TICKS_PER_S, heard_from_s, samples_per_tick, tick_of

__all__ = [
    "INPUT_RATE",
    "INPUT_SAMPLES",
    "TICKS_PER_S",
    "TICK_S",
    "Act",
    "Call",
    "ContractError",
    "Event",
    "Floor",
    "ImkitError",
    "InteractionModel",
    "ModelError",
    "ModelSpec",
    "OpenConfig",
    "Percept",
    "Provenance",
    "SessionError",
    "SourceError",
    "Word",
    "heard_from_s",
    "samples_per_tick",
    "tick_of",
]
