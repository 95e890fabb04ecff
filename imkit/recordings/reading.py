"""Reading a recording's folder: everything is checked against the journal before it is believed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from imkit.stream import INPUT_RATE, TICK_S, TICKS_PER_S, Fates, Moment

from .errors import RecordingError
from .journal import Journal, Part, Segment, read_journal
from .layout import (
    EVENTS,
    FORMAT,
    HEADER,
    JOURNAL,
    MACHINE,
    MAX_HEADER_BYTES,
    MAX_PIECE_BYTES,
    MODEL,
    READABLE,
    TAIL,
    USER,
    VERSION,
    frame_name,
    levels_name,
    opened,
    read_bytes,
    size_of,
    sound_name,
)
from .lines import moment_of, number, parsed
from .media import Media
from .sounded import Told
from .tail import TailTick, max_bytes, read_ticks

MAX_RATE = 384_000
TRIES = 5


@dataclass(frozen=True, slots=True)
class Content:
    """What a folder holds: the header, the journal, the media, and every moment with its media on demand."""

    header: Mapping[str, Any]
    journal: Journal
    media: Media
    moments: list[Moment]
    rounded: frozenset[int]
    """Ticks whose sound or pictures were stored less exactly than the model had them."""
    size: int
    """Bytes of all files together."""
    fates: Fates | None = None
    """What became of the model's own sound, where that was written."""
    behind: int = 0
    """Lines of the log behind the newest tick, whose sound is not there: a crash leaves one, a loss of power more."""

    @property
    def end(self) -> int:
        """The tick after the last that is held."""
        return self.moments[-1].index + 1 if self.moments else 0


def read_header(folder: Path) -> dict[str, Any]:
    """``session.json``. Raises RecordingError when it is none, of another version, or says what cannot be."""
    path = folder / HEADER
    try:
        head = parsed(read_bytes(folder, HEADER, MAX_HEADER_BYTES))
    except ValueError as error:
        raise RecordingError(f"{path}: {error}; expected the header of a recording.") from error
    if head.get("format") != FORMAT:
        raise RecordingError(f"{path}: is the header of something else ({head.get('format')!r:.40}), not a recording.")
    if head.get("version") not in READABLE:
        older = isinstance(head.get("version"), int) and head["version"] < READABLE[0]
        cure = "Play its files again with imkit run." if older else "Update imkit."
        raise RecordingError(
            f"{path}: is a recording of version {head.get('version')!r:.40}; this imkit reads versions "
            f"{READABLE[0]} to {VERSION}. {cure}"
        )
    rate = head.get("output_rate")
    if isinstance(rate, bool) or not isinstance(rate, int) or not 0 < rate <= MAX_RATE or rate % TICKS_PER_S:
        raise RecordingError(
            f"{path}: says the output rate {rate!r:.40}, expected a multiple of 5 up to {MAX_RATE} Hz."
        )
    if head.get("tick_s") != TICK_S or head.get("input_rate") != INPUT_RATE:
        raise RecordingError(f"{path}: is of another clock; expected ticks of {TICK_S} s and {INPUT_RATE} Hz.")
    for name in ("model", "began"):
        if not isinstance(head.get(name), str):
            raise RecordingError(f"{path}: says the {name} {head.get(name)!r:.40}, expected a text.")
    return head


def read_content(folder: Path) -> Content:
    """Everything but sound and pictures, which are only looked for. Raises RecordingError for whatever is wrong.

    One that is being written is read as it is now.
    """
    if not folder.is_dir():
        raise RecordingError(f"{folder}: is no folder; expected the folder of a recording.")
    header = read_header(folder)
    for left in range(TRIES - 1, -1, -1):
        there = size_of(folder, EVENTS)  # before the rest is looked at: what is written meanwhile is no surplus
        journal = read_journal(folder)
        try:
            content = _read(folder, header, journal, there)
        except RecordingError:
            if left and read_journal(folder).lines != journal.lines:
                continue
            raise
        if not left or read_journal(folder).lines == journal.lines:
            return content
    raise RecordingError(f"{folder}: changes faster than it can be read; try again.")


