"""Generated cells in a real page: they grow, they are used, and hostile ones do nothing at all."""

import json
from pathlib import Path
from shutil import copy
from urllib.parse import urlsplit

import pytest
from lab import until

PANEL = """
surface = imkit.Surface("p", "Bins")
session.show(surface)
seen = []
surface.on("rebin", lambda action: seen.append((session.timeline[-1].index, action.value)))
surface.feed('["root","column",{},["say","bins","which","go","data"]]\\n')
surface.feed('["say","text",{"text":"**one**","markdown":true}]\\n["bi')
"""
REST = """
surface.feed('ns","slider",{"label":"bins","min":0,"max":10,"step":1,"action":"rebin"}]\\n')
surface.feed('["which","choice",{"label":"which","options":["a","b"]}]\\n')
surface.feed('["go","button",{"label":"Go","action":"draw"}]\\n')
surface.feed('["data","metric",{"label":"now","value":{"$":"bins"}}]\\n')
"""
EVENTS = "[[m.index, e.payload] for m in session.timeline for e in m.percept.events if e.kind == 'ui']"
HOSTILE = """
import sys; sys.path.insert(0, {folder!r})
from corpus import CORPUS, hostile_lines
import json
BRIEF = ("column", "text", "table", "button", "input")
def renamed(lines, n):
    for line in lines:
        children = [f"{{child}}.{{n}}" for child in line[3]] if len(line) > 3 else []
        if n % 4 and line[1] not in BRIEF:
            continue
        own = f"{{line[0]}}.{{n}}" if len(line[0]) < 5 else line[0]  # the long ones are hostile themselves
        yield json.dumps([own, line[1], line[2] if len(line) > 2 else {{}}, children])
made = []
for first in range(0, len(CORPUS), 15):
    part = CORPUS[first:first + 15]
    lines = [json.dumps(["root", "column", {{}}, [f"root.{{n}}" for n in range(len(part))]])]
    for n, text in enumerate(part):
        lines += renamed(hostile_lines(text), n)
    s = imkit.Surface(f"h{{first}}", part[0][:120], data={{"bound": part[0]}}, source=part[-1][:120])
    made.append((s, "\\n".join(lines)))
    session.show(s)
"""
PICTURE = ".jp-RenderedHTMLCommon:has(svg)"
LIVE_MARKUP = "script, iframe, object, embed, form, a, link, style, base, meta, svg image, svg use, img, video, audio"


def settled(page, count):
    until(lambda: page.locator(".imk-surface").count() == count, 120, f"{page.locator('.imk-surface').count()} cells")


def test_a_surface_grows_is_used_tells_the_model_and_goes(notebook):
    page = notebook.page
    notebook.show()
    notebook.start()
    notebook.run(PANEL)
    cell = page.locator(".imk-surface")
    cell.locator("b", has_text="one").wait_for()
    assert cell.locator("input").count() == 0
    notebook.run(REST)
    cell.get_by_role("button", name="Go").wait_for()
    slider = cell.locator("input[type=range]")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    until(lambda: cell.locator(".imk-big").inner_text() == "3", 5, "the metric did not follow the slider")
    cell.locator("select").select_option("b")
    cell.get_by_role("button", name="Go").click()
    # the slider may tell of each of its steps or only of the last: what ends the list is the button
    drawn = "any(payload['component'] == 'go' for _, payload in " + EVENTS + ")"
    until(lambda: notebook.value(drawn), 10, "the button's event did not come")
    events = notebook.value(EVENTS)
    last = events[-1][1]
    assert last == {"surface": "p", "component": "go", "action": "draw", "value": None,
                    "values": {"bins": 3, "which": "b"}}  # fmt: skip
    moves = [payload["value"] for _, payload in events if payload["component"] == "bins"]
    assert moves[-1] == 3
    answered = notebook.value("seen")
    told = next(index for index, payload in events if payload["component"] == "bins")
    assert told - answered[0][0] <= 2, (events, answered)  # the newest tick is done, one is under way, the next tells
    cell.get_by_role("button", name="Code").click()
    assert "imkit.Surface(" in cell.locator(".imk-surface-code pre").inner_text()
    cell.get_by_role("button", name="Insert cell").click()
    inserted = page.evaluate("jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map(cell => cell.source)")
    assert any(source.startswith("import imkit\n\nsurface = imkit.Surface(") for source in inserted)
    cell.get_by_role("button", name="Close").click()
    settled(page, 0)
    notebook.stop()


