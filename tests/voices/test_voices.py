"""The speech engines are part of the test machine: these tests need them and skip nothing."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from imkit import voices
from imkit.training.bank import Bank, build_bank
from imkit.voices import EngineMissing, Voice, engines, random_voice, resample, synthesise
from imkit.voices.espeak import ESPEAK_ACCENTS, split_phones

ONE_OF_EACH = [
    Voice("espeak", "en-us+f2"),
    Voice("espeak", "en-gb-scotland+klatt4", rate=1.2),
    *(Voice("flite", name) for name in engines.FLITE_F0_HZ),
    *(Voice("festival", name) for name in engines.FESTIVAL_VOICES),
]
TEXTS = ["plot the data in the table", "put the red square on the left", "what's it", "no say no see", "stop"]


def pitch_hz(audio: np.ndarray) -> float:
    found = []
    for at in range(0, len(audio) - 1024, 256):
        frame = audio[at : at + 1024]
        if np.abs(frame).max() > 0.2:
            spectrum = np.abs(np.fft.rfft(frame * np.hanning(1024), 4096)) ** 2
            correlation = np.fft.irfft(spectrum)
            lag = 40 + int(correlation[40:267].argmax())
            found.append(16_000 / lag)
    return float(np.median(found))


def loud(audio: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.abs(audio) > 0.02 * np.abs(audio).max())


@pytest.mark.parametrize("voice", ONE_OF_EACH, ids=lambda voice: f"{voice.engine}-{voice.name}")
def test_every_engine_labels_every_word(voice):
    utterances = list(synthesise(voice, TEXTS))
    assert [u.text for u in utterances] == TEXTS
    for utterance in utterances:
        audio, words = utterance.audio, utterance.words
        assert audio.dtype == np.float32
        assert np.abs(audio).max() == pytest.approx(0.5, abs=1e-3)
        assert [word for word, _, _ in words] == utterance.text.split()
        edges = [edge for _, start, end in words for edge in (start, end)]
        assert all(later >= earlier for earlier, later in pairwise(edges))
        assert edges[0] >= 0
        assert edges[-1] <= len(audio) / 16_000
        assert min(end - start for _, start, end in words) >= 0.015
        # the words cover the sound: nearly no energy lies before the first or after the last
        power = audio.astype(np.float64) ** 2
        inside = power[round(edges[0] * 16_000) : round(edges[-1] * 16_000)].sum()
        assert inside > 0.97 * power.sum()
        assert edges[0] <= 0.031  # at most 30 ms of lead

    # An /s/ is heard by its high frequencies: it must begin where the engine says that its word does.
    hiss = utterances[3]
    slope = np.convolve(np.diff(hiss.audio, prepend=0) ** 2, np.ones(160), "same")
    power = np.convolve(hiss.audio**2, np.ones(160), "same")
    hissing = slope > 0.6 * power
    for word, start_s, _ in (hiss.words[1], hiss.words[3]):
        at = round(start_s * 16_000)
        assert hissing[at : at + 1600].mean() > 0.4, word
        before = hissing[max(0, at - 1600) : max(0, at - 960)]
        assert before.mean() < 0.3, word


@pytest.mark.parametrize("voice", ONE_OF_EACH, ids=lambda voice: f"{voice.engine}-{voice.name}")
def test_rate_and_pitch_are_heard(voice):
    text = ["now one more man may be in a new room"]
    (usual,) = synthesise(Voice(voice.engine, voice.name), text)
    (quick,) = synthesise(Voice(voice.engine, voice.name, rate=1.25), text)
    (high,) = synthesise(Voice(voice.engine, voice.name, pitch=1.12), text)
    assert len(quick.audio) < 0.9 * len(usual.audio)
    assert len(high.audio) == pytest.approx(len(usual.audio), rel=0.08)
    assert pitch_hz(high.audio) > 1.03 * pitch_hz(usual.audio)


def test_merged_words_split_by_their_phonemes():
    (utterance,) = synthesise(Voice("espeak", "en-us+m3"), ["put it on the box"])
    spans = {word: end - start for word, start, end in utterance.words}
    assert 0.04 < spans["on"] < 0.25
    assert 0.04 < spans["the"] < 0.2
    assert split_phones(["O2", "n", "D", "@2"], [["0", "n"], ["D", "@"]]) == [0, 2]
    assert split_phones(["n"], [["0", "n"], ["D", "@"]]) is None


def test_many_changes_of_voice_lose_no_event():
    made = [
        next(iter(synthesise(Voice("espeak", f"{accent}+{variant}"), ["show me a chart of the price"])))
        for accent in ESPEAK_ACCENTS
        for variant in ("m1", "f3")
    ]
    assert all(utterance is not None for utterance in made)
    assert len({utterance.audio.tobytes() for utterance in made}) == len(made)


def test_resampling_keeps_tones_and_times_and_removes_aliases():
    for rate_in in (22_050, 32_000, 16_800):
        time = np.arange(rate_in) / rate_in
        tone = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
        made = resample(tone, rate_in, 16_000)
        assert len(made) == 16_000
        wanted = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
        assert np.abs(made - wanted)[200:-200].max() < 2e-3
    above = np.sin(2 * np.pi * 9_500 * np.arange(22_050) / 22_050).astype(np.float32)
    assert np.abs(resample(above, 22_050, 16_000))[200:-200].max() < 2e-3
    assert len(resample(np.zeros(0, np.float32), 22_050, 16_000)) == 0


def test_the_test_machine_has_every_engine():
    reports = voices.installed_engines()
    assert [report.engine for report in reports] == ["espeak", "flite", "festival"]
    assert [report.missing for report in reports] == [(), (), ()]
    assert all(report.voices for report in reports)


def test_what_is_missing_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr(engines, "FESTIVAL_ROOT", tmp_path)
    with pytest.raises(EngineMissing, match="apt-get install festvox-us-slt-hts"):
        list(synthesise(Voice("festival", "cmu_us_slt_arctic_hts"), ["stop"]))
    missing = dict(voices.installed_engines()[2].missing)
    assert missing["ked_diphone"] == "festvox-kdlpc16k"
    with pytest.raises(EngineMissing, match="espeak-ng-data"):
        list(synthesise(Voice("espeak", "en-us+nobody"), ["stop"]))


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        (Voice("espeak", "en-us"), "Plot 3"),
        (Voice("festival", "kal_diphone"), 'stop") (exit 1'),
        (Voice("flite", "nobody"), "stop"),
        (Voice("espeak", "klingon+m1"), "stop"),
        (Voice("festival", "nobody"), "stop"),
        (Voice("sam", "sam"), "stop"),
    ],
)
def test_wrong_texts_and_voices_are_refused(voice, text):
    with pytest.raises(ValueError, match=r"expected|must be one of"):
        list(synthesise(voice, [text]))


@pytest.mark.parametrize("engine", ["espeak", "flite", "festival"])
def test_random_voices_vary_and_repeat_by_seed(engine):
    drawn = [random_voice(np.random.default_rng(seed), engine) for seed in range(30)]
    assert drawn == [random_voice(np.random.default_rng(seed), engine) for seed in range(30)]
    assert len(set(drawn)) > 25
    assert all(0.7 < voice.rate < 1.36 and 0.39 < voice.pitch < 1.71 for voice in drawn)
    with pytest.raises(ValueError, match="expected one of"):
        random_voice(np.random.default_rng(0), "sam")


def test_a_bank_holds_what_was_spoken_whatever_the_processes(tmp_path: Path):
    first, second = Voice("espeak", "en-us+m3"), Voice("flite", "kal16", rate=1.1)
    plan = [(first, "plot the data"), (second, "stop"), (first, "seven plus two")]
    seen: list[tuple[int, int]] = []
    build_bank(tmp_path / "one", plan, progress=lambda done, total: seen.append((done, total)))
    build_bank(tmp_path / "two", plan, processes=2)
    assert seen == [(2, 3), (3, 3)]
    bank = Bank.open(tmp_path / "one")
    other = Bank(tmp_path / "two")
    assert list(bank.plan_index) == list(other.plan_index) == [0, 2, 1]
    assert [(bank[i].text, bank[i].voice) for i in range(3)] == [(other[i].text, other[i].voice) for i in range(3)]
    assert bank[2].audio.tobytes() == other[2].audio.tobytes()  # flite repeats itself
    np.testing.assert_allclose(bank.lengths, other.lengths, atol=1600)  # espeak carries its last sound into the next
    for number, index in enumerate(bank.plan_index):
        entry = bank[number]
        assert (entry.voice, entry.text) == plan[index]
        assert entry.audio.dtype == np.int16
        assert np.abs(entry.audio).max() == pytest.approx(0.5 * 32767, abs=20)
        assert len(loud(entry.audio)) > 1000
        assert entry.words[-1][2] <= len(entry.audio) / 16_000 + 1e-3
    with pytest.raises(IndexError):
        bank[3]
    assert bank[-1].text == "stop"


def test_an_unfinished_or_damaged_bank_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="build_bank"):
        Bank.open(tmp_path)
    build_bank(tmp_path, [(Voice("espeak", "en-us"), "stop")])
    with (tmp_path / "audio.i16").open("ab") as audio:
        audio.write(b"xx")
    with pytest.raises(ValueError, match="its index says"):
        Bank.open(tmp_path)
