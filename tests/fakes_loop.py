"""An event loop for tests that need one, whatever else runs in the process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def lived(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end in a thread of its own: Playwright's driver keeps a loop running in the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