@pytest.fixture
def saves_state(lab):
    """A JupyterLab that saves the state of widgets with the notebook, which it does not unless told."""
    settings = lab.folder / ".settings" / "@jupyter-widgets" / "jupyterlab-manager"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "plugin.jupyterlab-settings").write_text('{"saveState": true}')
    yield
    (settings / "plugin.jupyterlab-settings").unlink()


def reopen(notebook, name):
    """Opens a saved notebook in the page as it was loaded, with no kernel yet."""
    notebook.page.evaluate("path => jupyterapp.commands.execute('docmanager:open', {path})", name)
    notebook.page.wait_for_function("name => jupyterapp.shell.currentWidget?.context?.path === name", arg=name)
    notebook.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output").first.wait_for()


def test_hostile_surfaces_run_nothing_ask_for_nothing_and_stay_dead_in_the_file(saves_state, notebook, context):
    page, lab = notebook.page, notebook.lab
    asked, dialogs = [], []

    def answer(dialog):
        if dialog.type != "beforeunload":
            dialogs.append(dialog.message)
        dialog.accept()

    context.on("request", lambda request: asked.append(request.url))
    page.on("dialog", answer)
    notebook.show()
    copy(Path(__file__).parents[1] / "surfaces" / "corpus.py", lab.folder)
    notebook.run(HOSTILE.format(folder=str(lab.folder)))
    settled(page, 18)  # before there is much to draw: anywidget gives a model two seconds, and a busy page takes longer
    notebook.run("for s, lines in made:\n    s.feed(lines)\n    s.end()")
    charts = notebook.value("sum(c.kind == 'chart' for s in session.surfaces for c in s.layout.components.values())")
    assert charts > 100
    until(lambda: page.locator(".imk-surface .imk-chart").count() == charts, 180, "not everything was drawn")
    assert page.locator(".imk-surface").locator(LIVE_MARKUP).count() == 0
    names = "[...document.querySelectorAll('.imk-surface *')].flatMap(element => element.getAttributeNames())"
    assert not [name for name in page.evaluate(names) if name.startswith("on") or name in ("href", "src")]
    for number in (0, 7, 17):
        page.locator(".imk-surface").nth(number).get_by_role("button", name="Pin", exact=True).dispatch_event("click")
    until(lambda: page.locator(PICTURE).count() == 3, 40, "no pictures came")
    notebook.save()
    path = lab.folder / "work" / notebook.name
    until(lambda: path.read_text().count('"text/html"') == 3, 15, "the pictures were not saved")
    saved = json.loads(path.read_text())
    assert "widgets" in saved["metadata"], "this test wants the state of widgets to be saved"
    assert "__pwned" not in json.dumps(saved["metadata"])
    outputs = [output.get("data", {}) for cell in saved["cells"] for output in cell.get("outputs", [])]
    pictures = [data for data in outputs if "text/html" in data]
    assert all("text/plain" in data and "<script" not in "".join(data["text/html"]) for data in pictures)
    assert page.evaluate("window.__pwned") is None
    notebook.lab.end_kernels()
    page.goto("about:blank")
    saved["cells"][0]["source"] = "# changed outside, so this file is not trusted"
    (lab.folder / "work" / "untrusted.ipynb").write_text(json.dumps(saved))
    page.goto(f"{lab.url}lab?token={lab.token}&reset")
    page.wait_for_function("window.jupyterapp?.commands.hasCommand('docmanager:open')")
    reopen(notebook, notebook.name)
    until(lambda: page.locator(PICTURE).count() == 3, 40, "the pictures are gone")
    assert page.evaluate("window.__pwned") is None
    reopen(notebook, "untrusted.ipynb")
    trusted = "[...jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.trusted)"
    assert not all(page.evaluate(trusted))
    page.wait_for_timeout(1000)
    assert page.evaluate("window.__pwned") is None
    assert dialogs == []
    away = [url for url in asked if urlsplit(url).scheme in ("http", "https", "file", "ftp") and lab.url not in url]
    assert away == []
