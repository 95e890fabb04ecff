"""imkit: full-duplex AI in a Jupyter notebook.

A model that listens, looks, speaks and acts every 200 ms, in your kernel. ``imkit.Session()`` in a cell shows it.
Names load what they need when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters import load
    from .notebook import LiveSession as Session
    from .notebook import live_view
    from .recordings import list_recordings, open_recording
    from .stream import (
        Act,
        Call,
        Event,
        Floor,
        ImkitError,
        InteractionModel,
        ModelSpec,
        Moment,
        OpenConfig,
        Percept,
        Provenance,
        Timeline,
        Word,
    )
    from .surfaces import Surface
    from .tools import mcp, tool

__version__ = "0.1.0"

_HOME = {
    "Act": "stream",
    "Call": "stream",
    "Event": "stream",
    "Floor": "stream",
    "ImkitError": "stream",
    "InteractionModel": "stream",
    "ModelSpec": "stream",
    "Moment": "stream",
    "OpenConfig": "stream",
    "Percept": "stream",
    "Provenance": "stream",
    "Session": "notebook:LiveSession",
    "Surface": "surfaces",
    "Timeline": "stream",
    "Word": "stream",
    "list_recordings": "recordings",
    "live_view": "notebook",
    "load": "adapters",
    "mcp": "tools",
    "open_recording": "recordings",
    "tool": "tools",
}

__all__ = [
    "Act",
    "Call",
    "Event",
    "Floor",
    "ImkitError",
    "InteractionModel",
    "ModelSpec",
    "Moment",
    "OpenConfig",
    "Percept",
    "Provenance",
    "Session",
    "Surface",
    "Timeline",
    "Word",
    "list_recordings",
    "live_view",
    "load",
    "mcp",
    "open_recording",
    "tool",
]


_PARTS = {"measures", "probe", "recordings", "views"}  # that users reach by name: imkit.probe.sites("nano")


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, inside = _HOME[name].partition(":")
    value = getattr(import_module(f".{module}", __name__), inside or name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext imkit``: adds ``%imkit`` and ``%%ask``."""
    import_module(".notebook.magics", __name__).load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext imkit``: takes them and what they made back."""
    import_module(".notebook.magics", __name__).unload(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
