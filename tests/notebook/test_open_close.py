"""Sessions shown, started, recorded and closed leave no thread, file, widget or port; make test-soak opens 100."""

import os
import threading
import time

import ipywidgets
import pytest
from fakes_browser import StandIn

from imkit.notebook.live import LiveSession
from imkit.surfaces import Surface

CHART = {
    "mark": "bar", "x": ["a", "b"], "x_label": "what", "y_label": "count", "series": [{"name": "n", "y": [1, 2]}],
}  # fmt: skip
PATIENCE_S = 20.0


def left():
    """What this process holds: threads of ours, open files and sockets, live widgets."""
    threads = sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("imkit"))
    return threads, len(os.listdir("/proc/self/fd")), len(ipywidgets.widgets.widget._instances)


def cycle(folder):
    session = LiveSession(StandIn())
    session._repr_mimebundle_()
    session._display.cells.show(Surface("s", "A chart", "chart", CHART))
    session.live_view()
    session.record(folder)
    session.start()
    session.say("hello")
    session.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files cannot be counted here")
@pytest.mark.parametrize("cycles", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_sessions_opened_and_closed_leave_nothing(tmp_path, cycles):
    cycle(tmp_path / "first")
    before = left()
    for number in range(cycles):
        cycle(tmp_path / str(number))
    end_s = time.monotonic() + PATIENCE_S  # a socket is closed by the thread that serves it
    while left() != before and time.monotonic() < end_s:
        time.sleep(0.05)
    assert left() == before
