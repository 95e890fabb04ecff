"""A session: the loop, what drives it, what it hands work to, and the public face that ties them."""

from .delegation import Delegation
from .drive import Drive, Inbox
from .loop import Loop, Work
from .origin import Origin
from .pacer import Pacer, RealPacer, SourcePacer, VirtualPacer
from .record import TaskRecord
from .session import Session
from .sink import Sink, Tap
from .snapshots import Snapshot, Snapshots
from .watched import State

__all__ = [
    "Delegation",
    "Drive",
    "Inbox",
    "Loop",
    "Origin",
    "Pacer",
    "RealPacer",
    "Session",
    "Sink",
    "Snapshot",
    "Snapshots",
    "SourcePacer",
    "State",
    "Tap",
    "TaskRecord",
    "VirtualPacer",
    "Work",
]
