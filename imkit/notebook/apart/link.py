"""The link of a session whose sockets are served by a process apart."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from imkit.notebook.link import Link

from .lane import LaneApart

if TYPE_CHECKING:
    from imkit.session.isolated import Apart


class LinkApart(Link):
    """Speaks the protocol as ``Link`` does, and tells the process apart who holds the lease."""

    lane: LaneApart | None = None

    def join(self, place: Apart, traits: Mapping[str, Any] = MappingProxyType({})) -> LaneApart:
        """Opens the sockets there."""
        self.lane = LaneApart(place, self.receive, self.left, traits)
        return self.lane

    def _tell_lease(self) -> None:
        if self.lane is not None:
            self.lane.lease(self.lease.holder, self.lease.capturing)
        super()._tell_lease()
