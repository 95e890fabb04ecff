"""One page for everybody: an audit by axe, the keyboard alone, captions, and text from right to left."""

from pathlib import Path

import pytest
from lab import Notebook, answer_delays, until

AXE = Path(__file__).parents[2] / "widget" / "node_modules" / "axe-core" / "axe.min.js"
AUDIT = """async () => {
    const found = await axe.run({ include: [['.imk-root'], ['.imk-surface']] }, {
        runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] },
    });
    const wrong = found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 160))]);
    const read = found.passes.find(({ id }) => id === 'color-contrast')?.nodes.length ?? 0;
    return [wrong, read];
}"""
FOCUS = """() => {
    const { activeElement: at } = document;
    const { outlineStyle, outlineWidth } = getComputedStyle(at);
    const inside = at.closest('.imk-root') !== null;
    const name = at.getAttribute('aria-label') ?? at.textContent ?? '';
    return { inside, name, ring: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
}"""


def tab_to(notebook: Notebook, name: str) -> None:
    """Goes on by the Tab key until that control has the focus, each of the widget's seen to have it."""
    for _ in range(60):
        at = notebook.page.evaluate(FOCUS)
        if at["inside"]:
            assert at["ring"], f"no visible focus on {at['name']!r}"
            if at["name"].startswith(name):
                return
        notebook.page.keyboard.press("Tab")
    pytest.fail(f"the Tab key does not reach {name!r}")


def themed(notebook: Notebook, theme: str) -> None:
    notebook.page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
    notebook.page.locator(f".imk-root[data-imk-theme='{theme.lower()}']").wait_for(timeout=10_000)
    notebook.page.wait_for_timeout(500)


def test_the_widget_is_for_everybody(notebook):
    if not AXE.exists():
        pytest.fail(f"{AXE} is missing: run `make widget` first")
    page = notebook.page
    page.emulate_media(reduced_motion="reduce")
    notebook.show("import pandas as pd\npeople = pd.DataFrame({'age': [31, 45, 22]})")
    until(lambda: page.locator(".imk-start").is_enabled(), 10, "not ready")

    # by the keyboard alone: start, mute, type, read out the strip, stop
    page.locator(".jp-Toolbar button").last.focus()
    tab_to(notebook, "Start")
    page.keyboard.press("Space")
    until(lambda: len(answer_delays(notebook.tap())) >= 1, 30, f"no audible answer: {notebook.stats()}")
    captions = page.locator(".imk-unseen[role=log]")
    until(lambda: "model: seven" in captions.text_content(), 10, "the answer is not read out")
    tab_to(notebook, "Microphone on")
    page.keyboard.press("Enter")
    until(lambda: not notebook.stats()["microphone"], 10, "not muted")
    tab_to(notebook, "Live strip")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    strip = page.locator(".imk-strip")
    assert "tick" in strip.get_attribute("aria-valuetext")
    assert page.locator(".imk-readout").is_visible()
    tab_to(notebook, "Transcript")
    tab_to(notebook, "Message to the model")
    page.keyboard.type("plot the age of people")
    page.keyboard.press("Enter")
    page.locator(".imk-surface .imk-chart").first.wait_for(timeout=20_000)
    page.keyboard.type("ما هو الرقم 42؟")
    page.keyboard.press("Enter")
    arabic = page.locator(".imk-words", has_text="الرقم")
    arabic.wait_for(timeout=10_000)
    assert arabic.evaluate("words => getComputedStyle(words).direction") == "rtl"
    assert page.locator(".imk-words", has_text="plot").evaluate("words => getComputedStyle(words).direction") == "ltr"
    assert page.locator(".imk-knob").first.evaluate("it => getComputedStyle(it, '::before').transitionDuration") == "0s"

    page.add_script_tag(path=AXE)
    for theme in ("Light", "Dark"):
        themed(notebook, theme)
        wrong, read = page.evaluate(AUDIT)
        assert wrong == [], theme
        assert read > 0, "axe could tell the contrast of nothing; people.test.ts computes that of all colours"
    page.keyboard.press("Shift+Tab")
    for _ in range(20):
        if page.evaluate(FOCUS)["name"].startswith("Stop"):
            break
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    until(lambda: not notebook.stats()["running"], 10, "did not stop")
