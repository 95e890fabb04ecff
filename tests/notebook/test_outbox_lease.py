"""The queue to the page keeps order and drops by rule; one view holds the lease."""

import threading

import pytest

from imkit.notebook.codec import Frame, Kind
from imkit.notebook.lease import CAPTURE_SILENT_S, COMM_SILENT_S, MAX_VIEWS, SOCKET_LOST_S, Lease, View
from imkit.notebook.outbox import KEEP, Outbox


class Gate:
    """A lane that lets nothing through until it is opened."""

    def __init__(self):
        self.open = threading.Event()
        self.entered = threading.Event()
        self.sent = []

    def __call__(self, parcel):
        self.entered.set()
        assert self.open.wait(10)
        self.sent.append((parcel.frame.kind, parcel.frame.seq, parcel.target))


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def outbox(gate):
    box = Outbox(gate)
    box.put(Frame(Kind.CONTROL_DOWN, b'{"type":"first"}'))  # the sender takes this one and waits in the gate
    assert gate.entered.wait(10)
    yield box
    gate.open.set()
    box.close()


def finish(outbox, gate):
    gate.open.set()
    outbox.close()
    return gate.sent[1:]


def test_order_is_kept_across_kinds(outbox, gate):
    for seq in range(6):
        outbox.put(Frame((Kind.SPEECH, Kind.MOMENT, Kind.CONTROL_DOWN)[seq % 3], seq=seq), f"view {seq}")
    sent = finish(outbox, gate)
    assert [seq for _, seq, _ in sent] == list(range(6))
    assert sent[4][2] == "view 4"


@pytest.mark.parametrize("kind", [Kind.SPEECH, Kind.MOMENT])
def test_the_oldest_goes_first_and_is_counted(outbox, gate, kind):
    other = Kind.MOMENT if kind is Kind.SPEECH else Kind.SPEECH
    outbox.put(Frame(other, seq=999))
    for seq in range(KEEP[kind] + 7):
        outbox.put(Frame(kind, seq=seq))
    assert outbox.dropped == {kind.name.lower(): 7}
    sent = finish(outbox, gate)
    assert sent[0][:2] == (other, 999)
    assert [seq for _, seq, _ in sent[1:]] == list(range(7, KEEP[kind] + 7))


def test_flush_drops_speech_of_lower_epochs_only(outbox, gate):
    for epoch in (1, 2, 3):
        outbox.put(Frame(Kind.SPEECH, epoch=epoch, seq=epoch))
        outbox.put(Frame(Kind.MOMENT, epoch=epoch, seq=10 + epoch))
    outbox.flush(3)
    assert [seq for _, seq, _ in finish(outbox, gate)] == [11, 12, 3, 13]


def test_a_lane_that_breaks_does_not_end_the_sender():
    done = threading.Event()

    def deliver(parcel):
        if parcel.frame.seq == 0:
            raise OSError("lane broke")
        done.set()

    outbox = Outbox(deliver)
    outbox.put(Frame(Kind.MOMENT, seq=0))
    outbox.put(Frame(Kind.MOMENT, seq=1))
    assert done.wait(10)
    outbox.close()
    assert outbox.errors == 1
    outbox.put(Frame(Kind.MOMENT, seq=2))
    assert len(outbox) == 0


def test_twenty_outboxes_leave_no_thread():
    before = threading.active_count()
    for _ in range(20):
        Outbox(lambda parcel: None).close()
    assert threading.active_count() == before


def test_the_lease_goes_to_who_takes_it():
    lease = Lease()
    lease.enter(View("a", "p", capturing=False))
    lease.enter(View("b", "q"))
    assert lease.take("a")
    lease.views["a"].capturing = True
    assert lease.capturing
    assert lease.take("b")
    assert lease.holder == "b"
    assert not lease.views["a"].capturing
    assert not lease.capturing
    assert not lease.take("b")
    assert not lease.release("a")
    assert lease.release("b")
    assert lease.holder is None


@pytest.mark.parametrize(
    ("view", "limit_s"),
    [
        (View("a", "p", heard_s=10.0), COMM_SILENT_S),
        (View("a", "p", heard_s=10.0, capturing=True), CAPTURE_SILENT_S),
        (View("a", "p", heard_s=0.0, lost_s=10.0, capturing=True), SOCKET_LOST_S),
    ],
)
def test_a_silent_view_loses_the_lease_after_its_time(view, limit_s):
    lease = Lease()
    lease.enter(view)
    lease.holder = "a"
    assert not lease.expire(10.0 + limit_s)
    assert lease.holder == "a"
    assert lease.expire(10.01 + limit_s)
    assert lease.holder is None
    assert not lease.views


def test_an_open_socket_is_never_silent():
    lease = Lease()
    lease.enter(View("a", "p", port=object()))
    lease.take("a")
    assert not lease.expire(1e9)
    assert lease.holder == "a"


def test_views_are_bounded_and_the_holder_stays():
    lease = Lease()
    lease.enter(View("holder", "p", heard_s=-1.0))
    lease.take("holder")
    for number in range(MAX_VIEWS + 5):
        lease.enter(View(f"v{number}", "p", heard_s=number))
    assert len(lease.views) == MAX_VIEWS
    assert "holder" in lease.views
    assert "v0" not in lease.views
