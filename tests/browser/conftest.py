"""One JupyterLab and one Chromium for all tests of this folder; a notebook, a kernel and a context for each."""

import itertools
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

MISSING = [tool for tool in ("chromium", "espeak-ng", "ffmpeg") if shutil.which(tool) is None]
names = (f"talk_{number}.ipynb" for number in itertools.count())


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)
            if MISSING:
                item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(MISSING)}"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    from lab import Lab

    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def devices(tmp_path_factory):
    """The files that the fake microphone and the fake camera play over and over."""
    from lab import make_devices

    return make_devices(tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="session")
def chrome(devices, drive):
    from lab import chromium

    browser = chromium(drive, devices)
    yield browser
    browser.close()


@pytest.fixture
def context(chrome, request):
    """A browser context; ``@pytest.mark.parametrize("context", [[]], indirect=True)`` refuses the devices."""
    permissions = getattr(request, "param", ["microphone", "camera"])
    context = chrome.new_context(viewport={"width": 1200, "height": 1000}, permissions=permissions)
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def notebook(lab, context):
    from lab import Notebook

    notebook = Notebook(lab, context.new_page(), next(names))
    yield notebook
    assert notebook.faults == []
    lab.end_kernels()
