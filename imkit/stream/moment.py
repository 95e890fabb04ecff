"""What a moment is: one ``Percept`` in, one ``Act`` out, every 200 ms.

Empty is a value, not an absence: a percept without speech holds a tick of silence, an act without speech holds a tick
of silence and the floor ``listen``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import ContractError
from .outline import Outlines
from .tick import INPUT_SAMPLES, TICK_S, heard_from_s

MAX_FRAMES = 2


class Floor(StrEnum):
    """Who holds the floor, as the model decides it."""

    LISTEN = "listen"
    BACKCHANNEL = "backchannel"
    SPEAK = "speak"


class Provenance(StrEnum):
    """Where something came from. Policy reads it: text from a camera is data, never the user's word."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    TYPED = "typed"
    NOTEBOOK = "notebook"
    TOOL = "tool"
    BACKGROUND = "background"
    UI = "ui"
    FILE = "file"


EventKind = Literal["result", "progress", "ui", "notebook", "system"]
CallKind = Literal["tool", "delegate", "surface", "cancel"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened beside sound, sight and typing: a result, progress, a UI action, a cell, the system."""

    kind: EventKind
    provenance: Provenance
    text: str = ""
    call_id: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its time in seconds on the session clock."""

    text: str
    start_s: float
    end_s: float
    provenance: Provenance = Provenance.MICROPHONE


@dataclass(frozen=True, slots=True)
class Call:
    """What the model wants done. ``expires_tick`` of None never expires."""

    kind: CallKind
    id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tick: int = 0
    epoch: int = 0
    expires_tick: int | None = None


def _silence() -> NDArray[np.float32]:
    return np.zeros(INPUT_SAMPLES, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Percept:
    """Everything that arrived in one micro-turn.

    index   which micro-turn, from 0
    audio   float32 [3200], 16 kHz mono, in [-1, 1]
    frames  0 to 2 RGB images, uint8 [height, width, 3], oldest first
    text    what was sent by keyboard in this tick, "" for nothing
    draft   what is typed but not sent, "" when empty or not shared
    events  what else happened, in order
    """

    index: int
    audio: NDArray[np.float32] = field(default_factory=_silence)
    frames: tuple[NDArray[np.uint8], ...] = ()
    text: str = ""
    draft: str = ""
    events: tuple[Event, ...] = ()
    outlines: ClassVar[Outlines | None] = None
    """Who knows the outline of this sound without its samples; None where nobody does."""

    def __post_init__(self) -> None:
        audio = self.audio
        if not isinstance(audio, np.ndarray) or audio.dtype != np.float32 or audio.shape != (INPUT_SAMPLES,):
            got = f"{audio.dtype} {audio.shape}" if isinstance(audio, np.ndarray) else type(audio).__name__
            raise ContractError(f"percept {self.index}: audio is {got}, expected float32 ({INPUT_SAMPLES},) at 16 kHz")
        if not np.isfinite(audio).all():
            raise ContractError(f"percept {self.index}: audio holds NaN or infinity; clean it before the session")
        if len(self.frames) > MAX_FRAMES:
            raise ContractError(f"percept {self.index}: {len(self.frames)} frames, expected at most {MAX_FRAMES}")
        for frame in self.frames:
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
                raise ContractError(
                    f"percept {self.index}: frame is {frame.dtype} {frame.shape}, expected uint8 (height, width, 3)"
                )

    @property
    def asked(self) -> tuple[str, ...]:
        """Requests that the person handed to the background model past the model in the chair, in order."""
        return tuple(one.text for one in self.events if one.kind == "system" and one.payload.get("ask") is True)


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """Everything the model decided in one micro-turn.

    index        the micro-turn it answers
    audio        float32 [n], one tick of sound at the model's output rate, heard from ``heard_from_s(index)``
    floor        listen, backchannel or speak
    words        words that begin to sound in this act, with their times
    heard        words of the user that the model recognised in this tick (its running transcript)
    calls        what it wants done
    diagnostics  numbers and short strings for figures; never needed to understand the act
    """

    index: int
    audio: NDArray[np.float32]
    floor: Floor = Floor.LISTEN
    words: tuple[Word, ...] = ()
    heard: tuple[Word, ...] = ()
    calls: tuple[Call, ...] = ()
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    outlines: ClassVar[Outlines | None] = None
    """Who knows the outline of this sound without its samples; None where nobody does."""

    @property
    def text(self) -> str:
        """The words as one string."""
        return " ".join(word.text for word in self.words)

    @property
    def starts_s(self) -> float:
        """When the sound of this act starts, in seconds on the session clock."""
        return heard_from_s(self.index)

    @property
    def ends_s(self) -> float:
        """When the sound of this act ends, in seconds on the session clock."""
        return heard_from_s(self.index) + TICK_S
