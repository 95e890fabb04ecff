"""A recorder for a live session: moments are handed over at once and written by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from imkit.stream import Moment, OpenConfig, Percept

from .recorder import Recorder

MAX_WAITING: Final = 50
PICTURES_S: Final = 0.5
WAIT_S: Final = 1.0
CLOSE_S: Final = 10.0
TOO_SLOW: Final = "the disk is too slow"


class Waiting(NamedTuple):
    """A moment, or other work to be done in its turn; since when it waits, in seconds on the recorder's clock."""

    moment: Moment | None
    work: Callable[[], object] | None
    since_s: float


class QueuedRecorder:
    """Hands moments to ``recorder`` without ever waiting for a disk.

    What waits is lost with the process, so it may wait for a second and no longer. A moment that waited for more than
    0.5 s is written without its pictures (``counts["frames_lost"]``). While the oldest one, the one in the writer's
    hand included, waits for more than 1 s, further moments are not taken: they are lost and counted, and the recording
    says where. So a kill costs at most the last second, and what a slow disk cost before is a hole that can be seen.
    After a hang what waits is written before anything else is lost. No more than 50 wait, however fast they come.

    ``clock`` gives rising seconds.
    """

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.monotonic) -> None:
        self.recorder = recorder
        self._clock = clock
        self._waiting: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._ending = False
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
        missed, state = self._missed[1], self.recorder.state
        if missed and state == "recording":
            return f"failing: {TOO_SLOW}; {self.recorder.counts['lost'] + missed} moments were not written"
        return state

    @property
    def over(self) -> bool:
        """Closed or deleted."""
        return self.recorder.state in {"closed", "deleted"}

    @property
    def told(self) -> str:
        """What a person must know: which streams are recorded, or why they are not; "" once it is over."""
        state, streams = self.state, self.recorder.consent.streams
        if self.over:
            return ""
        return f"recording {', '.join(streams)}" if state == "recording" else f"recording {state}"

    @property
    def counts(self) -> dict[str, int]:
        """moments, frames, rounded, lost, frames_lost, forgotten."""
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
        now_s = self._clock()
        with self._changed:
            oldest = self._waiting[0].since_s if self._waiting else now_s
            if now_s - oldest > WAIT_S or len(self._waiting) >= MAX_WAITING:
                first, missed = self._missed
                self._missed = (first if missed else moment.index, missed + 1)
                return
            self._tell_missed()
            self._waiting.append(Waiting(moment, None, now_s))
            self._changed.notify()

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
            with self._changed:
                self._tell_missed()
                self._ending = True
                self._changed.notify()
            self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self.recorder.close()

    def _done(self, work: Callable[[], Any]) -> Any:
        """The result of ``work``, done in the thread after everything that was put before."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        with self._changed:
            alive = self._thread.is_alive() and not self._ending
            if alive:
                self._tell_missed()
                self._waiting.append(Waiting(None, run, self._clock()))
                self._changed.notify()
        return future.result() if alive else work()

    def _tell_missed(self) -> None:
        first, missed = self._missed
        if missed:
            self._waiting.append(Waiting(None, lambda: self.recorder.missed(first, missed, TOO_SLOW), self._clock()))
            self._missed = (0, 0)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._ending:
                        return
                    self._changed.wait()
                one = self._waiting[0]
            try:
                if one.work is not None:
                    one.work()
                elif one.moment is not None:
                    self.recorder.put(one.moment, pictures=self._clock() - one.since_s <= PICTURES_S)
            except Exception as error:  # a moment that cannot be written, whatever the reason, costs that moment
                self.recorder.counts["errors"] += 1
                self.recorder.stopped = f"{type(error).__name__}: {error}"[:200]
            with self._changed:
                self._waiting.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self.recorder)
