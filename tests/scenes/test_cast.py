import json
import sys

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.scenes import SuiteError, cast, load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.recorded import aligned
from imkit.voices import Voice

RATE = 16_000
NOBODY = Voice("files", "me")


def hum(*spans, seconds):
    time_s = np.arange(round(seconds * RATE)) / RATE
    on = sum((time_s >= start) & (time_s < end) for start, end in spans)
    return (0.4 * np.sin(2 * np.pi * 200 * time_s) * on).astype(np.float32)


def suite_with(tmp_path, *voices):
    tables = "".join("[[voice]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in voice.items()) for voice in voices)
    path = tmp_path / "suite.toml"
    path.write_text(f"seed = 1\ntrials = 1\n{tables}")
    return load_suite(path)


@pytest.fixture
def recordings(tmp_path):
    """A folder beside the suite in which "what is", "two" and "three" were recorded, "two" with its times."""
    folder = tmp_path / "me"
    folder.mkdir()
    rows = []
    for name, text, sound, times in (
        ("a.wav", "what is", hum((0.2, 1.0), seconds=1.5), None),
        ("b.flac", "two", hum((0.1, 0.5), seconds=0.6), [["two", 0.1, 0.5]]),
        ("c.wav", "Three", hum((0.3, 0.7), seconds=1.0), None),
    ):
        soundfile.write(folder / name, sound, RATE)
        rows.append({"file": name, "text": text} | ({"words": times} if times else {}))
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return folder


@pytest.fixture
def files(tmp_path, recordings):
    with Cast(suite_with(tmp_path, {"engine": "files", "folder": "me"})) as cast:
        yield cast


# --- who speaks


def test_a_voice_is_drawn_by_weight_and_varied_in_its_ranges(tmp_path):
    suite = suite_with(
        tmp_path,
        {"engine": "espeak", "name": "a", "weight": 3, "rate": [0.8, 1.2]},
        {"engine": "espeak", "name": "b", "weight": 1, "pitch": [0.9, 0.9]},
    )
    voices = [Cast(suite).draw(np.random.default_rng(seed)) for seed in range(200)]
    assert voices == [Cast(suite).draw(np.random.default_rng(seed)) for seed in range(200)]
    assert 0.65 < sum(voice.name == "a" for voice in voices) / 200 < 0.85
    assert all(0.8 <= v.rate <= 1.2 and v.pitch == 1.0 for v in voices if v.name == "a")
    assert all(v.rate == 1.0 and v.pitch == 0.9 for v in voices if v.name == "b")
    assert len({v.rate for v in voices if v.name == "a"}) > 50


def test_the_same_words_are_the_same_samples_in_any_order():
    suite = load_suite("dev")
    with Cast(suite) as first, Cast(suite) as second:
        voice = first.draw(np.random.default_rng(0))
        said = {text: first.speak(voice, text) for text in ("seven", "what is two plus three", "stop")}
        for text in reversed(said):
            again = second.speak(voice, text)
            assert np.array_equal(again.audio, said[text].audio)
            assert again.words == said[text].words
        assert first.speak(voice, "stop") is said["stop"]


def test_what_cannot_be_said_is_told_with_voice_and_text(tmp_path):
    with Cast(load_suite("dev")) as cast:
        with pytest.raises(SuiteError, match=r"voice espeak:en-us cannot say '2 plus 3'"):
            cast.speak(Voice("espeak", "en-us"), "2 plus 3")
        with pytest.raises(SuiteError, match="sapi"):
            cast.speak(Voice("sapi", "x"), "two")


# --- recordings


def test_a_sentence_is_put_together_from_its_longest_parts(files):
    said = files.speak(NOBODY, "what is two three")
    assert [word for word, _, _ in said.words] == ["what", "is", "two", "three"]
    starts = [start for _, start, _ in said.words]
    assert starts == sorted(starts)
    lengths = [end - start for _, start, end in said.words]
    assert lengths[0] + lengths[1] == pytest.approx(0.8, abs=0.03)
    assert lengths[2:] == [pytest.approx(0.4, abs=0.03)] * 2
    for word, start, end in said.words[2:]:
        inside = said.audio[round((start + 0.02) * RATE) : round((end - 0.02) * RATE)]
        assert np.abs(inside).max() > 0.3, word
    between = said.audio[round((said.words[2][2] + 0.02) * RATE) : round((said.words[3][1] - 0.02) * RATE)]
    assert not between.any()
    assert np.abs(said.audio).max() == pytest.approx(0.5)


def test_case_does_not_matter_and_words_that_nobody_recorded_are_named(files):
    assert files.speak(NOBODY, "three").words[0][0] == "three"
    with pytest.raises(SuiteError, match=r"nobody recorded 'four' \(of 'two four'\)"):
        files.speak(NOBODY, "two four")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"file": "a.wav"}', "line 1: expected JSON with file and text"),
        ("[1, 2]", "line 1: expected JSON with file and text"),
        ('{"file": "gone.wav", "text": "two"}', "gone.wav"),
        ('{"file": "b.flac", "text": "two", "words": [["too", 0, 1]]}', "times for 'too'"),
        ('{"file": "b.flac", "text": "two", "words": [["two", 0]]}', "cannot say 'two'"),
    ],
)
def test_a_wrong_manifest_is_told(files, recordings, row, said):
    (recordings / "manifest.jsonl").write_text(row)
    with pytest.raises(SuiteError, match=said):
        files.speak(NOBODY, "two")


