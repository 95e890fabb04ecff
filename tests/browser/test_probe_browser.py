"""Looking into nano in JupyterLab: the page says so, and beside a busy cell the conversation comes first."""

import pytest
from lab import Notebook, until

BUSY = "end_s = time.monotonic() + 8\nwhile time.monotonic() < end_s:\n    pass\nprint('over')"


@pytest.fixture(scope="module")
def notebook(lab, chrome):
    """One notebook in which nano listens to the sentence of these tests."""
    context = chrome.new_context(viewport={"width": 1200, "height": 1000}, permissions=["microphone", "camera"])
    context.set_default_timeout(20_000)
    notebook = Notebook(lab, context.new_page(), "probe.ipynb")
    notebook.show("", "imkit.Session()")
    notebook.start()
    yield notebook
    assert notebook.faults == []
    context.close()
    lab.end_kernels()


def lived(notebook) -> int:
    return notebook.value("session.timeline[-1].index")


def lives_on(notebook, ticks: int = 10) -> None:
    goal = lived(notebook) + ticks
    until(lambda: lived(notebook) >= goal, 60, f"no further micro-turn: {notebook.stats()}")


def test_the_page_says_what_is_kept_and_what_is_changed_and_when_it_is_over(notebook):
    assert "keeping" not in notebook.status()
    notebook.run("capture = session.capture(lambda name: name.endswith('hook_resid_post'), last_s=2)")
    layers = notebook.value("session.model.config.layers")
    until(lambda: f"keeping activations of {layers} sites" in notebook.status(), 20, notebook.status())
    lives_on(notebook, 15)
    notebook.run("cache = capture.cache()")
    held = notebook.value("[int(cache.index[0]), int(cache.index[-1]), len(cache.index)]")
    assert 5 <= held[2] <= 10
    assert held[1] - held[0] < 10
    shape = notebook.value("list(cache['blocks.0.hook_resid_post'].shape)")
    assert shape[-1] == notebook.value("session.model.config.width")
    notebook.run(
        "import torch\n"
        "steered = session.steer('blocks.0.hook_resid_post', torch.ones(session.model.config.width), 0.01)"
    )
    until(lambda: "model changed" in notebook.status(), 20, notebook.status())
    notebook.run("steered.remove(); capture.stop()")
    until(lambda: "keeping" not in notebook.status(), 20, notebook.status())
    until(lambda: "model changed" not in notebook.status(), 20, notebook.status())
    assert notebook.value("session.stand_in is None")
    lives_on(notebook)
    changed = notebook.value("sum('hooks' in m.act.diagnostics for m in session.timeline)")
    assert changed >= 1
    assert notebook.value("'hooks' in session.timeline[-1].act.diagnostics") is False


def test_beside_a_busy_cell_the_capture_ends_before_sound_is_lost(notebook):
    """Where the machine is quick enough for both, it is kept; that it goes when it must, virtual time holds."""
    notebook.run("capture = session.capture(last_s=5)")
    until(lambda: "keeping activations" in notebook.status(), 20, notebook.status())
    before, missed = notebook.value("[session.stats()[n] for n in ('dropped_audio_ticks', 'missed_deadlines')]")
    place = notebook.start_running(BUSY)
    until(lambda: notebook.ended(place), 60, "the cell did not end")
    lives_on(notebook)
    dropped = notebook.value("capture.dropped")
    print("beside a cell that computes:", dropped or "kept on", notebook.value("session.stats()"))
    if dropped:
        assert "so that sound goes on" in dropped
    else:
        assert notebook.value("session.stats()['missed_deadlines']") <= missed + 3
        notebook.run("capture.stop()")
    assert notebook.value("session.stats()['dropped_audio_ticks']") <= before + 2
    assert notebook.value("str(session.state)") == "live"
    until(lambda: "keeping" not in notebook.status(), 20, notebook.status())
    assert notebook.value("len(capture.cache().index)") > 0
