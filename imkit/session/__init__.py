"""A session: the loop, what drives it, what it hands work to, and the public face that ties them."""

from .delegation import Delegation
from .drive import Drive, Inbox
from .loop import Loop
from .pacer import Pacer, RealPacer, SourcePacer, VirtualPacer
from .session import Session, State
from .sink import Sink, Tap

__all__ = [
    "Delegation",
    "Drive",
    "Inbox",
    "Loop",
    "Pacer",
    "RealPacer",
    "Session",
    "Sink",
    "SourcePacer",
    "State",
    "Tap",
    "VirtualPacer",
]
