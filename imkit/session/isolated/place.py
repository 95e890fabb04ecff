"""Where a session's model lives: in a process apart. The kernel keeps all that has to do with the notebook."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imkit.capture import Source
from imkit.session.delegation import Delegation
from imkit.session.snapshots import Snapshots
from imkit.stream import InteractionModel, Ledger, OpenConfig, SessionError, Timeline

from .drive import DriveApart
from .host import Host, Moments, environment_for
from .moments import spec_of
from .parts import LoopApart, ModelApart, SourceApart, packed
from .wire import Message


class Apart:
    """A place for one session's model in a child process.

    module  what the process runs. The model is loaded there, by its name, or unpickled when it is an object.
    """

    here: bool = False

    def __init__(self, model: str | Path | InteractionModel[Any], module: str, clock: Callable[[], float]) -> None:
        if clock is not time.monotonic:
            raise SessionError("isolate=True keeps the time of its own process; leave out clock=")
        self._module = module
        self._named = str(model) if isinstance(model, str | Path) else None
        self._packed = () if self._named is not None else (packed(model, "model"),)
        self._environment = environment_for(model, os.environ)
        self._moments = Moments()
        self.heard: dict[str, Callable[[Message], object]] = {}
        """What else the process may say, by kind; called in a thread that must not wait."""
        self._host: Host | None = None
        self._let_go: Callable[[], object] = _nothing
        self._epochs: tuple[Host, Ledger] | None = None
        self.origin: Any = model if self._named is None else self._named
        """What a model is made from that forks and replays in the kernel."""
        self.chair: InteractionModel[Any] = ModelApart(spec_of(self.process()[1]))

    @property
    def pid(self) -> int:
        """Of the process; 0 when there is none."""
        return 0 if self.alive is None else self.alive.process.pid

    @property
    def alive(self) -> Host | None:
        """The process, None when there is none."""
        return self._host if self._host is not None and self._host.alive else None

    @property
    def host(self) -> Host:
        """The process, started again if it is gone."""
        return self.process()[0]

    def process(self) -> tuple[Host, dict[str, Any]]:
        """The process, started when there is none, and what its model says of itself."""
        if self._host is not None and self._host.alive:
            return self._host, {}
        if self._host is not None:
            self._host.release()
        moments, heard = Moments(), self.heard

        def receive(message: Message) -> None:
            heard.get(message.kind, moments.put)(message)

        def lost(reason: str) -> None:
            moments.put(Message("lost", {"reason": reason}))
            if "lost" in heard:
                heard["lost"](Message("lost", {"reason": reason}))

        host = Host(self._module, self._environment, receive, lost)
        self._let_go()
        self._let_go = weakref.finalize(self, host.close)
        self._host, self._moments = host, moments
        try:
            told = host.ask("begin", self._packed, model=self._named)
        except BaseException:
            host.close()
            raise
        return host, dict(told["spec"])

    def kept(self, snapshots: Snapshots | None, wanted: bool) -> None:
        """Nothing: the states are in another process."""
        if snapshots is not None and wanted:
            raise SessionError("isolate=True keeps no snapshots: the model's states are in another process")

    def bring(self, source: Source) -> Source:
        """The source, to be read there. Raises SessionError for one that cannot be brought."""
        return SourceApart(source)

    def loop(self, config: OpenConfig, work: Delegation | None, ledger: Ledger, seated: Any) -> Any:
        """A loop that will be opened there. Raises SessionError where something is to stand in for the model."""
        if seated() is not None:
            raise SessionError("session.stand_in cannot step a model that lives in a process apart (isolate=True)")
        return LoopApart(config, work, ledger)

    def keeps(self, loop: LoopApart) -> bool:
        """Whether the process in which it was opened is still there."""
        return loop.host is None or (loop.host is self._host and loop.host.alive)

    def drive(
        self,
        loop: LoopApart,
        source: SourceApart,
        timeline: Timeline,
        *,
        wait: Callable[[float], object] | None,
        **more: Any,
    ) -> DriveApart:
        """Begins to drive the source there. Raises what opening the source or the model raises."""
        if more.pop("tap")() is not None:
            raise SessionError(
                "session.tap is in the kernel, and what it would admit is in a process apart (isolate=True); "
                "use record() to record, or a session without isolate"
            )
        host = self.host
        drive = DriveApart(host, self._moments, loop, source, timeline, lockstep=wait is None, **more)
        known = self._epochs == (host, loop.ledger)
        drive.begin(loop.ledger.epoch if not known else None)
        self._epochs = host, loop.ledger
        return drive

    def played(self, epoch: int, samples: int) -> None:
        """The ledger there is told, too."""
        if self.alive is not None:
            self.alive.tell("played", epoch=epoch, samples=samples)

    def hurry(self) -> None:
        """The process is to be closed next; ends it where its model does not stop within 1.5 s."""
        if self._host is not None:
            self._host.hurry()

    def close(self) -> None:
        """Ends the process."""
        self._let_go()
        if self._host is not None:
            self._host.close()


def _nothing() -> None:
    """There is nothing to let go of."""
