"""Forgetting the end of a recording: its bytes leave every file.

In steps that a crash may interrupt anywhere: the journal says first that it is being forgotten, and from then on no
reader gives it back; last, the journal is replaced by one that holds no checksum of it either. What became free on the
disk is the file system's: this is no forensic erasure.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path

from .journal import Journal, Part, Segment, read_journal, sealed, unsealed
from .layout import (
    DERIVED,
    EVENTS,
    FRAMES,
    JOURNAL,
    MACHINE,
    MAX_PIECE_BYTES,
    MODEL,
    TAIL,
    USER,
    opened,
    ours,
    read_bytes,
    replace_file,
    tick_of_name,
    write_all,
)
from .lines import parsed
from .media import Media
from .tail import TailTick, max_bytes, read_ticks


def forget_from(folder: Path, cut: int, output_rate: int) -> None:
    """Deletes the ticks from ``cut`` on, and finishes what a crash interrupted before. Nobody may write meanwhile.

    Raises OSError and RecordingError.
    """
    journal = read_journal(folder)
    if journal.forgetting is not None:
        _forget(folder, journal, output_rate)
        journal = read_journal(folder)
    tail = _tail(folder, output_rate)
    end = max([cut, journal.end, *(one.tick + 1 for one in tail)])
    _append(folder, sum(map(len, journal.lines)), sealed("forgetting", {"from": cut, "end": end}))
    _forget(folder, replace(journal, forgetting=(cut, end)), output_rate)


def _tail(folder: Path, output_rate: int) -> list[TailTick]:
    return list(read_ticks(read_bytes(folder, TAIL, max_bytes(output_rate)), output_rate))


def _forget(folder: Path, journal: Journal, output_rate: int) -> None:
    """What the journal says is being forgotten, from wherever it was left."""
    assert journal.forgetting is not None
    cut, end = journal.forgetting
    kept = [segment for segment in journal.segments if segment.end <= cut]
    split = next((one for one in journal.segments if one.first < cut < one.end), None)
    tail = _tail(folder, output_rate)
    if split and tail and tail[0].tick >= split.first and tail[-1].tick < cut:
        left, sizes = _left(folder, kept, None, tail, cut, output_rate)  # the segment was cut before
    else:
        newer = [one for one in tail if one.tick >= journal.end]
        left, sizes = _left(folder, kept, split, newer, cut, output_rate)
    replace_file(folder / TAIL, b"".join(one.to_bytes() for one in left))
    for path in ours(folder):
        around = path.parent.name if path.parent != folder else ""
        sound_gone = around in {USER, MODEL} and tick_of_name(path.name) >= (split.first if split else cut)
        if sound_gone or (around == FRAMES and tick_of_name(path.name) >= cut) or path.name in DERIVED:
            path.unlink()
    for name, size in sizes.items():
        descriptor = os.open(folder / name, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    told = sealed("forgot", {"from": cut, "ticks": end - cut})
    replace_file(folder / JOURNAL, b"".join([*_journal_left(journal, cut), told]))


def _left(
    folder: Path, kept: list[Segment], split: Segment | None, tail: list[TailTick], cut: int, output_rate: int
) -> tuple[list[TailTick], dict[str, int]]:
    """The ticks that are not in whole segments and stay, as a tail; how long the two logs then are."""
    starts = {EVENTS: sum(one.events.size for one in kept), MACHINE: sum(one.machine.size for one in kept)}
    logs: dict[str, list[bytes]] = {}
    for name, start in starts.items():
        with opened(folder, name) as file:
            file.seek(start)
            lines = file.read(MAX_PIECE_BYTES).split(b"\n")[:-1]
        logs[name] = [line + b"\n" for line in lines]
    ticks = {one.tick: one for one in tail}
    media = Media(folder, output_rate, [split] if split else [], tail)
    frames: dict[int, tuple[Part, ...]] = {}
    for tick, _, part in split.frames if split else ():
        frames[tick] = (*frames.get(tick, ()), part)
    left: list[TailTick] = []
    sizes = dict(starts)
    for line, machine in zip(logs[EVENTS], logs[MACHINE], strict=False):
        tick = parsed(line)["i"]
        if tick >= cut or (split is None and tick not in ticks):
            break
        if split is not None:
            sounds = (media.pcm(USER, tick), media.pcm(MODEL, tick))
            one = TailTick(tick, zlib.crc32(line), zlib.crc32(machine), *sounds, frames.get(tick, ()))
        else:
            one = ticks[tick]
        left.append(one)
        sizes[EVENTS] += len(line)
        sizes[MACHINE] += len(machine)
    return left, sizes


def _journal_left(journal: Journal, cut: int) -> list[bytes]:
    lines = []
    for line in journal.lines:
        kind, value = unsealed(line)
        if kind == "segment":
            stays = value["first"] + value["ticks"] <= cut
        elif kind == "opened":
            stays = value["tick"] < cut
        elif kind in {"lost", "forgot"}:
            stays = value["from"] < cut
        elif kind == "closed" and "played" in value:
            stays, line = True, sealed(kind, {name: told for name, told in value.items() if name != "played"})
        else:
            stays = kind != "forgetting"
        if stays:
            lines.append(line)
    return lines


def _append(folder: Path, size: int, line: bytes) -> None:
    """Adds a line to the journal, of which ``size`` bytes are whole lines: a crash may have left a part of one."""
    descriptor = os.open(folder / JOURNAL, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
    try:
        os.ftruncate(descriptor, size)
        write_all(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
