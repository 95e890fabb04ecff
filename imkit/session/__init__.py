"""A session: the loop, what drives it, what it hands work to, and the public face that ties them."""

from .delegation import Delegation
from .drive import Drive, Inbox
from .loop import Loop, Work
from .origin import Origin
from .pacer import Pacer, RealPacer, SourcePacer, VirtualPacer
from .session import Session, State
from .sink import Sink
from .snapshots import Snapshot, Snapshots

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
    "VirtualPacer",
    "Work",
]
