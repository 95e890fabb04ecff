"""nano, our own interaction model: encoder-free audio, video and text in; floor, words, calls and a transcript out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .nano import Nano, load_nano

__all__ = ["Nano", "load_nano"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import nano

        return getattr(nano, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
