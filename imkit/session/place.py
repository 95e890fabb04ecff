"""Where a session's model lives: here, in the process that the session is in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

from imkit.capture import ClockedSource, Source
from imkit.stream import InteractionModel, Ledger, Moment, OpenConfig, Timeline

from .delegation import Delegation
from .drive import Drive
from .loop import Loop
from .pacer import Pacer, RealPacer, SourcePacer, VirtualPacer
from .snapshots import Snapshots

Seated = Callable[[], InteractionModel[Any] | None]


class Driven(Protocol):
    """What a session steps: a ``Drive``, or one whose ticks happen in another process."""

    loop: Any
    source: Any
    ended: bool
    beating: bool
    stalled_s: float
    behind: int
    counts: Any

    def step(self, timeout_s: float = 0.25) -> Moment | None: ...

    def halt(self) -> bool: ...

    def close(self) -> str: ...


class Place(Protocol):
    """Where a session's model lives, and its sources are read.

    here    whether that is in this process
    pid     of the process that it is in; 0 when there is none
    chair   the model as it is seen from here
    origin  what it is made from
    """

    @property
    def here(self) -> bool: ...

    @property
    def pid(self) -> int: ...
    @property
    def chair(self) -> InteractionModel[Any]: ...

    @property
    def origin(self) -> Any: ...

    def kept(self, snapshots: Snapshots | None, wanted: bool) -> Snapshots | None:
        """What keeps the model's states. Raises SessionError where it is ``wanted`` and cannot be had."""

    def bring(self, source: Source) -> Source:
        """The source as it is read there."""

    def loop(self, config: OpenConfig, work: Delegation | None, ledger: Ledger, seated: Seated) -> Any:
        """A loop with a fresh state of the model."""

    def keeps(self, loop: Any) -> bool:
        """Whether a loop from before can still be gone on with."""

    def drive(
        self, loop: Any, source: Any, timeline: Timeline, *, wait: Callable[[float], object] | None, **more: Any
    ) -> Driven:
        """What drives an opened source through the loop: by the clock, waiting with ``wait``; None is virtual time."""

    def played(self, epoch: int, samples: int) -> None:
        """A report of what was played, which the session's own ledger has taken."""

    def hurry(self) -> None:
        """It will be closed next; a model that does not stop must not hold that up."""

    def close(self) -> None:
        """Lets go of everything."""


class Here:
    """A model in this process."""

    here: bool = True

    def __init__(self, model: InteractionModel[Any], clock: Callable[[], float]) -> None:
        self.chair: InteractionModel[Any] = model
        self.origin: Any = model
        self._clock = clock

    @property
    def pid(self) -> int:
        """Of this process."""
        return os.getpid()

    def kept(self, snapshots: Snapshots | None, wanted: bool) -> Snapshots | None:  # noqa: ARG002
        """Just that."""
        return snapshots

    def bring(self, source: Source) -> Source:
        """The source itself."""
        return source

    def loop(self, config: OpenConfig, work: Delegation | None, ledger: Ledger, seated: Seated) -> Loop:
        """A loop with a fresh state of the model."""
        return Loop(self.chair, config, work, ledger=ledger, clock=time.perf_counter, stand_in=seated)

    def keeps(self, loop: Any) -> bool:  # noqa: ARG002
        """As long as there is one."""
        return True

    def drive(
        self, loop: Loop, source: Source, timeline: Timeline, *, wait: Callable[[float], object] | None, **more: Any
    ) -> Drive:
        """A drive of this process."""
        if wait is None:
            return Drive(loop, source, VirtualPacer(), timeline, **more)
        pacer: Pacer = RealPacer(self._clock, wait)
        if source.clocked:
            pacer = SourcePacer(cast(ClockedSource, source))
        return Drive(loop, source, pacer, timeline, clock=self._clock, **more)

    def played(self, epoch: int, samples: int) -> None:
        """There is one ledger."""

    def hurry(self) -> None:
        """Nothing can be done about a model of this process."""

    def close(self) -> None:
        """Nothing is held."""
