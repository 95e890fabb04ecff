"""Recording in real JupyterLab: what the page says, what is kept, what is forgotten, and that it replays and shows."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lab import ROOT, Notebook, runs, until

import imkit
from imkit.stream import INPUT_RATE, INPUT_SAMPLES

LOUD = 0.1
BEGIN = """
began = session.timeline[-1].index
session.record({folder!r})
print(began, session.timeline[-1].index)
"""
LOUDEST = """
loudest = max((m for m in session.timeline if m.index > began + 4), key=lambda m: abs(m.percept.audio).max())
print(loudest.index, (loudest.percept.audio * 32768).round().astype("<i2").tobytes().hex())
"""
END = """
ending = session.timeline[-1].index
session.stop_recording()
print(ending, session.timeline[-1].index)
"""
FORGET = """
forgotten = session.recording.forget(last_s=(session.timeline[-1].index - loudest.index) / 5 + 0.4)
print(forgotten, session.timeline[-1].index)
"""


@pytest.fixture(scope="module")
def notebook(lab, chrome):
    """One notebook for both tests, each with a session of its own."""
    context = chrome.new_context(viewport={"width": 1200, "height": 1000}, permissions=["microphone", "camera"])
    context.set_default_timeout(20_000)
    notebook = Notebook(lab, context.new_page(), "recording.ipynb")
    yield notebook
    assert notebook.faults == []
    context.close()
    lab.end_kernels()


def sentences(notebook) -> int:
    """How often the microphone has said its sentence to the end, in the page."""
    heard = notebook.tap()["microphone"]
    return sum(end - start > 0.5 and heard[-1]["t"] - end > 0.5 for start, end in runs(heard, 0.01, 0.5))


def talks_on(notebook, more: int = 1) -> None:
    goal = sentences(notebook) + more
    until(lambda: sentences(notebook) >= goal, 60, f"no further sentence: {notebook.stats()}")


def holds(folder: Path, pcm: bytes) -> bool:
    """Whether any file of a folder holds these samples, as they are or in FLAC."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    sounds = (soundfile.read(path, dtype="int16")[0].tobytes() for path in files if path.suffix == ".flac")
    return any(pcm in path.read_bytes() for path in files) or any(pcm in sound for sound in sounds)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def delays(recording, played: Path) -> tuple[float, np.ndarray]:
    """How long the file is that is played over and over, and how much later than in it each loud micro-turn lies."""
    samples, rate = soundfile.read(played, dtype="float32")
    assert rate == 3 * INPUT_RATE
    file = samples[: len(samples) // 3 * 3].reshape(-1, 3).mean(axis=1)
    long = np.concatenate([file, file[:INPUT_SAMPLES]])
    power = np.convolve(long**2, np.ones(INPUT_SAMPLES), "valid")
    found = []
    for moment in recording:
        sound = moment.percept.audio
        if abs(sound).max() > LOUD:
            likeness = np.correlate(long, sound, "valid") / np.sqrt(power + 1e-3)
            found.append(moment.start_s - likeness.argmax() / INPUT_RATE)
    period_s = len(file) / INPUT_RATE
    return period_s, np.array(found) % period_s


def test_only_what_was_said_between_record_and_stop_and_not_forgotten_is_kept(notebook, tmp_path):
    folder = tmp_path / "talk"
    notebook.show()
    notebook.start()
    talks_on(notebook)
    assert "recording" not in notebook.status()
    assert notebook.value("session.recording") is None
    assert [*tmp_path.iterdir()] == []
    before, begun = map(int, notebook.run(BEGIN.format(folder=str(folder))).split())
    until(lambda: "recording sound, pictures" in notebook.status(), 20, notebook.status())
    talks_on(notebook)
    index, samples = notebook.run(LOUDEST).split()
    loud = bytes.fromhex(samples)
    assert np.abs(np.frombuffer(loud, "<i2")).max() > 1000
    until(lambda: holds(folder, loud), 20, "what was said is not in the files")
    forgotten, now = map(int, notebook.run(FORGET).split())
    assert forgotten >= 2
    assert not holds(folder, loud)
    assert "recording sound, pictures" in notebook.status()
    until(lambda: notebook.value(f"session.timeline[-1].index > {now} + 5"), 30, "it did not go on")
    ending, ended = map(int, notebook.run(END).split())
    until(lambda: "recording" not in notebook.status(), 20, notebook.status())
    files = contents(folder)
    until(lambda: notebook.value(f"session.timeline[-1].index > {ended} + 5"), 30, "it did not go on")
    assert contents(folder) == files
    recording = imkit.open_recording(folder)
    ((start, ticks),) = recording.content.journal.forgot
    assert start <= int(index) < start + ticks == start + forgotten
    lived = set(notebook.value("[m.index for m in session.timeline]"))
    kept = {moment.index for moment in recording}
    assert kept == {tick for tick in lived if min(kept) <= tick <= max(kept)} - {*range(start, start + ticks)}
    assert before < min(kept) <= begun + 2
    assert ending - 1 <= max(kept) <= ended + 1
    pictures = {int(path.stem.split("-")[0]) for path in (folder / "frames").iterdir()}
    assert pictures
    assert pictures <= kept
    notebook.run("session.close()")


def test_what_the_microphone_plays_is_recorded_replays_to_the_byte_and_shows(notebook, devices, tmp_path):
    folder = tmp_path / "talk"
    notebook.show(f"folder = {str(folder)!r}", "imkit.Session()")
    notebook.run("session.record(folder)\nsession.start()")
    notebook.start()
    talks_on(notebook, 2)
    notebook.stop()
    captured = notebook.stats()["capturedTicks"]
    assert notebook.run("print(session.stop_recording())").strip() == str(folder)
    recording = imkit.open_recording(folder)
    places = [moment.index for moment in recording]
    assert places == notebook.value("[m.index for m in session.timeline]")
    assert places[-1] <= captured + 2  # the session began before the page did
    loud = [moment.start_s for moment in recording if abs(moment.percept.audio).max() > LOUD]
    period_s, delays_s = delays(recording, devices[0])
    assert loud[-1] - loud[0] > period_s / 2  # the sentence and the next
    print("how much later each loud micro-turn was recorded than played, s:", delays_s.round(3))
    assert len(delays_s) >= 8
    apart_s = abs((delays_s[:, None] - delays_s + period_s / 2) % period_s - period_s / 2)
    assert (apart_s < 0.05).mean(axis=0).max() > 0.8
    done = subprocess.run(
        [sys.executable, "-m", "imkit.cli", "replay", folder, "--check"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(recording)} micro-turns, the same to the byte" in done.stdout
    notebook.run("timeline = imkit.open_recording(folder).timeline()")
    notebook.run("timeline.figure()")
    labels = notebook.page.locator(".js-plotly-plot .main-svg text")
    until(lambda: "microphone" in labels.all_text_contents(), 60, "the figure did not come")
    notebook.run("session.close()")
