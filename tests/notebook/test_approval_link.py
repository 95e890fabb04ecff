"""Questions on the page: asked by a worker in the kernel, shown, answered, over the wire as a page speaks it."""

import threading
import time

import pytest
from test_link import Kernel, Page

from imkit.stream import Provenance
from imkit.tools import Toolbox, ToolRefused, ToolStopped, tool

ran = []


@tool(tier="effect")
def drop(table: str, rows: int = 0) -> str:
    """Drops a table."""
    ran.append((table, rows))
    return "gone"


@tool(outside=True)
def fetch(url: str) -> str:
    """Fetches."""
    ran.append(url)
    return "text"


class Worker:
    """A call in a thread of its own, as delegation makes it."""

    def __init__(self, kernel, name="drop", window=frozenset(), cancelled=None, **arguments):
        self.value = self.error = None
        tools = Toolbox([drop, fetch], asks=kernel.link.approvals)

        def work():
            try:
                self.value = tools.call(name, arguments or {"table": "t"}, window=window, cancelled=cancelled)
            except ToolRefused as error:
                self.error = error

        self.thread = threading.Thread(target=work)
        self.thread.start()

    def end(self, timeout_s=5.0):
        self.thread.join(timeout_s)
        assert not self.thread.is_alive()
        return self.error


@pytest.fixture
def kernel():
    ran.clear()
    kernel = Kernel()
    yield kernel
    kernel.close()


def take(kernel, view="v1", road=None):
    kernel.say({"type": "lease", "take": True, "view": view}, road)
    (road or kernel.comm).control("lease", holder=view)


def answer(kernel, asked, allow=True, view="v1", road=None, **changed):
    kernel.say(
        {"type": "approval", "view": view, "id": asked["id"], "digest": asked["digest"], "allow": allow, **changed},
        road,
    )


def counted(kernel, name):
    end_s = time.monotonic() + 5
    while not kernel.link.approvals.counts[name]:
        assert time.monotonic() < end_s, kernel.link.approvals.counts
        time.sleep(0.002)


def test_allowed_once_by_the_page_that_holds_the_lease(kernel):
    kernel.hello()
    take(kernel)
    worker = Worker(kernel, table='a"b\u202e', rows=12)
    asked = kernel.comm.control("approval")
    assert asked["tool"] == "drop"
    assert asked["arguments"] == [["rows", "12"], ["table", '"a\\"b\u202e"']]
    assert asked["why"] == ["drop changes something."]
    assert asked["view"] == "v1"
    assert 59 < asked["left_s"] <= 60
    assert ran == []
    answer(kernel, asked)
    assert worker.end() is None
    assert ran == [('a"b\u202e', 12)]
    assert kernel.comm.control("approval_gone", id=asked["id"])["why"] == "allowed"


def test_refused_and_replayed(kernel):
    kernel.hello()
    take(kernel)
    worker = Worker(kernel)
    asked = kernel.comm.control("approval")
    answer(kernel, asked, allow=False)
    assert "You refused drop" in str(worker.end())
    answer(kernel, asked)
    counted(kernel, "replayed")
    again = Worker(kernel)
    second = kernel.comm.wait_for(lambda f: b'"approval"' in f.payload and asked["id"].encode() not in f.payload).json()
    answer(kernel, asked)
    answer(kernel, second, digest=asked["digest"])
    assert "other arguments" in str(again.end())
    assert ran == []


@pytest.mark.parametrize("odd", [{"id": 7}, {"digest": None}, {"digest": "é"}, {"allow": "yes"}, {"allow": 1}])
def test_odd_answers_allow_nothing(kernel, odd):
    kernel.hello()
    take(kernel)
    stop = threading.Event()
    worker = Worker(kernel, cancelled=stop.is_set)
    answer(kernel, kernel.comm.control("approval"), **odd)
    counted(kernel, "malformed" if "allow" not in odd else "refused")
    stop.set()
    assert worker.end() is not None
    assert ran == []


def test_only_the_holder_may_answer_whatever_a_message_says(kernel):
    socket = Page()
    kernel.hello("v1")
    kernel.say({"type": "hello", "view": "v2", "page_session": "p", "lane": "socket", "user_agent": "t"}, socket)
    take(kernel, "v1")
    stop = threading.Event()
    worker = Worker(kernel, cancelled=stop.is_set)
    asked = kernel.comm.control("approval")
    answer(kernel, asked, view="v2")
    answer(kernel, asked, view="v1", road=socket)  # a socket is one view's, it cannot speak for another
    answer(kernel, asked, view="")
    end_s = time.monotonic() + 5
    while kernel.link.approvals.counts["foreign"] < 3:
        assert time.monotonic() < end_s, kernel.link.approvals.counts
        time.sleep(0.002)
    assert kernel.link.approvals.waiting
    stop.set()
    assert isinstance(worker.end(), ToolStopped)
    assert ran == []


