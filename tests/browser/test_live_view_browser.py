"""The live view in a real page: the strip of a session that another cell runs, and nothing else."""

from lab import until

SETUP = (
    "import imkit; from fakes_browser import StandIn; from imkit.capture.silence import Silence; "
    "session = imkit.Session(StandIn(), source=Silence(600.0))"
)


def test_a_cell_shows_the_strip_while_another_runs_the_session(notebook):
    notebook.run(SETUP)
    notebook.run("imkit.live_view(session)")
    state = notebook.page.locator(".imk-live .imk-state")
    until(lambda: state.count() == 1 and state.inner_text() == "Ready", 20, "the live view did not connect")
    notebook.run("session.start(); session.say('please plot it')")
    until(lambda: state.inner_text() == "Live", 20, "it does not say that it is live")
    until(lambda: notebook.strip_colours() > 2, 20, "nothing is drawn")
    assert notebook.page.locator(".imk-live button, .imk-live input").count() == 0
    assert notebook.value("session._display is None")
    notebook.run("session.stop()")
    until(lambda: state.inner_text() == "Stopped", 20, "it does not say that it stopped")
