import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from in_process import TURNS, Listener, hum, plan_for, play

from imkit.scenes.report import report_of, runtime_of
from imkit.scenes.report_figures import bars, frontier, span
from imkit.scenes.report_page import write_page
from imkit.scenes.scoring import Check, Verdict

HEAD = {"suite": "mine", "fingerprint": "f", "model": "m", "weights": ""}


def trial(*kinds, measures=None):
    """A trial from kinds such as "act+" (passed) and "hold-" (failed)."""
    checks = tuple(Check(kind[:-1], kind[-1] == "+", latency_s=0.2 if kind == "act+" else None) for kind in kinds)
    return {"verdict": Verdict(checks, measures or {}).to_json(), "mismatches": 1, "seconds": 5.0}


@pytest.fixture
def plan(tmp_path):
    return plan_for(tmp_path)


TRIALS = {
    TURNS[0]: [trial("act+"), trial("hold+"), trial("act+"), trial("hold-")],
    TURNS[1]: [trial("act+", "hold+", measures={"x": 1.0}), trial("act+", "hold+", measures={"x": 0.0})] * 2,
}


# --- numbers


def test_a_report_has_scores_intervals_and_their_mean(plan):
    report = report_of(plan, HEAD, TRIALS, [], [])
    assert {name: found["score"] for name, found in report["scenes"].items()} == {TURNS[0]: 50.0, TURNS[1]: 100.0}
    assert report["overall"] == 75.0
    assert report["scenes"][TURNS[0]]["ci"] == (0.0, 100.0)  # two holds, one of them broken
    assert report["overall_ci"] == (50.0, 100.0)
    assert report["scenes"][TURNS[1]]["measures"] == {"x": {"mean": 0.5, "n": 4}}
    assert report["scenes"][TURNS[1]]["latency_s"]["n"] == 4
    assert (report["scenes"][TURNS[0]]["mismatches"], report["scenes"][TURNS[0]]["seconds"]) == (4, 20.0)
    assert report["baselines"] == {}
    assert "machine" not in json.dumps(report)


def test_baselines_do_not_depend_on_the_order_in_which_they_ended(plan):
    from imkit.scenes.stage import POLICIES

    rows = [
        {"scene": scene, "number": number, "verdicts": dict.fromkeys(POLICIES, found["verdict"])}
        for scene in TURNS
        for number, found in enumerate(TRIALS[scene])
    ]
    report = report_of(plan, HEAD, TRIALS, rows, [])
    assert report["baselines"] == {policy: {TURNS[0]: 50.0, TURNS[1]: 100.0} for policy in POLICIES}
    assert report_of(plan, HEAD, TRIALS, rows[::-1], []) == report


def test_runtime_tells_quantiles_and_what_was_late(plan):
    rows = [{"scene": TURNS[0], "number": 0, "ms": list(range(1, 101))}, {"scene": TURNS[1], "number": 0, "ms": [250]}]
    runtime = runtime_of(plan, HEAD, rows, 2)
    assert runtime["scenes"][TURNS[0]] == {"p50": 50, "p99": 99, "max": 100, "n": 100, "late": 0}
    assert runtime["tick_ms"] == {"p50": 51, "p99": 100, "max": 250, "n": 101, "late": 1}
    assert runtime["workers"] == 2
    assert runtime_of(plan, HEAD, [], 1)["tick_ms"] == {"n": 0}


# --- drawings


def numbers(pattern, drawing):
    return [float(found) for found in re.findall(pattern, drawing)]


def test_a_bar_is_as_long_as_its_score():
    half, full = (numbers(r"width='([\d.]+)' height='12'", bars(score, (0, 100), {}))[0] for score in (50, 100))
    assert full == pytest.approx(2 * half, abs=0.2)
    marked = bars(50, (40, 60), {"timer": (25.0, "timer-1.0s"), "trivial": (0.0, "silent")})
    assert "timer-1.0s: 25.0" in marked
    at = numbers(r"translate\(([\d.]+) ", marked)
    assert (at[0] - at[1]) == pytest.approx(full / 4, abs=0.2)


def test_a_frontier_has_a_line_a_scene_whose_labels_do_not_overlap():
    drawn = frontier((0.2, 1.0, 3.0), {"a": [0, 20, 10], "b": [0, 0, 0]}, {"a": 80.0, "b": 81.0})
    assert drawn.count("<circle") == 6
    low, high = sorted(numbers(r"<text x='\d+' y='([\d.]+)'>[ab] ", drawn))
    assert high - low >= 14


