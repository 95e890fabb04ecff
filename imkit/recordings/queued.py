"""A recorder for a live session: moments are handed over at once and written by a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, Self

from imkit.stream import Moment, OpenConfig, Percept

from .recorder import Recorder

MAX_WAITING: Final = 50
CLOSE_S: Final = 10.0


class QueuedRecorder:
    """Hands moments to ``recorder`` without ever waiting for a disk.

    At most 50 (10 s) wait; further ones are lost, and counted. Everything else is as in ``Recorder``: what waits is
    written within milliseconds unless the disk hangs.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._waiting: queue.Queue[Callable[[], object] | None] = queue.Queue(MAX_WAITING)
        self._missed = (0, 0)
        self._thread = threading.Thread(target=self._work, name="imkit-recorder", daemon=True)
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return self.recorder.folder

    @property
    def state(self) -> str:
        """recording, "failing: ..." while the disk takes nothing, closed or deleted."""
        return self.recorder.state

    @property
    def over(self) -> bool:
        """Closed or deleted."""
        return self.recorder.state in {"closed", "deleted"}

    @property
    def told(self) -> str:
        """What a person must know: which streams are recorded, or why they are not; "" once it is over."""
        state, streams = self.recorder.state, self.recorder.consent.streams
        if self.over:
            return ""
        return f"recording {', '.join(streams)}" if state == "recording" else f"recording {state}"

    @property
    def counts(self) -> dict[str, int]:
        """moments, frames, rounded, lost, forgotten."""
        return dict(self.recorder.counts)

    def opened(self, index: int, config: OpenConfig, epoch: int) -> None:
        """From tick ``index`` on a fresh state of the model is stepped."""
        self.recorder.opened(index, config, epoch)

    def admit(self, percept: Percept) -> Percept:
        """The percept as it will be stored; give the model this one."""
        return self.recorder.admit(percept)

    def put(self, moment: Moment) -> None:
        """Hands over one moment and returns at once; once it is over, moments are let go."""
        if self.over:
            return
        first, missed = self._missed
        if missed:
            try:
                self._waiting.put_nowait(lambda: self.recorder.missed(first, missed, "the disk is too slow"))
            except queue.Full:
                self._missed = (first, missed + 1)
                return
            self._missed = (0, 0)
        try:
            self._waiting.put_nowait(lambda: self.recorder.put(moment))
        except queue.Full:
            self._missed = (moment.index, 1)

    def forget(self, last_s: float) -> int:
        """Deletes the newest ``last_s`` seconds from all files, those that wait included; see ``Recorder.forget``."""
        return int(self._done(lambda: self.recorder.forget(last_s)))

    def delete(self) -> None:
        """Stops, and deletes every file of the recording, and the folder when nothing else is in it."""
        if self._thread.is_alive():
            self._done(self.recorder.delete)
            self.close()
        else:
            self.recorder.delete()

    def close(self) -> None:
        """Writes what waits and finishes all files. May be called twice."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self.recorder.close()

    def _done(self, work: Callable[[], Any]) -> Any:
        """The result of ``work``, done in the thread after everything that was put before."""
        if not self._thread.is_alive():
            return work()
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        self._waiting.put(run)
        return future.result()

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                work()
            except Exception as error:  # a moment that cannot be written, whatever the reason, costs that moment
                self.recorder.counts["errors"] += 1
                self.recorder.stopped = f"{type(error).__name__}: {error}"[:200]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self.recorder)
