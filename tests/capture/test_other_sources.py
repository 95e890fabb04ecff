import json
import math

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imkit.capture import AudioArray, AudioFile, ImageSequence, Mix, Script, Silence, VideoFile, as_source
from imkit.capture.picture import fitted, read_picture
from imkit.stream import Event, Percept, Provenance, SourceError


def read_all(source):
    with source:
        percepts = []
        while (percept := source.read(len(percepts))) is not None:
            percepts.append(percept)
    return percepts


def write_picture(path, value, size=(40, 30)):
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = *size, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), value, np.uint8), "rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


# pictures


@pytest.mark.parametrize(
    ("fps", "seen"),
    [
        (5, [[0], [1], [2], [3]]),
        (10, [[1], [3]]),
        (2.5, [[0], [], [1], [], [2], [], [3], []]),
        (1, [[0], *[[]] * 4, [1], *[[]] * 4, [2], *[[]] * 4, [3], *[[]] * 4]),
    ],
)
def test_pictures_come_at_their_rate(fps, seen):
    pictures = [np.full((4, 6, 3), number, np.uint8) for number in range(4)]
    percepts = read_all(ImageSequence(pictures, fps=fps))
    assert [[int(frame[0, 0, 0]) for frame in percept.frames] for percept in percepts] == seen


def test_a_folder_in_the_order_of_names(tmp_path):
    for name, value in (("b.png", 20), ("a.png", 10), ("c.PNG", 30)):
        write_picture(tmp_path / name, value)
    (tmp_path / "notes.txt").write_text("not a picture")
    percepts = read_all(ImageSequence(tmp_path))
    assert [int(percept.frames[0][0, 0, 0]) for percept in percepts] == [10, 20, 30]


def test_big_pictures_are_scaled(tmp_path):
    write_picture(tmp_path / "a.png", 9, size=(800, 400))
    assert read_picture(tmp_path / "a.png").shape == (160, 320, 3)
    wide = np.zeros((400, 800, 3), np.uint8)
    wide[:, 400:] = 200
    frame = read_all(ImageSequence([wide]))[0].frames[0]
    assert frame.shape == (160, 320, 3)
    assert frame[0, 0, 0] == 0
    assert frame[0, -1, 0] == 200


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_fitted_keeps_within_the_limit(width, height):
    small = fitted(width, height)
    assert min(small) >= 1
    assert max(small) <= 320
    if max(width, height) <= 320:
        assert small == (width, height)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: ImageSequence(folder / "none"), "no such folder"),
        (lambda folder: ImageSequence(folder), "holds no pictures"),
        (lambda folder: ImageSequence([]), "holds no pictures"),
        (lambda folder: ImageSequence([folder / "x.png"]), r"x\.png: no such file"),
        (lambda folder: ImageSequence([np.zeros((3, 3), np.uint8)]), "picture 0 is uint8"),
        (lambda folder: ImageSequence([np.zeros((3, 3, 3))]), "picture 0 is float64"),
        (lambda folder: ImageSequence(folder, fps=0), "fps is 0"),
        (lambda folder: ImageSequence(folder, fps=math.nan), "fps is nan"),
    ],
)
def test_no_pictures(tmp_path, make, reason):
    with pytest.raises(SourceError, match=reason):
        read_all(make(tmp_path))


def test_a_file_that_is_no_picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("no picture" * 30)
    with pytest.raises(SourceError, match=r"a\.png: (is no|holds no) picture"):
        read_picture(path)


# scripts


