"""The timeline figure in real JupyterLab: a zoom with the mouse asks the kernel for what is visible."""

from __future__ import annotations

import re

from lab import until

SETUP = """
import numpy as np
from imkit.stream import Act, Moment, Percept, Timeline, Word
from imkit.views import figure
timeline = Timeline(16_000)
sound = (np.random.default_rng(0).normal(size=3200) * 0.1).astype(np.float32)
for k in range(3000):
    heard = (Word(f"word{k // 2}", k / 5, (k + 1) / 5),) if k % 2 == 0 else ()
    timeline.append(Moment(Percept(k, sound * (k % 20 < 9)), Act(k, sound * 0, heard=heard), compute_ms=20))
fig = figure(timeline)
"""


def words(page) -> list[str]:
    texts = page.evaluate("[...document.querySelectorAll('.js-plotly-plot text')].map((e) => e.textContent)")
    found = [text.rstrip("…") for text in texts]
    return [text for text in found if re.fullmatch(r"word\d+", text)]  # not the line that stands for many of them


def test_a_zoom_brings_detail_and_going_back_takes_it_away(notebook) -> None:
    notebook.run(SETUP)
    notebook.run("fig")
    page = notebook.page
    page.locator(".js-plotly-plot .nsewdrag").first.wait_for(timeout=60_000)
    assert words(page) == []
    plot = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    middle, y = plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2
    page.mouse.move(middle, y)
    page.mouse.down()
    page.mouse.move(middle + 20, y, steps=5)
    page.mouse.up()
    until(lambda: len(words(page)) > 10, 60, "no words came after the zoom")
    start_s, end_s = notebook.value("list(fig.layout.xaxis.range)")
    assert 5 < end_s - start_s < 40
    shown = {int(word.removeprefix("word")) for word in words(page)}
    assert min(shown) * 0.4 >= start_s
    assert max(shown) * 0.4 <= end_s
    page.mouse.dblclick(middle, y)
    until(lambda: words(page) == [], 60, "the words stayed after going back")
