"""One micro-turn as it happened, and as a line of the event log."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ContractError
from .moment import Act, Call, Event, Percept, Word
from .plain import plain
from .shared import Shared
from .tick import INPUT_SAMPLES, TICKS_PER_S

SILENCE_DB = -120.0

_NO_SOUND = np.zeros(INPUT_SAMPLES, np.float32)
_NO_SOUND.setflags(write=False)
_NOTHING = _NO_SOUND[:0]
_LEVELS_DB = tuple(round(SILENCE_DB + i / 10, 1) for i in range(1600))  # one object for each level: moments are many


def level_db(audio: NDArray[np.float32]) -> float:
    """Root mean square of ``audio`` in dB below full scale, rounded to 0.1; -120.0 for silence."""
    if not audio.size:
        return SILENCE_DB
    power = float(np.dot(audio, audio)) / audio.size
    if power <= 0:
        return SILENCE_DB
    step = max(0, round((10 * math.log10(power) - SILENCE_DB) * 10))
    return _LEVELS_DB[step] if step < len(_LEVELS_DB) else round(SILENCE_DB + step / 10, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One micro-turn as it happened: what came in, what was decided, and at what cost.

    percept     what came in
    act         what the model decided
    epoch       the run of speech that the act's sound belongs to
    compute_ms  how long the model took; a fact of the machine, never part of the event log
    late        the model took longer than one tick
    has_media   sound and frames are still here; False once the timeline let go of them
    level_db    loudness of what came in, in dB below full scale
    own_db      loudness of the model's own sound
    frame_count frames that came in, known even after they were let go
    fingerprint checksum of sound in, frames and sound out
    """

    percept: Percept
    act: Act
    epoch: int = 0
    compute_ms: float = 0.0
    late: bool = False
    has_media: bool = True
    level_db: float = math.nan
    own_db: float = math.nan
    frame_count: int = -1
    fingerprint: int = -1

    def __post_init__(self) -> None:
        if self.percept.index != self.act.index:
            raise ContractError(
                f"act {self.act.index} does not answer percept {self.percept.index}; a model answers every percept once"
            )
        if self.fingerprint >= 0:
            return
        checksum = _checksum(self.percept.audio, 0)
        for frame in self.percept.frames:
            checksum = _checksum(frame, checksum)
        checksum = _checksum(self.act.audio, checksum)
        object.__setattr__(self, "fingerprint", checksum)
        object.__setattr__(self, "frame_count", len(self.percept.frames))
        object.__setattr__(self, "level_db", level_db(self.percept.audio))
        object.__setattr__(self, "own_db", level_db(self.act.audio))

    @property
    def index(self) -> int:
        """Which micro-turn."""
        return self.percept.index

    @property
    def start_s(self) -> float:
        """When the tick starts, in seconds on the session clock."""
        return self.percept.index / TICKS_PER_S

    @property
    def gap(self) -> bool:
        """Sound was lost just before this tick or inside it."""
        return any(event.kind == "system" and event.payload.get("gap_ticks") for event in self.percept.events)

    @property
    def yielded(self) -> bool:
        """The model stopped its own speech in this tick."""
        return bool(self.act.diagnostics.get("yielded"))

    def without_frames(self) -> Moment:
        """The same moment with its frames let go."""
        return replace(self, percept=replace(self.percept, frames=())) if self.percept.frames else self

    def without_media(self) -> Moment:
        """The same moment with sound and frames let go; levels, words, calls and events stay."""
        percept = replace(self.percept, frames=(), audio=_NO_SOUND)
        act = replace(self.act, audio=_NOTHING, diagnostics=Shared.of(self.act.diagnostics))
        return replace(self, percept=percept, act=act, has_media=False)

    def to_json(self) -> dict[str, Any]:
        """The moment as plain JSON values, without sound, pictures or any fact of the machine it ran on.

        The same source and seed give the same value, so ``json.dumps(m.to_json(), sort_keys=True)`` is one line of an
        event log that replays byte for byte.
        """
        percept, act = self.percept, self.act
        value: dict[str, Any] = {
            "i": self.index,
            "epoch": self.epoch,
            "floor": str(act.floor),
            "level_db": self.level_db,
            "own_db": self.own_db,
            "media": f"{self.fingerprint:08x}",
        }
        optional = {
            "frames": self.frame_count,
            "text": percept.text,
            "draft": percept.draft,
            "events": [_event_json(event) for event in percept.events],
            "heard": [_word_json(word) for word in act.heard],
            "words": [_word_json(word) for word in act.words],
            "calls": [_call_json(call) for call in act.calls],
            "yielded": self.yielded,
        }
        return value | {key: item for key, item in optional.items() if item}


def _checksum(array: NDArray[Any], before: int) -> int:
    return zlib.crc32(array.tobytes(), before)


def _word_json(word: Word) -> list[Any]:
    return [word.text, round(float(word.start_s), 3), round(float(word.end_s), 3)]


def _event_json(event: Event) -> dict[str, Any]:
    value = {"kind": event.kind, "provenance": str(event.provenance), "text": event.text, "epoch": event.epoch}
    if event.call_id:
        value["call_id"] = event.call_id
    if event.payload:
        value["payload"] = plain(event.payload)
    return value


def _call_json(call: Call) -> dict[str, Any]:
    return {
        "kind": call.kind,
        "id": call.id,
        "name": call.name,
        "arguments": plain(call.arguments),
        "tick": call.tick,
        "epoch": call.epoch,
        "expires_tick": call.expires_tick,
    }
