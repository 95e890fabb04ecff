"""What the kernel says to the person in the widget and on the capture page, in one place.

The widget's own words are in ``widget/src/strings.ts``; reasons of the session and of recordings come from there.
"""

from __future__ import annotations

from typing import Final

PAGE_TITLE: Final = "imkit: capture page"
CLOSED: Final = "The session was closed in the notebook."


def old_kernel(version: str) -> str:
    """Of an ipykernel before 7, which works, but not while a cell runs."""
    return (
        f"ipykernel {version} hands over no widget messages while a cell runs: without the socket lane, "
        'a busy cell holds the conversation up. Cure: pip install "ipykernel>=7.4".'
    )


def broken_kernel(version: str) -> str:
    """Of ipykernel 7.0, which cannot be used."""
    return (
        f"ipykernel {version} loses widget messages and cells that wait for them; expected 7.1 or later. "
        'Run: pip install "ipykernel>=7.4", then restart the kernel.'
    )


def unexpected(error: Exception) -> str:
    """Of an error that is none of imkit's own."""
    return f"{type(error).__name__}: {error}"[:500]
