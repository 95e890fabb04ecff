"""Firefox by Mozilla's own client for it, as a page that ``lab.Notebook`` can use: no driver, no download.

What of a Playwright page the notebook of the tests needs is here, and no more.
"""

from __future__ import annotations

import json
import os
import shutil
import time

PREFERENCES = {
    "media.navigator.streams.fake": True,  # a tone and a picture that changes
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
PLACES = ("/usr/lib/firefox-esr/firefox-esr", "/usr/lib/firefox/firefox", "/opt/firefox/firefox")
CALL = """
const done = arguments[arguments.length - 1];
Promise.resolve()
    .then(() => { const given = (%s); return typeof given === 'function' ? given(...arguments) : given; })
    .then(value => done({ value: value === undefined ? null : value }), error => done({ error: String(error) }));
"""


def program() -> str | None:
    """Where Firefox itself is; on the PATH is often a script that starts it, and the client wants its folder."""
    found = [os.path.realpath(path) for path in map(shutil.which, ("firefox", "firefox-esr")) if path]
    beside = [path for path in [*found, *PLACES] if os.path.exists(os.path.join(os.path.dirname(path), "platform.ini"))]
    return next((path for path in beside if os.path.exists(path)), None)


class Locator:
    """The last element that fits."""

    def __init__(self, page: Page, css: str) -> None:
        self.page, self.css = page, css
        self.last = self

    def _element(self, timeout_s: float = 20.0):
        end_s = time.monotonic() + timeout_s
        while True:
            found = self.page.marionette.find_elements("css selector", self.css)
            if found:
                return found[-1]
            assert time.monotonic() < end_s, f"no {self.css} on the page"
            time.sleep(0.1)

    def wait_for(self, timeout: float = 20_000) -> None:
        self._element(timeout / 1000)

    def click(self) -> None:
        self._element().click()

    def fill(self, text: str) -> None:
        element = self._element()
        element.clear()
        element.send_keys(text)

    def press(self, key: str) -> None:
        assert key == "Enter"
        self._element().send_keys("\ue007")

    def inner_text(self) -> str:
        return self._element().text

    def evaluate(self, function: str):
        many = f"[...document.querySelectorAll({json.dumps(self.css)})].at(-1)"
        return self.page.evaluate(f"() => ({function})({many})")


class Page:
    """One tab of a Firefox with a fake microphone and a fake camera."""

    def __init__(self) -> None:
        from marionette_driver.marionette import Marionette

        self.marionette = Marionette(bin=program(), headless=True, prefs=PREFERENCES)
        self.marionette.start_session()
        self.marionette.timeout.script = 90
        self.marionette.set_window_rect(width=1200, height=1000)

    def on(self, event: str, callback) -> None:
        """Faults of a page are not told here; the test looks at what the widget counts."""

    def goto(self, url: str) -> None:
        self.marionette.navigate(url)

    def evaluate(self, code: str, *given):
        answer = self.marionette.execute_async_script(CALL % code, script_args=given, sandbox=None)
        assert "error" not in answer, answer
        return answer["value"]

    def wait_for_function(self, code: str, timeout: float = 20_000) -> None:
        end_s = time.monotonic() + timeout / 1000
        while not self.evaluate(code):
            assert time.monotonic() < end_s, code
            time.sleep(0.2)

    def locator(self, css: str) -> Locator:
        return Locator(self, css)

    def close(self) -> None:
        self.marionette.quit(in_app=False)
        self.marionette.cleanup()
