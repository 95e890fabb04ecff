"""The session in a notebook: its widget, the two lanes to it, and the cells it makes. Names load when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .live import LiveSession
    from .onlooker import LiveView, live_view
    from .widget import Panel

_HOME = {"LiveSession": "live", "LiveView": "onlooker", "Panel": "widget", "live_view": "onlooker"}

__all__ = ["LiveSession", "LiveView", "Panel", "live_view"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
