"""Where moments go as they happen."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from imkit.stream import Moment


@runtime_checkable
class Sink(Protocol):
    """Takes every moment of a live session, in the loop's thread. Must never block: queue, and drop when full.

    A sink whose listener tells what was really played sets ``reports_played = True`` and passes the reports to
    ``Session.played``; without it, what was sent counts as played.
    """

    def put(self, moment: Moment) -> bool | None:
        """Takes one moment. False says that its sound was not sent on; True or None says that it was."""

    def flush(self, epoch: int) -> None:
        """Drops all sound of epochs below ``epoch`` that was not played yet."""

    def close(self) -> None:
        """Lets go of everything. Called once."""
