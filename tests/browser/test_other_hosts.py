"""marimo, kernels of other versions, and plain http from another machine: slow, run by ``make test-hosts``."""

import os
import socket
import subprocess
import urllib.request

import pytest
from conftest import names
from lab import TESTS, Notebook, Widget, answer_delays, chromium, until
from throwaway import ROOT, environment, kernelspec

pytestmark = pytest.mark.slow
LIVE = """
import marimo

app = marimo.App()


@app.cell
def _():
    import imkit
    import pandas as pd
    from fakes_browser import StandIn

    people = pd.DataFrame({"age": [31, 45, 22, 58, 39]})
    session = imkit.Session(StandIn())
    session
    return
"""


def heard_and_answered(widget: Widget, times: int = 2) -> None:
    until(lambda: len(answer_delays(widget.tap())) >= times, 60, f"no audible answer: {widget.stats()}")
    assert "seven" in widget.talk()
    assert widget.strip_colours() >= 3


@pytest.fixture(scope="module")
def marimo(tmp_path_factory):
    """The address of a marimo that edits one notebook with the live cell."""
    folder = tmp_path_factory.mktemp("marimo")
    python = environment(folder / "venv", "marimo")
    (folder / "live.py").write_text(LIVE)
    (folder / ".config" / "marimo").mkdir(parents=True)
    (folder / ".config" / "marimo" / "marimo.toml").write_text("[runtime]\nauto_instantiate = true\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    options = ["--headless", "--no-token", "--skip-update-check", f"--port={port}"]
    with (folder / "marimo.log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "marimo", "edit", *options, folder / "live.py"],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{TESTS}", "HOME": str(folder)},
        )

        def up() -> bool:
            try:
                return urllib.request.urlopen(f"{url}health", timeout=2).status == 200
            except OSError:
                return False

        until(up, 60, f"marimo did not start; see {folder / 'marimo.log'}")
        yield url
        process.terminate()
        process.wait(15)


def test_marimo_hears_answers_and_shows_a_chart(marimo, context):
    widget = Widget(context.new_page())
    widget.page.goto(marimo)
    widget.page.locator(".imk-root").first.wait_for(timeout=90_000)
    widget.connected()
    widget.start()
    heard_and_answered(widget)
    assert widget.stats()["lane"] == "socket"
    widget.send("plot the age of people")
    widget.page.locator(".imk-root .imk-surface .imk-chart").wait_for(timeout=20_000)
    widget.stop()
    assert widget.faults == []


@pytest.mark.parametrize("version", ["6.31.0", "7.3.0", "7.4.0"])
def test_kernels_of_other_versions_hold_a_live_session(version, lab, context, tmp_path):
    python = environment(tmp_path / "venv", f"ipykernel=={version}", constrained=False)
    kernelspec(lab.folder / "data", f"python-{version}", python)
    notebook = Notebook(lab, context.new_page(), next(names), kernel=f"python-{version}")
    assert notebook.value("__import__('ipykernel').__version__") == version
    notebook.show()
    notebook.start()
    heard_and_answered(notebook)
    until(lambda: ("hands over no widget messages" in notebook.hint()) == version.startswith("6"), 5, notebook.hint())
    before = notebook.stats()
    notebook.run("end = time.monotonic() + 4\nwhile time.monotonic() < end:\n    sum(i * i for i in range(99))")
    after = notebook.stats()
    taken, captured = (after[name] - before[name] for name in ("moments", "capturedTicks"))
    assert taken >= captured // 2
    print(f"ipykernel {version}: {taken} of {captured} micro-turns beside a busy cell")
    assert after["lane"] == "socket"
    notebook.stop()
    assert notebook.faults == []
    lab.end_kernels()


def test_plain_http_from_another_machine_is_explained(lab, drive, devices):
    browser = chromium(drive, devices, "--host-resolver-rules=MAP lab.example 127.0.0.1")
    context = browser.new_context(permissions=[])
    context.set_default_timeout(20_000)
    notebook = Notebook(lab, context.new_page(), next(names), host="lab.example")
    notebook.show()
    assert notebook.page.evaluate("[isSecureContext, 'mediaDevices' in navigator]") == [False, False]
    until(lambda: "plain http" in notebook.hint(), 5, notebook.hint())
    assert "ssh -L" in notebook.hint()
    assert not notebook.page.locator(".imk-page").is_visible()  # that page is on the kernel's machine, not here
    notebook.send("still there?")
    until(lambda: "typed" in notebook.talk(), 20, notebook.talk())
    assert notebook.page.locator("button[aria-label^='Microphone']").is_disabled()
    browser.close()
    lab.end_kernels()
