"""Generated cells: data that is checked here and drawn by us, never code or HTML."""

from .figure import chart_figure
from .surface import Surface, SurfaceError

__all__ = ["Surface", "SurfaceError", "chart_figure"]
