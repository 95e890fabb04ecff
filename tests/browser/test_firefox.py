"""JupyterLab in a real Firefox: it hears, sees, answers what is typed aloud; ``make test-firefox``."""

import shutil
import subprocess

import firefox
import pytest
from lab import Notebook, until

pytest.importorskip("marionette_driver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(firefox.program() is None, reason="Firefox is not installed (apt install firefox-esr)"),
]


@pytest.fixture
def sound(tmp_path, monkeypatch):
    """Somewhere to play sound: without it Firefox does not even listen."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("PulseAudio is not installed (apt install pulseaudio)")
    monkeypatch.setenv("PULSE_RUNTIME_PATH", str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'native'}")
    modules = ["-L", "module-null-sink", "-L", f"module-native-protocol-unix socket={tmp_path / 'native'}"]
    server = subprocess.Popen(["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", *modules])
    until((tmp_path / "native").exists, 20, "PulseAudio did not start")
    yield
    server.terminate()
    server.wait(10)


@pytest.fixture
def page(lab):
    page = firefox.Page()
    yield page
    page.close()
    lab.end_kernels()


def test_firefox_hears_sees_and_answers_aloud(sound, lab, page):
    notebook = Notebook(lab, page, "firefox.ipynb")
    assert "Firefox/" in page.evaluate("navigator.userAgent")
    notebook.run("import imkit\nsession = imkit.Session()\nsession")
    notebook.connected()
    assert notebook.stats()["lane"] == "socket"
    notebook.start()
    notebook.send("what is two plus three")
    until(lambda: "five" in notebook.talk(), 30, f"no answer: {notebook.talk()!r} {notebook.stats()}")
    until(
        lambda: any(block["rms"] > 0.02 for block in notebook.tap()["playback"]), 20, f"not aloud: {notebook.stats()}"
    )
    assert notebook.strip_colours() >= 2
    notebook.stop()
    heard, seen, spoken, played = notebook.value(
        "[float(abs(session.timeline.user_audio()).max()), sum(bool(m.percept.frames) for m in session.timeline),"
        " ' '.join(w.text for w in session.timeline.words()), session.stats()['played_s']]"
    )
    assert heard > 0.05, "the fake microphone's tone did not come"
    assert seen > 3, "the fake camera's pictures did not come"
    assert "five" in spoken
    assert played > 0.3


@pytest.fixture
def silence(tmp_path, monkeypatch):
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'nobody'}")


def test_firefox_without_anywhere_to_play_sound_says_so_and_is_typed_to(silence, lab, page):
    notebook = Notebook(lab, page, "silent.ipynb")
    notebook.run("import imkit\nsession = imkit.Session()\nsession")
    notebook.connected()
    page.locator(".imk-start").click()
    until(lambda: "nowhere to play sound" in notebook.hint(), 20, f"{notebook.hint()!r} {notebook.stats()}")
    notebook.stop()
    assert notebook.hint() == ""
