import json

import numpy as np
import pytest
import soundfile

from imkit.measures import Interval, measure, responses, talk_of
from imkit.recordings.pairs import timeline_from_audio
from imkit.stream import Floor, Provenance, SourceError, Word


def wav(path, rate, *spans, length_s=6.0, channels=1):
    sound = np.zeros((round(length_s * rate), channels), np.float32)
    for begin_s, end_s in spans:
        count = round(end_s * rate) - round(begin_s * rate)
        sound[round(begin_s * rate) : round(end_s * rate)] = 0.2 * np.sin(np.arange(count) * 0.2)[:, None]
    soundfile.write(path, sound, rate)
    return path


def test_a_pair_of_any_rate_and_length_can_be_scored(tmp_path):
    user = wav(tmp_path / "u.wav", 48_000, (1.0, 2.0), (4.0, 5.0), length_s=5.5, channels=2)
    model = wav(tmp_path / "m.flac", 24_000, (2.5, 3.5), length_s=7.05)
    timeline = timeline_from_audio(
        user, model, [("two plus", 1.0, 1.6), ("two", 1.6, 2.0)], [Word("four", 2.5, 3.5)], "other"
    )
    assert (timeline.start_s, timeline.end_s, timeline.output_rate) == (0.0, 7.0, 16_000)
    assert len(timeline.model_audio()) / 16_000 == 7.2
    talk = talk_of(timeline)
    assert [(u.start_s, u.end_s, u.label) for u in talk.user] == [
        (pytest.approx(1.0, abs=0.02), pytest.approx(2.0, abs=0.02), "two plus two"),
        (pytest.approx(4.0, abs=0.02), pytest.approx(5.0, abs=0.02), ""),
    ]
    assert [u.label for u in talk.model] == ["four"]
    assert [r.latency_s for r in responses(talk)] == [pytest.approx(0.5, abs=0.03), None]
    assert measure(talk).answered == 0.5
    speaking = [m.index for m in timeline if m.act.floor is Floor.SPEAK]
    assert speaking == [11, 12, 13, 14, 15, 16]  # act 11 sounds from 2.4 s, act 16 until 3.6 s
    assert [(m.index, w.text) for m in timeline for w in m.act.words] == [(11, "four")]
    assert timeline[0].percept.events[0].text == "other: u.wav, m.flac"
    assert {w.provenance for w in timeline.heard()} == {Provenance.FILE}


def test_words_from_a_file_and_from_annotations(tmp_path):
    user, model = wav(tmp_path / "u.wav", 16_000, (1.0, 2.0)), wav(tmp_path / "m.wav", 16_000, (2.5, 3.0))
    words = tmp_path / "output.json"
    words.write_text(json.dumps({"text": "hé", "chunks": [{"text": "hé", "timestamp": [2.5, 3.0]}]}))
    timeline = timeline_from_audio(user, model, [Interval(1.0, 2.0, "so"), Interval(50.0, 51.0, "late")], words)
    assert [w.text for w in timeline.words()] == ["hé"]
    assert [(m.index, w.text) for m in timeline for w in m.act.heard] == [(5, "so"), (29, "late")]


def test_sound_that_answers_nothing_needs_a_lead(tmp_path):
    user, model = wav(tmp_path / "u.wav", 16_000, (1.0, 2.0)), wav(tmp_path / "m.wav", 16_000, (0.05, 1.0))
    with pytest.raises(SourceError, match=r"first 0\.2 s.*lead_s=0\.2"):
        timeline_from_audio(user, model)
    timeline = timeline_from_audio(user, model, [("a", 1.0, 2.0)], lead_s=0.2)
    talk = talk_of(timeline)
    assert [(u.start_s, u.label) for u in talk.user] == [(pytest.approx(1.2, abs=0.011), "a")]
    assert talk.model[0].start_s == pytest.approx(0.25, abs=0.011)
    assert np.array_equal(
        timeline.model_audio()[3200 : 3200 + 16_000], soundfile.read(model, dtype="float32")[0][:16_000]
    )
    with pytest.raises(SourceError, match=r"multiple of 0\.2"):
        timeline_from_audio(user, model, lead_s=0.3)


@pytest.mark.parametrize(
    "words", [[("a", 2.0, 1.0)], [("a", -1.0, 1.0)], [("a", 0.0, float("nan"))], ["a"], [("a", "x", 1)]]
)
def test_words_that_cannot_be(tmp_path, words):
    user, model = wav(tmp_path / "u.wav", 16_000), wav(tmp_path / "m.wav", 16_000)
    with pytest.raises(SourceError, match="words"):
        timeline_from_audio(user, model, words)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"chunks": [{"text": "a"}]}', '{"chunks": [{"text": "a", "timestamp": ["x", 1]}]}']
)
def test_word_files_that_cannot_be(tmp_path, text):
    user, model = wav(tmp_path / "u.wav", 16_000), wav(tmp_path / "m.wav", 16_000)
    (tmp_path / "words.json").write_text(text)
    with pytest.raises(SourceError, match="holds no timed words"):
        timeline_from_audio(user, model, tmp_path / "words.json")
    with pytest.raises(SourceError, match="cannot be read"):
        timeline_from_audio(user, model, tmp_path / "none.json")


def test_sound_files_that_cannot_be(tmp_path):
    user = wav(tmp_path / "u.wav", 16_000)
    (tmp_path / "m.wav").write_bytes(b"RIFF")
    with pytest.raises(SourceError, match=r"m\.wav"):
        timeline_from_audio(user, tmp_path / "m.wav")
