"""A session with isolate=True in JupyterLab: the conversation goes on while a cell holds the interpreter."""

from lab import answer_delays, until

DATA = "import pandas as pd\npeople = pd.DataFrame({'age': [31, 45, 22, 58, 39]})"
HELD = "import ctypes\nctypes.PyDLL(None).sleep(10)\nprint('ended')"


def test_a_held_interpreter_is_not_noticed_by_who_talks(notebook, tmp_path):
    notebook.show(DATA, "imkit.Session(StandIn(), isolate=True)")
    notebook.run(f"recording = session.record({str(tmp_path / 'talk')!r})")
    notebook.start()
    until(lambda: len(answer_delays(notebook.tap())) >= 1, 30, f"no audible answer: {notebook.stats()}")
    assert notebook.stats()["lane"] == "socket"
    before, said_before = notebook.stats(), len(answer_delays(notebook.tap()))
    place = notebook.start_running(HELD)
    notebook.page.wait_for_timeout(1000)
    notebook.send("hello")
    until(lambda: len(answer_delays(notebook.tap())) > said_before, 7, "no answer while the interpreter was held")
    after = notebook.stats()
    assert not notebook.ended(place)
    until(lambda: notebook.ended(place), 20, "the cell did not end")
    captured, taken = (after[name] - before[name] for name in ("capturedTicks", "moments"))
    print(f"{taken} of {captured} micro-turns answered while held, rtt {after['rtt']}")
    assert captured > 12
    assert taken >= 0.95 * captured - 1
    until(lambda: "typed" in notebook.talk(), 10, "the typed text was not answered")
    kernel = notebook.value("session.stats()")
    assert kernel["dropped_audio_ticks"] == kernel["missing_audio_ticks"] == kernel["stalls"] == 0
    assert kernel["played_s"] > 0
    assert kernel["recording"].startswith("recording sound")
    notebook.send("plot the age of people")
    notebook.page.locator(".imk-surface .imk-chart").first.wait_for(timeout=20_000)
    notebook.run("import os\npid = session._place.pid\nsession.close()\nassert not os.path.exists(f'/proc/{pid}')")
