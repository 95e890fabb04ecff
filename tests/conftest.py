"""Makes tests/fakes.py importable from every folder of tests; and one Playwright for all that drive a browser."""

import pytest


@pytest.fixture(scope="session")
def drive():
    """Playwright's synchronous driver, of which a process can have only one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright
