"""Recordings as input from anywhere: a RecordingError or a recording, and nothing outside of the folder touched."""

import contextlib
import json
import os
import shutil
import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import bytes_of, write

import imkit
from imkit.recordings import RecordingError, files, journal, open_recording
from imkit.recordings.exact import jpeg_of, picture_of
from imkit.recordings.tail import MAGIC


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A closed recording of one short segment."""
    return write(tmp_path_factory.mktemp("whole") / "r", range(12))


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """A recording that was never closed: a tail of twelve ticks."""
    from making import RATE, put

    from imkit.recordings import Recorder

    folder = tmp_path_factory.mktemp("cut") / "r"
    recorder = Recorder(folder, output_rate=RATE, model="fake")
    put(recorder, range(12))
    for file in recorder._files.values():
        file.close()
    return folder


def copied(folder, tmp_path):
    shutil.rmtree(tmp_path / "r", ignore_errors=True)
    return shutil.copytree(folder, tmp_path / "r", symlinks=True)


def read_all(folder):
    """Everything that reads a recording."""
    recording = open_recording(folder)
    recording.verify()
    timeline = recording.timeline()
    for one in timeline:
        assert one.percept.audio.shape == (3200,)
        assert len(one.percept.frames) <= 2
    repr(recording), recording._repr_html_(), recording.facts, timeline.model_audio(), recording.events()
    return recording


def resealed(folder, change):
    """The journal with ``change(kind, value)`` applied to every entry and its checksums right."""
    path = folder / "journal.jsonl"
    lines = [journal.unsealed(line) for line in path.read_bytes().splitlines()]
    path.write_bytes(b"".join(journal.sealed(kind, change(kind, value)) for kind, value in lines))


FILES = ["journal.jsonl", "session.json", "events.jsonl", "machine.jsonl", "user/00000000.flac", "model/00000000.flac",
         "user/00000000.levels", "frames/00000004-0.jpg"]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["empty", "half", "one byte short", "one byte more", "missing", "folder", "zeros"])
def test_a_file_that_was_cut_or_replaced_is_noticed(whole, tmp_path, name, how):
    folder = copied(whole, tmp_path)
    path, content = folder / name, (whole / name).read_bytes()
    if how in {"missing", "folder"}:
        path.unlink()
        if how == "folder":
            path.mkdir()
    else:
        path.write_bytes(
            {"empty": b"", "half": content[: len(content) // 2], "one byte short": content[:-1],
             "one byte more": content + b"\n", "zeros": bytes(len(content))}[how]
        )  # fmt: skip
    if name == "session.json" and how in {"one byte short", "one byte more"}:
        assert len(read_all(folder)) == 12  # the end of its last line holds nothing
    elif name in {"events.jsonl", "machine.jsonl"} and how == "one byte more":
        assert len(read_all(folder)) == 12  # what is behind the last tick was never committed
    elif name == "journal.jsonl" and how in {"half", "one byte short"}:
        recording = read_all(folder)  # as if it had been killed before that was written
        lost = "" if how == "one byte short" else ", and its newest 12 ticks are missing"
        assert recording.facts["stopped"] == f"it was not closed{lost}"
    else:
        with pytest.raises(RecordingError):
            read_all(folder)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), st.integers(0, 7), st.booleans())
def test_a_flipped_bit_is_noticed_or_changes_nothing(whole, tmp_path, name, where, bit, overwrite):
    folder = copied(whole, tmp_path)
    content = bytearray((folder / name).read_bytes())
    at = int(where * len(content))
    content[at] = bit if overwrite else content[at] ^ (1 << bit)
    (folder / name).write_bytes(content)
    try:
        recording = read_all(folder)
    except RecordingError:
        return
    clean = open_recording(whole)
    assert name in {"session.json", "journal.jsonl"} or bytes(content) == (whole / name).read_bytes()
    if name == "journal.jsonl" and not recording.facts["complete"]:
        return  # the end of the last line: as if it had been killed while closing
    assert [m.to_json() for m in recording] == [m.to_json() for m in clean]
    assert recording.timeline().user_audio().tobytes() == clean.timeline().user_audio().tobytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["tail.bin", "events.jsonl", "machine.jsonl"]), st.floats(0, 1, exclude_max=True), st.integers(0, 7)
)
def test_a_flipped_bit_in_the_newest_ticks_is_noticed(cut_off, tmp_path, name, where, bit):
    folder = copied(cut_off, tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    (folder / name).write_bytes(content)
    with pytest.raises(RecordingError):
        read_all(folder)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["tail.bin", "events.jsonl", "machine.jsonl"]), st.floats(0, 1))
def test_a_crash_at_any_byte_of_the_tail_leaves_the_ticks_before_it(cut_off, tmp_path, name, share):
    folder = copied(cut_off, tmp_path)
    size = (folder / name).stat().st_size
    os.truncate(folder / name, int(share * size))
    if name == "tail.bin":
        recording = read_all(folder)
        assert len(recording) == int(int(share * size) / (size / 12) + 1e-9) or abs(len(recording) - 12 * share) <= 1
        assert [m.index for m in recording] == list(range(len(recording)))
        assert ("ticks are missing" in recording.facts["stopped"]) == (len(recording) < 11)
        return
    if int(share * size) == size:
        return
    with pytest.raises(RecordingError, match=r"was cut|does not match"):
        read_all(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["i", "epoch", "floor", "level_db", "own_db", "media", "frames", "text", "draft", "events", "heard", "words",
        "calls", "yielded", "new"]  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KEYS), JSON, st.booleans())
def test_a_line_that_was_made_up_with_a_right_checksum_is_refused_or_harmless(whole, tmp_path, key, value, inside):
    folder = copied(whole, tmp_path)
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    entry = json.loads(lines[7])
    if inside and isinstance(entry.get(key), list) and entry[key]:
        if isinstance(entry[key][0], dict):
            entry[key][0][next(iter(entry[key][0]))] = value
        else:
            entry[key][0] = value
    else:
        entry[key] = value
    lines[7] = (json.dumps(entry) + "\n").encode()
    content = b"".join(lines)
    (folder / "events.jsonl").write_bytes(content)
    crc = [len(content), zlib.crc32(content)]
    resealed(folder, lambda kind, old: {**old, "events": crc} if kind == "segment" else old)
    with contextlib.suppress(RecordingError):
        read_all(folder)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["first", "ticks", "moments", "user", "model", "events", "machine", "frames", "file"]),
    JSON | st.integers(0, 2**40) | st.lists(st.integers(-1, 2**33), min_size=2, max_size=2)
    | st.sampled_from(["../../x", "/etc/passwd", "C:\\x", "a\x00b"]),
)  # fmt: skip
def test_a_journal_that_was_made_up_with_a_right_checksum_is_refused_or_harmless(whole, tmp_path, key, value):
    folder = copied(whole, tmp_path)
    before = bytes_of(tmp_path)
    resealed(folder, lambda kind, old: {**old, key: value} if kind == "segment" else old)
    changed = bytes_of(tmp_path)
    with contextlib.suppress(RecordingError):
        read_all(folder)
    assert bytes_of(tmp_path) == changed
    assert set(before) == set(changed)


def test_an_opening_that_was_made_up_is_refused(tmp_path):
    from making import session_recorded

    session_recorded(tmp_path / "whole", ticks=3)
    for key, value in (("seed", "x"), ("seed", None), ("tools", [1]), ("tools", "x"), ("options", []), ("epoch", -1)):
        folder = copied(tmp_path / "whole", tmp_path)
        resealed(folder, lambda kind, old, k=key, v=value: {**old, k: v} if kind == "opened" else old)
        with pytest.raises(RecordingError, match="journal"):
            open_recording(folder)


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "user/../../secret", "C:\\secret", "a\x00b", "con", "x" * 300]
)
def test_no_file_is_named_by_a_recording(whole, tmp_path, name):
    folder = copied(whole, tmp_path)
    resealed(folder, lambda kind, old: {**old, "user": [name, 0]} if kind == "segment" else old)
    with pytest.raises(RecordingError, match="journal"):
        open_recording(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("name", [*FILES, "tail.bin", "user", "model", "frames"])
def test_links_are_not_followed(whole, tmp_path, name):
    folder = copied(whole, tmp_path)
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    before = bytes_of(outside) if outside.is_dir() else outside.read_bytes()
    with pytest.raises(RecordingError):
        read_all(folder)
    assert (bytes_of(outside) if outside.is_dir() else outside.read_bytes()) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["journal.jsonl", "session.json", "events.jsonl", "tail.bin", "user/00000000.flac"])
def test_a_pipe_in_the_place_of_a_file_does_not_hang(whole, tmp_path, name):
    folder = copied(whole, tmp_path)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(RecordingError, match="plain file"):
        read_all(folder)


def version(value):
    return lambda head: head | {"version": value}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (version(1), "is a recording of version 1; this imkit reads versions 2 to 3"),
        (version(4), r"version 4; this imkit reads versions 2 to 3. Update imkit"),
        (version("2"), "version '2'"),
        (version(None), "version None"),
        (lambda head: head | {"format": "else"}, "header of something else"),
        (lambda head: head | {"output_rate": 24_001}, "output rate 24001"),
        (lambda head: head | {"output_rate": 10**9}, "output rate 1000000000"),
        (lambda head: head | {"output_rate": True}, "output rate True"),
        (lambda head: head | {"tick_s": 0.1}, "of another clock"),
        (lambda head: head | {"model": ["x"]}, "says the model"),
        (lambda head: [head], "holds no object"),
        (lambda head: 1, "holds no object"),
    ],
)
def test_a_wrong_header_is_told(whole, tmp_path, change, said):
    folder = copied(whole, tmp_path)
    path = folder / "session.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(RecordingError, match=said):
        open_recording(folder)


# --- what is small and says that it is huge


def test_a_sound_that_says_it_is_endless_is_refused(whole, tmp_path):
    folder = copied(whole, tmp_path)
    content = bytearray((folder / "user" / "00000000.flac").read_bytes())
    content[21] |= 0x0F  # total samples in STREAMINFO (RFC 9639, 8.2), 36 bits
    content[22:26] = b"\xff\xff\xff\xff"
    (folder / "user" / "00000000.flac").write_bytes(content)
    part = [len(content), zlib.crc32(content)]
    resealed(folder, lambda kind, old: {**old, "user": part} if kind == "segment" else old)
    recording = open_recording(folder)
    with pytest.raises(RecordingError, match=r"expected .*38400|cannot be read"):
        recording.timeline().user_audio()


def test_a_sound_of_another_form_is_refused(whole, tmp_path):
    import io

    import soundfile

    folder = copied(whole, tmp_path)
    for form, subtype, channels in (("WAV", "PCM_16", 1), ("FLAC", "PCM_24", 1), ("FLAC", "PCM_16", 2)):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.zeros((38_400, channels)), 16_000, format=form, subtype=subtype)
        content = buffer.getvalue()
        (folder / "user" / "00000000.flac").write_bytes(content)
        part = [len(content), zlib.crc32(content)]
        resealed(folder, lambda kind, old, part=part: {**old, "user": part} if kind == "segment" else old)
        with pytest.raises(RecordingError, match="expected"):
            read_all(folder)


def test_a_picture_that_says_it_is_huge_is_not_decoded(monkeypatch):
    jpeg = bytearray(jpeg_of(np.full((16, 16, 3), 90, np.uint8)))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65_535, 65_535)
    import av

    monkeypatch.setattr(av.CodecContext, "create", lambda *_: pytest.fail("decoded"), raising=False)
    with pytest.raises(RecordingError, match="65535 x 65535"):
        picture_of(bytes(jpeg))
    for nothing in (b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00", b"GIF89a"):
        with pytest.raises(RecordingError, match="0 x 0"):
            picture_of(nothing)


@pytest.mark.parametrize("name", ["journal.jsonl", "session.json", "tail.bin", "frames/00000004-0.jpg"])
def test_a_file_full_of_holes_is_not_read_into_memory(whole, tmp_path, name):
    import tracemalloc

    folder = copied(whole, tmp_path)
    os.truncate(folder / name, 2**34)
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError):
            read_all(folder)
        assert tracemalloc.get_traced_memory()[1] < 300 * 2**20
    finally:
        tracemalloc.stop()


def test_nesting_without_end_is_refused(whole, tmp_path):
    for name, deep in (("session.json", b"[" * 100_000), ("journal.jsonl", b"[" * 100_000 + b"\n")):
        folder = copied(whole, tmp_path)
        (folder / name).write_bytes(deep)
        with pytest.raises(RecordingError):
            open_recording(folder)


def test_a_tail_of_another_form_is_refused(cut_off, tmp_path):
    folder = copied(cut_off, tmp_path)
    body = struct.pack("<IIIB", 3, 0, 0, 9)
    (folder / "tail.bin").write_bytes(struct.pack("<4sII", MAGIC, len(body), zlib.crc32(body)) + body)
    with pytest.raises(RecordingError, match="no tick at byte 0"):
        open_recording(folder)


def test_what_is_no_recording_is_told(tmp_path):
    with pytest.raises(RecordingError, match="is no folder"):
        imkit.open_recording(tmp_path / "none")
    with pytest.raises(RecordingError, match="No such file"):
        imkit.open_recording(tmp_path)
    (tmp_path / "f").touch()
    with pytest.raises(RecordingError, match="is no folder"):
        imkit.open_recording(tmp_path / "f")
    with pytest.raises(RecordingError):
        imkit.open_recording("a\x00b")


def test_without_consent_nothing_is_read(whole, tmp_path):
    folder = copied(whole, tmp_path)
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "journal.jsonl").write_bytes(b"".join(lines[1:]))
    with pytest.raises(RecordingError, match="is not the consent, which comes first"):
        open_recording(folder)
    (folder / "journal.jsonl").write_bytes(lines[0] * 2)
    with pytest.raises(RecordingError, match="is a second consent"):
        open_recording(folder)
    (folder / "journal.jsonl").write_bytes(b"")
    with pytest.raises(RecordingError, match="holds no consent"):
        open_recording(folder)


def test_reading_changes_nothing(whole):
    before = bytes_of(whole)
    read_all(whole)
    assert bytes_of(whole) == before
    assert files.check_folder(whole, force=True) == whole
