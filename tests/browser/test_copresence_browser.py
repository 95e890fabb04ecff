"""A real kernel: a cell fails while a session is live with the notebook shared; the session was told."""

import pytest
from lab import until

EVENTS = "[[m.index, e.text, e.payload] for m in session.timeline for e in m.percept.events if e.kind == 'notebook']"
WORDS = "that raised a KeyError; 'prize' is not a column of df, 'price' is"
FAILING = "print('so far')\nworst = df['prize'].max()"


@pytest.mark.parametrize("context", [[]], indirect=True)
def test_a_failing_cell_is_told_to_a_live_session(notebook):
    notebook.run("import pandas as pd\ndf = pd.DataFrame({'price': [1.0, 2.0]})\n%load_ext imkit")
    notebook.show()
    assert "notebook shared" not in notebook.status()
    notebook.run("%imkit notebook on")
    until(lambda: "notebook shared: cells, outputs, errors" in notebook.status(), 10, notebook.status())
    notebook.run("%imkit say hello")
    until(lambda: notebook.value("len(session.timeline)") > 2, 20, "the session did not begin")
    before = notebook.value("len(session.timeline)")
    place = notebook.insert(FAILING)
    notebook.page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
    assert notebook.outputs(place)[-1]["output_type"] == "error"
    notebook.page.wait_for_timeout(500)  # a kernel drops what is sent while it deals with an error
    found = until(lambda: notebook.value(f"[e for e in {EVENTS} if e[2]['what'] == 'failed']"), 10, "nobody was told")
    ((index, text, about),) = found
    assert text == f"Cell {about['cell']} failed: {WORDS}."
    assert about["error"]["line"] == "worst = df['prize'].max()"
    assert about["printed"] == "so far"
    assert index >= before
    assert notebook.value("session.tools.call('last_error', {})['text']").endswith(f"{WORDS}.")
    place = notebook.start_running("%%ask\nwhat went wrong?")
    until(lambda: notebook.ended(place), 20, "no answer")
    assert WORDS in str(notebook.outputs(place))
    notebook.run("%imkit notebook off")
    until(lambda: "notebook shared" not in notebook.status(), 10, notebook.status())
    told = notebook.value(f"len({EVENTS})")
    notebook.run("print('private')")
    assert notebook.value(f"len({EVENTS})") == told
    assert notebook.value("len(session.cell_log)") == 0
    assert notebook.value("session.stats()['notebook_faults']") == 0
    notebook.run("%unload_ext imkit\nsession.close()")


@pytest.mark.parametrize("context", [[]], indirect=True)
def test_the_switch_in_the_page_and_the_notebook_agree(notebook):
    notebook.show()
    switch = notebook.page.get_by_role("switch", name="Share what cells do with the model")
    said = notebook.page.locator(".imk-root [role=status]", has_text="The notebook is shared")
    assert switch.get_attribute("aria-checked") == "false"
    assert (said.count(), notebook.value("session.notebook")) == (0, False)
    switch.focus()
    switch.press("Space")
    notebook.page.get_by_role("switch", name="Share what cells do with the model", checked=True).wait_for()
    until(lambda: "notebook shared: cells, outputs, errors" in notebook.status(), 10, notebook.status())
    assert (said.count(), notebook.value("session.notebook")) == (1, True)
    notebook.run("session.notebook = False")
    notebook.page.get_by_role("switch", name="Share what cells do with the model", checked=False).wait_for()
    assert (said.count(), "notebook shared" in notebook.status()) == (0, False)
    notebook.run("session.notebook = True")
    notebook.page.get_by_role("switch", name="Share what cells do with the model", checked=True).wait_for()
    switch.press("Enter")
    until(lambda: not notebook.value("session.notebook"), 10, "the page could not switch it off")
    notebook.run("session.close()")


SLIDER = """
from imkit.background import Answer
class Slides:
    def answer(self, task, desk):
        lines = '["root","slider",{"label":"bins","min":0,"max":9,"step":1,"action":"rebin"}]'
        return Answer("Move it.", surface={"title": "Bins", "lines": lines})
"""


@pytest.mark.parametrize("context", [[]], indirect=True)
def test_an_answer_below_its_cell_has_controls_and_stays_as_a_picture(notebook):
    notebook.show(SLIDER, "imkit.Session(StandIn(), Slides())")
    notebook.run("%load_ext imkit")
    notebook.run("%%ask\na slider please")
    slider = notebook.page.locator(".jp-OutputArea-output .imk-surface input[type=range]")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    until(lambda: notebook.value("session.surfaces[0].data") == {"root": 2}, 20, "the slider did nothing")
    notebook.run("session.close()")
    picture = notebook.page.locator(".jp-RenderedHTMLCommon", has_text="Bins")
    picture.wait_for()
    assert slider.count() == 0
    assert "2" in picture.inner_text()
