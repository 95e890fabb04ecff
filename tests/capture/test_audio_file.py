import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.capture import AudioArray, AudioFile
from imkit.stream import INPUT_RATE, INPUT_SAMPLES, SourceError


def sine(rate_hz, seconds, frequency_hz=440.0):
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(rate_hz * seconds)) / rate_hz)


def read_all(source):
    with source:
        percepts = []
        while (percept := source.read(len(percepts))) is not None:
            percepts.append(percept)
        assert source.read(len(percepts)) is None
    return percepts


@settings(deadline=None, max_examples=30)
@given(
    rate_hz=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    channels=st.integers(1, 6),
    length=st.integers(1, 30_000),
    form=st.sampled_from([("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("aiff", "PCM_24")]),
)
def test_any_rate_channels_and_length(tmp_path_factory, rate_hz, channels, length, form):
    path = tmp_path_factory.mktemp("a") / f"a.{form[0]}"
    mono = sine(rate_hz, length / rate_hz)[:length]
    soundfile.write(path, np.repeat(mono[:, None], channels, axis=1), rate_hz, subtype=form[1])
    percepts = read_all(AudioFile(path))
    count = -(-len(mono) * INPUT_RATE // rate_hz)
    assert len(percepts) == -(-count // INPUT_SAMPLES)
    heard = np.concatenate([percept.audio for percept in percepts])
    expected = sine(INPUT_RATE, count / INPUT_RATE)[:count]
    inner = slice(300, count - 300)
    assert [percept.index for percept in percepts] == list(range(len(percepts)))
    np.testing.assert_allclose(heard[:count][inner], expected[inner], atol=2e-3)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_compressed_sound(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, sine(44_100, 1.0), 44_100)
    heard = np.concatenate([percept.audio for percept in read_all(AudioFile(path))])
    spectrum = np.abs(np.fft.rfft(heard[:INPUT_RATE]))
    assert abs(int(spectrum.argmax()) - 440) <= 2


def test_it_may_start_in_the_middle_of_a_session_and_be_opened_again(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, sine(16_000, 0.6), 16_000)
    source = AudioFile(path)
    first = [source.read(index) for index in range(50, 54)]
    assert [percept and percept.index for percept in first] == [50, 51, 52, None]
    source.open()
    again = source.read(0)
    assert np.array_equal(again.audio, first[0].audio)
    with pytest.raises(SourceError, match=r"a\.wav: asked for tick 7, but tick 1 is next"):
        source.read(7)
    source.close()
    source.close()


def write_wav_header(path, rate_hz):
    data = b"\0\0" * 100
    header = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16) + b"data"
    body = header + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def bad_file(kind, folder):
    path = folder / "bad.wav"
    if kind == "directory":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is no sound\n" * 50)
    elif kind == "rate 0":
        write_wav_header(path, 0)
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), 16_000)
    elif kind.startswith("cut"):
        suffix = kind.split()[1]
        path = folder / f"bad.{suffix}"
        soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 48_000), 16_000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "header only":
        soundfile.write(path, sine(16_000, 1), 16_000)
        path.write_bytes(path.read_bytes()[:20])
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "no such file"),
        ("directory", "is a directory"),
        ("empty", "is empty"),
        ("text", "not a sound file"),
        ("rate 0", "sample rate of 0 Hz"),
        ("no samples", "holds no samples"),
        ("header only", "not a sound file|truncated|holds no samples"),
        ("cut wav", "truncated"),
        ("cut flac", "truncated"),
        ("cut ogg", "truncated"),
        ("cut aiff", "truncated"),
    ],
)
def test_a_bad_file_is_named_with_its_reason(tmp_path, kind, reason):
    path = bad_file(kind, tmp_path)
    with pytest.raises(SourceError, match=reason) as caught:
        AudioFile(path).open()
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_named_with_their_time(tmp_path, value):
    path = tmp_path / "nan.wav"
    samples = sine(16_000, 1)
    samples[12_000] = value
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    with pytest.raises(SourceError, match=r"nan\.wav: holds NaN or infinity at 0\.750 s"):
        read_all(AudioFile(path))


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=300), prefix=st.sampled_from([b"", b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"OggS"]))
def test_bytes_of_any_kind_give_a_source_error_or_ticks(tmp_path_factory, data, prefix):
    path = tmp_path_factory.mktemp("b") / "b.wav"
    path.write_bytes(prefix + data)
    try:
        outcome = len(read_all(AudioFile(path)))
    except SourceError as error:
        outcome = str(error).startswith(str(path))
    assert outcome


def test_a_wav_from_a_pipe_has_no_length_and_is_read(tmp_path):
    path = tmp_path / "pipe.wav"
    soundfile.write(path, sine(16_000, 0.4), 16_000)
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = data[4:8] = b"\xff" * 4
    path.write_bytes(bytes(data))
    assert len(read_all(AudioFile(path))) == 2


def test_memory_does_not_grow_with_the_length(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        for _ in range(10):
            file.write(np.zeros(8000 * 30, np.float32))
    source = AudioFile(path)
    tracemalloc.start()
    with source:
        for index in range(1500):
            assert source.read(index) is not None
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6  # the whole would be 19 MB at 16 kHz


def test_an_array_is_a_source():
    stereo = np.stack([sine(24_000, 0.5), np.zeros(12_000)], axis=1)
    heard = np.concatenate([percept.audio for percept in read_all(AudioArray(stereo, 24_000))])
    np.testing.assert_allclose(heard[300:7700], 0.5 * sine(16_000, 0.5)[300:7700], atol=1e-3)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "reason"),
    [
        (np.zeros(10, np.int16), 16_000, "int16"),
        (np.zeros((2, 2, 2)), 16_000, "expected float samples"),
        (np.zeros(0), 16_000, "expected float samples"),
        (np.zeros(10), 0, "sample rate is 0 Hz"),
    ],
)
def test_an_array_that_is_no_sound(samples, rate_hz, reason):
    with pytest.raises(SourceError, match=reason):
        AudioArray(samples, rate_hz)
