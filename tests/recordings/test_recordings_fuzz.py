"""Recordings that were torn or made up, with right checksums and wrong: a RecordingError, or a recording."""

import contextlib
import json
import random
import zlib

import pytest
from fakes_hostile import anything, many, nothing_breaks, torn
from making import RATE, bytes_of, put, write
from test_hostile import FILES, read_all

from imkit.recordings import Recorder, RecordingError, journal
from imkit.recordings.levels import outline_of_levels
from imkit.recordings.lines import parsed
from imkit.recordings.tail import read_ticks

pytestmark = pytest.mark.fuzz


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A closed recording, and one that was never closed."""
    whole = write(tmp_path_factory.mktemp("whole") / "r", range(6))
    cut = tmp_path_factory.mktemp("cut") / "r"
    recorder = Recorder(cut, output_rate=RATE, model="fake")
    put(recorder, range(6))
    for file in recorder._files.values():
        file.close()
    return {
        whole: FILES[:4] + FILES[4:7] + ["frames/00000004-0.jpg"],
        cut: ["tail.bin", "events.jsonl", "machine.jsonl"],
    }


def changed(rng, value):
    """The value with one thing in it, at any depth, replaced, taken away or put in."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        draw = rng.random()
        if draw < 0.5:
            return {**value, key: changed(rng, value[key])}
        if draw < 0.6:
            return {name: one for name, one in value.items() if name != key}
        return {**value, rng.choice([key, "x", ""]): anything(rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], changed(rng, value[at]), *value[at + 1 :]]
    return anything(rng)


def made_up(rng, name, content):
    """One JSON line of a log or journal with something else in it."""
    lines = content.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    if name == "journal.jsonl":
        kind, value = journal.unsealed(lines[at])
        lines[at] = journal.sealed(kind, said if isinstance(said := changed(rng, value), dict) else {"x": said})
    else:
        lines[at] = (json.dumps(changed(rng, json.loads(lines[at]))) + "\n").encode()
    return b"".join(lines)


def sealed_again(folder, name, content):
    """Right checksums for a log that was made up."""
    part = {"events.jsonl": "events", "machine.jsonl": "machine"}[name]
    lines = [journal.unsealed(line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]
    crc = [len(content), zlib.crc32(content)]
    return b"".join(journal.sealed(kind, {**old, part: crc} if kind == "segment" else old) for kind, old in lines)


def test_any_file_of_a_recording_torn_or_made_up(folders):
    rng, refused, count = random.Random(12), 0, many(2_000) // 10  # reading one whole takes some 15 ms
    longest = 0
    before = {folder: bytes_of(folder) for folder in folders}
    with nothing_breaks():
        for _ in range(count):
            folder = rng.choice(list(folders))
            name = rng.choice(folders[folder])
            content = before[folder][name]
            again = None
            if name.endswith(".jsonl") and rng.random() < 0.6:
                content = made_up(rng, name, content)
                if name != "journal.jsonl" and folder == next(iter(folders)) and rng.random() < 0.8:
                    again = sealed_again(folder, name, content)
            elif name == "session.json" and rng.random() < 0.6:
                content = json.dumps(changed(rng, json.loads(content))).encode()
            else:
                content = torn(rng, content)
            (folder / name).write_bytes(content)
            if again is not None:
                (folder / "journal.jsonl").write_bytes(again)
            try:
                read_all(folder)
            except RecordingError as error:
                refused += 1
                longest = max(longest, len(str(error)))
            for one in {name, "journal.jsonl"}:
                (folder / one).write_bytes(before[folder][one])
    assert before == {folder: bytes_of(folder) for folder in folders}  # reading wrote nothing
    assert count // 4 < refused <= count
    assert longest < 2_000


def test_lines_ticks_and_outlines_of_any_bytes(folders):
    whole, cut = folders
    rng, count = random.Random(13), many(4_000)
    lines = (whole / "events.jsonl").read_bytes().splitlines(keepends=True)
    entries = (whole / "journal.jsonl").read_bytes().splitlines()
    tail, levels = (cut / "tail.bin").read_bytes()[:60_000], (whole / "user/00000000.levels").read_bytes()
    with nothing_breaks():
        for _ in range(count):
            with contextlib.suppress(ValueError):
                parsed(torn(rng, rng.choice(lines)))
            with contextlib.suppress(ValueError):
                journal.unsealed(torn(rng, rng.choice(entries)))
            if rng.random() < 0.1:
                with contextlib.suppress(ValueError):
                    list(read_ticks(torn(rng, tail), RATE))
                with contextlib.suppress(ValueError):
                    outline_of_levels(torn(rng, levels), 6, "user")