def test_a_script_types_and_reports(tmp_path):
    path = tmp_path / "s.jsonl"
    lines = [
        {"t": 1.0, "text": "plot it"},
        {"t": 0.2, "draft": "pl"},
        {"t": 0.6, "draft": "plot i"},
        {"t": 1.19, "text": "now"},
        {"t": 1.2, "event": {"kind": "notebook", "text": "cell 3 failed", "payload": {"cell": 3}}},
        {"t": 1.4, "event": {"provenance": "tool", "kind": "result", "call_id": "c1"}},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    percepts = read_all(Script(path))
    assert [percept.text for percept in percepts] == ["", "", "", "", "", "plot it\nnow", "", ""]
    assert [percept.draft for percept in percepts] == ["", "pl", "pl", "plot i", "plot i", "", "", ""]
    assert percepts[6].events == (Event("notebook", Provenance.FILE, "cell 3 failed", payload={"cell": 3}),)
    assert percepts[7].events == (Event("result", Provenance.TOOL, call_id="c1"),)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", r"line 1 is not JSON"),
        ("[" * 100_000, r"line 1 is not JSON"),
        ("3", "is int, expected an object"),
        ('{"text": "a"}', "expected seconds"),
        ('{"t": -1, "text": "a"}', "expected seconds"),
        ('{"t": NaN, "text": "a"}', "expected seconds"),
        ('{"t": true, "text": "a"}', "expected seconds"),
        ('{"t": "1", "text": "a"}', "expected seconds"),
        ('{"t": 1}', "expected one of"),
        ('{"t": 1, "text": "a", "draft": "b"}', "expected one of"),
        ('{"t": 1, "txt": "a"}', "expected one of"),
        ('{"t": 1, "text": 3}', "expected a string"),
        ('{"t": 1, "event": "x"}', "expected an object with"),
        ('{"t": 1, "event": {"colour": "x"}}', "expected an object with"),
        ('{"t": 1, "event": {"kind": "party"}}', "event kind 'party'"),
        ('{"t": 1, "event": {"kind": ["result"]}}', "event kind"),
        ('{"t": 1, "event": {"provenance": "moon"}}', "provenance 'moon'"),
        ('{"t": 1, "event": {"payload": 3}}', "no object"),
        ("\n", "holds no lines"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, reason):
    path = tmp_path / "s.jsonl"
    path.write_bytes(line.encode("utf-8", "surrogateescape"))
    with pytest.raises(SourceError, match=reason) as caught:
        Script(path).open()
    assert str(path) in str(caught.value)


def test_a_script_of_dicts():
    assert [percept.text for percept in read_all(Script([{"t": 0, "text": "hi"}]))] == ["hi"]


# silence and mixing


@pytest.mark.parametrize(("seconds", "ticks"), [(0, 0), (0.2, 1), (0.3, 2), (1.0, 5), (0.6, 3), (4.0, 20)])
def test_silence_has_its_length(seconds, ticks):
    assert len(read_all(Silence(seconds))) == ticks


def test_silence_may_be_endless_but_not_negative():
    with Silence(math.inf) as source:
        assert source.read(10**9) is not None
    for seconds in (-1, math.nan):
        with pytest.raises(SourceError, match="expected 0 s or more"):
            Silence(seconds)


def test_a_mix_adds_sound_and_keeps_the_rest():
    half = np.full(6400, 0.4)
    mix = Mix(
        AudioArray(half, 16_000),
        AudioArray(half[:3200], 16_000),
        ImageSequence([np.full((2, 2, 3), n, np.uint8) for n in range(3)]),
        Script([{"t": 0.7, "text": "a"}]),
        Script([{"t": 0.6, "text": "b"}, {"t": 0, "draft": "c"}]),
    )
    percepts = read_all(mix)
    np.testing.assert_allclose([percept.audio[7] for percept in percepts], [0.8, 0.4, 0, 0], atol=1e-6)
    assert [len(percept.frames) for percept in percepts] == [1, 1, 1, 0]
    assert [percept.text for percept in percepts] == ["", "", "", "a\nb"]
    assert [percept.draft for percept in percepts] == ["c", "c", "c", ""]
    assert not mix.clocked
    assert [len(read_all(mix)), len(read_all(mix))] == [4, 4]


class Microphone:
    """A clocked source that is ready every second time it is asked."""

    clocked = True
    provenance = Provenance.MICROPHONE

    def __init__(self):
        self.asked, self.ended = 0, False

    def open(self):
        self.asked = 0

    def close(self):
        self.ended = True

    def wait(self, timeout_s):
        return self.asked % 2 == 1

    def read(self, index):
        self.asked += 1
        return Percept(index) if self.asked % 2 == 0 else None


def test_a_mix_keeps_the_time_of_its_clocked_source():
    mix = Mix(Script([{"t": 0, "text": "a"}, {"t": 0.2, "text": "b"}]), Microphone())
    assert mix.clocked
    assert mix.provenance == Provenance.MICROPHONE
    mix.open()
    texts, index = [], 0
    for _ in range(6):
        percept = mix.read(index)
        texts.append(percept and percept.text)
        index += percept is not None
    assert texts == [None, "a", None, "b", None, ""]
    assert not mix.ended
    assert not mix.wait(0)
    assert mix.read(index) is None
    assert mix.wait(0)
    mix.close()
    assert mix.ended


def test_a_mix_of_nothing_or_of_two_clocks():
    for sources in ((), (Microphone(), Microphone())):
        with pytest.raises(SourceError, match="at most one clocked"):
            Mix(*sources)


def test_a_mix_closes_what_it_opened_when_one_fails(tmp_path):
    microphone = Microphone()
    with pytest.raises(SourceError, match="no such file"):
        Mix(microphone, AudioFile(tmp_path / "none.wav")).open()
    assert microphone.ended


def test_as_source_goes_by_the_ending(tmp_path):
    assert isinstance(as_source("a.wav"), AudioFile)
    assert isinstance(as_source(tmp_path), ImageSequence)
    assert isinstance(as_source("a.JSONL"), Script)
    assert isinstance(as_source("a.webm"), VideoFile)
    assert isinstance(as_source(["a.wav", "b.jsonl"]), Mix)
    silence = Silence(1)
    assert as_source(silence) is silence
    for thing in (3, [], None):
        with pytest.raises(SourceError, match="expected a Source"):
            as_source(thing)
