"""What a moment is. Everything else in imkit knows this package; it knows nobody."""

from .chair import InteractionModel, ModelSpec, OpenConfig
from .errors import ContractError, ImkitError, ModelError, SessionError, SourceError
from .fates import Fate, Fates
from .ledger import Counts, Ledger
from .logged import Moment, level_db
from .moment import Act, Call, Event, Floor, Percept, Provenance, Word
from .outline import Outline, Outlines
from .plain import plain
from .tick import INPUT_RATE, INPUT_SAMPLES, TICK_S, TICKS_PER_S, heard_from_s, samples_per_tick, tick_of
from .timeline import Timeline, Utterance, utterances

__all__ = [
    "INPUT_RATE",
    "INPUT_SAMPLES",
    "TICKS_PER_S",
    "TICK_S",
    "Act",
    "Call",
    "ContractError",
    "Counts",
    "Event",
    "Fate",
    "Fates",
    "Floor",
    "ImkitError",
    "InteractionModel",
    "Ledger",
    "ModelError",
    "ModelSpec",
    "Moment",
    "OpenConfig",
    "Outline",
    "Outlines",
    "Percept",
    "Provenance",
    "SessionError",
    "SourceError",
    "Timeline",
    "Utterance",
    "Word",
    "heard_from_s",
    "level_db",
    "plain",
    "samples_per_tick",
    "tick_of",
    "utterances",
]
