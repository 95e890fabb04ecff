"""Generated cells: data that is checked here and drawn by us, never code or HTML."""

from .a2ui import from_a2ui, to_a2ui
from .board import Board
from .catalog import CATALOG, Component
from .figure import chart_figure
from .picture import picture, words
from .spec import SurfaceError
from .surface import Action, Surface

__all__ = [
    "CATALOG",
    "Action",
    "Board",
    "Component",
    "Surface",
    "SurfaceError",
    "chart_figure",
    "from_a2ui",
    "picture",
    "to_a2ui",
    "words",
]