def _read(folder: Path, header: Mapping[str, Any], journal: Journal, there: int) -> Content:
    rate = header["output_rate"]
    cut = journal.forgetting[0] if journal.forgetting is not None else None
    segments = [one for one in journal.segments if cut is None or one.end <= cut]
    done = segments[-1].end if segments else 0
    try:
        ticks = list(read_ticks(read_bytes(folder, TAIL, max_bytes(rate)), rate))
    except ValueError as error:
        raise RecordingError(f"{folder / TAIL}: {error}; the recording is damaged.") from error
    tail = [one for one in ticks if one.tick >= max(done, journal.end) and (cut is None or one.tick < cut)]
    if cut is not None and ticks and ticks[0].tick >= done and ticks[-1].tick < cut:
        tail = ticks  # what was left of a segment that is being forgotten
    media = Media(folder, rate, segments, tail)
    size = _sizes(folder, segments, tail)
    moments: list[Moment] = []
    rounded: set[int] = set()
    sounded = Told(rate // TICKS_PER_S, sum(one.moments for one in segments) + len(tail))
    with opened(folder, EVENTS) as events, opened(folder, MACHINE) as machine:
        for line, told in _lines(folder, (events, machine), segments, tail):
            try:
                value = parsed(told)
                moment = moment_of(media, parsed(line), value)
                if moments and moment.index <= moments[-1].index:
                    raise ValueError(f"has tick {moment.index} after tick {moments[-1].index}")
                number(value.get("ms"))
                sounded.line(moment, value)
            except (ValueError, KeyError, TypeError) as error:
                raise RecordingError(f"{folder / EVENTS}, line {len(moments) + 1}: {error}.") from error
            if value.get("rounded"):
                rounded.add(moment.index)
            moments.append(moment)
        behind = 0 if cut is not None else _behind(events, sum(one.events.size for one in segments), len(tail), there)
        size += events.seek(0, 2) + machine.seek(0, 2)
    _belong(folder, moments, segments, tail)
    ended = journal.closed is not None and cut is None and "played" in journal.closed
    if journal.closed is not None and ended:
        sounded.play(journal.closed["played"])
    fates = sounded.fates(moments[-1].index if moments else 0, complete=ended)
    return Content(header, journal, media, moments, frozenset(rounded), size, fates, behind)


def _sizes(folder: Path, segments: list[Segment], tail: list[TailTick]) -> int:
    """Bytes of sounds and pictures, each of which must be there and as long as it is said to be."""
    wanted = [(sound_name(USER, one.first), one.user) for one in segments]
    wanted += [(sound_name(MODEL, one.first), one.model) for one in segments]
    wanted += [(levels_name(USER, one.first), one.user_levels) for one in segments if one.user_levels]
    wanted += [(levels_name(MODEL, one.first), one.model_levels) for one in segments if one.model_levels]
    wanted += [(frame_name(tick, number), part) for one in segments for tick, number, part in one.frames]
    wanted += [(frame_name(one.tick, number), part) for one in tail for number, part in enumerate(one.frames)]
    total = sum(size_of(folder, name) for name in (TAIL, HEADER, JOURNAL))
    for name, part in wanted:
        size = size_of(folder, name)
        total += size
        if size != part.size:
            raise RecordingError(f"{folder / name}: is {size} bytes, expected {part.size}; it was cut or replaced.")
    return total


def _lines(
    folder: Path, logs: tuple[BinaryIO, BinaryIO], segments: list[Segment], tail: list[TailTick]
) -> Iterator[tuple[bytes, bytes]]:
    """Pairs of lines of both logs, checked: those of each segment, then those of the tail."""
    for segment in segments:
        pieces = [
            _piece(folder / name, file, part, segment.moments)
            for name, file, part in zip((EVENTS, MACHINE), logs, (segment.events, segment.machine), strict=True)
        ]
        yield from zip(*pieces, strict=True)
    if not tail:
        return
    newest = [file.read(MAX_PIECE_BYTES).split(b"\n")[:-1] for file in logs]
    for at, one in enumerate(tail):
        if any(at >= len(lines) for lines in newest):
            raise RecordingError(f"{folder / EVENTS}: ends before tick {one.tick}; it was cut.")
        pair = newest[0][at], newest[1][at]
        if [zlib.crc32(line + b"\n") for line in pair] != [one.line_crc, one.machine_crc]:
            raise RecordingError(f"{folder / EVENTS}: the line of tick {one.tick} does not match its checksum.")
        yield pair


def _behind(events: BinaryIO, start: int, ticks: int, there: int) -> int:
    """Whole lines behind the newest tick, up to byte ``there``."""
    events.seek(start)
    return max(0, events.read(max(0, min(there - start, MAX_PIECE_BYTES))).count(b"\n") - ticks)


def _piece(path: Path, file: BinaryIO, part: Part, moments: int) -> list[bytes]:
    content = file.read(part.size)
    lines = content.split(b"\n")
    if Part.of(content) != part or lines.pop() != b"" or len(lines) != moments:
        raise RecordingError(
            f"{path}: does not match its checksum before byte {file.tell()}; the recording is damaged."
        )
    return lines


def _belong(folder: Path, moments: list[Moment], segments: list[Segment], tail: list[TailTick]) -> None:
    """Every moment must lie in its segment, or sound would be looked for where there is none."""
    at = 0
    for first, end, count in [(one.first, one.end, one.moments) for one in segments]:
        if moments[at].index < first or moments[at + count - 1].index >= end:
            raise RecordingError(f"{folder / EVENTS}: tick {moments[at].index} lies outside of its segment at {first}.")
        at += count
    for moment, one in zip(moments[at:], tail, strict=True):
        if moment.index != one.tick:
            raise RecordingError(f"{folder / EVENTS}: tick {moment.index} stands in the place of tick {one.tick}.")
