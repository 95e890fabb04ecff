"""What a tool that takes long is given: a way to say how far it is, and to hear that nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from .errors import ToolStopped

MAX_WORDS = 200
POLL_S = 0.05
GRACE_S = 1.0


class Progress:
    """A parameter of this type is given by the caller and is no part of the schema.

    ``progress("half way")`` tells the person, ``progress.cancelled`` is True once nobody wants the result, and
    ``progress.check()`` raises ToolStopped then; call it between steps. ``Progress()`` tells nobody and never stops.
    """

    def __init__(
        self, report: Callable[[str], object] | None = None, cancelled: Callable[[], bool] | None = None
    ) -> None:
        self._report = report
        self._cancelled = cancelled

    def __call__(self, text: str) -> None:
        if self._report is not None:
            self._report(str(text)[:MAX_WORDS])

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more."""
        return self._cancelled is not None and self._cancelled()

    def check(self) -> None:
        """Raises ToolStopped when nobody waits for the result any more."""
        if self.cancelled:
            raise ToolStopped("It was stopped: nobody waits for its result any more.")


def finish(function: Callable[..., Coroutine[Any, Any, Any]], arguments: Mapping[str, Any], progress: Progress) -> Any:
    """Runs an async function to its end in this thread, with an event loop of its own.

    Where a loop already runs in this thread, as in a notebook's cell, another thread is used and waited for. Raises
    ToolStopped, at the function's next await, when ``progress`` is cancelled; what the function raises otherwise.
    """

    def run() -> Any:
        return asyncio.run(_watched(function(**arguments), progress))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def aside() -> None:
        try:
            outcome.append(run())
        except BaseException as error:  # carried over to the thread that waits
            failure.append(error)

    thread = threading.Thread(target=aside, name="imkit-tool", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


async def _watched(coroutine: Coroutine[Any, Any, Any], progress: Progress) -> Any:
    work = asyncio.ensure_future(coroutine)
    while not (await asyncio.wait({work}, timeout=POLL_S))[0]:
        if progress.cancelled:
            work.cancel()
            await asyncio.wait({work}, timeout=GRACE_S)
            progress.check()
    return work.result()
