"""Takes the pictures of the README: ``make pictures``. A real session with nano in JupyterLab, light and dark."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab import Lab, Notebook, answer_delays, chromium, until
from playwright.sync_api import sync_playwright
from test_nano_browser import DATA, make_devices

OUT = Path(__file__).parents[2] / "notebooks" / "pictures"


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as drive:
        folder = Path(name)
        lab, browser = Lab(folder), chromium(drive, make_devices(folder))
        context = browser.new_context(
            viewport={"width": 1000, "height": 1180}, permissions=["microphone", "camera"], device_scale_factor=1.5
        )
        context.set_default_timeout(20_000)
        notebook = Notebook(lab, context.new_page(), "hello.ipynb")
        page = notebook.page
        notebook.run(DATA)
        page.evaluate("jupyterapp.shell.currentWidget.content.model.sharedModel.deleteCell(0)")
        page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
        notebook.run("import imkit\n\nsession = imkit.Session()\nsession")
        notebook.connected()
        notebook.start()
        until(lambda: len(answer_delays(notebook.tap())) >= 2, 40, "no answer")
        page.locator(".imk-root button[aria-label^='Microphone']").last.click()
        page.wait_for_timeout(1500)
        for text, wait_ms in (("count to three", 3500), ("plot the price", 4500)):
            notebook.send(text)
            page.wait_for_timeout(wait_ms)
        page.evaluate(
            "jupyterapp.shell.currentWidget.content.node.querySelector('.jp-WindowedPanel-outer')?.scrollTo(0, 0)"
        )
        for theme, name in (("Light", "session"), ("Dark", "session_dark")):
            page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
            page.wait_for_timeout(2500)
            page.locator(".jp-Notebook").first.screenshot(path=str(OUT / f"{name}.png"))
        browser.close()
        lab.close()


if __name__ == "__main__":
    main()
