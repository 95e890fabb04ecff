"""The journal of a recording: one sealed JSON line for the consent and for everything that was done since.

``{"consent": ...}``     always the first: who said yes, how, when, and to which streams
``{"opened": ...}``      from this tick on a fresh state of the model: its seed, its tools, the epoch
``{"segment": ...}``     so many ticks are in files of their own now, with sizes and checksums of everything in them
``{"lost": ...}``        so many moments could not be written, and why
``{"forgetting": ...}``  from this tick on all is being deleted; ``{"forgot": ...}``: it is
``{"closed": ...}``      the end, why it came early if it did, and what was played since the last tick

Every line ends in a CRC-32 of itself, so that a flipped bit is noticed; a last line without an end was cut by a crash.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RecordingError
from .layout import JOURNAL, MAX_JOURNAL_BYTES, MAX_PIECE_BYTES, MAX_TICK, SEGMENT_TICKS, read_bytes

STREAMS = ("sound", "pictures", "text", "events", "model")
MAX_PLAYED = 8
MAX_SAMPLE = 2**50
_PARTS, _LEVELS = ("user", "model", "events", "machine"), ("user_levels", "model_levels")
KINDS = {"consent", "opened", "segment", "lost", "forgetting", "forgot", "closed"}


def sealed(kind: str, value: Mapping[str, Any]) -> bytes:
    """One line of the journal."""
    text = json.dumps({kind: dict(value)}, sort_keys=True)
    return f'{text[:-1]}, "sum": "{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def unsealed(line: bytes) -> tuple[str, dict[str, Any]]:
    """Kind and value of a line. Raises ValueError when it is no line of a journal or was changed."""
    entry = json.loads(line)
    if not isinstance(entry, dict) or len(entry) != 2 or "sum" not in entry:
        raise ValueError("is no entry of a journal")
    told = entry.pop("sum")
    kind, value = next(iter(entry.items()))
    if told != f"{zlib.crc32(json.dumps(entry, sort_keys=True).encode()):08x}":
        raise ValueError("does not match its checksum")
    if kind not in KINDS or not isinstance(value, dict):
        raise ValueError(f"is of an unknown kind, {kind!r:.40}")
    return kind, value


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or a stretch of one: how many bytes, and their CRC-32."""

    size: int
    crc: int

    @classmethod
    def of(cls, content: bytes) -> Part:
        """What describes ``content``."""
        return cls(len(content), zlib.crc32(content))


@dataclass(frozen=True, slots=True)
class Segment:
    """Ticks [first, first + ticks) of all streams; ``frames`` are (tick, number, its file).

    ``user_levels`` and ``model_levels`` are None where no outline was kept, as in recordings of version 2.
    """

    first: int
    ticks: int
    moments: int
    user: Part
    model: Part
    events: Part
    machine: Part
    frames: tuple[tuple[int, int, Part], ...] = ()
    user_levels: Part | None = None
    model_levels: Part | None = None

    @property
    def end(self) -> int:
        """The tick after the last."""
        return self.first + self.ticks

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        named = ((name, getattr(self, name)) for name in (*_PARTS, *_LEVELS))
        parts = {name: [part.size, part.crc] for name, part in named if part is not None}
        frames = [[tick, number, part.size, part.crc] for tick, number, part in self.frames]
        return {"first": self.first, "ticks": self.ticks, "moments": self.moments, **parts, "frames": frames}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Segment:
        """Raises ValueError for anything that no recorder writes."""
        further = set(value) - {"first", "ticks", "moments", "frames", *_PARTS}
        if len(value) != 4 + len(_PARTS) + len(further) or further not in (set(), set(_LEVELS)):
            raise ValueError(f"has the keys {sorted(value)}")
        first, ticks = whole(value["first"], MAX_TICK), whole(value["ticks"], SEGMENT_TICKS)
        moments = whole(value["moments"], ticks)
        frames = value["frames"]
        if not ticks or not moments or not isinstance(frames, list) or len(frames) > 2 * ticks:
            raise ValueError("has no ticks, or more pictures than they can have")
        user, model, events, machine = (_part(value[name]) for name in _PARTS)
        levels = {name: _part(value[name]) for name in _LEVELS if further}
        pictures = tuple(_frame(frame, first, first + ticks) for frame in frames)
        return cls(first, ticks, moments, user, model, events, machine, pictures, **levels)


def whole(value: Any, limit: int) -> int:
    """``value`` if it is a whole number from 0 to ``limit``; ValueError otherwise."""
    if type(value) is not int or not 0 <= value <= limit:  # a bool is none, too
        raise ValueError(f"holds {value!r:.40}, expected a whole number from 0 to {limit}")
    return value