def test_where_nobody_holds_the_lease_whoever_answers_takes_it_first(kernel):
    kernel.hello()
    worker = Worker(kernel)
    asked = kernel.comm.control("approval")
    assert asked["view"] is None
    answer(kernel, asked)
    counted(kernel, "foreign")
    kernel.say({"type": "lease", "take": True, "view": "v1"})
    answer(kernel, asked)
    assert worker.end() is None
    assert ran == [("t", 0)]


@pytest.mark.parametrize("leaving", ["another page takes over", "the page lets go", "stop"])
def test_whoever_leaves_says_no(kernel, leaving):
    kernel.hello("v1")
    kernel.hello("v2")
    take(kernel, "v1")
    worker = Worker(kernel)
    asked = kernel.comm.control("approval")
    if leaving == "another page takes over":
        kernel.say({"type": "lease", "take": True, "view": "v2"})
    elif leaving == "the page lets go":
        kernel.say({"type": "lease", "take": False, "view": "v1"})
    else:
        kernel.say({"type": "stop", "view": "v1"})
    assert "is gone" in str(worker.end())
    answer(kernel, asked)
    answer(kernel, asked, view="v2")
    time.sleep(0.05)
    assert ran == []


def test_a_page_that_closes_says_no(kernel, monkeypatch):
    monkeypatch.setattr("imkit.notebook.lease.SOCKET_LOST_S", 0.05)
    socket = Page()
    kernel.say({"type": "hello", "view": "v2", "page_session": "p", "lane": "socket", "user_agent": "t"}, socket)
    take(kernel, "v2", socket)
    worker = Worker(kernel)
    socket.control("approval")
    kernel.link.left(socket)
    assert "is gone" in str(worker.end())
    assert ran == []


def test_without_a_page_nothing_is_asked_and_nothing_runs(kernel):
    assert "nobody is there" in str(Worker(kernel).end())
    assert ran == []


def test_no_answer_in_time_is_a_no(kernel):
    kernel.hello()
    kernel.link.approvals._timeout_s = 0.1
    assert "You did not answer" in str(Worker(kernel).end())
    assert kernel.comm.control("approval_gone")["why"] == "no answer in time"


def test_text_from_a_camera_makes_a_read_ask_too(kernel):
    kernel.hello()
    take(kernel)
    assert Worker(kernel, "fetch", url="a").end() is None
    worker = Worker(kernel, "fetch", frozenset({Provenance.CAMERA}), url="b")
    asked = kernel.comm.control("approval")
    assert "camera" in asked["why"][0]
    answer(kernel, asked, allow=False)
    assert worker.end() is not None
    assert ran == ["a"]


def test_a_page_that_comes_later_is_told_what_waits(kernel):
    kernel.hello()
    worker = Worker(kernel)
    asked = kernel.comm.control("approval")
    (waits,) = kernel.hello("v3")["approvals"]
    assert (waits["id"], waits["digest"]) == (asked["id"], asked["digest"])
    kernel.link.approvals.leave()
    worker.end()


def test_closing_the_link_lets_go_of_workers(kernel):
    kernel.hello()
    worker = Worker(kernel)
    kernel.comm.control("approval")
    kernel.link.close()
    assert worker.end() is not None
    assert ran == []


def test_a_live_session_asks_its_page_and_a_virtual_run_asks_nobody():
    from fakes_browser import StandIn

    from imkit.notebook.live import LiveSession
    from imkit.tools import CellRun

    session = LiveSession(StandIn(), tools=[drop], namespace={})
    try:
        assert session.tools.asks is None
        session._repr_mimebundle_()
        assert session.tools.asks is session._display.link.approvals
        seen = []
        session.on_state(lambda *_: seen.append(session.tools.asks))
        session.run(seconds=0.4)
        assert seen[0] is None
        assert session.tools.asks is session._display.link.approvals
        session.cell_log.add(CellRun(1, "1/0", error="ZeroDivisionError: division by zero"))
        assert "ZeroDivisionError" in session.tools.call("last_error", {})["text"]
    finally:
        session.close()
