"""Work goes on behind the conversation: it is answered meanwhile, its chart appears, and a slider brings the next."""

import pytest
from lab import answer_delays, until

WAITING = """
import threading
from imkit.background import Answer

go = threading.Event()

class Waiting:
    def answer(self, task, desk):
        while not go.wait(0.05):
            desk.check()
        series = [{"name": "n", "y": [3, 1, 2]}]
        spec = {"mark": "bar", "x": ["a", "b", "c"], "x_label": "", "y_label": "", "series": series}
        return Answer("there it is", surface={"title": "Counts", "kind": "chart", "spec": spec})
"""
BETWEEN = """
moments = list(session.timeline)
call = next(call for moment in moments for call in moment.act.calls)
done = next(m.index for m in moments for e in m.percept.events if e.kind == "result" and e.call_id == call.id)
during = [moment for moment in moments if call.tick < moment.index < done]
"""
BINS = """
import json
import numpy as np
from dataclasses import replace
from imkit.background import Answer
from imkit.stream import Call

ages = np.random.default_rng(0).normal(40, 9, 500)

class Turned(StandIn):
    '''Hands on what is done with a control.'''
    def step(self, mind, percept):
        act, mind = super().step(mind, percept)
        moved = [event.text for event in percept.events if event.kind == "ui"][-1:]
        calls = [Call("delegate", f"ui-{percept.index}", "plot", {"request": text}) for text in moved]
        return replace(act, calls=(*act.calls, *calls)), mind

class Bins:
    '''Draws ages in as many bins as the last word of the request says; 5 with a slider at first.'''
    def answer(self, task, desk):
        last = task.request.split()[-1]
        first = not last.isdigit()
        counts, edges = np.histogram(ages, 5 if first else int(last))
        x = [round(float(edge)) for edge in edges[:-1]]
        spec = {"mark": "bar", "x": x, "series": [{"name": "n", "y": counts.tolist()}]}
        lines = [["chart", "chart", spec]]
        if first:
            slider = {"label": "bins", "min": 2, "max": 30, "step": 1, "value": 5, "action": "bins"}
            lines = [["root", "column", {}, ["bins", "chart"]], ["bins", "slider", slider], *lines]
        surface = {"id": "ages", "title": "Ages", "lines": "\\n".join(map(json.dumps, lines))}
        return Answer(f"in {len(counts)} bins", surface=surface)
"""


def test_who_talks_while_the_work_goes_on_is_answered_and_the_chart_appears(notebook):
    notebook.show(WAITING, "imkit.Session(StandIn(), background=Waiting())")
    notebook.start()
    until(lambda: answer_delays(notebook.tap()), 60, f"no audible answer: {notebook.stats()}")
    notebook.send("plot the counts")
    until(lambda: notebook.value("session.stats()['tasks']['asked']") == 1, 30, "nothing was delegated")
    said = len(answer_delays(notebook.tap()))
    until(lambda: len(answer_delays(notebook.tap())) >= said + 2, 60, "no audible answer while the work went on")
    chart = notebook.page.locator(".imk-surface .imk-chart")
    assert chart.count() == 0
    assert notebook.value("session.stats()['tasks']['done']") == 0
    notebook.run("go.set()")
    chart.wait_for(timeout=30_000)
    assert chart.locator(".imk-bar").count() == 3
    until(lambda: "there" in notebook.talk(), 20, "the result was not spoken of")
    said = len(answer_delays(notebook.tap()))
    until(lambda: len(answer_delays(notebook.tap())) > said, 60, "no audible answer after the chart")
    notebook.run(BETWEEN)
    assert notebook.value("sum(len(m.act.heard) for m in during)") >= 2
    assert notebook.value("sum(w.text == 'seven' for m in during for w in m.act.words)") >= 2
    notebook.stop()


@pytest.mark.parametrize("context", [[]], indirect=True)
def test_a_slider_of_a_generated_cell_brings_a_new_chart(notebook):
    notebook.show(BINS, "imkit.Session(Turned(), background=Bins())")
    notebook.send("plot the ages")
    cell = notebook.page.locator(".imk-surface")
    bars = cell.locator(".imk-chart .imk-bar")
    bars.first.wait_for(timeout=30_000)
    assert bars.count() == 5
    slider = cell.locator("input[type=range]")
    slider.focus()
    for count in (6, 7):
        slider.press("ArrowRight")
        until(lambda count=count: bars.count() == count, 30, f"{bars.count()} bars, wanted {count}")
    for _ in range(8):  # faster than a tick: what was asked meanwhile is superseded
        slider.press("ArrowRight")
    until(lambda: bars.count() == 15, 30, f"{bars.count()} bars after many moves")
    assert cell.count() == 1
    calls = notebook.value("[c.arguments['request'] for m in session.timeline for c in m.act.calls]")
    assert calls[:3] == ["plot the ages", "bins set to 6", "bins set to 7"]
    assert calls[-1] == "bins set to 15"
