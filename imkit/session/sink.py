"""Where moments go as they happen."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from imkit.stream import Moment, OpenConfig, Percept


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


@runtime_checkable
class Tap(Protocol):
    """Stands between the source and the model and keeps what went by: a recorder. Called in the loop's thread.

    An exception costs what was to be kept and is counted; the session goes on.
    """

    def opened(self, index: int, config: OpenConfig, epoch: int) -> None:
        """From tick ``index`` on a fresh state of the model is stepped; sound belongs to ``epoch``."""

    def admit(self, percept: Percept) -> Percept:
        """What the model is to be given in the place of ``percept``."""

    def put(self, moment: Moment) -> None:
        """Takes what came of it."""
