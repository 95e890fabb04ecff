"""The roads to the pages: a socket for each page that has one, and the comm, which reaches all the others at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from .codec import encode
from .lease import Lease
from .outbox import Parcel


class Road(Protocol):
    """Where a message came from and can be answered: a socket's port, or the comm."""

    view: str | None

    def send(self, data: bytes) -> bool: ...


class CommRoad:
    """The comm of the widget. It reaches every page that shows it, so it belongs to no single view."""

    view: str | None = None

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    def send(self, data: bytes) -> bool:
        """Sends to every page; False when the comm is closed."""
        try:
            self._send(data)
        except Exception:
            return False
        return True


class Delivery:
    """Brings parcels to pages, in the thread of the outbox. What no road took is counted by the frame's kind."""

    def __init__(self, comm: Road, lease: Lease, counts: Counter[str]) -> None:
        self._comm = comm
        self._lease = lease
        self._counts = counts

    def __call__(self, parcel: Parcel) -> None:
        """Each page by the road that it is on, the comm once for all that have no other."""
        data = encode(parcel.frame)
        target = parcel.target
        if target is not None and not isinstance(target, str):
            self._count(target.send(data), parcel)
            return
        views = [view for view in list(self._lease.views.values()) if target in (None, view.id)]
        for view in views:
            if view.port is not None:
                self._count(view.port.send(data), parcel)
        if any(view.port is None and view.lost_s is None for view in views):
            self._count(self._comm.send(data), parcel)

    def _count(self, sent: bool, parcel: Parcel) -> None:
        if not sent:
            self._counts[f"unsent_{parcel.frame.kind.name.lower()}"] += 1