def test_latencies_may_be_before_what_was_waited_for():
    drawn = span({"a": {"p10": -0.2, "p50": 0.3, "p90": 0.6, "n": 9}})
    start, middle, end = (
        numbers(r"<path d='M([\d.]+)", drawn) + numbers(r"cx='([\d.]+)'", drawn) + numbers(r"H([\d.]+)'", drawn)
    )
    assert start < middle < end
    assert (middle - start) / (end - start) == pytest.approx(0.5 / 0.8, abs=0.01)


# --- the page


class Reader(HTMLParser):
    """Tags that were opened and not closed, and everything that a page would load."""

    VOID = frozenset({"meta", "input", "link", "img", "br"})

    def __init__(self, page):
        super().__init__()
        self.open, self.loads = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.loads += [value for name, value in attributes if name in ("src", "href") and tag != "a"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of a model that hears, with all that a report has."""
    with pytest.MonkeyPatch.context() as patch:
        hum(patch)
        plan = plan_for(
            tmp_path_factory.mktemp("run"), "x:listener", trials=4, baselines=True, load=lambda name: Listener()
        )
        play(plan)
    return plan.out


def test_the_page_is_well_formed_and_loads_nothing(folder):
    page = (folder / "report.html").read_text()
    reader = Reader(page)
    assert reader.open == []
    assert reader.loads == []
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    for told in ("Scores", "Silence timers", "Hearing", "word error, random", "All baselines", "Runtime", "x:listener"):
        assert told in page


def test_the_trials_are_in_the_page(folder):
    page = (folder / "report.html").read_text()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
    assert {scene: len(of) for scene, of in data["trials"].items()} == dict.fromkeys(TURNS, 4)
    kept = json.loads((folder / "trials" / TURNS[0] / "002.json").read_text())
    shown = data["trials"][TURNS[0]][2]
    assert shown == {key: kept[key] for key in shown}
    assert {"verdict", "said", "words", "segments", "calls", "expected", "peaks"} <= set(shown)


def test_texts_cannot_break_the_page(tmp_path):
    report = report_of(plan_for(tmp_path), HEAD | {"model": "<b>&"}, TRIALS, [], [])
    runtime = runtime_of(plan_for(tmp_path), HEAD, [], 1)
    evil = {
        scene: [t | {"number": i, "typed": [[0.2, "</script><b>"]]} for i, t in enumerate(of)]
        for scene, of in TRIALS.items()
    }
    write_page(tmp_path / "report.html", report, runtime, evil)
    page = (tmp_path / "report.html").read_text()
    assert "<b>&" not in page
    assert page.count("</script>") == 2
    assert Reader(page).open == []


# --- in a browser


@pytest.fixture
def page(folder, drive):
    browser = drive.chromium.launch(
        executable_path=shutil.which("chromium"),
        args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
    )
    page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="dark")
    page.faults, page.requests = [], []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto((folder / "report.html").as_uri())
    yield page
    assert page.faults == []
    assert [url for url in page.requests if not url.startswith("file:")] == []
    browser.close()


@pytest.mark.browser
def test_a_trial_is_seen_and_heard(page):
    expect = pytest.importorskip("playwright.sync_api").expect
    assert page.inner_text("#name") == "smooth turn taking 0"  # the first that failed
    page.click(".cells button >> nth=6")
    expect(page.locator("#name")).to_have_text("pause handling 2")
    assert page.url.endswith("#pause_handling/2")
    assert page.locator("#checks .good").count() == 1
    assert "no answer" in page.inner_text("#checks .bad")
    user = page.locator("#timeline text.u")
    assert user.first.text_content().startswith(("what", "how", "tell", "please"))
    page.click("#play")
    expect(page.locator("#time")).to_have_text(re.compile(r"^(0\.[4-9]|[1-9])"))
    page.click("#play")
    expect(page.locator("#play")).to_have_text("Play")
    assert float(page.get_attribute("#head", "x1")) > 40


@pytest.mark.browser
def test_one_goes_from_trial_to_trial_and_to_a_moment(page):
    expect = pytest.importorskip("playwright.sync_api").expect
    page.keyboard.press("ArrowRight")
    expect(page.locator("#name")).to_have_text("smooth turn taking 1")
    assert page.locator("#checks .bad").count() == 0
    page.check("#only")
    assert page.locator(".cells button:visible").count() == 6
    page.click("#after")
    expect(page.locator("#name")).to_have_text("smooth turn taking 2")
    page.click("#timeline", position={"x": 10 + 1.5 * 160, "y": 40})
    seconds = float(page.inner_text("#time").split()[0])
    assert float(page.get_attribute("#head", "x1")) == pytest.approx(250, abs=1)
    assert 1 < seconds < 3


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_both_themes(page, scheme):
    page.emulate_media(color_scheme=scheme)
    paper, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))

    def light(colour):
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    assert abs(light(paper) - light(ink)) > 150
    assert (light(paper) > 128) == (scheme == "light")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
