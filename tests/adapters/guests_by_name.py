"""Guests that ``imkit eval --model guests_by_name:NAME`` seats in its own processes; tiny, with random weights."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import imkit
from imkit.adapters.realtime import Realtime

FOLDER = "IMKIT_TEST_GUEST"
URL = "IMKIT_TEST_GUEST_URL"
SPEED = "IMKIT_TEST_GUEST_SPEED"


@cache
def seated(name: str) -> Any:
    """The guest in the folder that the environment tells."""
    folder = Path(os.environ[FOLDER])
    if name == "minicpmo":
        return imkit.load(f"minicpmo:{folder}", trust_remote_code=True)
    return imkit.load(f"{name}:{folder}")


def moshi() -> Any:
    return seated("moshi")


def minicpmo() -> Any:
    return seated("minicpmo")


def inkling() -> Any:
    return seated("inkling")


def realtime() -> Any:
    """A model elsewhere, with a clock so many times as fast as ours."""
    import time

    speed = float(os.environ[SPEED])
    return Realtime(
        os.environ[URL], clock=lambda: speed * time.monotonic(), sleep=lambda seconds: time.sleep(seconds / speed)
    )