def played(value: Any) -> list[tuple[int, int]]:
    """Pairs of an epoch and how many samples of it were played; ValueError for anything else."""
    if not isinstance(value, list) or len(value) > MAX_PLAYED:
        raise ValueError(f"holds {value!r:.40}, expected at most {MAX_PLAYED} pairs of an epoch and samples")
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ValueError(f"holds {value!r:.40}, expected pairs of an epoch and samples")
    return [(whole(epoch, MAX_TICK), whole(samples, MAX_SAMPLE)) for epoch, samples in value]


def _opened(value: dict[str, Any]) -> dict[str, Any]:
    whole(value.get("epoch"), MAX_TICK)
    seed, tools, options = value.get("seed"), value.get("tools"), value.get("options")
    if isinstance(seed, bool) or not isinstance(seed, int) or not isinstance(options, dict):
        raise ValueError(f"holds the seed {seed!r:.40} and the options {options!r:.40}")
    if not isinstance(tools, list) or not all(isinstance(name, str) for name in tools):
        raise ValueError(f"holds the tools {tools!r:.40}")
    return value


def _part(value: Any) -> Part:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"holds {value!r:.40}, expected [bytes, checksum]")
    return Part(whole(value[0], MAX_PIECE_BYTES), whole(value[1], 2**32 - 1))


def _frame(value: Any, first: int, end: int) -> tuple[int, int, Part]:
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError(f"holds the picture {value!r:.40}")
    tick = whole(value[0], end - 1)
    if tick < first:
        raise ValueError(f"holds a picture of tick {tick}, which is before tick {first}")
    return tick, whole(value[1], 1), _part(value[2:])


@dataclass(frozen=True, slots=True)
class Journal:
    """All that the journal of a recording says. ``lines`` are its whole lines as they stand."""

    consent: Mapping[str, Any]
    segments: tuple[Segment, ...]
    opened: Mapping[int, Mapping[str, Any]]
    lost: tuple[tuple[int, int, str], ...]
    forgot: tuple[tuple[int, int], ...]
    forgetting: tuple[int, int] | None
    """From which tick on, and the tick after the last that there was."""
    closed: Mapping[str, Any] | None
    lines: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """The tick after the last segment."""
        return self.segments[-1].end if self.segments else 0


def read_journal(folder: Path) -> Journal:
    """The journal of ``folder``. Raises RecordingError that names the line."""
    content = read_bytes(folder, JOURNAL, MAX_JOURNAL_BYTES)
    lines = content.split(b"\n")[:-1]  # a crash may leave a part of a line at the end
    consent: dict[str, Any] | None = None
    segments: list[Segment] = []
    opened: dict[int, dict[str, Any]] = {}
    lost: list[tuple[int, int, str]] = []
    forgot: list[tuple[int, int]] = []
    forgetting: tuple[int, int] | None = None
    closed: dict[str, Any] | None = None
    for number, line in enumerate(lines, 1):
        try:
            kind, value = unsealed(line)
            if (kind == "consent") != (number == 1):
                raise ValueError("is not the consent, which comes first" if number == 1 else "is a second consent")
            if kind == "consent":
                consent = value
            elif kind == "segment":
                segment = Segment.from_json(value)
                if segments and segment.first < segments[-1].end:
                    raise ValueError(f"goes back to tick {segment.first}")
                segments.append(segment)
            elif kind == "opened":
                opened[whole(value.get("tick"), MAX_TICK)] = _opened(value)
            elif kind == "lost":
                lost.append(
                    (whole(value.get("from"), MAX_TICK), whole(value.get("moments"), MAX_TICK), str(value["why"]))
                )
            elif kind == "forgetting":
                forgetting = whole(value.get("from"), MAX_TICK), whole(value.get("end"), MAX_TICK)
            elif kind == "forgot":
                forgot.append((whole(value.get("from"), MAX_TICK), whole(value.get("ticks"), MAX_TICK)))
            else:
                played(value.get("played", []))
                closed = value
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordingError(f"{folder / JOURNAL}, line {number}: {error}; the recording is damaged.") from error
    if consent is None:
        raise RecordingError(f"{folder / JOURNAL}: holds no consent; nothing may be read without one.")
    return Journal(
        consent,
        tuple(segments),
        opened,
        tuple(lost),
        tuple(forgot),
        forgetting,
        closed,
        tuple(line + b"\n" for line in lines),
    )
