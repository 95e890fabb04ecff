import shutil
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from imkit.capture import VideoFile
from imkit.stream import INPUT_RATE, SourceError


def write_video(path, *, seconds=2.0, fps=10, size=(640, 360), sound_rate=None, codec=None):
    """Picture i is of brightness 10 * i; the sound is a 440 Hz tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec or ("libvpx" if path.suffix == ".webm" else "mpeg4"), rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = None
        if sound_rate:
            audio = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=sound_rate)
            audio.layout = "stereo"
            tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * sound_rate)) / sound_rate)
            frame = av.AudioFrame.from_ndarray(np.repeat(tone[None].astype(np.float32), 2, 0), "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = sound_rate, 0, Fraction(1, sound_rate)
            for packet in [*_encoded(audio, frame), *audio.encode(None)]:
                container.mux(packet)
        for number in range(round(seconds * fps)):
            picture = np.full((size[1], size[0], 3), min(255, 10 * number), np.uint8)
            for packet in video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
                container.mux(packet)
        for packet in video.encode(None):
            container.mux(packet)


def _encoded(stream, frame):
    fifo = av.AudioFifo()
    fifo.write(frame)
    while (part := fifo.read(stream.codec_context.frame_size or 1024)) is not None:
        yield from stream.encode(part)
    if (part := fifo.read()) is not None:
        yield from stream.encode(part)


def read_all(source):
    with source:
        percepts = []
        while (percept := source.read(len(percepts))) is not None:
            percepts.append(percept)
    return percepts


def test_a_tick_holds_its_newest_picture_scaled_down(tmp_path):
    path = tmp_path / "v.mp4"
    write_video(path, seconds=2, fps=10)
    percepts = read_all(VideoFile(path))
    assert len(percepts) == 10
    assert {frame.shape for percept in percepts for frame in percept.frames} == {(180, 320, 3)}
    brightness = [float(percept.frames[0].mean()) for percept in percepts]
    np.testing.assert_allclose(brightness, [10 * (2 * tick + 1) for tick in range(10)], atol=4)
    assert not any(percept.audio.any() for percept in percepts)


def test_a_slow_video_leaves_ticks_without_a_picture(tmp_path):
    path = tmp_path / "v.mp4"
    write_video(path, seconds=3, fps=1, size=(64, 48))
    percepts = read_all(VideoFile(path))
    assert [index for index, percept in enumerate(percepts) if percept.frames] == [0, 5, 10]
    assert percepts[0].frames[0].shape == (48, 64, 3)


@pytest.mark.parametrize(("name", "rate_hz"), [("v.mp4", 44_100), ("v.mkv", 48_000), ("v.webm", 48_000)])
def test_its_sound_comes_along(tmp_path, name, rate_hz):
    path = tmp_path / name
    write_video(path, seconds=2, fps=5, size=(64, 48), sound_rate=rate_hz)
    percepts = read_all(VideoFile(path))
    heard = np.concatenate([percept.audio for percept in percepts])
    assert abs(len(heard) / INPUT_RATE - 2) <= 0.4
    assert abs(int(np.abs(np.fft.rfft(heard[8000 : 8000 + INPUT_RATE])).argmax()) - 440) <= 1
    assert sum(len(percept.frames) for percept in percepts) == 10
    silent = read_all(VideoFile(path, audio=False))
    assert not any(percept.audio.any() for percept in silent)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg writes the file with a late sound track")
def test_sound_that_starts_late_is_heard_late(tmp_path):
    path = tmp_path / "late.mkv"
    command = (
        "ffmpeg -v error -f lavfi -i testsrc=size=64x48:rate=5:duration=3 -itsoffset 1.0 "
        "-f lavfi -i sine=frequency=440:duration=1.5 -c:v mpeg4 -c:a pcm_s16le"
    )
    subprocess.run([*command.split(), str(path)], check=True)
    heard = np.concatenate([percept.audio for percept in read_all(VideoFile(path))])
    onset_s = int(np.argmax(np.abs(heard) > 0.02)) / INPUT_RATE
    assert abs(onset_s - 1.0) < 0.02


def test_a_portrait_fits_too(tmp_path):
    path = tmp_path / "v.mp4"
    write_video(path, seconds=0.4, fps=5, size=(360, 640))
    assert read_all(VideoFile(path))[0].frames[0].shape == (320, 180, 3)


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "text", "cut mp4", "cut webm", "cut avi", "sound"])
def test_a_bad_file_is_named_with_its_reason(tmp_path, kind):
    path = tmp_path / "bad.mp4"
    expected = {
        "missing": "no such file",
        "directory": "directory",
        "empty": "empty",
        "text": "no video that can be read",
        "sound": "no video stream",
    }
    if kind == "directory":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no video\n" * 100)
    elif kind == "sound":
        path = tmp_path / "bad.mp3"
        import soundfile

        soundfile.write(path, np.zeros(16_000), 16_000)
    elif kind.startswith("cut"):
        path = tmp_path / f"bad.{kind.split()[1]}"
        write_video(path, seconds=8, fps=5, size=(160, 120), sound_rate=48_000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=expected.get(kind, "no video|truncated")) as caught:
        read_all(VideoFile(path))
    assert str(caught.value).startswith(str(path))


def test_a_video_that_was_turned_is_seen_upright(tmp_path):
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 160, 80, "yuv420p"
        stream.set_display_rotation(90)
        picture = np.zeros((80, 160, 3), np.uint8)
        picture[:, 80:] = 255  # bright on the right: turned a quarter to the left, bright on top
        for _ in range(2):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    frame = read_all(VideoFile(path))[0].frames[0]
    assert frame.shape == (160, 80, 3)
    assert frame[:70].mean() > 200 > 50 > frame[90:].mean()
