"""A real JupyterLab and a real Chromium with fake devices, and what tests do with them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
SENTENCE = "please tell me what nine plus six is"
PAUSE_S = 2.0
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]


def make_devices(folder: Path) -> tuple[Path, Path]:
    """A microphone that says one sentence, then nothing for 3 s, again and again; a camera with a moving test card."""
    raw, voice, camera = folder / "raw.wav", folder / "microphone.wav", folder / "camera.mjpeg"
    subprocess.run(["espeak-ng", "-v", "en-gb", "-s", "150", "-w", raw, SENTENCE], check=True)
    convert = ["ffmpeg", "-v", "error", "-y", "-i", raw, "-ar", "48000", "-ac", "1"]
    pad = f"silenceremove=start_periods=1:start_threshold=-50dB,adelay=500,volume=0.8,apad=pad_dur={PAUSE_S}"
    subprocess.run([*convert, "-af", pad, voice], check=True)
    card = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=640x480:rate=30", "-t", "4"]
    subprocess.run([*card, "-c:v", "mjpeg", "-q:v", "6", "-pix_fmt", "yuvj420p", camera], check=True)
    return voice, camera


class Lab:
    """``jupyter lab`` in a folder of its own, on a free port, with a token."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.token = secrets.token_hex(12)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        settings = folder / ".settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
        (folder / "work").mkdir()
        own = {f"JUPYTER_{name.upper()}_DIR": str(folder / name) for name in ("config", "data", "runtime")}
        self.log = (folder / "lab.log").open("wb")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={self.port}",
                "--ServerApp.ip=127.0.0.1", "--ServerApp.local_hostnames=lab.example",
                f"--IdentityProvider.token={self.token}",
                f"--ServerApp.root_dir={folder / 'work'}",
                "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
                f"--LabApp.user_settings_dir={folder / '.settings'}",
                f"--LabApp.workspaces_dir={folder / '.workspaces'}", "--ServerApp.port_retries=0",
            ],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            cwd=folder / "work",
            env=os.environ
            | own
            | {"PYTHONPATH": f"{ROOT}{os.pathsep}{TESTS}"}
            | (environment or {}),
        )  # fmt: skip
        until(lambda: self._answers(), 180, "JupyterLab did not start; see " + str(folder / "lab.log"))

    def _answers(self) -> bool:
        try:
            return bool(self.api("api/status"))
        except OSError:
            return False

    def api(self, path: str, method: str = "GET") -> object:
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"token {self.token}"}, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def end_kernels(self) -> None:
        for session in self.api("api/sessions"):
            self.api(f"api/sessions/{session['id']}", "DELETE")

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def until(ready, timeout_s, why):
    """Waits until ``ready()`` is true and returns what it gave."""
    end_s = time.monotonic() + timeout_s
    while True:
        value = ready()
        if value:
            return value
        assert time.monotonic() < end_s, why
        time.sleep(0.1)


def chromium(playwright, devices, *more):
    """Chromium with fake devices. Contexts decide on their own what they permit."""
    voice, camera = devices
    files = [f"--use-file-for-fake-audio-capture={voice}", f"--use-file-for-fake-video-capture={camera}"]
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*CHROMIUM, *files, *more])


class Widget:
    """The widget on a page, the last one where there are several."""

    def __init__(self, page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"{error}\n{error.stack}"))

    def connected(self) -> None:
        self.page.locator(".imk-root").last.wait_for(timeout=30_000)
        until(lambda: self.stats().get("link") == "connected", 20, "the widget did not connect")

    def stats(self) -> dict:
        return self.page.evaluate("[...(window.__imkit?.engines?.values() ?? [])].at(-1)?.stats() ?? {}")

    def start(self) -> None:
        self.page.locator(".imk-start").last.click()
        until(lambda: self.stats()["running"] and self.stats()["capturedTicks"] > 2, 20, f"no capture: {self.stats()}")

    def stop(self) -> None:
        self.page.locator(".imk-start").last.click()
        until(lambda: not self.stats()["running"], 10, f"did not stop: {self.stats()}")

    def send(self, text: str) -> None:
        box = self.page.locator(".imk-input").last
        box.fill(text)
        box.press("Enter")

    def status(self) -> str:
        return self.page.locator(".imk-status").last.inner_text()

    def hint(self) -> str:
        return self.page.locator(".imk-hint").last.inner_text()

    def talk(self) -> str:
        return self.page.locator(".imk-talk").last.inner_text()

    def tap(self) -> dict:
        return self.page.evaluate(
            """() => {
                const { playback, microphone } = [...window.__imkit.engines.values()].at(-1).playbackTap();
                return { playback, microphone };
            }"""
        )

    def strip_colours(self) -> int:
        """How many different strong colours, none of them a grey, the live strip shows."""
        return self.page.locator(".imk-root canvas").last.evaluate(
            """canvas => {
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                const seen = new Set();
                for (let i = 0; i < data.length; i += 4) {
                    const rgb = [data[i], data[i + 1], data[i + 2]];
                    if (data[i + 3] === 255 && Math.max(...rgb) - Math.min(...rgb) > 60) seen.add(String(rgb));
                }
                return seen.size;
            }"""
        )


