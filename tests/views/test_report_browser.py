"""The report in a real Chromium: it plays, follows, zooms, opens micro-turns and loads nothing."""

import re
import shutil
from itertools import pairwise

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
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.faults, page.requests = [], []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert page.faults == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    browser.close()


def pixels(page):
    return page.evaluate("document.getElementById('lanes').toDataURL()")


def settle(page):
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_it_plays_and_the_playhead_follows(page):
    page.click("#play")
    expect(page.locator("#time")).to_have_text(re.compile(r"^(0\.[6-9]|[1-9])"))
    assert page.inner_text("#play") == "Pause"
    page.click("#play")
    assert page.inner_text("#play") == "Play"
    settle(page)
    stopped = page.inner_text("#time")
    page.wait_for_timeout(150)
    assert page.inner_text("#time") == stopped


def test_it_draws_colours_and_zooms_and_goes_back(page):
    settle(page)
    whole = pixels(page)
    found = page.evaluate(
        """() => {
          const canvas = document.getElementById("lanes"), c = canvas.getContext("2d");
          const bytes = c.getImageData(0, 0, canvas.width, canvas.height).data, seen = new Set();
          for (let i = 0; i < bytes.length; i += 4) seen.add(`${bytes[i]},${bytes[i + 1]},${bytes[i + 2]}`);
          return ["11,128,128", "81,70,216", "217,147,6", "211,47,47"].filter((colour) => seen.has(colour));
        }"""
    )
    assert len(found) == 4  # user, model, backchannel, late
    page.click("#closer")
    settle(page)
    assert pixels(page) != whole
    page.click("#whole")
    settle(page)
    assert pixels(page) == whole


def test_a_click_opens_the_micro_turn_and_keys_move_it(page):
    assert page.is_hidden("#card")
    box = page.locator("#board").bounding_box()
    page.mouse.click(box["x"] + 92 + (box["width"] - 100) * 10.1 / 18.2, box["y"] + 60)
    assert "Micro-turn 50, 10.0 to 10.2 s" in page.inner_text("#which")
    told = page.inner_text("#moment")
    assert "Here is </script> the chart" in told
    assert page.is_visible("#picture")
    page.locator("#board").focus()
    page.keyboard.press("ArrowRight")
    assert "Micro-turn 51" in page.inner_text("#which")
    page.keyboard.press("Escape")
    assert page.is_hidden("#card")
    page.keyboard.press("Enter")
    assert page.is_visible("#card")


def test_keys_go_to_gaps_and_the_transcript_moves_the_playhead(page):
    page.click("#transcript li:nth-child(2) button")
    assert page.inner_text("#time") == "5.0 s"
    page.locator("#board").focus()
    page.keyboard.press("Home")
    assert page.inner_text("#time") == "0.0 s"
    first_gap = page.evaluate("gaps[0][0]")
    page.keyboard.press("g")
    assert page.inner_text("#time") == f"{first_gap:.1f} s"
    assert page.get_attribute("#board", "aria-valuenow") == f"{first_gap:.1f}"


def test_a_drag_moves_and_opens_nothing(page):
    for _ in range(3):
        page.click("#closer")
    settle(page)
    before = page.evaluate("document.getElementById('lanes').toDataURL()")
    box = page.locator("#board").bounding_box()
    page.mouse.move(box["x"] + 700, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 100, steps=4)
    page.mouse.up()
    settle(page)
    assert pixels(page) != before
    assert page.is_hidden("#card")


def test_in_the_dark_and_on_paper(page):
    def ground():
        settle(page)
        return page.evaluate(
            "[...document.getElementById('lanes').getContext('2d').getImageData(2, 2, 1, 1).data].slice(0, 3)"
        )

    assert ground() == [255, 255, 255]
    page.emulate_media(color_scheme="dark")
    assert ground() == [0x14, 0x16, 0x1D]
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert ground() == [255, 255, 255]
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert ground() == [0x14, 0x16, 0x1D]


CROWD = """(width) => {
  const board = new Board(document.createElement("canvas"), {}), words = [];
  board.start = 0; board.span = 33; board.size(width, board.tall);
  for (let k = 0; k < 50; k += 1) {
    const at = 3 * Math.floor(k / 5) + .2 * (k % 5);
    words.push([`say${k}`, at, at + .1]);
  }
  return board.told(words, 2).map(([row, [told, at]]) => {
    return [row, told, board.x(at), board.x(at) + board.c.measureText(told).width];
  });
}"""


@pytest.mark.parametrize("width", [1400, 700, 480])
def test_crowded_words_are_told_or_their_lack_is(page, width):
    shown = page.evaluate(CROWD, width)
    told = " ".join(text for _, text, _, _ in shown)
    missing = [k for k in range(50) if f"say{k}" not in told.replace("…", " ").split()]
    assert shown
    assert bool(missing) == ("…" in told)
    assert bool(missing) == (width < 1400)
    for row in range(2):
        edges = [(left, right) for at, _, left, right in shown if at == row]
        assert all(right <= after for (_, right), (after, _) in pairwise(edges))
