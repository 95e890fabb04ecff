"""Every figure in a real Chromium: no two labels touch, none is cut off."""

import shutil

import pytest
from example_timeline import example_timeline

from imkit.views import compare, figure, latency_figure, moment_figure, turn_taking_figure

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

LABELS = """() => {
  const whole = document.querySelector(".main-svg").getBoundingClientRect();
  const labels = [...document.querySelectorAll(".plot-container text")].filter((e) => e.textContent.trim())
    .map((e) => [e.textContent, e.getBoundingClientRect()]).filter(([, box]) => box.width);
  const across = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = (a, b) => Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const touching = labels.flatMap(([one, a], i) =>
    labels.slice(0, i).filter(([, b]) => across(a, b) > 1 && down(a, b) > 3).map(([other]) => [one, other]));
  const cut = labels.filter(([, a]) => a.left < whole.left - 1 || a.right > whole.right + 1 || a.top < whole.top - 1
    || a.bottom > whole.bottom + 1).map(([one]) => one);
  return { touching, cut, count: labels.length };
}"""


@pytest.fixture(scope="module")
def browser(drive):
    browser = drive.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    yield browser
    browser.close()


def drawn():
    timeline = example_timeline()
    other = example_timeline(80)
    yield "whole", figure(timeline, live=False)
    yield "narrow and dark", figure(timeline, theme="dark", width=480, live=False)
    yield "two seconds", figure(timeline, 9.5, 11.5, live=False)
    yield "card", moment_figure(timeline, 10.0)
    yield "narrow card", moment_figure(timeline, 10.0, width=420)
    yield "latency", latency_figure(timeline)
    yield "turn taking", turn_taking_figure(timeline, width=520)
    yield "compare", compare(timeline, other, ("with a long name", "b"), live=False)


def test_no_label_touches_another_or_is_cut(browser, tmp_path):
    for name, fig in drawn():
        path = tmp_path / "figure.html"
        fig.write_html(path, include_plotlyjs="directory")
        page = browser.new_page(viewport={"width": int(fig.layout.width) + 40, "height": int(fig.layout.height) + 40})
        page.goto(path.as_uri())
        page.wait_for_selector(".main-svg")
        page.wait_for_function("document.querySelector('.js-plotly-plot')._fullLayout !== undefined")
        found = page.evaluate(LABELS)
        page.close()
        assert found["count"] > 5, name
        assert found["touching"] == [], name
        assert found["cut"] == [], name
