"""The report in a real Chromium: it plays, follows, zooms and loads nothing."""

import re
import shutil

import pytest
from example_timeline import example_timeline

from imkit.views import report

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser


@pytest.fixture
def page(tmp_path, drive):
    path = report(example_timeline(), tmp_path / "r.html")
    browser = drive.chromium.launch(
        executable_path=shutil.which("chromium"),
        args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
    )
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.faults, page.requests = [], []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert page.faults == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    browser.close()


def number(page, selector, attribute):
    return float(page.get_attribute(selector, attribute))


def test_it_plays_and_the_playhead_follows(page):
    page.click("#play")
    expect(page.locator("#time")).to_have_text(re.compile(r"^(0\.[6-9]|[1-9])"))
    assert page.inner_text("#play") == "Pause"
    page.click("#play")
    assert page.inner_text("#play") == "Play"
    at = number(page, "#head", "x1")
    page.wait_for_timeout(150)
    assert number(page, "#head", "x1") == at


def test_zoom_moves_words_and_stretches_sound(page):
    word = ".me[data-t='5']"
    before = page.get_attribute(word, "transform")
    page.click("#closer")
    assert before == "translate(550 0)"
    assert page.get_attribute(word, "transform") == "translate(825 0)"
    assert page.get_attribute("path.mic", "transform") == "scale(165 1)"
    page.click("#whole")
    assert page.evaluate(
        "document.getElementById('scroll').scrollWidth <= document.getElementById('scroll').clientWidth + 1"
    )


def test_keys_and_the_transcript_move_the_playhead(page):
    page.click("#transcript li:nth-child(2) button")
    assert page.inner_text("#time") == "5.0 s"
    page.locator("#scroll").focus()
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#time") == "5.2 s"
    assert "26: 5.2 to 5.4 s" in page.inner_text("#moment")
    page.keyboard.press("Home")
    assert page.inner_text("#time") == "0.0 s"
