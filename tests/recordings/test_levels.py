"""What a recording knows of its sound without decoding it: the same picture and the same measures, to the bit."""

import json
import shutil

import numpy as np
import pytest
from making import RATE, bytes_of, put, write

from imkit.measures import talk_of, tick_levels
from imkit.measures.outline import outline_of, outlined_levels
from imkit.recordings import Consent, Recorder, RecordingError, media, open_recording
from imkit.recordings.journal import sealed, unsealed
from imkit.recordings.levels import levels_of, outline_of_levels, same
from imkit.stream import Act, Moment, Percept, Timeline
from imkit.views import figure
from imkit.views.pictures import pictures_of
from imkit.views.sound import envelope, mel

TICKS = 470


@pytest.fixture(scope="module")
def talked(tmp_path_factory):
    """Three segments of bursts of noise on both sides with a hole in time, and a tail: it was never closed."""
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("talked") / "r"
    recorder = Recorder(folder, output_rate=RATE, model="fake", consent=Consent("a test"))
    picture = np.zeros((24, 32, 3), np.uint8)
    for index in range(TICKS):
        if 200 <= index < 207:
            continue
        loud = 10 ** (rng.uniform(-60, -12, (2, 20)) / 20) * (rng.random((2, 1)) < 0.5)
        user, own = (
            rng.standard_normal(n) * np.repeat(one, n // 20) for n, one in zip((3200, RATE // 5), loud, strict=True)
        )
        percept = Percept(index, np.clip(user, -1, 1).astype(np.float32), frames=(picture,) if index % 5 == 0 else ())
        recorder.put(Moment(recorder.admit(percept), Act(index, np.clip(own, -1, 1).astype(np.float32))))
    for file in recorder._files.values():
        file.close()
    return folder


def decoded(timeline):
    """The same moments with their sound in memory, as those of a live session."""
    plain = Timeline(timeline.output_rate, keep_media_s=1e9, keep_frames_s=1e9)
    for m in timeline:
        percept = Percept(m.index, m.percept.audio, m.percept.frames)
        plain.append(Moment(percept, Act(m.index, m.act.audio, words=m.act.words, heard=m.act.heard)))
    return plain


def without_levels(folder, to):
    """The recording as version 2 wrote it."""
    shutil.copytree(folder, to)
    for path in to.rglob("*.levels"):
        path.unlink()
    lines = []
    for line in (to / "journal.jsonl").read_bytes().splitlines():
        kind, value = unsealed(line)
        lines.append(sealed(kind, {key: one for key, one in value.items() if "levels" not in key}))
    (to / "journal.jsonl").write_bytes(b"".join(lines))
    head = json.loads((to / "session.json").read_text())
    (to / "session.json").write_text(json.dumps(head | {"version": 2}))
    return to


def assert_same_picture(one, other):
    for side in ("user", "model"):
        a, b = (envelope(timeline, side) for timeline in (one, other))
        for name in ("low", "high", "dbfs"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert talk_of(one) == talk_of(other)
    for columns in (40, 300, 900):
        for a, b in zip(mel(one, 0, 1e6, columns), mel(other, 0, 1e6, columns), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("part", [slice(None), slice(21.4, 63.0), slice(91.0, 93.0)])
def test_what_is_drawn_and_measured_is_that_of_the_sound_to_the_bit(talked, part):
    timeline = open_recording(talked).timeline()[part]
    assert_same_picture(timeline, decoded(timeline))
    assert len(talk_of(timeline).model) >= 1


def test_a_recording_of_version_2_is_drawn_the_same(talked, tmp_path):
    older = open_recording(without_levels(talked, tmp_path / "older"))
    older.verify()
    assert older.facts["version"] == 2
    newer = open_recording(talked).timeline()
    assert_same_picture(older.timeline(), newer)
    assert figure(older.timeline(), live=False).to_json() == figure(newer, live=False).to_json()


def test_a_wide_picture_decodes_no_sound_and_only_the_pictures_that_it_shows(talked, monkeypatch):
    timeline = open_recording(talked).timeline()
    opened = []
    monkeypatch.setattr(media.Media, "_decoded", lambda _, stream, segment: pytest.fail(f"decoded {stream}"))
    monkeypatch.setattr(media, "picture_of", lambda jpeg: opened.append(jpeg) or np.zeros((24, 32, 3), np.uint8))
    drawn = figure(timeline, live=False, width=400)
    talk_of(timeline)
    assert 0 < len(drawn.layout.images) <= len(opened) <= len(drawn.layout.images) + 1  # one may not fit
    assert len(opened) < 10
    opened.clear()
    assert len(pictures_of(timeline, every_s=20)) == 5
    assert len(opened) == 5 + 2  # the first and the last, too


def test_near_sound_is_decoded_where_it_is_seen(talked, monkeypatch):
    timeline, seen = open_recording(talked).timeline(), []
    real = media.Media._decoded
    monkeypatch.setattr(media.Media, "_decoded", lambda *given: seen.append(given[1:]) or real(*given))
    figure(timeline, 10.0, 20.0, live=False)
    assert [(stream, segment.first) for stream, segment in seen] == [("user", 0)]


def test_sound_that_was_replaced_has_an_outline_of_its_own(talked):
    from dataclasses import replace

    moment = open_recording(talked).timeline()[30]
    loud = np.full(3200, 0.5, np.float32)
    timeline = Timeline(RATE)
    timeline.append(replace(moment, percept=replace(moment.percept, audio=loud)))
    assert (envelope(timeline, "user").high == 0.5).all()
    assert replace(moment.act, words=()).outlines is None


def test_levels_are_forgotten_and_deleted_with_the_sound(talked, tmp_path):
    folder = shutil.copytree(talked, tmp_path / "r")
    assert sorted(path.name for path in (folder / "user").glob("*.levels")) == [
        "00000000.levels", "00000150.levels", "00000300.levels"
    ]  # fmt: skip
    open_recording(folder).forget((TICKS - 170) / 5)
    assert [path.name for path in folder.rglob("*.levels")] == ["00000000.levels"] * 2
    recording = open_recording(folder)
    recording.verify()
    assert_same_picture(recording.timeline(), decoded(recording.timeline()))
    assert b"00000150" not in b"".join(name.encode() for name in bytes_of(folder) if "frames" not in name)
    recording.delete()
    assert not folder.exists()


def test_levels_of_other_sound_are_found_by_verify(tmp_path):
    folder = write(tmp_path / "r", range(8))
    other = levels_of(np.full((8, 3200), 77, np.int16), "user")
    (folder / "user" / "00000000.levels").write_bytes(other)
    lines = []
    for line in (folder / "journal.jsonl").read_bytes().splitlines():
        kind, value = unsealed(line)
        from zlib import crc32

        changed = {"user_levels": [len(other), crc32(other)]} if kind == "segment" else {}
        lines.append(sealed(kind, value | changed))
    (folder / "journal.jsonl").write_bytes(b"".join(lines))
    recording = open_recording(folder)
    with pytest.raises(RecordingError, match="levels of other sound"):
        recording.verify()


@pytest.mark.parametrize("samples", [1, 3200, 4410, 4800, 76_800])
def test_levels_come_back_as_they_were(samples):
    rng = np.random.default_rng(samples)
    pcm = rng.integers(-32768, 32768, (7, samples)).astype(np.int16)
    pcm[2], pcm[3] = 0, -32768
    outline = outline_of(pcm, "model")
    back = outline_of_levels(levels_of(pcm, "model"), 7, "model")
    assert all(np.array_equal(a, b) for a, b in zip(outline, back, strict=True))
    assert same(outline, back)
    assert not same(outline, outline_of(pcm[::-1], "model"))
    if samples >= 20:
        np.testing.assert_array_equal(
            outlined_levels(back, samples), tick_levels(pcm.astype(np.float32) / np.float32(32768))
        )


@pytest.mark.parametrize("change", [lambda c: c[:-4], lambda c: c + b"x", lambda c: b"", lambda c: b"\x78\x9c" * 40])
def test_what_are_no_levels_is_refused(change):
    content = levels_of(np.zeros((4, 3200), np.int16), "user")
    assert outline_of_levels(content, 4, "user").bands.shape == (4, 40)
    for broken, ticks, side in ((change(content), 4, "user"), (content, 3, "user"), (content, 4, "model")):
        with pytest.raises(ValueError, match=r"no levels|not the levels"):
            outline_of_levels(broken, ticks, side)


def test_a_bomb_is_not_inflated():
    import tracemalloc
    import zlib

    bomb = zlib.compress(bytes(200 * 2**20), 9)
    tracemalloc.start()
    with pytest.raises(ValueError, match="not the levels"):
        outline_of_levels(bomb, 150, "user")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_segment_that_goes_on_after_forgetting_has_levels_again(tmp_path):
    recorder = Recorder(tmp_path / "r", output_rate=RATE)
    put(recorder, range(320))
    recorder.forget(30)
    put(recorder, range(320, 500))
    recorder.close()
    recording = open_recording(tmp_path / "r")
    recording.verify()
    assert all(one.user_levels and one.model_levels for one in recording.content.journal.segments)
    assert_same_picture(recording.timeline(), decoded(recording.timeline()))