class Notebook(Widget):
    """One notebook in one tab, of JupyterLab or, with ``app`` "notebooks", of Notebook 7."""

    def __init__(
        self, lab: Lab, page, name: str, app: str = "lab/tree", kernel: str = "python3", host: str = "127.0.0.1"
    ) -> None:
        super().__init__(page)
        self.lab, self.name = lab, name
        self.url = f"http://{host}:{lab.port}/{app}/{name}?token={lab.token}&reset"
        path = lab.folder / "work" / name
        if not path.exists():
            empty = {"cells": [], "metadata": {"kernelspec": {"name": kernel, "display_name": kernel}}}
            path.write_text(json.dumps(empty | {"nbformat": 4, "nbformat_minor": 5}))
        self.open()

    def open(self) -> None:
        self.page.goto(self.url)
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_function(
            "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )

    def insert(self, code: str, at: int | None = None) -> int:
        return self.page.evaluate(
            """([code, at]) => {
                const { content } = jupyterapp.shell.currentWidget;
                const cells = content.model.sharedModel;
                const place = at ?? cells.cells.length;
                cells.insertCell(place, {cell_type: 'code', source: code});
                content.activeCellIndex = place;
                return place;
            }""",
            [code, at],
        )

    def run(self, code: str) -> str:
        """Runs code in a new cell, waits for it and returns what it printed. An error in it fails the test."""
        place = self.insert(code)
        self.page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
        outputs = self.outputs(place)
        errors = [output for output in outputs if output["output_type"] == "error"]
        assert not errors, "\n".join(errors[0]["traceback"])
        return "".join("".join(output.get("text", "")) for output in outputs)

    def start_running(self, code: str) -> int:
        """Runs code in a new cell and does not wait."""
        place = self.insert(code)
        self.page.evaluate("void jupyterapp.commands.execute('notebook:run-cell')")
        return place

    def outputs(self, place: int) -> list:
        return self.page.evaluate(
            "place => jupyterapp.shell.currentWidget.content.model.cells.get(place).sharedModel.getOutputs()", place
        )

    def ended(self, place: int) -> bool:
        """Whether a cell that prints at its end has ended. The kernel's status tells of comm messages too."""
        return bool(self.outputs(place))

    def save(self) -> None:
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")

    def value(self, expression: str):
        """The value of a Python expression in the kernel, by way of JSON."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def show(self, setup: str = "", call: str = "imkit.Session(StandIn())") -> None:
        """A cell that ends with a session, whose widget then appears and says hello."""
        self.run(f"import imkit, time\nfrom fakes_browser import StandIn\n{setup}\nsession = {call}\nsession")
        self.connected()


def runs(blocks: list[dict], loud: float, gap_s: float) -> list[tuple[float, float]]:
    """(start, end) of stretches above ``loud``, joined over pauses shorter than ``gap_s``."""
    found: list[list[float]] = []
    for block in blocks:
        if block["rms"] <= loud:
            continue
        if found and block["t"] - found[-1][1] < gap_s:
            found[-1][1] = block["t"]
        else:
            found.append([block["t"] - 0.02, block["t"]])
    return [(start, end) for start, end in found]


def answer_delays(tap: dict) -> list[float]:
    """Seconds from the end of each sentence of the fake microphone to the first sound of the answer to it."""
    sentences = [run for run in runs(tap["microphone"], 0.01, 0.5) if run[1] - run[0] > 0.5]
    answers = [start for start, _ in runs(tap["playback"], 0.02, 0.5)]
    delays = []
    for _, end in sentences:
        after = [start - end for start in answers if 0 < start - end < PAUSE_S]
        if after:
            delays.append(min(after))
    return delays