def test_a_missing_folder_and_a_silent_recording_are_told(tmp_path, recordings, files):
    soundfile.write(recordings / "b.flac", np.zeros(8000), RATE)
    (recordings / "manifest.jsonl").write_text('{"file": "b.flac", "text": "two"}')
    with pytest.raises(SuiteError, match="is silent"):
        files.speak(NOBODY, "two")
    with pytest.raises(SuiteError, match=r"manifest\.jsonl does not exist"):
        files.speak(Voice("files", "you"), "two")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=5), st.floats(0, 0.5), st.floats(0.1, 1))
def test_alignment_gives_every_word_a_span_inside_the_sound(words, lead_s, sounding_s):
    said = aligned(NOBODY, " ".join(words), hum((lead_s, lead_s + sounding_s), seconds=2.0))
    assert [word for word, _, _ in said.words] == words
    edges = [edge for _, start, end in said.words for edge in (start, end)]
    assert edges == sorted(edges)
    assert edges[-1] - edges[0] == pytest.approx(sounding_s, abs=0.021)
    assert len(said.audio) / RATE == pytest.approx(sounding_s + 0.06, abs=0.05)


# --- a command

SPEAKER = """
import sys, numpy, soundfile
text, path = sys.argv[1:]
assert text != "fail", "no such text"
soundfile.write(path, 0.3 * numpy.sin(numpy.arange(8000 * len(text.split())) * 0.1), 8000)
"""


@pytest.fixture
def command(tmp_path):
    program = tmp_path / "a speaker.py"
    program.write_text(SPEAKER)
    line = f'{sys.executable} "{program}" {{text}} {{wav}}'
    with Cast(suite_with(tmp_path, {"engine": "command", "name": "mine", "command": line})) as cast:
        yield cast


def test_a_command_writes_what_is_said(command):
    said = command.speak(Voice("command", "mine"), "one two")
    assert len(said.audio) / RATE == pytest.approx(2.0, abs=0.05)
    assert [word for word, _, _ in said.words] == ["one", "two"]


def test_a_command_that_fails_is_told_with_its_message(command, monkeypatch):
    with pytest.raises(SuiteError, match=r"(?s)exit status 1: .*no such text"):
        command.speak(Voice("command", "mine"), "fail")
    monkeypatch.setattr(cast, "COMMAND_TIMEOUT_S", 0.01)
    with pytest.raises(SuiteError, match="timed out"):
        command.speak(Voice("command", "mine"), "one")
