"""Hosts beside JupyterLab: Notebook 7, and a page that may not use the microphone with the capture page beside it."""

from conftest import names
from lab import Notebook, Widget, answer_delays, until

VSCODE = """if (location.pathname.startsWith('/lab')) {
    Object.defineProperty(navigator, 'mediaDevices', { get() {}, set() {} });
    addEventListener('DOMContentLoaded', () => { document.body.dataset.vscodeThemeKind = 'vscode-light'; });
}"""


def ours(faults: list[str]) -> list[str]:
    """Without those of Notebook 7 itself, and of ipywebrtc on a page without devices."""
    return [fault for fault in faults if "/static/notebook/" not in fault and "jupyter-webrtc" not in fault]


def heard_and_answered(widget: Widget, times: int = 2) -> None:
    until(lambda: len(answer_delays(widget.tap())) >= times, 30, f"no audible answer: {widget.stats()}")
    assert all(delay < 1.5 for delay in answer_delays(widget.tap()))
    assert "seven" in widget.talk()
    assert widget.strip_colours() >= 3


def test_notebook_7_hears_and_answers(lab, context):
    notebook = Notebook(lab, context.new_page(), next(names), app="notebooks")
    notebook.show("import pandas as pd\npeople = pd.DataFrame({'age': [31, 45, 22]})")
    notebook.start()
    heard_and_answered(notebook)
    assert notebook.stats()["lane"] == "socket"
    notebook.send("plot the age of people")
    notebook.page.locator(".imk-surface .imk-chart").first.wait_for(timeout=20_000)
    assert ours(notebook.faults) == []
    lab.end_kernels()


def test_where_the_page_has_no_microphone_the_capture_page_has(lab, context):
    context.add_init_script(VSCODE)
    notebook = Notebook(lab, context.new_page(), next(names))
    notebook.show()
    until(lambda: "VS Code gives its notebooks no microphone" in notebook.hint(), 5, notebook.hint())
    notebook.send("typing works")
    until(lambda: "typed" in notebook.talk(), 15, notebook.talk())
    link = notebook.page.locator(".imk-page")
    with context.expect_page() as opened:
        link.click()
    page = Widget(opened.value)
    said = []
    page.page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.connected()
    assert page.page.url == link.get_attribute("href")
    page.page.get_by_role("button", name="Use here").click()  # the notebook's page has it: it typed
    heard_and_answered(page)
    assert page.stats()["lane"] == "socket"
    assert page.stats()["framesSent"] > 2
    assert "In use elsewhere" in notebook.page.locator(".imk-state").inner_text()
    assert "seven" in notebook.talk()
    assert said == page.faults == ours(notebook.faults) == []
    page.page.close()
    until(lambda: notebook.value("session._display.link.lease.holder") is None, 15, "the closed page kept the lease")
    notebook.page.locator(".imk-start").wait_for(timeout=10_000)
    lab.end_kernels()
