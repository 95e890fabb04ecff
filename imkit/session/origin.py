"""Where a timeline comes from: what it takes to go on from any moment of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from imkit.stream import InteractionModel, Moment, OpenConfig

from .loop import Loop
from .snapshots import Snapshots


@dataclass
class Origin:
    """The model that a timeline was made with, how it was opened, and its states kept along the way.

    model      the model, or a name that ``imkit.load`` knows; loaded when it is first asked for
    opened     the ticks at which a fresh state was opened: the first, and one after each failure that was started over
    snapshots  None keeps no states
    fork       for a timeline that was forked from another: an ``imkit.probe.Branch``
    """

    model: InteractionModel[Any] | str
    config: OpenConfig = field(default_factory=OpenConfig)
    snapshots: Snapshots | None = None
    opened: tuple[int, ...] = (0,)
    fork: Any = None

    def seated(self) -> InteractionModel[Any]:
        """The model itself. Raises ModelError when it cannot be loaded."""
        if isinstance(self.model, str):
            from imkit.adapters import load

            self.model = load(self.model)
        return self.model

    def open_again(self, index: int) -> None:
        """A fresh state was opened before tick ``index``."""
        if index not in self.opened:
            self.opened = (*self.opened, index)
        if self.snapshots is not None:
            self.snapshots.opened(index)

    def keep(self, moment: Moment, loop: Loop, behind: bool) -> None:
        """Keeps the model's state after a moment if a copy is due and, live, there is time for one."""
        kept, after = self.snapshots, moment.index + 1
        if kept is not None and kept.due(after) and not behind and not moment.late:
            kept.take(after, loop.state, loop.ledger)
