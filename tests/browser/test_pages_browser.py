"""What pages do: refuse devices, mute, reload, come twice, start and stop again and again."""

import pytest
from lab import Notebook, answer_delays, until

LIVE_TRACKS = """() => {
    const streams = [...document.querySelectorAll('video, audio')].map(element => element.srcObject).filter(Boolean);
    const tracks = streams.flatMap(stream => stream.getTracks());
    return [...(window.__asked ?? []), ...tracks].filter(track => track.readyState === 'live').map(track => track.kind);
}"""
KEEP_TRACKS = """
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.__asked = [];
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await ask(wanted);
        window.__asked.push(...stream.getTracks());
        return stream;
    };
"""
KERNEL_LEFT = (
    "[sorted(t.name for t in __import__('threading').enumerate() if t.name.startswith('imkit')), "
    "len(__import__('ipywidgets').widgets.widget._instances), len(__import__('psutil').Process().net_connections())]"
)


@pytest.mark.parametrize("context", [[]], indirect=True)
def test_refused_devices_are_said_in_words_and_typing_works(notebook):
    notebook.show()
    notebook.start()
    until(lambda: "microphone refused" in notebook.status(), 10, notebook.status())
    assert "camera refused" in notebook.status()
    assert "Typing works" in notebook.hint()
    notebook.send("hello there")
    until(lambda: "typed" in notebook.talk() and "hello there" in notebook.talk(), 10, notebook.talk())
    until(lambda: max((block["rms"] for block in notebook.tap()["playback"]), default=0) > 0.1, 10, "no sound came")


def test_typing_and_the_demo_voice_need_no_microphone(notebook):
    notebook.show()
    notebook.send("good morning")
    until(lambda: "good morning" in notebook.talk(), 10, notebook.talk())
    assert not notebook.stats()["microphone"]
    notebook.page.locator(".imk-demo").click()
    until(lambda: answer_delays(notebook.tap()), 20, f"the demo voice got no answer: {notebook.stats()}")
    assert not notebook.stats()["microphone"]


def test_mute_ends_the_tracks(notebook):
    notebook.page.add_init_script(KEEP_TRACKS)
    notebook.page.reload()
    notebook.ready()
    notebook.show()
    notebook.start()
    until(lambda: set(notebook.page.evaluate(LIVE_TRACKS)) == {"audio", "video"}, 10, "no live tracks")
    notebook.page.locator(".imk-root button[aria-label*=icrophone], .imk-root button[title*=icrophone]").first.click()
    until(lambda: "audio" not in notebook.page.evaluate(LIVE_TRACKS), 5, "the microphone's track lives on")
    until(lambda: "microphone off" in notebook.status(), 5, notebook.status())
    notebook.page.locator(".imk-root button[aria-label*=amera], .imk-root button[title*=amera]").first.click()
    until(lambda: notebook.page.evaluate(LIVE_TRACKS) == [], 5, "the camera's track lives on")
    ticks = notebook.stats()["capturedTicks"]
    until(lambda: notebook.stats()["capturedTicks"] > ticks + 5, 10, "the clock stopped with the microphone")


def test_reload_keeps_the_timeline_and_the_transcript(notebook):
    notebook.show()
    notebook.start()
    until(lambda: "seven" in notebook.talk(), 20, notebook.talk())
    notebook.send("remember me")
    until(lambda: "remember me" in notebook.talk(), 10, notebook.talk())
    notebook.save()
    ticks = notebook.value("len(session.timeline)")
    notebook.page.goto(f"{notebook.lab.url}lab/tree/{notebook.name}")
    notebook.ready()
    notebook.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 0")
    if not notebook.page.locator(".imk-root").count():
        notebook.run("session")
    notebook.connected()
    assert not notebook.stats()["running"]
    assert notebook.page.locator(".imk-start").last.is_visible()  # the page that went has let go
    until(lambda: "remember me" in notebook.talk(), 10, notebook.talk())
    assert "seven" in notebook.talk()
    assert notebook.stats()["moments"] > 10
    assert notebook.value("len(session.timeline)") >= ticks
    notebook.start()
    until(lambda: answer_delays(notebook.tap()), 20, f"no answer after the reload: {notebook.stats()}")
    assert notebook.value("session.timeline[-1].index") >= ticks


def test_two_tabs_share_one_lease(notebook, lab, context):
    notebook.show()
    notebook.start()
    notebook.save()
    other = Notebook.__new__(Notebook)
    other.lab, other.page, other.name, other.faults = lab, context.new_page(), notebook.name, notebook.faults
    other.page.goto(f"{lab.url}lab/workspaces/other/tree/{notebook.name}?reset")
    other.ready()
    if not other.page.locator(".imk-root").count():
        other.run("session")
    other.connected()
    until(lambda: other.stats()["mine"] is False, 10, str(other.stats()))
    until(lambda: other.stats()["moments"] > 5, 10, "the second tab sees no moments")
    assert notebook.stats()["running"]
    other.page.get_by_role("button", name="Use here").click()
    until(lambda: other.stats()["running"] and other.stats()["capturedTicks"] > 2, 20, str(other.stats()))
    until(lambda: not notebook.stats()["running"], 10, str(notebook.stats()))
    assert notebook.stats()["mine"] is False
    assert not notebook.stats()["microphone"]
    until(lambda: answer_delays(other.tap()), 20, f"no answer in the second tab: {other.stats()}")


def test_start_and_stop_twenty_times_leaves_nothing(notebook):
    notebook.page.add_init_script(KEEP_TRACKS)
    notebook.page.reload()
    notebook.ready()
    notebook.run("import ipywidgets, imkit, plotly")
    first = notebook.value(KERNEL_LEFT)
    notebook.show()
    notebook.start()
    notebook.stop()
    until(lambda: "imkit-loop" not in notebook.value(KERNEL_LEFT)[0], 10, "the loop's thread outlived the stop")
    one = notebook.value(KERNEL_LEFT)
    for _ in range(19):
        notebook.start()
        notebook.stop()
    assert notebook.page.evaluate(LIVE_TRACKS) == []
    assert len(notebook.page.evaluate("window.__asked")) >= 40
    until(lambda: notebook.value(KERNEL_LEFT)[:2] == one[:2], 10, "twenty starts and stops left more than one")
    notebook.run("session.close()")
    until(lambda: notebook.page.evaluate("window.__imkit.engines.size") == 0, 10, "the engine outlived the widget")
    until(lambda: notebook.value(KERNEL_LEFT) == first, 10, f"left: {notebook.value(KERNEL_LEFT)}, before: {first}")


def test_opening_and_closing_sessions_leaves_nothing(notebook):
    notebook.run("import imkit, gc\nfrom fakes_browser import StandIn")
    notebook.show()
    notebook.run("session.close()")
    first = notebook.value(KERNEL_LEFT)
    for _ in range(3):
        notebook.show()
        notebook.start()
        notebook.run("session.close()")
        until(lambda: notebook.page.evaluate("window.__imkit.engines.size") == 0, 10, "the engine outlived the widget")
    notebook.run(
        "from IPython.display import display\n"
        "for _ in range(20):\n    s = imkit.Session(StandIn()); s._repr_mimebundle_(); s.start(); s.close()"
    )
    until(lambda: notebook.value(KERNEL_LEFT) == first, 10, f"left: {notebook.value(KERNEL_LEFT)}, before: {first}")
